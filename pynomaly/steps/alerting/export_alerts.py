"""Writes alerts of a pipeline to one file, atomically. Called by the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.errors import ConfigError
from pynomaly.judging.alerts.alert import Alert
from pynomaly.records.anomaly_result import EXPORT_FORMATS, build_anomaly_result, render_documents
from pynomaly.records.store import write_atomically

__all__ = ["export_alerts"]


def export_alerts(pipeline: Pipeline, alerts: Sequence[Alert], output: Path) -> dict[str, Any]:
    """Write `alerts` to `output`; its file name extension sets the format.

    Raises
    ------
    ConfigError
        If the name ends in none of :data:`~pynomaly.records.anomaly_result.EXPORT_FORMATS`; nothing is
        written.
    RecordError
        If the file cannot be written.
    """
    kind = output.suffix.lower().removeprefix(".")
    if kind not in EXPORT_FORMATS:
        ends = ", ".join(f".{name}" for name in EXPORT_FORMATS)
        raise ConfigError(f"--output {str(output)!r}: expected a name that ends in one of {ends}")
    documents = [build_anomaly_result(item, pipeline.data.id) for item in alerts]
    write_atomically(output, render_documents(documents, kind))
    return {"output": str(output), "format": kind, "alerts": len(documents)}
