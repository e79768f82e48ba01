"""Do three or more candidates rank differently over many data sets or blocks, and which of them?

Friedman's test, in the form of Iman and Davenport, and Nemenyi's critical difference. Each row of the table
is one data set, or one part of the judged rows that shares no row with another. Reported beside the
comparison; the paired bootstrap decides. Pure; called by the choice among candidates.

References
----------
Demšar (2006), Statistical comparisons of classifiers over multiple data sets, JMLR 7, section 3.2.
Iman, Davenport (1980), Approximations of the critical region of the Friedman statistic, Communications in
Statistics 9(6).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pynomaly.errors import DataError
from pynomaly.judging.plain import plain
from pynomaly.judging.ranking import Array, Ints, Metric, Operation, Ranking

__all__ = ["LEAST_BLOCKS", "MOST_BLOCKS", "Ranks", "block_table", "rank_test"]

LEAST_BLOCKS = 5
MOST_BLOCKS = 10
LEAST_POSITIVES = 4  # anomalies a block, for its metric to say something


@dataclass(frozen=True)
class Ranks:
    """Mean ranks of candidates over blocks, and how far apart they must lie.

    Attributes
    ----------
    names : tuple of str
    mean_ranks : tuple of float
        1 is best; ties share their mean.
    blocks : int
    statistic : float
        Friedman's chi-square, corrected for ties.
    p_value : float
        Of equal candidates, by Iman and Davenport's F.
    critical_difference : float
        Nemenyi's: mean ranks this far apart differ at `level`, for all pairs together.
    level : float
    """

    names: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    blocks: int
    statistic: float
    p_value: float
    critical_difference: float
    level: float

    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Largest sets of candidates that are not told apart, best first; single ones left out."""
        order = sorted(range(len(self.names)), key=lambda at: self.mean_ranks[at])
        found: list[tuple[int, ...]] = []
        for start in range(len(order)):
            reach = self.mean_ranks[order[start]] + self.critical_difference
            group = tuple(at for at in order[start:] if self.mean_ranks[at] <= reach)
            if len(group) > 1 and not (found and set(group) <= set(found[-1])):
                found.append(group)
        return tuple(tuple(self.names[at] for at in group) for group in found)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return dict(plain(self))


def rank_test(values: Mapping[str, Sequence[float]], level: float = 0.95) -> Ranks:
    """Test whether candidates rank alike.

    Parameters
    ----------
    values : mapping of str to sequence of float
        At least three candidates, each with its metric on the same blocks; higher is better.
    level : float

    Raises
    ------
    DataError
        If there are fewer than three candidates or two blocks, lengths differ, or a value is not finite.
    """
    from scipy import stats

    lengths = {len(row) for row in values.values()}
    if len(values) < 3 or len(lengths) != 1 or lengths == {1} or lengths == {0}:
        raise DataError(
            f"{len(values)} candidates on {sorted(lengths)} blocks cannot be ranked; "
            "allowed: three or more, on the same two or more blocks"
        )
    table = np.array([values[name] for name in values], dtype=np.float64).T
    if not np.isfinite(table).all():
        raise DataError(f"{int((~np.isfinite(table)).sum())} of {table.size} values are not finite")
    blocks, count = table.shape
    ranks = stats.rankdata(-table, axis=1)
    statistic = 0.0
    if (ranks != ranks[:, :1]).any():
        statistic = float(stats.friedmanchisquare(*table.T).statistic)
    spread = blocks * (count - 1) - statistic
    p_value = 0.0
    if spread > 1e-12:
        ratio = (blocks - 1) * statistic / spread
        p_value = float(stats.f.sf(ratio, count - 1, (count - 1) * (blocks - 1)))
    wide = float(stats.studentized_range.ppf(level, count, np.inf)) / math.sqrt(2)
    difference = wide * math.sqrt(count * (count + 1) / (6 * blocks))
    means = tuple(float(rank) for rank in ranks.mean(axis=0))
    return Ranks(tuple(values), means, blocks, statistic, p_value, difference, level)


def block_table(
    truth: Ints,
    scores: Mapping[str, Array],
    metric: Metric,
    blocks: Ints | None,
    seed: int,
    operation: Operation | None = None,
) -> dict[str, list[float]]:
    """The metric of every candidate on parts of the judged rows that share neither row nor block.

    At most :data:`MOST_BLOCKS` parts, anomalies shared evenly by whole blocks; empty when they do not suffice
    for :data:`LEAST_BLOCKS`.
    """
    units = np.arange(truth.size) if blocks is None else np.unique(blocks, return_inverse=True)[1]
    holds = np.bincount(units, weights=truth) > 0
    parts = min(MOST_BLOCKS, int(holds.sum()), int(truth.sum()) // LEAST_POSITIVES, int((~holds).sum()))
    if parts < LEAST_BLOCKS or len(scores) < 3:
        return {}
    rng = np.random.default_rng(seed)
    part = np.zeros(holds.size, dtype=np.int64)
    for kind in (True, False):
        part[rng.permutation(np.flatnonzero(holds == kind))] = np.arange((holds == kind).sum()) % parts
    member = part[units]
    return {
        name: [
            Ranking(truth[member == at], given[member == at], operation).value(metric) for at in range(parts)
        ]
        for name, given in scores.items()
    }
