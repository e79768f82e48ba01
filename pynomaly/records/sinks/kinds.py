"""Every kind of sink by name. A new kind needs its settings, a module with a `SINK`, and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from pynomaly.records.sinks import (
    delta,
    folders,
    google_sheets,
    influx,
    power_bi,
    smartsheet,
    sql,
    topic,
    webhook,
)
from pynomaly.records.sinks.kind import SinkKind

__all__ = ["SINKS"]

SINKS: Mapping[str, SinkKind] = {
    "delta": delta.SINK,
    "influx": influx.SINK,
    "parquet": folders.PARQUET,
    "powerbi": power_bi.SINK,
    "sheets": google_sheets.SINK,
    "smartsheet": smartsheet.SINK,
    "sql": sql.SINK,
    "topic": topic.SINK,
    "webhook": webhook.SINK,
    "xlsx": folders.WORKBOOK,
}
