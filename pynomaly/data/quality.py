"""Data validation: guards that are always on, then the pipeline's expectations; bad rows go to quarantine.

``validate`` does not raise for bad data: it returns a report (pass, warn or block), the clean rows and the
quarantined rows; the caller decides what follows. Shares are 0 to 1. A check that cannot be computed fails.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.config import Quality
from pynomaly.data.bad_rows import BadRows, show_value
from pynomaly.data.expectations import ExpectationOutcome, default_suite, evaluate_suite
from pynomaly.data.frame import FrameContract, read_numbers
from pynomaly.data.origin import Origin
from pynomaly.data.past import get_past
from pynomaly.errors import QualityError, list_allowed

__all__ = ["Check", "CheckedRows", "QualityReport", "validate"]

Severity = Literal["info", "warning", "error"]
Purpose = Literal["train", "score"]

_FEW_ROWS = 10
"""With fewer rows than this, an empty column gives a warning and not an error when a window is scored."""


@dataclass(frozen=True)
class Check:
    """Result of one check; a failed check of severity ``error`` blocks, of ``warning`` warns."""

    name: str
    severity: Severity
    passed: bool
    message: str
    column: str | None = None
    value: float | str | None = None
    limit: float | str | None = None


@dataclass(frozen=True)
class QualityReport:
    """Result of a validation.

    Attributes
    ----------
    outcome : {"pass", "warn", "block"}
    rows, quarantined : int
        Number of rows read, and how many of them are in quarantine.
    checks : tuple of Check
        All checks, passed or failed.
    """

    outcome: Literal["pass", "warn", "block"]
    rows: int
    quarantined: int
    checks: tuple[Check, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Messages of the failed checks, errors first."""
        failed = [check for check in self.checks if not check.passed and check.severity != "info"]
        return tuple(check.message for check in sorted(failed, key=lambda check: check.severity != "error"))

    def to_dict(self) -> dict[str, Any]:
        """Return a dict that JSON can hold."""
        return {
            "outcome": self.outcome,
            "rows": self.rows,
            "quarantined": self.quarantined,
            "reasons": list(self.reasons),
            "checks": [asdict(check) for check in self.checks],
        }


@dataclass(frozen=True)
class CheckedRows:
    """A report and the rows it describes.

    Attributes
    ----------
    report : QualityReport
    clean : DataFrame
        Rows to use, with numeric features as float64; empty when the columns do not fit the contract.
    quarantine : DataFrame
        Rejected rows, every cell as text, with the columns ``rule`` and ``detail``; with an origin also
        ``row``, the line or number in the source, and ``file`` where there are several.
    """

    report: QualityReport
    clean: pd.DataFrame
    quarantine: pd.DataFrame


def validate(
    frame: pd.DataFrame,
    contract: FrameContract,
    quality: Quality,
    purpose: Purpose,
    origin: Origin | None = None,
) -> CheckedRows:
    """Check `frame` and separate its bad rows.

    Parameters
    ----------
    frame : DataFrame of shape (n, d)
        As ``sources.read`` returns it.
    contract : FrameContract
    quality : Quality
        Limits and expectations; the guards are always on.
    purpose : {"train", "score"}
        Training needs more rows, and each feature filled as ``max_missing`` requires.
    origin : Origin, optional
        Where the rows stand in their source. Without it, they are named by their position in `frame`.

    Returns
    -------
    CheckedRows
        ``report.outcome`` is ``block`` when the rows must not be used.

    Raises
    ------
    ConfigError, QualityError
        If a configured expectation is not valid or cannot be evaluated.
    """
    if purpose not in ("train", "score"):
        raise QualityError(f"no purpose {purpose!r}; {list_allowed(purpose, ('train', 'score'))}")
    checks = [_check_columns(frame, contract), _check_rows(len(frame), quality, purpose, "rows")]
    rows = BadRows(frame, contract.time, origin)
    if not all(check.passed for check in checks):
        return _build_result(frame.iloc[:0], rows, checks)
    _guard_rows(rows, contract)
    clean = _select_clean(frame, rows, contract)
    if len(clean):
        defaults = default_suite(contract, quality) if purpose == "train" else ()
        positions, rejected_before = np.flatnonzero(rows.clean_mask), len(rows.rules)
        for outcome in evaluate_suite(clean, defaults, quality.expectations):
            checks.append(_apply_outcome(outcome, rows, positions))
        if len(rows.rules) > rejected_before:
            clean = _select_clean(frame, rows, contract)
    checks += [*_check_quarantine(rows, quality), _check_rows(len(clean), quality, purpose, "clean rows")]
    checks += [check for name in contract.features for check in _check_column(clean, name, quality, purpose)]
    checks += _check_labels(clean, contract, purpose)
    return _build_result(clean, rows, checks)


