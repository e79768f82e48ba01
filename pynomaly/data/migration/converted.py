"""The result of a conversion, in Pynomaly's terms; each product's module makes it, the command writes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from pynomaly.config.spelling.units import spell_duration
from pynomaly.data.incidents import Incident

__all__ = ["ConvertedExport", "add_series_settings"]

_MAX_COLUMNS = 50
"""Most columns that get time-series features automatically; each adds three."""


@dataclass
class ConvertedExport:
    """The parts of a pipeline that an export defines.

    Attributes
    ----------
    title : str
        Name of the product, for people.
    name : str
        Name in the export; becomes a pipeline name through :func:`pynomaly.data.intake.make_slug`.
    settings : dict
        Blocks and keys of a pipeline's YAML that the export defines; the others are drafted from the rows.
    table : DataFrame or None
        The rows, if they had to be joined into one table.
    file : Path or None
        The file that holds the rows unchanged. If `table` and `file` are None, the export has no rows.
    incidents : list of Incident
        Time spans that people declared abnormal.
    before : DataFrame or None
        Verdicts of the old product for each row; kept in a table of their own, never used as labels.
    carried : dict
        Maps a setting to its origin in the export.
    left_out : dict
        Maps what has no equivalent here to the reason.
    """

    title: str
    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    table: pd.DataFrame | None = None
    file: Path | None = None
    incidents: list[Incident] = field(default_factory=list)
    before: pd.DataFrame | None = None
    carried: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def add_setting(self, setting: str, value: object, source: str) -> None:
        """Set ``block.key`` (or ``block.block.key``), and record its origin `source`."""
        *blocks, key = setting.split(".")
        inner = self.settings
        for block in blocks:
            inner = inner.setdefault(block, {})
        inner[key] = value
        self.carried[setting] = source

    def leave_out(self, what: str, why: str) -> None:
        """Record that `what` is not carried over, and why."""
        self.left_out[what] = why

    def leave_out_unknown(
        self, document: str, extra: dict[str, Any] | None, known: Sequence[str] = ()
    ) -> None:
        """Record the fields of a document that nothing here reads, except bookkeeping fields (`known`)."""
        if names := sorted(set(extra or {}) - set(known)):
            self.leave_out(f"{document}: {', '.join(names)}", "nothing here corresponds to it")


def add_series_settings(
    outcome: ConvertedExport,
    columns: Sequence[str],
    source: str,
    rows: int = 12,
    step: timedelta | None = None,
) -> None:
    """Set ``data.series`` for `columns`, so that a detector sees their past as a time-series product does."""
    if len(columns) > _MAX_COLUMNS:
        why = f"of {len(columns)} columns they would be {3 * len(columns)} more; name the ones that matter"
        outcome.leave_out("data.series", why)
        return
    row_count = min(rows, 1000)
    outcome.add_setting("data.series.columns", list(columns), source)
    outcome.add_setting(
        "data.series.rows",
        row_count,
        source if row_count == rows else f"{source}: {rows}, of which 1000 count",
    )
    if step:
        outcome.add_setting(
            "data.series.history",
            spell_duration(max(timedelta(seconds=1), step * row_count)),
            "as many rows back",
        )
