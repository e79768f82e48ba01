"""What cannot work, each as one sentence with the setting to change: of a model, of rows, of labels.

Pure. A training adds the sentences about its version to its notes, and :func:`select_obstacles` picks them
out again, so that ``train``, ``score``, ``status``, ``doctor`` and the pages say the same. Scored rows are
judged when they are scored. They are warnings: nothing is refused, and no score changes.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.data.shape.missing_codes import is_missing_code
from pynomaly.model.calibration.alert_policy import CANNOT_ALERT
from pynomaly.model.sketch.sketch import NumericSketch, Sketch

__all__ = [
    "FLOOD_SHARE",
    "describe_absent_features",
    "describe_alert_flood",
    "find_model_obstacles",
    "find_row_obstacles",
    "find_suspects",
    "select_obstacles",
]

FLOOD_SHARE = 0.5
"""From this share of rows on, alerts say something about the model and nothing about single rows."""
MIN_ROWS = 20
MIN_CASES = 10
SUSPECT_AUC = 0.99
FEW_VALUES = 10
MAX_NAMES = 3

_NO_DIFFERENCE, _SUSPECT = "cannot tell rows apart", "suspect"
_BEGINNINGS = (CANNOT_ALERT, _NO_DIFFERENCE, _SUSPECT, "nothing is flagged")  # the last: of older versions

Bools = npt.NDArray[np.bool_]


def select_obstacles(notes: Iterable[str]) -> tuple[str, ...]:
    """Return those of the notes on a version that say what cannot work, or is suspect."""
    return tuple(note for note in notes if note.startswith(_BEGINNINGS))


def find_model_obstacles(reference: Sketch) -> tuple[str, ...]:
    """Return why a model cannot tell rows apart, from the sketch of the rows that it learned from."""
    varying = [
        name for name, column in reference.numeric.items() if column.n and len(set(_read_range(column))) > 1
    ]
    kinds = [
        name
        for name, column in reference.categorical.items()
        if len(column.counts) + bool(column.missing) > 1
    ]
    total = len(reference.numeric) + len(reference.categorical)
    if not varying and not kinds:
        return (
            f"{_NO_DIFFERENCE}: none of {total} features varies in the {reference.rows} rows of the "
            "reference, set data.columns to some that do, or windows.reference to more rows",
        )
    if not varying and len(kinds) == 1:
        return (
            f"{_NO_DIFFERENCE}: only the category {kinds[0]!r} varies, so all rows of one kind score the "
            "same, set data.columns to more features",
        )
    return ()


def find_row_obstacles(reference: Sketch, rows: pd.DataFrame, alerts: npt.ArrayLike) -> tuple[str, ...]:
    """Return what is wrong with scored rows as a whole.

    Parameters
    ----------
    reference : Sketch
        Of the rows that the model learned from.
    rows : DataFrame of shape (n, d)
        As :meth:`FrameContract.conform` returns them.
    alerts : bool array of shape (n,)
    """
    flood = describe_alert_flood(len(rows), int(np.asarray(alerts, dtype=bool).sum()))
    codes: dict[float, list[tuple[str, int]]] = {}
    outside: dict[str, str] = {}
    for name, column in reference.numeric.items():
        if not column.n or name not in rows:
            continue
        low, high = _read_range(column)
        cells = rows[name].to_numpy(dtype=np.float64, na_value=np.nan)
        is_code = np.isin(cells, _find_missing_codes(column, cells))
        for value in np.unique(cells[is_code]):
            codes.setdefault(float(value), []).append((name, int((cells == value).sum())))
        is_outside = ~is_code & ((cells < low) | (cells > high))
        if len(rows) >= MIN_ROWS and is_outside.mean() >= FLOOD_SHARE:
            outside[name] = f"{is_outside.mean():.0%} below {low:g} or above {high:g}"
    messages = [flood] if flood else []
    messages += [_describe_code(value, columns) for value, columns in codes.items()]
    if outside:
        names = "; ".join(f"{name!r}: {text}" for name, text in list(outside.items())[:MAX_NAMES])
        more = f" and {len(outside) - MAX_NAMES} more columns" if len(outside) > MAX_NAMES else ""
        messages.append(
            f"rows lie outside the range of the reference ({names}{more}), set data.counters if the column "
            "only rises, data.ignore if it is no measurement, or train on rows like these"
        )
    return tuple(messages)


def describe_alert_flood(rows: int, alerts: int) -> str:
    """Return what to say where half of the rows of a window alert, or ""."""
    if rows < MIN_ROWS or alerts < FLOOD_SHARE * rows:
        return ""
    share = "every row alerts" if alerts == rows else f"{alerts / rows:.0%} of the rows alert"
    return (
        f"{share} ({alerts} of {rows}): unless all of it is one incident, the rows are not like those that "
        "the model learned from, set windows.reference to hold such rows and train again"
    )


def find_suspects(rows: pd.DataFrame, truth: npt.ArrayLike, of: str = "labels") -> tuple[str, ...]:
    """Return the features that alone separate `truth` almost perfectly: they may tell it, not foretell it.

    Parameters
    ----------
    rows : DataFrame of shape (n, d)
        As :meth:`FrameContract.conform` returns them.
    truth : array of shape (n,)
        1 for an anomaly, 0 for normal, NaN where it is not known.
    of : {"labels", "alerts"}
        What `truth` is. Of alerts, columns of few values alone are suspects: a number may well explain them.
    """
    known = np.asarray(truth, dtype=np.float64)
    usable = ~np.isnan(known)
    positive = known[usable] == 1
    if rows.shape[1] < 2 or min(positive.sum(), (~positive).sum()) < MIN_CASES:
        return ()
    messages = []
    for name in rows.columns:
        values = rows[name][usable]
        codes, kinds = pd.factorize(values, use_na_sentinel=False)
        if len(kinds) <= FEW_VALUES:
            evidence = np.bincount(codes, positive) / np.bincount(codes)
            auc = _measure_auc(evidence[codes], positive)
        elif of == "labels" and pd.api.types.is_numeric_dtype(values.dtype):
            cells = values.to_numpy(dtype=np.float64, na_value=np.nan)
            present = ~np.isnan(cells)
            if (
                present.mean() < FLOOD_SHARE
                or min(positive[present].sum(), (~positive[present]).sum()) < MIN_CASES
            ):
                continue
            auc = _measure_auc(cells[present], positive[present])
            auc = max(auc, 1 - auc)
        else:
            continue
        if auc > SUSPECT_AUC:
            messages.append(
                f"{_SUSPECT}: {str(name)!r} alone separates the {of} (AUROC {auc:.3f}): if it is known only "
                "afterwards it is no feature, set data.ignore"
            )
    return tuple(messages)


def _measure_auc(scores: npt.NDArray[np.float64], positive: Bools) -> float:
    """Return the area under the ROC curve; ties count half."""
    from scipy.stats import rankdata  # half a second, and most commands judge no rows

    ones, zeros = int(positive.sum()), int((~positive).sum())
    return float((rankdata(scores)[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def _find_missing_codes(column: NumericSketch, cells: npt.NDArray[np.float64]) -> list[float]:
    """Return values that look like a code for missing and lie farther outside the range than it is wide."""
    low, high = _read_range(column)
    width = max(high - low, abs(column.mean) / 100)
    far = cells[(cells < low - width) | (cells > high + width)]
    codes = [float(value) for value in np.unique(far) if is_missing_code(_spell_code(value))]
    # A column that has left its range passes round numbers, too: then most far cells are others.
    return codes[:MAX_NAMES] if 2 * np.isin(far, codes).sum() >= len(far) else []


def _read_range(column: NumericSketch) -> tuple[float, float]:
    kept = column.values  # noqa: PD011  # of a sketch, no Series
    return kept[0], kept[-1]


def _spell_code(value: float) -> str:
    return str(int(value)) if value.is_integer() else f"{value:g}"


def _describe_code(value: float, columns: list[tuple[str, int]]) -> str:
    count, names = (
        sum(number for _, number in columns),
        ", ".join(repr(name) for name, _ in columns[:MAX_NAMES]),
    )
    more = f" and {len(columns) - MAX_NAMES} more columns" if len(columns) > MAX_NAMES else ""
    return (
        f"{count} cells of {names}{more} are {_spell_code(value)}, which looks like a mark of missing values "
        f'and counts as a number, set data.missing_values: ["{_spell_code(value)}"]'
    )


def describe_absent_features(missing: Iterable[str], source: object) -> str:
    """Return what to say where rows to score lack features."""
    names = ", ".join(repr(name) for name in missing)
    return (
        f"{source}: missing column {names}, a feature of the champion: what new rows do not have cannot be "
        "one, and may tell the truth afterwards; set data.ignore and train again, or give the column"
    )
