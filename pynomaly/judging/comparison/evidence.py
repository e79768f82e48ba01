"""The evidence that models are judged by: rows with a known truth, and what is known about that truth.

One object carries it from the rows to the verdict: every comparison takes it. It also divides the rows into
parts, always by whole blocks of dependent rows, with the blocks that hold anomalies spread evenly. Pure;
built by `steps.training` and `steps.monitoring`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from pynomaly.errors import DataError
from pynomaly.judging.comparison.injected.anomalies import InjectedAnomalies
from pynomaly.judging.comparison.ranking_metrics import Array, Ints, OperatingPoint, Ranking

__all__ = ["Evidence", "Rung", "explain_unusable_truth", "find_catches"]


class Rung(StrEnum):
    """Kind of evidence behind the truth, strongest first."""

    LABELS = "labels"
    AUDITED = "audited"
    INJECTED = "injected"


@dataclass(frozen=True, eq=False)
class Evidence:
    """The truth of n rows, and what is needed to judge scores by it.

    Attributes
    ----------
    truth : int array of shape (n,)
        1 for an anomaly, 0 for a normal row.
    blocks : int array of shape (n,) or None
        Rows with the same number depend on each other: they are resampled together and stay in one part.
        None if all rows are independent.
    rung : Rung
    injected : InjectedAnomalies or None
        Kind and size of each injected anomaly; superiority then needs more than one kind.
    operation : OperatingPoint or None
        Share of normal rows that alert, and the cost of errors; None stands for the defaults.
    weights : array of shape (n,) or None
        Rows that each row stands for, above 0: the reciprocal of its chance to be drawn into an audit. None
        where each stands for itself.

    Raises
    ------
    DataError
        If a label is neither 0 nor 1, or an array has another length than `truth`.
    """

    truth: Ints
    blocks: Ints | None = None
    rung: Rung = Rung.LABELS
    injected: InjectedAnomalies | None = None
    operation: OperatingPoint | None = None
    weights: Array | None = None

    def __post_init__(self) -> None:
        labels = np.asarray(self.truth)
        if labels.ndim != 1:
            raise DataError(f"truth has shape {labels.shape}; allowed: (n,)")
        wrong = ~np.isin(labels, (0, 1))
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise DataError(
                f"label {labels[row]!s} at row {row} is neither 0 nor 1; "
                "leave out rows whose label is not known"
            )
        object.__setattr__(self, "truth", labels.astype(np.int64))
        parts = {} if self.injected is None else self.injected.arrays
        if self.blocks is not None:
            object.__setattr__(self, "blocks", np.asarray(self.blocks))
            parts = {"blocks": self.blocks} | parts
        if self.weights is not None:
            object.__setattr__(self, "weights", np.asarray(self.weights, dtype=np.float64))
            if not (self.weights > 0).all():
                raise DataError(f"a weight of {self.weights.min():g} is not allowed: above 0")
            parts = {"weights": self.weights} | parts
        for name, values in parts.items():
            if values.shape != labels.shape:
                raise DataError(
                    f"there are {labels.size} labels and {name} of shape {values.shape}; allowed: one a row"
                )

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.truth.size)

    @property
    def positives(self) -> int:
        """Number of anomalies; an episode of several rows is one."""
        return self.count_anomalies(np.ones(self.rows, dtype=bool))

    def count_anomalies(self, rows: npt.NDArray[np.bool_]) -> int:
        """Return the number of anomalies among the selected rows, bool array of shape (n,)."""
        anomalous = rows & (self.truth == 1)
        episodes = None if self.injected is None else self.injected.episodes
        if episodes is None:
            return int(anomalous.sum())
        of_episodes = episodes[anomalous]
        return int((of_episodes < 0).sum()) + int(np.unique(of_episodes[of_episodes >= 0]).size)

    @property
    def units(self) -> int:
        """Number of independent anomalies: of blocks that hold one, or of anomalies where rows are single."""
        return self.count_units(np.ones(self.rows, dtype=bool))

    def count_units(self, rows: npt.NDArray[np.bool_]) -> int:
        """Return the number of independent anomalies among the selected rows, bool array of shape (n,)."""
        if self.blocks is None:
            return self.count_anomalies(rows)
        return int(np.unique(self.blocks[rows & (self.truth == 1)]).size)

    def count_blocks(self) -> int:
        """Return the number of blocks of rows; of rows without blocks."""
        return int(np.unique(self.number_units()).size)

    def check_scores(self, scores: npt.ArrayLike) -> Array:
        """Return scores as an array of shape (n,).

        Raises
        ------
        DataError
            If they are not one for each row.
        """
        array = np.asarray(scores, dtype=np.float64)
        if array.shape != self.truth.shape:
            raise DataError(
                f"truth has shape {self.truth.shape} and scores {array.shape}; "
                "allowed: two of one length (n,)"
            )
        return array

    def rank(self, scores: Array) -> Ranking:
        """Return the ranking of the rows by their scores, which must be finite.

        Rows of an audit have weights. Injected anomalies may have: an episode counts as one anomaly, each of
        its rows as a share.
        """
        shares = self.weights if self.injected is None else self.injected.weigh_rows(self.truth)
        return Ranking(self.truth, scores, self.operation, shares)

    def select(self, rows: npt.NDArray[np.bool_]) -> Evidence:
        """Return the evidence of the selected rows, bool array of shape (n,)."""
        injected = self.injected
        if injected is not None:
            injected = injected.select(rows)
        blocks = None if self.blocks is None else self.blocks[rows]
        weights = None if self.weights is None else self.weights[rows]
        return replace(self, truth=self.truth[rows], blocks=blocks, injected=injected, weights=weights)

    def number_units(self) -> Ints:
        """Return the number of each row's block from 0, without gaps; of the row itself without blocks."""
        if self.blocks is None:
            return np.arange(self.rows, dtype=np.int64)
        return np.unique(self.blocks, return_inverse=True)[1].astype(np.int64)

    def find_catches(self, alerted: npt.ArrayLike) -> list[bool]:
        """Return for each incident, the anomalies of one block, whether a row of it alerts.

        Parameters
        ----------
        alerted : bool array of shape (n,)
        """
        return find_catches(self.number_units(), self.truth, alerted)

    def deal_blocks(self, parts: int, rng: np.random.Generator) -> Ints:
        """Return each row's part, from 0, shape (n,): whole blocks, those with anomalies spread evenly."""
        member = self.number_units()
        has_anomaly = np.bincount(member, weights=self.truth) > 0
        part_of_block = np.zeros(has_anomaly.size, dtype=np.int64)
        for kind in (True, False):
            places = np.flatnonzero(has_anomaly == kind)
            part_of_block[rng.permutation(places)] = np.arange(places.size) % parts
        return np.asarray(part_of_block[member], dtype=np.int64)

    def assign_folds(self, folds: int, rng: np.random.Generator) -> Ints:
        """Return the fold of each row, shape (n,), as :meth:`deal_blocks` does.

        Raises
        ------
        DataError
            If there are fewer blocks with or without anomalies than folds, so that a fold lacks a class.
        """
        fold_of_row = self.deal_blocks(folds, rng)
        for fold in range(folds):
            if reason := explain_unusable_truth(self.truth[fold_of_row == fold]):
                raise DataError(f"fold {fold + 1} of {folds}: {reason}")
        return fold_of_row

    def split_halves(self, seed: int) -> npt.NDArray[np.bool_]:
        """Return which rows are in the first of two halves, bool array of shape (n,)."""
        return np.asarray(self.deal_blocks(2, np.random.default_rng(seed)) == 0, dtype=bool)


def explain_unusable_truth(truth: npt.ArrayLike) -> str | None:
    """Return why `truth` allows no evaluation, or None."""
    labels = np.asarray(truth)
    if not labels.size:
        return "there are no rows"
    positives = int((labels == 1).sum())
    if positives == 0:
        return f"none of the {labels.size} rows is an anomaly"
    if positives == labels.size:
        return f"all of the {labels.size} rows are anomalies"
    return None


def find_catches(units: npt.ArrayLike, truth: npt.ArrayLike, alerted: npt.ArrayLike) -> list[bool]:
    """Return for each incident whether it is caught, by number of its block.

    Parameters
    ----------
    units : int array-like of shape (n,)
        Block of each row.
    truth, alerted : array-like of shape (n,)
        1 for an anomaly; True for a row that alerts.
    """
    anomalous = np.asarray(truth) == 1
    own, hits = np.asarray(units)[anomalous], np.asarray(alerted, dtype=bool)[anomalous]
    return [bool(hits[own == unit].any()) for unit in np.unique(own)]
