"""Test whether three or more candidates rank differently over data sets or blocks, and which of them do.

Friedman's test, in the form of Iman and Davenport, and Nemenyi's critical difference. Each row of the table
is one data set, or one of several disjoint parts of the judged rows. Only reported; the paired bootstrap
decides. Pure; called by the choice among candidates.

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
from pynomaly.judging.comparison.evidence import Evidence
from pynomaly.judging.comparison.ranking_metrics import Array, Metric
from pynomaly.judging.jsonable import to_jsonable

__all__ = ["MAX_BLOCKS", "MIN_BLOCKS", "RankTest", "build_block_table", "friedman_test"]

MIN_BLOCKS = 5
MAX_BLOCKS = 10
MIN_POSITIVES = 4  # anomalies that a block needs for a useful metric


@dataclass(frozen=True)
class RankTest:
    """Mean ranks of candidates over blocks, and the critical difference.

    Attributes
    ----------
    names : tuple of str
    mean_ranks : tuple of float
        1 is best; ties share their mean.
    blocks : int
    statistic : float
        Friedman's chi-square, corrected for ties.
    p_value : float
        For the hypothesis of equal candidates, by Iman and Davenport's F.
    critical_difference : float
        Nemenyi's: mean ranks this far apart differ significantly at `level`, jointly for all pairs.
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
        """Return the maximal sets of two or more candidates without a significant difference, best first."""
        order = sorted(range(len(self.names)), key=lambda at: self.mean_ranks[at])
        groups: list[tuple[int, ...]] = []
        for start in range(len(order)):
            reach = self.mean_ranks[order[start]] + self.critical_difference
            group = tuple(at for at in order[start:] if self.mean_ranks[at] <= reach)
            if len(group) > 1 and not (groups and set(group) <= set(groups[-1])):
                groups.append(group)
        return tuple(tuple(self.names[at] for at in group) for group in groups)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))


def friedman_test(values: Mapping[str, Sequence[float]], level: float = 0.95) -> RankTest:
    """Test whether candidates have equal mean ranks.

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
    return RankTest(tuple(values), means, blocks, statistic, p_value, difference, level)


def build_block_table(
    evidence: Evidence, scores: Mapping[str, Array], metric: Metric, seed: int
) -> dict[str, list[float]]:
    """Compute the metric of every candidate on disjoint parts of the judged rows, made of whole blocks.

    At most :data:`MAX_BLOCKS` parts, each with about as many anomalous blocks; empty where the rows do not
    suffice for :data:`MIN_BLOCKS` parts.
    """
    anomalous = evidence.units
    normal = int(evidence.number_units().max(initial=-1)) + 1 - anomalous
    parts = min(MAX_BLOCKS, anomalous, evidence.positives // MIN_POSITIVES, normal)
    if parts < MIN_BLOCKS or len(scores) < 3:
        return {}
    part_of_row = evidence.deal_blocks(parts, np.random.default_rng(seed))
    selections = [part_of_row == number for number in range(parts)]
    pieces = [(rows, evidence.select(rows)) for rows in selections]
    return {
        name: [piece.rank(array[rows]).value(metric) for rows, piece in pieces]
        for name, array in scores.items()
    }
