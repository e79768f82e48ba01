"""Draws of audits: rows of scored windows at random, recorded before anybody sees them, as a table to label.

Called by the command line, and by :mod:`pynomaly.steps.promotion.deciding_audit` for a draw that compares two
models. What answers need later is recorded with the draw: chances, scores, blocks of dependent rows.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.sources.checked_window import read_checked_window
from pynomaly.data.window import Window
from pynomaly.errors import ConfigError, RecordError, WindowError
from pynomaly.judging.alerts.audit_draw import AuditDraw, draw_audit_rows, rank_alerted
from pynomaly.model.dependence.dependence import DAY, Dependence
from pynomaly.records.ledger import Audit, Partition
from pynomaly.records.sheet import escape_cell
from pynomaly.records.store import write_atomically
from pynomaly.steps.alerting.alert_rows import read_entities
from pynomaly.steps.pipeline_records import PipelineRecords

__all__ = ["ScoredParts", "check_draw", "draw_audit", "draw_seed", "record_draw"]

MIN_AUDIT_ROWS = 4


@dataclass(frozen=True, eq=False)
class ScoredParts:
    """Scored windows to draw from.

    Attributes
    ----------
    parts : sequence of Partition
    table : DataFrame of shape (n, k)
        Their scores, one after the other, with a new index; ``part`` is the position of the window in
        `parts`, ``row`` that of the row among the usable rows of its window.
    """

    parts: Sequence[Partition]
    table: pd.DataFrame

    @classmethod
    def read(cls, records: PipelineRecords, last: timedelta) -> ScoredParts:
        """Read the windows of the newest `last`.

        Raises
        ------
        RecordError
            If no window was scored.
        """
        pipeline = records.pipeline
        partitions = records.ledger.list_partitions(pipeline.name)
        ends = [item.end for item in partitions if item.end is not None]
        parts = [item for item in partitions if item.start is None or item.start >= max(ends) - last]
        if not parts:
            raise RecordError(f"{pipeline.name}: no window was scored yet; run score or backfill first")
        frames = [
            records.store.read_scores(pipeline.name, [item.window], {item.window: item.sha256})
            for item in parts
        ]
        numbered = [frame.assign(part=number) for number, frame in enumerate(frames)]
        return cls(parts, pd.concat(numbered, ignore_index=True))


def check_draw(rows: int, output: Path) -> None:
    """Raise ConfigError if `rows` is under four or `output` does not end in ``.csv``."""
    if rows < MIN_AUDIT_ROWS:
        raise ConfigError(f"--rows {rows} is not allowed: {MIN_AUDIT_ROWS} or more are needed")
    if output.suffix != ".csv":
        raise ConfigError(f"--output {str(output)!r}: expected a name that ends in .csv")


def draw_seed() -> int:
    """Return a seed that nobody chose."""
    return int(np.random.SeedSequence().generate_state(1)[0])


def draw_audit(
    pipeline: Pipeline, rows: int, last: timedelta, output: Path, author: str, seed: int | None = None
) -> dict[str, Any]:
    """Draw rows of the newest windows, record the draw, and write a CSV table to label.

    The table holds the values of a row but not its score, so that the score does not influence the labels.

    Raises
    ------
    ConfigError
        If `rows` is under four or `output` does not end in ``.csv``.
    RecordError
        If no window was scored in the time range.
    """
    check_draw(rows, output)
    with PipelineRecords.open(pipeline) as records:
        scored = ScoredParts.read(records, last)
        used_seed = draw_seed() if seed is None else seed
        draw = draw_audit_rows(scored.table["p_value"], scored.table["is_anomaly"], rows, used_seed)
        # Scores of two versions are not on one scale; their p-values are.
        one_version = len({part.version for part in scored.parts}) == 1
        scores = (scored.table["score"] if one_version else -scored.table["p_value"]).to_numpy()
        ranks = rank_alerted(scores, scored.table["is_anomaly"], used_seed)
        facts = [
            {"score": float(scores[place]), "rank": None if np.isnan(ranks[place]) else float(ranks[place])}
            for place in draw.places
        ]
        newest = max(scored.parts, key=lambda part: part.version)
        bundle = records.registry.load_bundle(records.registry.find_version(pipeline.name, newest.version))
        content = {"seed": used_seed}
        return record_draw(
            records, scored, draw, facts, bundle.dependence, content, output, author,
        )  # fmt: skip


def record_draw(
    records: PipelineRecords,
    scored: ScoredParts,
    draw: AuditDraw,
    facts: Sequence[Mapping[str, Any]],
    dependence: Dependence,
    content: Mapping[str, Any],
    output: Path,
    author: str,
) -> dict[str, Any]:
    """Record a draw and write its table; returns what was drawn, for people.

    Parameters
    ----------
    records : PipelineRecords
    scored : ScoredParts
    draw : AuditDraw
    facts : sequence of mapping
        What is kept of each drawn row besides its key, stratum and block.
    dependence : Dependence
        How the scores of the rows depend on each other.
    content : mapping
        What is kept of the draw besides windows, strata and rows.
    output : Path
    author : str
    """
    pipeline, parts = records.pipeline, scored.parts
    sample = scored.table.loc[draw.places].reset_index(drop=True)
    row_entities = read_entities(pipeline, sample)
    times = sample[pipeline.data.time] if pipeline.data.time else None
    blocks = np.arange(len(sample)) if times is None else dependence.number_blocks(times, row_entities)
    # A block for all rows has no length; what is joined within it makes no difference.
    reach = max(DAY, dependence.block) if dependence.is_dependent and not dependence.is_short else DAY
    whole = {
        "from": parts[0].start,
        "to": parts[-1].end,
        "windows": len(parts),
        **content,
        "strata": [vars(item) for item in draw.strata],
        "reach": reach,
        "rows": [
            {
                "entity": str(row_entities[place]),
                "row": _make_row_key(pipeline, sample, place),
                "window": parts[int(sample["part"][place])].window,
                "stratum": draw.names[place],
                "block": int(blocks[place]),
                **facts[place],
            }
            for place in range(len(sample))
        ],
    }
    name = hashlib.sha256(repr((pipeline.name, whole)).encode()).hexdigest()[:8]
    sheet = _build_sheet(records, sample, parts)
    sheet.insert(0, "audit", name)
    sheet.insert(1, "number", range(len(sheet)))
    sheet["label"] = ""
    sheet["note"] = ""
    records.answers.add_facts(Audit(f"audit:{pipeline.name}:{name}", pipeline.name, whole, author))
    write_atomically(
        output, sheet.map(escape_cell).to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC).encode()
    )
    return {
        "audit": name,
        "output": str(output),
        "rows": len(sheet),
        "windows": len(parts),
        "strata": whole["strata"],
        "against": whole.get("against"),
    }


def _make_row_key(pipeline: Pipeline, sample: pd.DataFrame, place: int) -> str:
    if pipeline.data.time is None:
        return f"row:{int(sample['row'][place])}"
    moment: str = sample[pipeline.data.time][place].to_pydatetime().isoformat()
    return moment


def _build_sheet(records: PipelineRecords, sample: pd.DataFrame, parts: Sequence[Partition]) -> pd.DataFrame:
    """Return the drawn rows with their source values; only time and entity if the source has changed."""
    pipeline = records.pipeline
    data = pipeline.data
    key_columns = [name for name in (data.time, data.id) if name and name in sample]
    sheet = sample[key_columns].copy() if key_columns else sample[["row"]].copy()
    for number in sorted(set(sample["part"])):
        part = parts[int(number)]
        window = Window(part.start, part.end) if part.start and part.end else None
        try:
            checked = read_checked_window(pipeline, window)
        except WindowError:
            continue
        if checked.data_hash != part.data_hash:
            continue
        version = records.registry.find_version(pipeline.name, part.version)
        contract = records.registry.load_bundle(version).contract
        clean = checked.check(contract).clean  # the rows as scoring saw them
        places = sample.index[sample["part"] == number]
        source_rows = clean.iloc[sample["row"][places].to_numpy()]
        for column in contract.features:
            if column not in sheet:
                sheet[column] = pd.Series(np.nan, index=sheet.index, dtype=object)
            sheet.loc[places, column] = source_rows[column].astype(object).to_numpy()
    return sheet
