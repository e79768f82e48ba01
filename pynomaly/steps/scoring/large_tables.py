"""Score a Parquet table of any size: memory is bounded by the batch and the processes, not by the table.

Row groups are distributed to processes; each reads batches, validates, scores and writes a part beside the
output; compression happens once, when the parts are joined. The output appears only if all parts are complete
and the whole table's share of bad rows is within the limit. A score is bit-identical to that of any other way
to score the row.

Facts on the whole table are kept small: counts, the p-values that occur (policy ``fdr``), and a bounded
sample of rows for the drift warning. Rows keep the order of the source; of two rows with the same time and
entity the second is quarantined if both are in one batch. Called by ``score_file``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.frame import FrameContract
from pynomaly.data.quality import validate
from pynomaly.data.sources.parts import Batch, RowGroup, list_row_groups, read_batches
from pynomaly.errors import QualityError
from pynomaly.model.bundle import Bundle
from pynomaly.model.calibration.calibration import RARITY_NAMES, SEVERITY_NAMES, rarity_codes, severity_codes
from pynomaly.model.scoring import PreparedRows, score_prepared
from pynomaly.steps.obstacles import count_pooled_rows
from pynomaly.steps.runner import run_parts
from pynomaly.steps.scoring.file_columns import tell_quarantine
from pynomaly.steps.scoring.held_back import hold_back_part
from pynomaly.steps.scoring.table_alerts import decide_table

__all__ = ["TableTotals", "score_parts"]

MAX_DRIFT_ROWS = 50_000
"""Largest number of rows in the drift sample, spread over the parts."""

MIN_ROWS_FOR_PROCESSES = 5_000_000
"""Rows from which separate processes are worth their start (2 s); see ``docs/benchmarks.md``."""


@dataclass
class TableTotals:
    """Totals of scoring a table in parts.

    Attributes
    ----------
    rows, alerts, quarantined, touched : int
    p_values, counts : ndarray of shape (k,)
        p-values that occur, ascending, and how often; empty unless the policy needs them.
    sample : list of DataFrame
        Rows for the drift check.
    empty : set of str or None
        Features without any value in all batches so far; None before the first batch.
    filed : Counter
        Number of quarantined rows by rule.
    pooled : Counter
        Number of rows by entity without a baseline of its own.
    """

    rows: int = 0
    alerts: int = 0
    quarantined: int = 0
    touched: int = 0
    p_values: Any = field(default_factory=lambda: np.empty(0))
    counts: Any = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    sample: list[pd.DataFrame] = field(default_factory=list)
    empty: set[str] | None = None
    filed: Counter[str] = field(default_factory=Counter)
    pooled: Counter[str] = field(default_factory=Counter)

    def add(self, other: TableTotals) -> None:
        """Add the totals of another part."""
        self.rows += other.rows
        self.alerts += other.alerts
        self.quarantined += other.quarantined
        self.touched += other.touched
        self.pooled += other.pooled
        self.filed += other.filed
        self.sample += other.sample
        if other.empty is not None:
            self.empty = other.empty if self.empty is None else self.empty & other.empty
        values = np.concatenate([self.p_values, other.p_values])
        self.p_values, place = np.unique(values, return_inverse=True)
        self.counts = np.bincount(
            place, np.concatenate([self.counts, other.counts]), minlength=len(self.p_values)
        ).astype(np.int64)


@dataclass(frozen=True)
class _PartSettings:
    """Settings with which every part is scored."""

    pipeline: Pipeline
    folder: str
    sha256: str
    version: int
    draft: str
    sample: int
    beside: dict[str, str]


def score_parts(
    pipeline: Pipeline,
    folder: Path,
    sha256: str,
    version: int,
    source: str,
    draft: Path,
    beside: Mapping[str, str] = MappingProxyType({}),
) -> tuple[TableTotals, list[Path]]:
    """Score every part of `source` into `draft`.

    Parameters
    ----------
    pipeline : Pipeline
        ``runner.workers`` processes take ``runner.batch_rows`` rows at a time.
    folder : Path
        The bundle.
    sha256 : str
        Its hash; each process checks it before it reads a byte.
    version : int
        Model version, written beside each score.
    source : str
        Parquet file, folder or address.
    draft : Path
        A new folder; the caller moves its content, or removes it.
    beside : dict of str to str, optional
        Columns of the source that follow the scores, and their names there.

    Returns
    -------
    streamed : TableTotals
    files : list of Path
        Score files in the order of the source; quarantined rows lie beside them.

    Raises
    ------
    QualityError
        If the table is blocked, for the reasons of :func:`pynomaly.data.quality.validate`.
    SourceError, ColumnError, ModelError
        As reading and scoring.
    """
    parts = list_row_groups(source, pipeline.data.limits)
    draft.mkdir(parents=True)
    share = max(1, MAX_DRIFT_ROWS // max(1, len(parts)))
    work = _PartSettings(pipeline, str(folder), sha256, version, str(draft), share, dict(beside))
    total = TableTotals()
    for streamed in _score_each_part(work, parts):
        total.add(streamed)
    _require_quality(pipeline, source, total)
    files = sorted(draft.glob("part-*.arrow"))
    bundle = _load_bundle(str(folder), sha256)
    if bundle.policy.level is not None and total.rows > 1:
        total.alerts = decide_table(files, bundle, total.p_values, total.counts)
    return total, files


def _score_each_part(work: _PartSettings, parts: tuple[RowGroup, ...]) -> Iterator[TableTotals]:
    """Yields the totals of each part, in the order of the source."""
    many = sum(part.rows for part in parts) >= MIN_ROWS_FOR_PROCESSES
    processes = work.pipeline.runner.workers if many else 1  # whose threads share one process
    yield from run_parts(work.pipeline, _score_part, [(work, part) for part in parts], processes=processes)


@lru_cache(maxsize=1)
def _load_bundle(folder: str, sha256: str) -> Bundle:
    return Bundle.load(Path(folder), sha256)


def _score_part(work: _PartSettings, part: RowGroup) -> TableTotals:
    import pyarrow as pa

    bundle = _load_bundle(work.folder, work.sha256)
    quality = work.pipeline.quality.model_copy(update={"max_quarantine": 1.0, "min_score_rows": 1})
    total, writer, quarantined = TableTotals(), None, []
    file = Path(work.draft) / f"part-{part.number:06d}.arrow"
    try:
        for batch in read_batches(work.pipeline.data, part, work.pipeline.runner.batch_rows):
            frame = batch.frame
            checked = validate(frame, bundle.contract, quality, "score", batch.origin)
            failed_checks = [check for check in checked.report.checks if not check.passed]
            empty = {str(check.column) for check in failed_checks if check.name == "all_missing"}
            blockers = [
                check.message
                for check in failed_checks
                if check.severity == "error" and check.name not in _WHOLE_TABLE_CHECKS
            ]
            if blockers:
                raise QualityError("; ".join(blockers))
            total.empty = empty if total.empty is None else total.empty & empty
            total.rows += len(frame)
            total.quarantined += len(checked.quarantine)
            if len(checked.quarantine):
                total.filed.update(checked.quarantine["rule"].tolist())
                quarantined.append(checked.quarantine)
            columns = dict(_NO_SCORES)
            if bundle.policy.limits is not None:
                columns["held_back"] = np.empty(0, dtype=str)
            if len(checked.clean):
                total.pooled += count_pooled_rows(bundle, checked.clean)
                rows, columns = _assess_rows(bundle, checked.clean)
                total.add(_total_batch(bundle, rows, columns))
            total.sample += _sample_rows(
                bundle.contract, checked.clean, work.sample - sum(map(len, total.sample))
            )
            content = _build_record_batch(bundle, work, batch, checked.quarantine, columns)
            writer = writer or pa.ipc.new_file(str(file), content.schema)
            writer.write_batch(content)
    finally:
        if writer is not None:
            writer.close()
    if quarantined:
        pd.concat(quarantined).to_parquet(
            file.with_name(f"quarantine-{part.number:06d}.parquet"), index=False
        )
    return total


_WHOLE_TABLE_CHECKS = frozenset({"quarantine", "all_missing", "clean_rows", "rows"})  # not over a batch


def _assess_rows(bundle: Bundle, clean: pd.DataFrame) -> tuple[PreparedRows, dict[str, Any]]:
    """Returns prepared rows and their result columns; severity and rarity are integer codes."""
    calibration, policy = bundle.calibration, bundle.policy
    rows = bundle.prepare(clean)
    scores = score_prepared(rows, bundle.features, bundle.detector, bundle.reranking)
    p_values = calibration.p_values(scores, rows.entities)
    rows_per_day = policy.rows_per_day if calibration.computable else None
    columns = {
        "score": scores,
        "p_value": p_values,
        "severity": severity_codes(p_values),
        "is_anomaly": policy.alerts(p_values),
        "extrapolated": calibration.mark_extrapolated(p_values, rows.entities),
        "rarity": rarity_codes(p_values, rows_per_day),
    }
    if policy.limits is not None:
        columns.update(hold_back_part(columns, rows, bundle))
    return rows, columns


def _total_batch(bundle: Bundle, rows: PreparedRows, columns: dict[str, Any]) -> TableTotals:
    totals = TableTotals(alerts=int(columns["is_anomaly"].sum()))
    if bundle.policy.level is not None:
        floor = 0.0 if bundle.policy.extrapolate else bundle.calibration.resolutions(rows.entities)
        totals.p_values, totals.counts = np.unique(np.maximum(columns["p_value"], floor), return_counts=True)
    totals.touched = bundle.features.count_unusual_rows(rows.frame)
    return totals


def _sample_rows(contract: FrameContract, clean: pd.DataFrame, most: int) -> list[pd.DataFrame]:
    """Returns up to `most` rows of a batch, spread over it, with the columns that the drift check reads."""
    if most <= 0:
        return []
    names = [*contract.features, *(name for name in (contract.time, contract.label) if name in clean)]
    return [clean[names].iloc[:: max(1, len(clean) // most)].head(most)]


_CODE_NAMES = {"severity": SEVERITY_NAMES, "rarity": RARITY_NAMES}

_NO_SCORES: dict[str, Any] = {
    "score": np.empty(0),
    "p_value": np.empty(0),
    "severity": np.empty(0, dtype=np.int8),
    "is_anomaly": np.empty(0, dtype=bool),
    "extrapolated": np.empty(0, dtype=bool),
    "rarity": np.empty(0, dtype=np.int8),
}
"""Result columns of a batch in which every row is in quarantine."""


def _build_record_batch(
    bundle: Bundle, work: _PartSettings, batch: Batch, quarantine: pd.DataFrame, columns: dict[str, Any]
) -> Any:
    """Returns one record batch of a part: row number, time, id, result columns and the input's own."""
    import pyarrow as pa

    frame, rows = batch.frame, len(batch.frame)
    rejected = quarantine.index.to_numpy(dtype=np.int64)
    is_scored = np.ones(rows, dtype=bool)
    is_scored[rejected] = False
    places = pa.array(np.cumsum(is_scored) - 1, mask=~is_scored)
    why = np.full(rows, None, dtype=object)
    why[rejected] = tell_quarantine(quarantine)
    key_columns = [name for name in (bundle.contract.time, bundle.contract.id) if name and name in frame]
    content = {"row": pa.array(batch.origin.numbers)}
    content |= {name: pa.Array.from_pandas(frame[name]) for name in key_columns}
    for name, values in columns.items():
        is_code = name in _CODE_NAMES
        array = pa.array(values.astype(np.int8) if is_code else values)
        if len(rejected):
            array = array.take(places)
        content[name] = (
            pa.DictionaryArray.from_arrays(array, pa.array(_CODE_NAMES[name])) if is_code else array
        )
    content["model_version"] = pa.array(np.full(rows, work.version))
    content["quarantine"] = pa.array(why, type=pa.string())
    content |= {beside: batch.columns.column(name) for name, beside in work.beside.items()}
    return pa.RecordBatch.from_pydict(content)


def _require_quality(pipeline: Pipeline, source: str, total: TableTotals) -> None:
    """Raise QualityError by the same rules as for a table in memory."""
    limit, share = pipeline.quality.max_quarantine, total.quarantined / max(1, total.rows)
    reasons = []
    if share > limit:
        worst = ", ".join(f"{rule} ({count})" for rule, count in total.filed.most_common(3))
        reasons.append(
            f"{total.quarantined} of {total.rows} rows are bad ({share:.2%}, limit {limit:.2%}): {worst}"
        )
    reasons += [f"column {name!r} has no value in {total.rows} rows" for name in sorted(total.empty or ())]
    if total.rows - total.quarantined < pipeline.quality.min_score_rows:
        reasons.append(f"{total.rows - total.quarantined} clean rows are too few to score")
    if reasons:
        raise QualityError(f"{source}: blocked: {'; '.join(reasons)}")
