"""Inject synthetic anomalies into rows, so that detectors can be compared without labels.

Called on held-out rows when there are too few labels. Four kinds, in equal parts, after ADBench (Han et
al. 2022, section 3.2): *global* (anywhere in the widened range), *local* (moved by a few deviations from the
original values), *dependency* (usual values in an unusual combination) and *cluster* (a small dense group far
from the centre), each at several sizes. Where the context of a row counts, as many rows get *wrong hour*
(usual values, but of another hour or weekday of the same entity), and as many *wrong entity* (usual values of
another entity). Anomalies in production need not look like these: the verdict names this kind of evidence,
and has results by kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.data.frame import FrameContract
from pynomaly.errors import DataError
from pynomaly.judging.comparison.injected.anomalies import InjectedAnomalies
from pynomaly.judging.comparison.injected.context import RowContext
from pynomaly.judging.comparison.injected.displaced import find_donors

__all__ = ["ANOMALY_KINDS", "CONTEXT_KINDS", "inject_anomalies"]

ANOMALY_KINDS = ("global", "local", "dependency", "cluster")
CONTEXT_KINDS = ("wrong hour", "wrong entity")

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_UNSEEN = "(injected)"


def inject_anomalies(
    frame: pd.DataFrame,
    contract: FrameContract,
    share: float,
    seed: int,
    sizes: Sequence[float] = (1.0,),
    context: RowContext | None = None,
) -> tuple[pd.DataFrame, Ints, InjectedAnomalies]:
    """Change a share of the rows into anomalies of four kinds, and of those that only their context shows.

    Parameters
    ----------
    frame : DataFrame of shape (n, d)
        Conformed rows, assumed normal. Not changed.
    contract : FrameContract
    share : float
        Share of rows to change, at least one row.
    seed : int
    sizes : sequence of float
        Each anomaly has one of these sizes, in equal parts within a kind: 1 is the default, 0.5 moves numbers
        half as far (*dependency*: redraws half of the columns), 2 twice as far.
    context : RowContext, optional
        Of these rows, where their hour or entity counts: the rows to change are then dealt in equal parts to
        the four kinds together, to *wrong hour* and to *wrong entity*, as far as each is there. Rows for
        which nothing usual is unusual enough stay as they are.

    Returns
    -------
    frame : DataFrame of shape (n, d)
        Same index and columns; missing cells stay missing, integer-valued columns stay integer-valued.
    labels : int array of shape (n,)
        1 exactly where a row was changed.
    injected : InjectedAnomalies

    Raises
    ------
    DataError
        If every column is constant, so that nothing can be injected.

    Notes
    -----
    Categories are changed by *dependency*, and by the other kinds only where no number column varies.
    """
    table = _OriginalRows.of(frame, contract)
    rng = np.random.default_rng(seed)
    eligible = np.flatnonzero(table.changeable)
    wanted = min(max(1, round(share * len(frame))), eligible.size)
    chosen = rng.choice(eligible, size=wanted, replace=False)
    kinds = np.full(len(frame), "", dtype=object)
    size = np.ones(len(frame))
    changed = frame.copy()
    families = _list_families(context)
    for place, kind in enumerate(families, start=1):
        assert context is not None
        assigned = chosen[place :: len(families) + 1]
        size[assigned] = np.resize(np.asarray(sizes, dtype=np.float64), assigned.size)
        kinds[_displace(table, changed, np.sort(assigned), size, rng, context, kind)] = kind
    chosen = chosen[:: len(families) + 1]
    for position, (kind, apply) in enumerate(_INJECTORS.items()):
        assigned = chosen[position :: len(ANOMALY_KINDS)]
        size[assigned] = np.resize(np.asarray(sizes, dtype=np.float64), assigned.size)
        rows = np.sort(assigned)
        if rows.size:
            apply(table, changed, rows, size[rows], rng)
            kinds[rows] = kind
    unchanged = chosen[table.find_unchanged(changed, chosen)]
    if unchanged.size:  # an independent draw can return a row's own values
        unchanged = np.sort(unchanged)
        _inject_global(table, changed, unchanged, size[unchanged], rng)
        kinds[unchanged] = "global"
        still_unchanged = unchanged[table.find_unchanged(changed, unchanged)]
        kinds[still_unchanged] = ""
    size_names = np.array([f"{number:g}" for number in size], dtype=object)
    size_names[kinds == ""] = ""
    return changed, (kinds != "").astype(np.int64), InjectedAnomalies(kinds, size_names)


def _list_families(context: RowContext | None) -> tuple[str, ...]:
    """Return the kinds that only the context shows, as far as the data have such a context."""
    if context is None:
        return ()
    return tuple(
        kind
        for kind, known in zip(CONTEXT_KINDS, (context.has_season, context.has_entities), strict=True)
        if known
    )


def _displace(
    table: _OriginalRows,
    changed: pd.DataFrame,
    rows: Ints,
    size: Array,
    rng: np.random.Generator,
    context: RowContext,
    kind: str,
) -> Ints:
    """Overwrite all numbers of the rows by those of a donor; return the rows that changed."""
    if not rows.size:
        return rows
    values = table.frame[list(context.columns)].to_numpy(dtype=np.float64)
    donors = find_donors(context, values, rows, size[rows], rng, foreign=kind == "wrong entity")
    rows, donors = rows[donors >= 0], donors[donors >= 0]
    for name in table.numeric:
        column = changed[name].to_numpy(dtype=np.float64, copy=True)
        drawn = table.frame[name].to_numpy(dtype=np.float64)[donors]
        column[rows] = np.where(np.isnan(column[rows]) | np.isnan(drawn), column[rows], drawn)
        changed[name] = column
    return rows[~table.find_unchanged(changed, rows)]


@dataclass(frozen=True)
class _OriginalRows:
    """The original rows, the columns that vary, and their scale."""

    frame: pd.DataFrame
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    changeable: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, frame: pd.DataFrame, contract: FrameContract) -> _OriginalRows:
        numeric = tuple(name for name in contract.numeric if _has_two_values(frame[name]))
        categorical = tuple(name for name in contract.categorical if _has_two_values(frame[name]))
        if not numeric and not categorical:
            raise DataError(
                f"nothing can be injected into {len(frame)} rows: none of the columns "
                f"{', '.join(map(repr, (*contract.numeric, *contract.categorical)))} has two different values"
            )
        moved = list(numeric or categorical)
        return cls(frame, numeric, categorical, frame[moved].notna().any(axis=1).to_numpy(dtype=bool))

    def scale(self, name: str) -> float:
        """Return a robust deviation of a number column; the standard one if half of the values are equal."""
        values = self.frame[name].dropna().to_numpy(dtype=np.float64)
        low, high = np.quantile(values, [0.25, 0.75])
        return float((high - low) / 1.349) or float(values.std()) or 1.0

    def write_numbers(self, changed: pd.DataFrame, name: str, rows: Ints, values: Array) -> None:
        """Overwrite the cells that are not missing with numbers; integer-valued columns stay so."""
        column = changed[name].to_numpy(dtype=np.float64, copy=True)
        known = column[~np.isnan(column)]
        if (known == np.round(known)).all():
            values = np.where(
                np.round(values) == column[rows], column[rows] + np.sign(values - column[rows]), values
            )
            values = np.round(values)
        column[rows] = np.where(np.isnan(column[rows]), np.nan, values)
        changed[name] = column

    def write_categories(
        self, changed: pd.DataFrame, name: str, rows: Ints, values: npt.NDArray[np.object_]
    ) -> None:
        """Overwrite the cells that are not missing with categories."""
        column = changed[name].to_numpy(dtype=object, copy=True)
        present = np.asarray(pd.notna(column[rows]), dtype=bool)
        column[rows[present]] = values[present]
        changed[name] = pd.Series(column, index=changed.index, dtype=object)

    def find_unchanged(self, changed: pd.DataFrame, rows: Ints) -> npt.NDArray[np.bool_]:
        """Mark those of `rows` that have the same values as before."""
        columns = [*self.numeric, *self.categorical]
        before, after = self.frame[columns].iloc[rows], changed[columns].iloc[rows]
        return ((before == after) | (before.isna() & after.isna())).all(axis=1).to_numpy(dtype=bool)


def _has_two_values(column: pd.Series) -> bool:
    known = column.dropna().to_numpy()
    return bool(known.size) and bool((known != known[0]).any())


def _draw_columns(table: _OriginalRows, rows: Ints, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Draw for each row about half of the number columns that are not missing, at least one."""
    present = table.frame[list(table.numeric)].notna().to_numpy()[rows]
    draw = np.where(present, rng.random(present.shape), np.inf)
    return np.asarray(present & ((draw < 0.5) | (draw == draw.min(axis=1, keepdims=True))))


