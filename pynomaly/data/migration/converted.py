"""What a conversion comes to, in words of ours; made by each product's module, written by the command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from pynomaly.config.units import spell
from pynomaly.data.incidents import Incident

__all__ = ["Converted", "past"]

_WIDEST = 50
"""Most columns whose past becomes features by itself; each adds three."""


@dataclass
class Converted:
    """A pipeline as far as an export tells it.

    Attributes
    ----------
    title : str
        Product it comes from, as people call it.
    name : str
        What the export calls it; made a pipeline's name by :func:`pynomaly.data.inspect.slug`.
    settings : dict
        Blocks and keys of a pipeline's YAML that the export says; the others are drafted from the rows.
    table : DataFrame or None
        Rows, where they had to be brought into one table.
    file : Path or None
        The table that holds the rows as they are; neither: the export holds none.
    incidents : list of Incident
        Spans that people declared abnormal.
    before : DataFrame or None
        What the old product said of each row; kept beside, never a label.
    carried : dict
        Setting to where it comes from.
    left_out : dict
        What has no equal here to the reason.
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

    def say(self, setting: str, value: object, source: str) -> None:
        """Set ``block.key`` (or ``block.block.key``), with where it comes from."""
        *blocks, key = setting.split(".")
        inner = self.settings
        for block in blocks:
            inner = inner.setdefault(block, {})
        inner[key] = value
        self.carried[setting] = source

    def leave(self, what: str, why: str) -> None:
        """Put on the list what is not carried over."""
        self.left_out[what] = why

    def leave_unknown(self, document: str, extra: dict[str, Any] | None, known: Sequence[str] = ()) -> None:
        """Name the fields of a document that nothing here reads, but for bookkeeping (`known`)."""
        if names := sorted(set(extra or {}) - set(known)):
            self.leave(f"{document}: {', '.join(names)}", "nothing here corresponds to it")


def past(
    outcome: Converted, columns: Sequence[str], source: str, rows: int = 12, step: timedelta | None = None
) -> None:
    """Let a detector see each column's past, as a product for series does."""
    if len(columns) > _WIDEST:
        why = f"of {len(columns)} columns they would be {3 * len(columns)} more; name the ones that matter"
        outcome.leave("data.series", why)
        return
    kept = min(rows, 1000)
    outcome.say("data.series.columns", list(columns), source)
    outcome.say(
        "data.series.rows",
        kept,
        source if kept == rows else f"{source}: {rows}, of which 1000 count",
    )
    if step:
        outcome.say("data.series.history", spell(max(timedelta(seconds=1), step * kept)), "as many rows back")
