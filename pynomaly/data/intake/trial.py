"""Whether a draft trains on the file it was written from: it is read as production reads it, and checked.

What can be mended is mended: a column without a value in the reference is left out, a limit is raised to what
the file needs. What cannot is said with the setting to change. Called by ``flows`` before a draft is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pandas as pd
from pydantic import ValidationError

from pynomaly.config import Pipeline
from pynomaly.data.frame import FrameContract
from pynomaly.data.intake.draft import list_settings
from pynomaly.data.intake.findings import Reading
from pynomaly.data.intake.sample import list_files
from pynomaly.data.quality import QualityReport, validate
from pynomaly.data.sources import read_source
from pynomaly.errors import ConfigError, DataError

__all__ = ["try_reading"]

_MOST_BYTES = 8 << 20
_ROUNDS = 4
_MOST_WINDOWS = 200
_MOST_CHECKS = 4000  # columns times windows
_FEW_WINDOWS = 0.05
"""Share of the windows of a file that may be refused without the draft allowing for it."""


def try_reading(reading: Reading, limit: int = _MOST_BYTES) -> Reading:
    """Return the reading, mended where its reference would be refused; `problems` says what is left.

    Parameters
    ----------
    reading : Reading
    limit : int
        Bytes of the file, or of all files of a folder, above which they are not read whole: the reading stays
        as it is, and a note says so.
    """
    if not any(column.is_feature for column in reading.columns):
        return reading
    size = sum(file.stat().st_size for file in list_files(reading.file, reading.kind)[1])
    if size > limit:
        note = f"the draft was not tried on its {size / (1 << 20):,.0f} MiB; train says what does not fit"
        return replace(reading, notes=(*reading.notes, note))
    try:
        frame = read_source(_make_pipeline(reading).data)
    except DataError as error:
        return _add_problems(reading, f"the draft cannot read its own file: {error}")
    for _ in range(_ROUNDS):
        try:
            report = _check_reference(reading, frame)
        except DataError as error:
            return _add_problems(reading, f"the draft cannot read its own file: {error}")
        if report.outcome != "block":
            return _try_windows(reading, frame)
        mended = _mend(reading, report)
        if mended is None:
            return _add_problems(reading, *report.reasons[:3])
        reading = mended
    return reading


def _add_problems(reading: Reading, *problems: str) -> Reading:
    return replace(reading, problems=(*reading.problems, *problems))


def _make_pipeline(reading: Reading) -> Pipeline:
    try:
        return Pipeline.model_validate({"name": "trial", **list_settings(reading)})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{reading.file}: {place}: {first['msg'].removeprefix('Value error, ')}") from None


def _check_reference(reading: Reading, frame: pd.DataFrame) -> QualityReport:
    pipeline = _make_pipeline(reading)
    if reading.time is not None and pipeline.training.start is not None:
        times = frame[str(pipeline.data.time)]
        start = pd.Timestamp(pipeline.training.start)
        inside = (times >= start) & (times < start + pipeline.windows.reference)
        frame = frame[inside | times.isna()].reset_index(drop=True)
    contract = FrameContract.infer(frame, pipeline.data)
    return validate(frame, contract, pipeline.quality, "train").report


def _try_windows(reading: Reading, frame: pd.DataFrame) -> Reading:
    """Check windows of the file as scoring does; allow what many of them have: empty columns, bad rows."""
    if reading.time is None:
        return reading
    pipeline = _make_pipeline(reading)
    contract = FrameContract.infer(frame, pipeline.data)
    reports: list[QualityReport] = []
    for rows in _list_windows(frame, str(pipeline.data.time), pipeline.windows.score):
        reports.append(validate(rows, contract, pipeline.quality, "score").report)
    empty = Counter(
        check.column
        for report in reports
        for check in report.checks
        if check.name == "all_missing" and not check.passed and check.column
    )
    shares = sorted(report.quarantined / max(1, report.rows) for report in reports)
    quality: dict[str, tuple[Any, str]] = {}
    if names := [name for name, count in empty.items() if count > _FEW_WINDOWS * len(reports)]:
        counts = ", ".join(f"{name!r} in {empty[name]}" for name in names[:3])
        quality["may_be_empty"] = (
            names,
            f"without any value in windows of the file: {counts} of {len(reports)}",
        )
    usual = shares[int((1 - _FEW_WINDOWS) * (len(shares) - 1))] if shares else 0.0
    if usual > pipeline.quality.max_quarantine:
        limit = min(0.5, round(usual * 1.1 + 0.005, 3))
        quality["max_quarantine"] = (
            limit,
            f"windows of the file have up to {usual:.1%} bad rows; default is 5%",
        )
    if not quality:
        return reading
    notes = tuple(f"quality.{key}: {why}" for key, (_, why) in quality.items())
    blocks = {**reading.blocks, "quality": {**reading.blocks.get("quality", {}), **quality}}
    return replace(reading, blocks=blocks, notes=(*reading.notes, *notes))


def _list_windows(frame: pd.DataFrame, time: str, length: timedelta) -> list[pd.DataFrame]:
    """Return the rows of windows with rows, at even distances; the fewer, the more columns there are."""
    places = frame[time].ffill().bfill().dt.floor(pd.Timedelta(length))
    groups = [rows.reset_index(drop=True) for _, rows in frame.groupby(places.to_numpy(), sort=True)]
    step = max(1, len(groups) // min(_MOST_WINDOWS, max(10, _MOST_CHECKS // frame.shape[1])))
    return groups[::step]


def _mend(reading: Reading, report: QualityReport) -> Reading | None:
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
