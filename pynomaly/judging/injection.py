"""Turn known rows into known anomalies, so that detectors can be compared where no label exists.

Called on held-out rows when there are too few labels. Four kinds, in equal parts, after ADBench (Han et
al. 2022, section 3.2): *global* (anywhere in the widened range), *local* (moved a few deviations from where
the row was), *dependency* (usual values in an unusual combination) and *cluster* (a small dense group far
out), each at several sizes. Anomalies in production need not look like these: the verdict says that it rests
on them, and how it stands by kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.data.frame import FrameContract
from pynomaly.errors import DataError

__all__ = ["KINDS", "Injected", "inject"]

KINDS = ("global", "local", "dependency", "cluster")

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_UNSEEN = "(injected)"


@dataclass(frozen=True, eq=False)
class Injected:
    """What was injected where.

    Attributes
    ----------
    kinds : object array of shape (n,)
        One of :data:`KINDS`, or "" for a row left alone.
    sizes : object array of shape (n,)
        How far it was moved over the usual, as text like "0.5"; "" for a row left alone.
    """

    kinds: npt.NDArray[np.object_]
    sizes: npt.NDArray[np.object_]


def inject(
    frame: pd.DataFrame, contract: FrameContract, share: float, seed: int, sizes: Sequence[float] = (1.0,)
) -> tuple[pd.DataFrame, Ints, Injected]:
    """Change a share of the rows into anomalies of four kinds.

    Parameters
    ----------
    frame : DataFrame of shape (n, d)
        Conformed rows, presumed normal. Not changed.
    contract : FrameContract
    share : float
        Share of rows to change, at least one row.
    seed : int
    sizes : sequence of float
        Each anomaly is of one of these sizes, in equal parts within a kind: 1 is usual, 0.5 moves numbers
        half as far (*dependency*: redraws half of the columns), 2 twice as far.

    Returns
    -------
    frame : DataFrame of shape (n, d)
        Same index and columns; missing cells are still missing, whole-number columns still whole.
    labels : int array of shape (n,)
        1 exactly where a row was changed.
    injected : Injected

    Raises
    ------
    DataError
        If no column varies, so that nothing can be injected.

    Notes
    -----
    Categories are changed by *dependency*, and by the other kinds where no number column varies.
    """
    table = _Table.of(frame, contract)
    rng = np.random.default_rng(seed)
    eligible = np.flatnonzero(table.changeable)
    wanted = min(max(1, round(share * len(frame))), eligible.size)
    chosen = rng.choice(eligible, size=wanted, replace=False)
    kinds = np.full(len(frame), "", dtype=object)
    size = np.ones(len(frame))
    changed = frame.copy()
    for position, (kind, apply) in enumerate(_APPLY.items()):
        mine = chosen[position :: len(KINDS)]
        size[mine] = np.resize(np.asarray(sizes, dtype=np.float64), mine.size)
        rows = np.sort(mine)
        if rows.size:
            apply(table, changed, rows, size[rows], rng)
            kinds[rows] = kind
    same = chosen[table.unchanged(changed, chosen)]
    if same.size:  # an independent draw can give a row its own values back
        same = np.sort(same)
        _global(table, changed, same, size[same], rng)
        kinds[same] = "global"
        still = same[table.unchanged(changed, same)]
        kinds[still] = ""
    named = np.array([f"{number:g}" for number in size], dtype=object)
    named[kinds == ""] = ""
    return changed, (kinds != "").astype(np.int64), Injected(kinds, named)


@dataclass(frozen=True)
class _Table:
    """What is usual: the columns that vary, with their scale."""

    frame: pd.DataFrame
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    changeable: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, frame: pd.DataFrame, contract: FrameContract) -> _Table:
        numeric = tuple(name for name in contract.numeric if _varies(frame[name]))
        categorical = tuple(name for name in contract.categorical if _varies(frame[name]))
        if not numeric and not categorical:
            raise DataError(
                f"nothing can be injected into {len(frame)} rows: none of the columns "
                f"{', '.join(map(repr, (*contract.numeric, *contract.categorical)))} has two different values"
            )
        moved = list(numeric or categorical)
        return cls(frame, numeric, categorical, frame[moved].notna().any(axis=1).to_numpy(dtype=bool))

    def scale(self, name: str) -> float:
        """Robust deviation of a number column; the plain one where half of the values are equal."""
        values = self.frame[name].dropna().to_numpy(dtype=np.float64)
        low, high = np.quantile(values, [0.25, 0.75])
        return float((high - low) / 1.349) or float(values.std()) or 1.0

    def put(self, changed: pd.DataFrame, name: str, rows: Ints, values: Array) -> None:
        """Write numbers over the cells that are not missing; whole numbers stay whole."""
        column = changed[name].to_numpy(dtype=np.float64, copy=True)
        known = column[~np.isnan(column)]
        if (known == np.round(known)).all():
            values = np.where(
                np.round(values) == column[rows], column[rows] + np.sign(values - column[rows]), values
            )
            values = np.round(values)
        column[rows] = np.where(np.isnan(column[rows]), np.nan, values)
        changed[name] = column

    def name(self, changed: pd.DataFrame, name: str, rows: Ints, values: npt.NDArray[np.object_]) -> None:
        """Write categories over the cells that are not missing."""
        column = changed[name].to_numpy(dtype=object, copy=True)
        present = np.asarray(pd.notna(column[rows]), dtype=bool)
        column[rows[present]] = values[present]
        changed[name] = pd.Series(column, index=changed.index, dtype=object)

    def unchanged(self, changed: pd.DataFrame, rows: Ints) -> npt.NDArray[np.bool_]:
        """Which of `rows` hold the same values as before."""
        columns = [*self.numeric, *self.categorical]
        before, after = self.frame[columns].iloc[rows], changed[columns].iloc[rows]
        return ((before == after) | (before.isna() & after.isna())).all(axis=1).to_numpy(dtype=bool)


def _varies(column: pd.Series) -> bool:
    known = column.dropna().to_numpy()
    return bool(known.size) and bool((known != known[0]).any())


def _some_columns(table: _Table, rows: Ints, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """For each row, about half of the number columns it has a value in, at least one."""
    present = table.frame[list(table.numeric)].notna().to_numpy()[rows]
    draw = np.where(present, rng.random(present.shape), np.inf)
    return np.asarray(present & ((draw < 0.5) | (draw == draw.min(axis=1, keepdims=True))))


def _global(table: _Table, changed: pd.DataFrame, rows: Ints, size: Array, rng: np.random.Generator) -> None:
    """Every number anywhere in the range widened by a tenth, and one number outside it at least."""
    if not table.numeric:
        _unseen(table, changed, rows, rng)
        return
    present = table.frame[list(table.numeric)].notna().to_numpy()[rows]
    first = np.argmax(np.where(present, rng.random(present.shape), -1.0), axis=1)
    for at, name in enumerate(table.numeric):
        values = table.frame[name].dropna().to_numpy(dtype=np.float64)
        low, high = float(values.min()), float(values.max())
        room = 0.1 * (high - low) * size
        drawn = rng.uniform(low - room, high + room)
        beyond = rng.uniform(room / 2, room) + 1e-9 * max(abs(low), abs(high))
        outside = np.where(rng.random(rows.size) < 0.5, low - beyond, high + beyond)
        table.put(changed, name, rows, np.where(first == at, outside, drawn))


def _local(table: _Table, changed: pd.DataFrame, rows: Ints, size: Array, rng: np.random.Generator) -> None:
    """About half of the numbers moved by 2.5 to 4 deviations from where they were."""
    if not table.numeric:
        _rarest(table, changed, rows)
        return
    moved = _some_columns(table, rows, rng)
    for at, name in enumerate(table.numeric):
        mine = rows[moved[:, at]]
        step = rng.uniform(2.5, 4.0, size=mine.size) * rng.choice([-1.0, 1.0], size=mine.size)
        step *= size[moved[:, at]] * table.scale(name)
        table.put(changed, name, mine, table.frame[name].to_numpy(dtype=np.float64)[mine] + step)


def _dependency(
    table: _Table, changed: pd.DataFrame, rows: Ints, size: Array, rng: np.random.Generator
) -> None:
    """Values drawn from their own columns, apart from the others; one column alone becomes a global.

    A size under 1 is the share of columns that are redrawn, at least one of them.
    """
    columns = (*table.numeric, *table.categorical)
    if len(columns) < 2:
        _global(table, changed, rows, size, rng)
        return
    draw = rng.random((rows.size, len(columns)))
    redrawn = (draw < size[:, None]) | (draw == draw.min(axis=1, keepdims=True))
    for at, name in enumerate(table.numeric):
        mine = rows[redrawn[:, at]]
        values = table.frame[name].dropna().to_numpy(dtype=np.float64)
        drawn = rng.choice(values, size=mine.size)
        column = changed[name].to_numpy(dtype=np.float64, copy=True)
        column[mine] = np.where(np.isnan(column[mine]), np.nan, drawn)
        changed[name] = column
    for at, name in enumerate(table.categorical, start=len(table.numeric)):
        mine = rows[redrawn[:, at]]
        known = table.frame[name].dropna().to_numpy(dtype=object)
        table.name(changed, name, mine, known[rng.integers(0, known.size, size=mine.size)])


def _cluster(table: _Table, changed: pd.DataFrame, rows: Ints, size: Array, rng: np.random.Generator) -> None:
    """All of one size close together, 3 to 5 deviations from the median in every number."""
    if not table.numeric:
        _unseen(table, changed, rows, rng)
        return
    for name in table.numeric:
        scale = table.scale(name)
        away = rng.choice([-1.0, 1.0]) * rng.uniform(3.0, 5.0) * scale * size
        centre = float(table.frame[name].median()) + away
        table.put(changed, name, rows, centre + 0.2 * scale * rng.standard_normal(rows.size))


def _unseen(table: _Table, changed: pd.DataFrame, rows: Ints, rng: np.random.Generator) -> None:
    """A category that was never seen, in one column a row."""
    picked = rng.integers(0, len(table.categorical), size=rows.size)
    for at, name in enumerate(table.categorical):
        mine = rows[picked == at]
        present = table.frame[name].notna().to_numpy()
        for row in rows[picked == at][~present[mine]]:  # that cell is missing: take one that is not
            other = next(item for item in table.categorical if pd.notna(table.frame[item].iloc[row]))
            table.name(changed, other, np.array([row]), np.array([_UNSEEN], dtype=object))
        table.name(changed, name, mine, np.full(mine.size, _UNSEEN, dtype=object))


def _rarest(table: _Table, changed: pd.DataFrame, rows: Ints) -> None:
    """The rarest category of every column."""
    for name in table.categorical:
        rare = str(table.frame[name].value_counts().index[-1])
        table.name(changed, name, rows, np.full(rows.size, rare, dtype=object))


_APPLY: dict[str, Callable[[_Table, pd.DataFrame, Ints, Array, np.random.Generator], None]] = {
    "global": _global,
    "local": _local,
    "dependency": _dependency,
    "cluster": _cluster,
}
