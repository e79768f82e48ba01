"""The default: unlike members in three views, two of them fitted three times on rows the last let pass.

Needs no labels and no parameters, and is meant to be good on a table nobody has looked at. One view sees
values that are odd by themselves (isolation forest, rarity of cells), one rows that are odd as a whole
(mixture, sampled neighbours), one rows that lie far out in many columns: whichever is surer decides.
Fails where anomalies are a dense group of ordinary values, as every member does, and on tables where one
of its members alone would be right. Fit O(n) with bounded samples where a member is dearer; score O(d^2)
a row, whatever was fitted on.

Tried on twenty tables and left out, for none gained more than another seed does: sums and maxima of tail
probabilities for deviations; ECOD, COPOD, LODA, iNNE, whitened columns, forests on principal components,
regressions of each column on the others, principal components, density among sampled rows, as further
members; shares to clean from .1 to .4 in one to three rounds; choosing between the views by their spread,
stability or agreement; and members chosen by a greedy search, which did worse on the other half.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.exact import Array, row_sum
from pynomaly.detectors.forest import IsolationForest
from pynomaly.detectors.mixture import GaussianMixture
from pynomaly.detectors.parameters import Number, Parameter
from pynomaly.detectors.parts import Groups, How, Parts, joined, secant
from pynomaly.detectors.sampled import Rarity, SampledDensity, SampledNeighbours, Tails

__all__ = ["Auto"]

_STAGES = 3
_LOW, _HIGH = -5.0, 20.0  # robust deviations of a member beyond which it has said enough
_BEYOND = 0.01  # what a member still adds there, a logarithm: no two rows tie for being far
_AGREEMENT = 0.5  # weight of the mean of the views beside their maximum


class Auto(Detector):
    """Ensemble in three views, cleaned of the most anomalous part of its own rows.

    Four members are fitted on all rows, then without the share `cleaned` that scored highest, then without
    that share of what was left; all twelve are kept. Scores of a member are put in deviations of the rows
    that were left last (median and interquartile range: the spread of rows that are surely normal) and
    capped, so that none outvotes the others; a view is the mean of its members. The third view, how far out
    a row lies in its columns, is fitted once on all rows and has no say in the cleaning. The score is the
    largest view plus half of their mean. About 0 is an ordinary row.

    With ``cleaned=0`` the rows are taken for normal, every one: members are fitted once, and density among
    more rows takes the place of nearness to few, which is there to outlive anomalies among the fitted rows.

    References
    ----------
    Aggarwal, Sathe: Theoretical Foundations and Algorithms for Outlier Ensembles. SIGKDD Explorations 2015.
    Liu, Ting, Zhou: Isolation Forest. ICDM 2008. For the others, see the members' own modules.
    """

    name: ClassVar[str] = "auto"
    parameters: ClassVar[Mapping[str, Parameter]] = {"cleaned": Number(0.25, 0, 0.5)}

    explains: ClassVar[How] = "members"

    _members: tuple[Detector, ...] = ()

    def _fit(self, X: Array) -> State:
        members: list[Detector] = []
        scores = np.empty((len(X), 0))
        calm = np.arange(len(X))
        for stage in range(self._stages):
            if stage:
                ranks = np.argsort(_combined(scores, _units(scores))[calm], kind="stable")
                calm = np.sort(calm[ranks[: max(2, round(len(calm) * (1 - self.params["cleaned"])))]])
            fitted = [member.fit(X[calm]) for member in self._stage(X[calm], stage)]
            scores = np.concatenate([scores, _read(fitted, X)], axis=1)
            members += fitted
        members.append(Tails(self.seed).fit(X))
        scores = np.concatenate([scores, _read(members[-1:], X)], axis=1)
        state = _units(scores[calm])  # rows that anomalies do not widen
        for place, member in enumerate(members):
            state |= {f"{place}.{key}": array for key, array in member.state.items()}
        return state

    def _prepare(self) -> None:
        facts = {"columns": None, "width": self._width, "rows_offered": 0, "rows_used": 0}
        members = [member for stage in range(self._stages) for member in self._unfitted(1, stage)]
        members.append(Tails(self.seed))
        for place, member in enumerate(members):
            mine = {
                key.removeprefix(f"{place}."): array
                for key, array in self.state.items()
                if key.startswith(f"{place}.")
            }
            member.restore(facts, mine)
        self._members = tuple(members)

    def _score(self, X: Array) -> Array:
        return _combined(_read(self._members, X), self.state)

    def _explain(self, x: Array, usual: Array, groups: Groups) -> Parts:
        state, scores = self.state, _read(self._members, x)
        staged = scores.shape[1] // 4 * 4
        view = [place % 4 // 2 if place < staged else place - staged + 2 for place in range(scores.shape[1])]
        sizes = np.bincount(view)
        # What one more unit of a view adds to the score: of the largest, all of it.
        weights = np.full(len(sizes), _AGREEMENT / len(sizes))
        weights[_scaled_views(scores, state)[0].argmax()] += 1.0
        parts = [member._explain(x, usual, groups) for member in self._members]
        bases = np.array([[float(one.base[0]) for one in parts]])
        slopes = [
            secant(_capped, before, after)
            for before, after in zip(_in_units(bases, state)[0], _in_units(scores, state)[0], strict=True)
        ]
        base = float((weights * _scaled_views(bases, state)[0]).sum())
        counts = [
            float(weights[at] / sizes[at] / state["view_spread"][at] * slope / spread)
            for at, slope, spread in zip(view, slopes, state["spread"], strict=True)
        ]
        return joined(parts, counts, base)

    @property
    def _stages(self) -> int:
        return _STAGES if self.params["cleaned"] else 1

    def _stage(self, X: Array, stage: int) -> list[Detector]:
        """Unfitted members for these rows: a mixture gets no more components than they can carry."""
        return self._unfitted(len(X) // (2 * (X.shape[1] + 1)), stage)

    def _unfitted(self, components: int, stage: int) -> list[Detector]:
        """One stage, view by view: two that read single values, two that read rows."""
        seed = (self.seed + stage) % 2**32  # other trees and other samples
        return [
            IsolationForest(seed, n_estimators=50),
            Rarity(seed),
            GaussianMixture(seed, n_components=int(np.clip(components, 1, 5)), reg_covar=1e-2),
            SampledNeighbours(seed, samples=1) if self.params["cleaned"] else SampledDensity(seed),
        ]


def _read(members: Sequence[Detector], X: Array) -> Array:
    """Scores of each member, shape (n, members)."""
    return np.stack([member._score(X) for member in members], axis=1)


def _units(scores: Array) -> State:
    """Middle and spread of each member's scores (n, members), then of each view's."""
    state = dict(zip(("middle", "spread"), _middle_and_spread(scores), strict=True))
    views = _views(scores, state)
    return state | dict(zip(("view_middle", "view_spread"), _middle_and_spread(views), strict=True))


def _middle_and_spread(scores: Array) -> tuple[Array, Array]:
    """Median and interquartile range in deviations, shapes (k,); never a spread of 0."""
    low, middle, high = np.quantile(scores, [0.25, 0.5, 0.75], axis=0)
    spread, deviation = (high - low) / 1.349, scores.std(axis=0)
    rounding = 1e-9 * (1 + np.abs(middle))
    return middle, np.where(spread > rounding, spread, np.where(deviation > rounding, deviation, 1.0))


def _views(scores: Array, state: State) -> Array:
    """Mean of the capped members of each view, shape (n, 2), or (n, 3) with the tails behind the stages."""
    capped = _capped(_in_units(scores, state))
    staged = scores.shape[1] // 4 * 4
    value = np.arange(staged) % 4 < 2  # the first two of each stage
    views = [row_sum(capped[:, :staged][:, mine]) / mine.sum() for mine in (value, ~value)]
    return np.stack([*views, *capped[:, staged:].T], axis=1)


def _in_units(scores: Array, state: State) -> Array:
    """Scores of the members in their own deviations, shape (n, members)."""
    units: Array = (scores - state["middle"]) / state["spread"]
    return units


def _capped(units: Array) -> Array:
    """What a member may say: all of it in the middle, nothing below, a logarithm beyond."""
    far = np.log(np.maximum(units, _HIGH) / _HIGH)
    capped: Array = np.clip(units, _LOW, _HIGH) + _BEYOND * far
    return capped


def _scaled_views(scores: Array, state: State) -> Array:
    """Views in deviations of their own, shape (n, views)."""
    views: Array = (_views(scores, state) - state["view_middle"]) / state["view_spread"]
    return views


def _combined(scores: Array, state: State) -> Array:
    """One score a row."""
    views = _scaled_views(scores, state)
    combined: Array = views.max(axis=1) + _AGREEMENT * row_sum(views) / views.shape[1]
    return combined
