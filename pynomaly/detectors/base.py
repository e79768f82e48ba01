"""The contract of a detector: fit on numbers, score numbers, save plain files.

A score is float64, higher is more anomalous, in the detector's own unit, and belongs to its row: the
same row gets the same score alone, in any batch, in any order, in another process, and after save and
load. `checks` tests that for each row of the catalogue. No contamination is asked for: what becomes an
alert is decided elsewhere. Called by `model`; subclasses live beside this module, one small file a method.

A subclass declares `name` and `parameters` and writes two functions of plain arrays: ``_fit(X)`` returns
everything that scoring needs as named arrays, ``_score(X)`` reads them from ``self.state``.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.detectors import saved
from pynomaly.detectors.cells import LIMIT, Table, as_numbers, column_names, numeric, same_names, within
from pynomaly.detectors.exact import Array
from pynomaly.detectors.parameters import Parameter
from pynomaly.detectors.parts import Groups, How, Parts, occluded, summed
from pynomaly.errors import ColumnError, DetectorError, IntegrityError, NotFittedError, allowed

__all__ = ["LIMIT", "Detector", "State", "Table", "as_numbers", "column_names"]

State: TypeAlias = "dict[str, npt.NDArray[Any]]"

THREADS = "PYNOMALY_THREADS"  # environment variable: threads of one scoring call


class Detector(ABC):
    """Base of every detector; made by `catalogue.make`, never by hand.

    Parameters
    ----------
    seed : int
        Seed of everything random in the fit.
    **params
        Parameters by name; those not given take their default.

    Raises
    ------
    DetectorError
        A parameter is unknown or out of its bounds.
    """

    name: ClassVar[str]
    parameters: ClassVar[Mapping[str, Parameter]] = {}
    block_rows: ClassVar[int] = 4096  # rows scored at a time: bounds memory, never changes a score
    explains: ClassVar[How] = "occlusion"  # how `explain` divides a score among columns

    def __init__(self, seed: int = 0, **params: Any) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
            raise DetectorError(f"{self.name}: seed is {seed!r}; allowed: an integer from 0 to 2**32 - 1")
        for given in params:
            if given not in self.parameters:
                hint = allowed(given, self.parameters)
                raise DetectorError(f"{self.name} has no parameter {given!r}; {hint}")
        self.seed = int(seed)
        self.params: dict[str, Any] = {
            key: parameter.check(f"{self.name}: {key}", params.get(key, parameter.default))
            for key, parameter in self.parameters.items()
        }
        self.max_rows: int | None = None  # set by `make` from the catalogue
        self.columns: tuple[str, ...] | None = None
        self.rows_offered = 0
        self.rows_used = 0
        self._width = 0
        self._state: State | None = None

    @property
    def fitted(self) -> bool:
        """Whether `score` and `save` can be called."""
        return self._state is not None

    @property
    def state(self) -> State:
        """Everything scoring needs, as named arrays.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        if self._state is None:
            raise NotFittedError(f"{self.name} is not fitted; call fit(X) first")
        return self._state

    def fit(self, X: Table) -> Self:
        """Fit on rows that are taken for normal; replaces an earlier fit.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n, d)
            Finite numbers. Of a frame, names are kept and asked for again when scoring. More rows than
            `max_rows` are sampled by seed: `rows_offered` and `rows_used` say so.

        Returns
        -------
        Detector
            Itself.

        Raises
        ------
        ColumnError
            No columns, a column twice, or a column that is not numeric.
        DetectorError
            Fewer than two rows, a missing or infinite cell, or data the method cannot be fitted on.
        """
        columns = column_names(X, self.name) if isinstance(X, pd.DataFrame) else None
        values = as_numbers(X, columns, self.name)
        if len(values) < 2:
            raise DetectorError(
                f"{self.name} was given {len(values)} row(s) to fit on; at least 2 are needed"
            )
        used = self._sampled(values)
        try:
            state = self._fit(used)
        except DetectorError:
            raise
        except ValueError as error:  # what scikit-learn, PyOD and numpy raise on data they cannot use
            raise DetectorError(
                f"{self.name} could not be fitted on {used.shape} numbers: {error}"
            ) from error
        self.columns, self._width = columns, values.shape[1]
        self.rows_offered, self.rows_used = len(values), len(used)
        self._state = _frozen(state)
        self._prepare()
        return self

    def score(self, X: Table, *, threads: int | None = None) -> Array:
        """Score rows; each by itself.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n, d)
            Finite numbers. A frame's columns are matched by name, in any order; an array's by position.
        threads : int, optional
            Threads to score with; by default ``$PYNOMALY_THREADS``, else one a processor for more than one
            block of rows. The scores are the same, to the bit.

        Returns
        -------
        ndarray of shape (n,), float64
            Finite; higher is more anomalous.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ColumnError
            A column is missing, not known, twice or not numeric; or the width is wrong.
        DetectorError
            No rows, or a missing or infinite cell.
        """
        _ = self.state  # refuses an unfitted detector before anything else
        if isinstance(X, pd.DataFrame) and self.columns is not None:
            same_names(column_names(X, self.name), self.columns, self.name)
        values, names = numeric(X, self.columns, self.name)
        if values.shape[1] != self._width:
            raise ColumnError(
                f"{self.name} was fitted on {self._width} columns and is given {values.shape[1]}"
            )
        scores = self._in_blocks(values, names, threads)
        if not np.isfinite(scores).all():
            row = int(np.flatnonzero(~np.isfinite(scores))[0])
            raise DetectorError(
                f"{self.name} gives row {row} the score {scores[row]}; only finite scores are given"
            )
        return scores

    def _in_blocks(self, values: Array, names: list[str], threads: int | None) -> Array:
        """Check and score block by block, while it is in cache; the table is never copied as a whole.

        Blocks are dealt to threads, for numpy, SciPy and compiled loops let go of the lock.
        """
        scores = np.empty(len(values))

        def one(start: int) -> None:
            block = values[start : start + self.block_rows]
            scores[start : start + self.block_rows] = self._score(within(block, names, self.name, start))

        starts = range(0, len(values), self.block_rows)
        wanted = min(threads or int(os.environ.get(THREADS, 0)) or os.cpu_count() or 1, len(starts))
        if wanted == 1:
            for start in starts:
                one(start)
        else:
            with ThreadPoolExecutor(wanted) as pool:
                list(pool.map(one, starts))  # the first block that fails is the one that is told
        return scores

    def explain(self, X: Array, usual: Array, groups: Groups | None = None) -> Parts:
        """Say what each column carries of each row's score; see `explains` for how.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Rows as `score` takes them, in the order of the fitted columns.
        usual : ndarray of shape (n, d)
            The same rows with each cell as it would be expected: what a column is held against.
        groups : int array of shape (d,), optional
            Group of each column, from 0: columns of one group are one part. By default each is its own.

        Returns
        -------
        Parts
            Finite. One row at a time: far dearer than `score`, and meant for the rows that alert.

        Raises
        ------
        NotFittedError, ColumnError, DetectorError
            As `score`.
        """
        _ = self.state
        together = np.arange(self._width) if groups is None else np.asarray(groups, dtype=np.int64)
        both = [as_numbers(part, None, self.name) for part in (X, usual)]
        for part in both:
            if part.shape != (len(both[0]), self._width):
                shape = (len(both[0]), self._width)
                raise ColumnError(f"{self.name} explains rows of shape {shape} and is given {part.shape}")
        found = [
            self._explain(both[0][place, None], both[1][place, None], together)
            for place in range(len(both[0]))
        ]
        return Parts(
            np.concatenate([one.amounts for one in found]),
            np.concatenate([one.base for one in found]),
            all(one.additive for one in found),
            max(one.left_out for one in found),
        )

    def save(self, folder: Path) -> None:
        """Write the fitted detector into `folder` as ``detector.json`` and ``arrays.npz``.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        facts = {
            "name": self.name,
            "params": self.params,
            "seed": self.seed,
            "columns": None if self.columns is None else list(self.columns),
            "width": self._width,
            "rows_offered": self.rows_offered,
            "rows_used": self.rows_used,
        }
        saved.write(Path(folder), facts, self.state)

    def restore(self, facts: Mapping[str, Any], state: State) -> Self:
        """Take over what `save` wrote; called by `catalogue.load` alone.

        Raises
        ------
        IntegrityError
            A fact or an array is missing, or does not fit the others.
        """
        try:
            columns = facts["columns"]
            self.columns = None if columns is None else tuple(str(column) for column in columns)
            self._width = int(facts["width"])
            self.rows_offered, self.rows_used = int(facts["rows_offered"]), int(facts["rows_used"])
            self._state = _frozen(state)
            self._prepare()
            self._score(np.zeros((1, self._width)))  # an array that is missing or misshapen shows now
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise IntegrityError(f"saved {self.name} is incomplete: {error}") from error
        return self

    def _sampled(self, values: Array) -> Array:
        """At most `max_rows` rows, drawn by seed, in their order."""
        if self.max_rows is None or len(values) <= self.max_rows:
            return values
        rng = np.random.default_rng(self.seed)
        return values[np.sort(rng.choice(len(values), self.max_rows, replace=False))]

    def _prepare(self) -> None:  # noqa: B027  # optional: most methods score from the arrays as they are
        """Derive what is not saved (an index, say) from `state`; runs after `fit` and after `load`."""

    def _explain(self, x: Array, usual: Array, groups: Groups) -> Parts:
        """Explain one row, shape (1, d); methods that are no sum of terms of columns write their own."""
        if self.explains == "occlusion":
            return occluded(self._score, x, usual, groups)
        terms, base = self._terms(x, usual)
        return summed(terms, base, groups)

    def _terms(self, x: Array, usual: Array) -> tuple[Array, Array]:
        """Terms of the columns (1, d) and what they add to (1,), where the score is such a sum."""
        raise NotImplementedError(f"{self.name} explains by {self.explains}")  # a slip of its author

    @abstractmethod
    def _fit(self, X: Array) -> State:
        """Fit on X (n, d), which must not be changed; return all that scoring needs."""

    @abstractmethod
    def _score(self, X: Array) -> Array:
        """Score X (n, d), which must not be changed, from `state`; shape (n,)."""


def _frozen(state: State) -> State:
    """Copies nobody can write to: scoring must not change what it scores with."""
    copies = {key: np.array(array, order="C") for key, array in state.items()}
    for array in copies.values():
        array.flags.writeable = False
    return copies
