"""Held-out scores by entity, so that no entity takes more than its share of the alerts (Mondrian).

A p-value says how rare a score is among normal rows. Counted among the rows of all entities, the rows of one
that is wider than the others are rare by themselves, and take the alerts. Counted among the held-out rows of
the same entity, or of a group of entities, each of them alerts at the rate of the policy.

An entity with enough held-out rows is a group of its own. Others are put together with entities of similar
scale, the narrowest first, until a group has enough; where features are by entity, so that each is scaled by
its own, they are one group. The groups depend on numbers of rows and on scales of the fitted rows, never on a
held-out score, so that p-values stay valid in each group. An entity without a scale, one never seen, and all
of them if no group has enough rows, are judged among all rows. A row's p-value depends on its score and its
entity alone.

Called by :mod:`pynomaly.model.calibration.calibration`.

References
----------
Vovk, Gammerman, Shafer (2005), Algorithmic learning in a random world, section 4.5: Mondrian predictors.
Boström, Johansson, Löfström (2021), Mondrian conformal predictive distributions, PMLR 152.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.model.calibration.tail import ParetoTail, fit_tail
from pynomaly.model.entities.scales import Names, join_names, look_up, split_names

__all__ = ["EntityGroups", "group_entities"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FEW = 64  # rows that are judged one by one
_NO_TAIL = ParetoTail(reason="no tail was asked for: training.tail is none")


@dataclass(frozen=True, eq=False)
class EntityGroups:
    """Held-out scores by group of entities.

    Attributes
    ----------
    names : tuple of str
        Entities that are in a group, k of them.
    groups : ndarray of shape (k,), int64
        Number of the group of each.
    scores : ndarray of shape (m,)
        Held-out scores, one group after the other, ascending within each.
    ends : ndarray of shape (g,), int64
        Where each group ends in `scores`.
    tails : tuple of ParetoTail
        p-values above the largest score of each group.
    """

    names: tuple[str, ...]
    groups: Ints
    scores: Floats
    ends: Ints
    tails: tuple[ParetoTail, ...]

    @cached_property
    def _places(self) -> dict[str, int]:
        return dict(zip(self.names, self.groups.tolist(), strict=True))

    @property
    def own(self) -> int:
        """Number of entities that are a group by themselves."""
        return int((np.bincount(self.groups, minlength=len(self.ends)) == 1).sum())

    def locate(self, entities: Names) -> Ints:
        """Return the group of each row, array of shape (n,); -1 for a row that is judged among all rows."""
        return look_up(self._places, entities)

    def p_values(self, scores: Floats, groups: Ints, *, tail: bool = True) -> Floats:
        """Return the p-value of each score in its group, which must not be -1; arrays of shape (n,)."""
        first, end = np.append(0, self.ends[:-1])[groups], self.ends[groups]
        low = self._find_places(scores, first, end)
        p_values = (1.0 + (end - low)) / ((end - first) + 1.0)
        if tail:
            beyond = low == end
            for group in np.unique(groups[beyond]) if beyond.any() else ():
                if self.tails[group]:
                    rows = beyond & (groups == group)
                    p_values[rows] = self.tails[group].p_values(scores[rows])
        return np.asarray(p_values, dtype=np.float64)

    def _find_places(self, scores: Floats, first: Ints, end: Ints) -> Ints:
        """Return the first place between `first` and `end` whose score is no lower, else `end`."""
        if len(scores) < _FEW:
            runs = zip(scores, first, end, strict=True)
            return np.array(
                [low + np.searchsorted(self.scores[low:high], score) for score, low, high in runs],
                dtype=np.int64,
            )
        low, high = first.copy(), end.copy()
        while (low < high).any():  # bisection of all rows at once
            middle = (low + high) // 2
            is_below = (low < high) & (self.scores[np.minimum(middle, len(self.scores) - 1)] < scores)
            high = np.where(is_below | (low >= high), high, middle)
            low = np.where(is_below, middle + 1, low)
        return low

    def resolutions(self, groups: Ints) -> Floats:
        """Return the smallest p-value that counting gives in each group, array of shape (n,)."""
        sizes = np.diff(self.ends, prepend=0)
        return np.asarray(1.0 / (sizes[groups] + 1.0), dtype=np.float64)

    def renew(self, scores: Floats, entities: Names, least: int, *, tail: bool) -> EntityGroups | None:
        """Return the same groups with newer held-out scores; a group with fewer than `least` is dropped."""
        return _collect_groups(self._places, scores, entities, least, tail=tail)

    def describe(self) -> str:
        """Return in words how many entities have p-values of their own."""
        grouped = len(self.names) - self.own
        text = f"p-values by entity: {self.own} by their own held-out rows"
        if grouped:
            count = len(self.ends) - self.own
            text += f", {grouped} in {count} group{'s' if count > 1 else ''} with others"
        return f"{text}; any other entity by the rows of all"

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return plain arrays; the tails are in `to_dict`."""
        return join_names("entities", self.names) | {
            "entity_groups": self.groups,
            "group_scores": self.scores,
            "group_ends": self.ends,
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content: the tails."""
        return {"tails": [tail.to_dict() for tail in self.tails]}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], content: Mapping[str, Any]) -> EntityGroups:
        """Read what `to_arrays` and `to_dict` wrote.

        Raises
        ------
        ValueError
            If the arrays do not fit each other.
        """
        names = split_names("entities", arrays)
        groups, scores, ends = (arrays[key] for key in ("entity_groups", "group_scores", "group_ends"))
        tails = tuple(ParetoTail.from_dict(item) for item in content["tails"])
        if len(groups) != len(names) or len(ends) != len(tails) or not len(ends) or ends[-1] != len(scores):
            raise ValueError("groups of entities do not fit each other")
        if groups.min() < 0 or groups.max() >= len(ends) or (np.diff(ends, prepend=0) < 1).any():
            raise ValueError("an entity is in no group, or a group has no scores")
        return cls(names, groups.astype(np.int64), scores, ends.astype(np.int64), tails)


def group_entities(
    scores: Floats, entities: Names, widths: Mapping[str, float] | None, least: int, *, tail: bool
) -> EntityGroups | None:
    """Return groups of at least `least` held-out rows; None if there is no group.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Held-out scores.
    entities : ndarray of shape (n,), object
        Whose rows they are; None where that is not known.
    widths : mapping of str to float, or None
        Scale of each entity over the rows that the model was fitted on, in any unit; None if they are alike.
    least : int
        Rows from which counting reaches the threshold.
    tail : bool
        Whether to extrapolate beyond the largest score of a group.
    """
    counts = pd.Series(entities, dtype=object).value_counts()
    members = [[str(name)] for name in sorted(counts.index[counts >= least])]
    few = [str(name) for name in counts.index[counts < least]]
    if widths is None:
        if not members:
            return None  # one group of all
        places = _number_groups([*members, sorted(few)])
        return _collect_groups(places, scores, entities, least, tail=tail)
    small = sorted((widths[name], name) for name in few if name in widths)
    joined: list[list[str]] = []
    waiting: list[str] = []
    rows = 0
    for _, name in small:
        waiting.append(name)
        rows += int(counts[name])
        if rows >= least:
            joined.append(waiting)
            waiting, rows = [], 0
    if joined:
        joined[-1] += waiting  # what is left is the widest
    return _collect_groups(_number_groups(members + joined), scores, entities, least, tail=tail)


def _number_groups(groups: list[list[str]]) -> dict[str, int]:
    return {name: group for group, names in enumerate(groups) for name in names}


def _collect_groups(
    places: Mapping[str, int], scores: Floats, entities: Names, least: int, *, tail: bool
) -> EntityGroups | None:
    """Return the held-out scores of the groups that have enough, renumbered; None if none has."""
    codes, uniques = pd.factorize(pd.Series(entities, dtype=object))
    of = np.array([*(places.get(name, -1) for name in uniques), -1], dtype=np.int64)[codes]
    order = np.lexsort((scores, of))
    runs: list[Floats] = []
    numbers: dict[int, int] = {}
    sorted_groups, sorted_scores = of[order], scores[order]
    for group in np.unique(of[of >= 0]).tolist():
        first, end = (int(np.searchsorted(sorted_groups, group, side)) for side in ("left", "right"))
        run = sorted_scores[first:end]
        if len(run) >= least and run[0] < run[-1]:  # scores that are all equal tell nothing
            numbers[group] = len(runs)
            runs.append(run)
    if not runs:
        return None
    names = sorted(name for name, group in places.items() if group in numbers)
    return EntityGroups(
        tuple(names),
        np.array([numbers[places[name]] for name in names], dtype=np.int64),
        np.concatenate(runs),
        np.cumsum([len(run) for run in runs], dtype=np.int64),
        tuple(fit_tail(run) if tail else _NO_TAIL for run in runs),
    )