def _inject_global(
    table: _OriginalRows, changed: pd.DataFrame, rows: Ints, size: Array, rng: np.random.Generator
) -> None:
    """Redraw every number from the range widened by a tenth, at least one number outside the range."""
    if not table.numeric:
        _write_unseen(table, changed, rows, rng)
        return
    present = table.frame[list(table.numeric)].notna().to_numpy()[rows]
    first = np.argmax(np.where(present, rng.random(present.shape), -1.0), axis=1)
    for position, name in enumerate(table.numeric):
        values = table.frame[name].dropna().to_numpy(dtype=np.float64)
        low, high = float(values.min()), float(values.max())
        room = 0.1 * (high - low) * size
        drawn = rng.uniform(low - room, high + room)
        beyond = rng.uniform(room / 2, room) + 1e-9 * max(abs(low), abs(high))
        outside = np.where(rng.random(rows.size) < 0.5, low - beyond, high + beyond)
        table.write_numbers(changed, name, rows, np.where(first == position, outside, drawn))


def _inject_local(
    table: _OriginalRows, changed: pd.DataFrame, rows: Ints, size: Array, rng: np.random.Generator
) -> None:
    """Move about half of the numbers by 2.5 to 4 deviations."""
    if not table.numeric:
        _write_rarest(table, changed, rows)
        return
    moved = _draw_columns(table, rows, rng)
    for column, name in enumerate(table.numeric):
        moved_rows = rows[moved[:, column]]
        step = rng.uniform(2.5, 4.0, size=moved_rows.size) * rng.choice([-1.0, 1.0], size=moved_rows.size)
        step *= size[moved[:, column]] * table.scale(name)
        table.write_numbers(
            changed, name, moved_rows, table.frame[name].to_numpy(dtype=np.float64)[moved_rows] + step
        )