def _build_result(clean: pd.DataFrame, rows: BadRows, checks: list[Check]) -> CheckedRows:
    failed = {check.severity for check in checks if not check.passed}
    outcome: Literal["pass", "warn", "block"] = "pass"
    if failed - {"info"}:
        outcome = "block" if "error" in failed else "warn"
    report = QualityReport(outcome, len(rows.frame), len(rows.rules), tuple(checks))
    return CheckedRows(report, clean, rows.table())


def _check_columns(frame: pd.DataFrame, contract: FrameContract) -> Check:
    existing = [str(name) for name in frame.columns]
    required = [*contract.features, *filter(None, (contract.time, contract.id))]
    missing = [name for name in required if name not in existing]
    repeated = sorted({name for name in existing if existing.count(name) > 1})
    message = "every column of the contract is there, once"
    if missing:
        message = f"missing column {', '.join(map(repr, missing))}; {list_allowed(missing[0], existing)}"
    elif repeated:
        message = f"column {', '.join(map(repr, repeated))} occurs more than once"
    wrong = missing or repeated
    return Check("columns", "error", not wrong, message, next(iter(wrong), None))


def _check_rows(rows: int, quality: Quality, purpose: Purpose, what: str) -> Check:
    least = quality.min_train_rows if purpose == "train" else quality.min_score_rows
    message = f"{rows} {what}, at least {least} are needed to {purpose}"
    return Check(what.replace(" ", "_"), "error", rows >= least, message, None, rows, least)


def _guard_rows(rows: BadRows, contract: FrameContract) -> None:
    """Reject every row that no model may use."""
    frame = rows.frame
    if contract.time:
        rows.file("bad_time", np.flatnonzero(frame[contract.time].isna()), contract.time)
    if (past := get_past(frame)) is not None:
        reason = "its score waits for later rows (data.series.delay), which are not there yet"
        rows.file(WAITS, np.flatnonzero(past.after < 0), detail=reason)
    for name in contract.numeric:
        values, bad = read_numbers(frame[name])
        rows.file("not_a_number", np.flatnonzero(bad), name)
        rows.file("not_finite", np.flatnonzero(np.isinf(values.to_numpy())), name)
    empty = np.ones(len(frame), dtype=bool)
    for name in contract.features:
        empty &= frame[name].isna().to_numpy()
        if not empty.any():
            break
    rows.file("all_missing_row", np.flatnonzero(empty), detail="no feature has a value")
    if contract.time and contract.id:
        again = frame.duplicated([contract.time, contract.id], keep="first").to_numpy()
        reason = f"the same {contract.time!r} and {contract.id!r} as an earlier row"
        rows.file("duplicate", np.flatnonzero(again), detail=reason)


WAITS = "waits"
"""Rule of the rows that wait for later rows; they are not bad, and do not block a window."""

_FEW_COLUMNS = 50


def _select_clean(frame: pd.DataFrame, rows: BadRows, contract: FrameContract) -> pd.DataFrame:
    clean = frame[rows.clean_mask] if rows.rules else frame
    clean = clean.assign(**{name: read_numbers(clean[name])[0] for name in contract.numeric})
    clean = clean.reset_index(drop=True)
    # Hundreds of columns that were replaced one by one are slow to add to; a copy lays them side by side.
    return clean.copy() if clean.shape[1] > _FEW_COLUMNS else clean


def _apply_outcome(outcome: ExpectationOutcome, rows: BadRows, positions: npt.NDArray[Any]) -> Check:
    """Return the check of one expectation, and reject the rows that fail it if its severity is ``error``."""
    item, rows_rejected = outcome.expectation, False
    if not outcome.passed and outcome.rows is not None and len(outcome.rows) and item.severity == "error":
        reason = f"fails {item.type}({_format_arguments(item.arguments)})"
        rows.file(item.type, positions[outcome.rows], detail=reason)
        rows_rejected = True
    count = 0 if outcome.rows is None else len(outcome.rows)
    what = f"{count} rows fail it" if count else f"found {outcome.observed!r}"
    message = f"{item.type}({_format_arguments(item.arguments)}) " + (
        "holds" if outcome.passed else f"does not hold: {what}"
    )
    observed = outcome.observed if isinstance(outcome.observed, int | float | str) else None
    # Rows in quarantine block only by their share (check `quarantine`), so this one is a warning.
    severity: Severity = "warning" if rows_rejected else item.severity
    return Check(item.type, severity, outcome.passed, message, outcome.column, _drop_infinite(observed))


