"""Whether a draft trains on the file it was written from: it is read as production reads it, and checked.

What can be mended is mended: a column without a value in the reference is left out, a limit is raised to what
the file needs. What cannot is said with the setting to change. Called by ``flows`` before a draft is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.frame import FrameContract
from pynomaly.data.intake.draft import list_settings
from pynomaly.data.intake.findings import Reading
from pynomaly.data.quality import QualityReport, validate
from pynomaly.data.sources import read_source
from pynomaly.errors import DataError

__all__ = ["try_reading"]

_ROUNDS = 4


def try_reading(reading: Reading, limit: int = 64 << 20) -> Reading:
    """Return the reading, mended where its reference would be refused; `problems` says what is left.

    Parameters
    ----------
    reading : Reading
    limit : int
        Bytes of the file above which it is not read whole; its reading stays as it is.
    """
    place = Path(reading.file)
    if (
        not place.is_file()
        or place.stat().st_size > limit
        or not any(column.is_feature for column in reading.columns)
    ):
        return reading
    for _ in range(_ROUNDS):
        try:
            report, frame = _check_reference(reading)
        except DataError as error:
            return replace(
                reading, problems=(*reading.problems, f"the draft cannot read its own file: {error}")
            )
        if report.outcome != "block":
            return reading
        mended = _mend(reading, report, frame)
        if mended is None:
            return replace(reading, problems=(*reading.problems, *report.reasons[:3]))
        reading = mended
    return reading


def _check_reference(reading: Reading) -> tuple[QualityReport, pd.DataFrame]:
    pipeline = Pipeline.model_validate({"name": "trial", **list_settings(reading)})
    frame = read_source(pipeline.data)
    if reading.time is not None and pipeline.training.start is not None:
        times = frame[str(pipeline.data.time)]
        start = pd.Timestamp(pipeline.training.start)
        inside = (times >= start) & (times < start + pipeline.windows.reference)
        frame = frame[inside | times.isna()].reset_index(drop=True)
    contract = FrameContract.infer(frame, pipeline.data)
    return validate(frame, contract, pipeline.quality, "train").report, frame


def _mend(reading: Reading, report: QualityReport, frame: pd.DataFrame) -> Reading | None:
    """Return the reading with what blocks it mended; None if nothing can be."""
    failed = [check for check in report.checks if check.severity == "error" and not check.passed]
    changed = reading
    for check in failed:
        if check.name == "all_missing" and check.column:
            changed = _leave_out(changed, check.column, "has no value in the reference")
        elif check.name == "quarantine" and isinstance(check.value, float) and check.value < 0.5:
            changed = _raise_quarantine(changed, check.value, check.message)
    return changed if changed is not reading else None


def _leave_out(reading: Reading, name: str, why: str) -> Reading:
    columns = tuple(
        replace(column, role="empty", why=why, otherwise="data.ignore") if column.name == name else column
        for column in reading.columns
    )
    data = dict(reading.data)
    data["ignore"] = [*data.get("ignore", ()), name]
    for key in ("categorical", "counters", "numbers", "magnitudes"):
        if name in data.get(key, ()):
            data[key] = [item for item in data[key] if item != name]
            if not data[key]:
                data.pop(key)
    return replace(reading, columns=columns, data=data)


def _raise_quarantine(reading: Reading, share: float, message: str) -> Reading:
    limit = min(0.5, round(share * 1.2 + 0.005, 3))
    blocks: dict[str, Mapping[str, tuple[Any, str]]] = dict(reading.blocks)
    blocks["quality"] = {
        **blocks.get("quality", {}),
        "max_quarantine": (
            limit,
            f"the reference itself has {share:.1%} rows that cannot be used; default is 5%",
        ),
    }
    return replace(
        reading, blocks=blocks, notes=(*reading.notes, f"quality.max_quarantine is {limit}: {message}")
    )