def _inject_dependency(
    table: _OriginalRows, changed: pd.DataFrame, rows: Ints, size: Array, rng: np.random.Generator
) -> None:
    """Draw values of each column independently of the others; a single column gets a global anomaly.

    A size below 1 is the share of columns that are redrawn, at least one of them.
    """
    columns = (*table.numeric, *table.categorical)
    if len(columns) < 2:
        _inject_global(table, changed, rows, size, rng)
        return
    draw = rng.random((rows.size, len(columns)))
    redrawn = (draw < size[:, None]) | (draw == draw.min(axis=1, keepdims=True))
    for position, name in enumerate(table.numeric):
        redrawn_rows = rows[redrawn[:, position]]
        values = table.frame[name].dropna().to_numpy(dtype=np.float64)
        drawn = rng.choice(values, size=redrawn_rows.size)
        column = changed[name].to_numpy(dtype=np.float64, copy=True)
        column[redrawn_rows] = np.where(np.isnan(column[redrawn_rows]), np.nan, drawn)
        changed[name] = column
    for position, name in enumerate(table.categorical, start=len(table.numeric)):
        redrawn_rows = rows[redrawn[:, position]]
        known = table.frame[name].dropna().to_numpy(dtype=object)
        table.write_categories(
            changed, name, redrawn_rows, known[rng.integers(0, known.size, size=redrawn_rows.size)]
        )


def _inject_cluster(
    table: _OriginalRows, changed: pd.DataFrame, rows: Ints, size: Array, rng: np.random.Generator
) -> None:
    """Place all rows of one size close together, 3 to 5 deviations from the median in every number."""
    if not table.numeric:
        _write_unseen(table, changed, rows, rng)
        return
    for name in table.numeric:
        scale = table.scale(name)
        away = rng.choice([-1.0, 1.0]) * rng.uniform(3.0, 5.0) * scale * size
        centre = float(table.frame[name].median()) + away
        table.write_numbers(changed, name, rows, centre + 0.2 * scale * rng.standard_normal(rows.size))


def _write_unseen(table: _OriginalRows, changed: pd.DataFrame, rows: Ints, rng: np.random.Generator) -> None:
    """Write a category that does not occur in the data into one column of each row."""
    picked = rng.integers(0, len(table.categorical), size=rows.size)
    for position, name in enumerate(table.categorical):
        picked_rows = rows[picked == position]
        present = table.frame[name].notna().to_numpy()
        for row in rows[picked == position][
            ~present[picked_rows]
        ]:  # that cell is missing: take one that is not
            other = next(item for item in table.categorical if pd.notna(table.frame[item].iloc[row]))
            table.write_categories(changed, other, np.array([row]), np.array([_UNSEEN], dtype=object))
        table.write_categories(changed, name, picked_rows, np.full(picked_rows.size, _UNSEEN, dtype=object))


def _write_rarest(table: _OriginalRows, changed: pd.DataFrame, rows: Ints) -> None:
    """Write the rarest category of every column."""
    for name in table.categorical:
        rare = str(table.frame[name].value_counts().index[-1])
        table.write_categories(changed, name, rows, np.full(rows.size, rare, dtype=object))


_INJECTORS: dict[str, Callable[[_OriginalRows, pd.DataFrame, Ints, Array, np.random.Generator], None]] = {
    "global": _inject_global,
    "local": _inject_local,
    "dependency": _inject_dependency,
    "cluster": _inject_cluster,
}