def _check_quarantine(rows: BadRows, quality: Quality) -> list[Check]:
    """Return one check for each rule that rejected rows, and one for the share of rejected rows."""
    counts = Counter(rule for rule, _ in rows.rules.values())
    details = dict(reversed([rows.rules[row] for row in sorted(rows.rules)]))
    total, waiting = len(rows.frame), counts.get(WAITS, 0)
    checks = [
        Check(
            f"rows_{rule}",
            "warning",
            False,
            f"{count} of {total} rows: {rule} ({details[rule]})",
            None,
            count,
        )
        for rule, count in counts.most_common()
    ]
    bad = len(rows.rules) - waiting
    share, most_common = bad / total, (counts - Counter({WAITS: waiting})).most_common(1)
    message = f"{bad} of {total} rows are bad ({share:.2%}, limit {quality.max_quarantine:.2%})"
    if most_common:
        message += f"; most: {most_common[0][0]}, first: {details[most_common[0][0]]}"
    passed = share <= quality.max_quarantine
    return [*checks, Check("quarantine", "error", passed, message, None, share, quality.max_quarantine)]


def _check_column(clean: pd.DataFrame, name: str, quality: Quality, purpose: Purpose) -> list[Check]:
    """Check one feature: all missing, share of missing cells, nearly constant."""
    column, rows = clean[name], len(clean)
    if rows == 0:
        return []
    missing = float(column.isna().mean())
    if missing == 1:
        is_expected = rows < _FEW_ROWS or name in quality.may_be_empty
        severity: Severity = "warning" if purpose == "score" and is_expected else "error"
        message = (
            f"column {name!r} has no value in {rows} rows; if it has none by design, add it to data.ignore, "
            "or to quality.may_be_empty if it has some in other windows"
        )
        return [Check("all_missing", severity, False, message, name, 1.0)]
    message = f"column {name!r}: {missing:.2%} missing, limit {quality.max_missing:.2%}"
    limit = quality.max_missing
    checks = [Check("missing", "warning", missing <= limit, message, name, missing, limit)]
    if rows >= quality.min_train_rows:  # a few rows can be equal by chance
        top, value = _find_commonest(column, quality.max_constant)
        limit = quality.max_constant
        message = f"column {name!r}: {top:.2%} of the values are {show_value(value)}, limit {limit:.2%}"
        checks.append(Check("constant", "warning", top <= limit, message, name, top, limit))
    return checks


def _find_commonest(column: pd.Series[Any], limit: float) -> tuple[float, object]:
    """Return the share of the most common value among the present cells, and the value.

    A number in more than half of a column is its median, so for a limit of 0.5 or more its share is enough.
    """
    present = column.dropna() if column.isna().any() else column
    if limit >= 0.5 and pd.api.types.is_float_dtype(present.dtype):
        values = present.to_numpy()
        median = np.partition(values, values.size // 2)[values.size // 2]
        return float((values == median).mean()), float(median)
    shares = present.value_counts(normalize=True)
    return float(shares.iloc[0]), shares.index[0]


def _check_labels(clean: pd.DataFrame, contract: FrameContract, purpose: Purpose) -> list[Check]:
    """Check that labels can be used as evidence: both classes must be among the known labels."""
    if purpose == "score" or contract.label is None or contract.label not in clean.columns:
        return []
    labels = clean[contract.label].dropna()
    classes = sorted(labels.unique().tolist())
    message = f"label {contract.label!r}: {len(labels)} known, {int((labels == 1).sum())} of them anomalies"
    if len(labels) == 0:
        return [Check("labels", "info", False, message, contract.label, 0)]
    if len(classes) < 2:
        message += f"; the single class {classes[0]:g} cannot compare models, so labels are no evidence here"
    return [Check("labels", "warning", len(classes) == 2, message, contract.label, len(labels))]


def _format_arguments(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in arguments.items())


def _drop_infinite(value: float | str | None) -> float | str | None:
    return None if isinstance(value, float) and not np.isfinite(value) else value
