"""The contract of a detector: fit on numbers, score numbers, save plain files.

A score is float64, higher is more anomalous, in the detector's own unit, and depends on its row alone: the
same row gets the same score alone, in any batch, in any order, in another process, and after save and
load. `checks` tests that for each catalogue entry. A detector takes no contamination: other code decides
which scores become alerts. Called by `model`; subclasses live beside this module, one small file a method.

A subclass declares `name` and `parameters` and writes two functions of plain arrays: ``_fit(X)`` returns
everything that scoring needs as named arrays, ``_score(X)`` reads them from ``self.state``.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.detectors import saved
from pynomaly.detectors.arrays import freeze_arrays
from pynomaly.detectors.attributions import (
    ColumnGroups,
    ExplanationMethod,
    MemberReading,
    ScoreParts,
    explain_by_occlusion,
    sum_terms_by_group,
)
from pynomaly.detectors.input_validation import (
    LIMIT,
    Table,
    column_names,
    require_finite,
    require_same_columns,
    to_finite_array,
    to_float_array,
)
from pynomaly.detectors.numerics.exact import Array
from pynomaly.detectors.parameters import Parameter
from pynomaly.detectors.past_rows import PastRows
from pynomaly.errors import ColumnError, DetectorError, IntegrityError, NotFittedError, list_allowed

__all__ = ["LIMIT", "Detector", "State", "Table", "column_names", "to_finite_array"]

State: TypeAlias = "dict[str, npt.NDArray[Any]]"

THREADS_VARIABLE = "PYNOMALY_THREADS"  # environment variable: threads of one scoring call


class Detector(ABC):
    """Base of every detector; made by the catalogue, never by hand.

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
    explains: ClassVar[ExplanationMethod] = "occlusion"  # how `explain` divides a score among columns
    looks_back: ClassVar[bool] = False  # whether it is given the past of rows, too

    def __init__(self, seed: int = 0, **params: Any) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
            raise DetectorError(f"{self.name}: seed is {seed!r}; allowed: an integer from 0 to 2**32 - 1")
        for key in params:
            if key not in self.parameters:
                hint = list_allowed(key, self.parameters)
                raise DetectorError(f"{self.name} has no parameter {key!r}; {hint}")
        self.seed = int(seed)
        self.params: dict[str, Any] = {
            key: parameter.check(f"{self.name}: {key}", params.get(key, parameter.default))
            for key, parameter in self.parameters.items()
        }
        self.max_rows: int | None = None  # set from the catalogue when the detector is made
        self.columns: tuple[str, ...] | None = None
        self.rows_offered = 0
        self.rows_used = 0
        self._width = 0
        self._state: State | None = None

    @property
    def fitted(self) -> bool:
        """Whether the detector is fitted, so that it can score and be saved."""
        return self._state is not None

    @property
    def history(self) -> int:
        """How many values before a row its score reads at most: 0, unless it looks back."""
        return 0

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

    def fit(self, X: Table | PastRows) -> Self:
        """Fit on rows that are assumed normal; replaces an earlier fit.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n, d)
            Finite numbers. The column names of a frame
            are stored and required again when scoring. More rows than `max_rows` are sampled by seed;
            `rows_offered` and `rows_used` record both counts.

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
        X = X.numbers if isinstance(X, PastRows) else X
        columns = column_names(X, self.name) if isinstance(X, pd.DataFrame) else None
        values = to_finite_array(X, columns, self.name)
        if len(values) < 2:
            raise DetectorError(
                f"{self.name} was given {len(values)} row(s) to fit on; at least 2 are needed"
            )
        rows = self._sample_rows(values)
        try:
            state = self._fit(rows)
        except DetectorError:
            raise
        except ValueError as error:  # scikit-learn, PyOD and numpy raise it on data they cannot use
            raise DetectorError(
                f"{self.name} could not be fitted on {rows.shape} numbers: {error}"
            ) from error
        self.columns, self._width = columns, values.shape[1]
        self.rows_offered, self.rows_used = len(values), len(rows)
        self._state = freeze_arrays(state)
        self._prepare()
        return self

    def score(self, X: Table | PastRows, *, threads: int | None = None) -> Array:
        """Score rows, each independently of the others.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n, d)
            Finite numbers. A frame's columns are matched by name, in any order; an array's by position.
        threads : int, optional
            Threads to score with; by default ``$PYNOMALY_THREADS``, else one a processor for more than one
            block of rows. The number of threads does not change a bit of the scores.

        Returns
        -------
        ndarray of shape (n,), float64
            Finite; higher is more anomalous.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ColumnError
            A column is missing, unknown, duplicated or not numeric; or the number of columns is wrong.
        DetectorError
            No rows, or a missing or infinite cell.
        """
        _ = self.state  # refuses an unfitted detector before anything else
        X = X.numbers if isinstance(X, PastRows) else X
        if isinstance(X, pd.DataFrame) and self.columns is not None:
            require_same_columns(column_names(X, self.name), self.columns, self.name)
        values, names = to_float_array(X, self.columns, self.name)
        if values.shape[1] != self._width:
            raise ColumnError(
                f"{self.name} was fitted on {self._width} columns and is given {values.shape[1]}"
            )
        scores = self._score_blocks(values, names, threads)
        if not np.isfinite(scores).all():
            row = int(np.flatnonzero(~np.isfinite(scores))[0])
            raise DetectorError(
                f"{self.name} gives row {row} the score {scores[row]}; only finite scores are given"
            )
        return scores

    def _score_blocks(self, values: Array, names: list[str], threads: int | None) -> Array:
        """Check and score block by block, each while it is in cache; the whole table is never copied.

        Threads share the blocks: numpy, SciPy and compiled loops release the interpreter lock.
        """
        scores = np.empty(len(values))

        def score_block(start: int) -> None:
            block = values[start : start + self.block_rows]
            scores[start : start + self.block_rows] = self._score(
                require_finite(block, names, self.name, start)
            )

        self._run_blocks(len(values), score_block, threads)
        return scores

    def _run_blocks(self, rows: int, score_block: Callable[[int], None], threads: int | None) -> None:
        """Call `score_block` with the first row of every block, in threads if there are several."""
        starts = range(0, rows, self.block_rows)
        workers = min(threads or int(os.environ.get(THREADS_VARIABLE, 0)) or os.cpu_count() or 1, len(starts))
        if workers == 1:
            for start in starts:
                score_block(start)
        else:
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(score_block, starts))  # raises the error of the first block that fails

    def explain(self, X: Array | PastRows, usual: Array, groups: ColumnGroups | None = None) -> ScoreParts:
        """Divide each row's score among the columns, by the method named in `explains`.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Rows as `score` takes them, in the order of the fitted columns.
        usual : ndarray of shape (n, d)
            The expected cells of the same rows, with which each column is compared.
        groups : int array of shape (d,), optional
            Group of each column, from 0; columns of one group get one common part. By default each column is
            a group.

        Returns
        -------
        ScoreParts
            Finite amounts. Rows are explained one at a time, which costs far more than `score`: meant for
            the rows that raise alerts.

        Raises
        ------
        NotFittedError, ColumnError, DetectorError
            As `score`.
        """
        _ = self.state
        group_of = np.arange(self._width) if groups is None else np.asarray(groups, dtype=np.int64)
        X = X.numbers if isinstance(X, PastRows) else X
        rows, usual_rows = (to_finite_array(table, None, self.name) for table in (X, usual))
        for table in (rows, usual_rows):
            if table.shape != (len(rows), self._width):
                shape = (len(rows), self._width)
                raise ColumnError(f"{self.name} explains rows of shape {shape} and is given {table.shape}")
        parts = [
            self._explain(rows[place, None], usual_rows[place, None], group_of) for place in range(len(rows))
        ]
        return ScoreParts(
            np.concatenate([part.amounts for part in parts]),
            np.concatenate([part.base for part in parts]),
            all(part.additive for part in parts),
            max(part.left_out for part in parts),
        )

    def read_members(self, X: PastRows) -> tuple[MemberReading, ...]:
        """Return what the strongest member sees in each column of one row; nothing if there is no past."""
        return ()

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
        saved.write_detector_files(Path(folder), facts, self.state)

    def restore(self, facts: Mapping[str, Any], state: State) -> Self:
        """Set the fitted state from what `save` wrote; the catalogue calls it when it loads a detector.

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
            self._state = freeze_arrays(state)
            self._prepare()
            self._check_restored()
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise IntegrityError(f"saved {self.name} is incomplete: {error}") from error
        return self

    def _sample_rows(self, values: Array) -> Array:
        """Return at most `max_rows` rows, drawn by seed, in their original order."""
        if self.max_rows is None or len(values) <= self.max_rows:
            return values
        rng = np.random.default_rng(self.seed)
        return values[np.sort(rng.choice(len(values), self.max_rows, replace=False))]

    def _prepare(self) -> None:  # noqa: B027  # most methods score from the arrays as they are
        """Derive what is not saved (an index, for example) from `state`; runs after fitting and loading."""

    def _check_restored(self) -> None:
        """Fail now if an array is missing or misshapen."""
        self._score(np.zeros((1, self._width)))

    def _explain(self, x: Array, usual: Array, groups: ColumnGroups) -> ScoreParts:
        """Explain one row, shape (1, d); a method whose score is no sum over columns overrides this."""
        if self.explains == "occlusion":
            return explain_by_occlusion(self._score, x, usual, groups)
        terms, base = self._terms(x, usual)
        return sum_terms_by_group(terms, base, groups)

    def _terms(self, x: Array, usual: Array) -> tuple[Array, Array]:
        """Return terms (1, d) and base (1,) of one row, whose sum is the score, where the method has them."""
        raise NotImplementedError(f"{self.name} explains by {self.explains}")  # the author forgot the method

    @abstractmethod
    def _fit(self, X: Array) -> State:
        """Fit on X (n, d), which must not be changed; return all that scoring needs."""

    @abstractmethod
    def _score(self, X: Array) -> Array:
        """Score X (n, d), which must not be changed, from `state`; shape (n,)."""
