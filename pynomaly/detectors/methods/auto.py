"""The default detector: an ensemble of different members in three views, two of them fitted in three rounds.

Needs no labels and no parameters, and aims to work well on a table that nobody has inspected. One view sees
values that are odd by themselves (isolation forest, rarity of cells), one sees rows that are odd as a whole
(mixture, sampled neighbours), one sees rows that are far out in many columns. The view with the largest
score counts most. Fails where anomalies form a dense group of ordinary values, as every member does, and on
tables that only one of its members suits. Fit O(n), with bounded samples for the costly members; score
O(d^2) a row, whatever the number of fitted rows.

Tried on twenty tables and left out, because none gained more than a change of seed does: sums and maxima of
tail probabilities in place of deviations; ECOD, COPOD, LODA, iNNE, whitened columns, forests on principal
components, regressions of each column on the others, principal components, and density among sampled rows
as further members; shares to clean from .1 to .4 in one to three rounds; choosing between the views by
their spread, stability or agreement; and members chosen by a greedy search, which did worse on the held-out
half of the tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from pynomaly.detectors.attributions import (
    ColumnGroups,
    ExplanationMethod,
    ScoreParts,
    join_parts,
    secant_slope,
)
from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.methods.fast_members import BinRarity, NormalTails, SampledDensity, SampledNeighbours
from pynomaly.detectors.methods.forest import IsolationForest
from pynomaly.detectors.methods.mixture import GaussianMixture
from pynomaly.detectors.numerics.exact import Array, row_sum
from pynomaly.detectors.parameters import NumberParameter, Parameter

__all__ = ["AutoEnsemble"]

_STAGES = 3
_LOW, _HIGH = -5.0, 20.0  # bounds of a member's score, in robust deviations
_BEYOND = 0.01  # factor of the logarithm added above the upper bound, so that far rows do not tie
_AGREEMENT = 0.5  # weight of the mean of the views; their maximum has weight 1


class AutoEnsemble(Detector):
    """Ensemble in three views that removes the most anomalous fitted rows before it fits again.

    Four members are fitted on all rows, then without the share `cleaned` that scored highest, then without
    that share of the remaining rows; all twelve members are used for scoring. Each member's score is put in
    robust deviations (median and interquartile range) of the rows that remain last, which are surely normal,
    and capped so that no member outvotes the others. A view is the mean of its members. The third
    view, how far out a row lies in its columns, is fitted once on all rows and takes no part in the cleaning.
    The score is the largest view plus half of the mean of the views. An ordinary row scores about 0.

    With ``cleaned=0`` every fitted row is assumed normal. Members are then fitted once, and the distance to a
    few sampled rows, which tolerates anomalies among the fitted rows, is replaced by the density among more
    sampled rows.

    References
    ----------
    Aggarwal, Sathe: Theoretical Foundations and Algorithms for Outlier Ensembles. SIGKDD Explorations 2015.
    Liu, Ting, Zhou: Isolation Forest. ICDM 2008. For the others, see the members' own modules.
    """

    name: ClassVar[str] = "auto"
    parameters: ClassVar[Mapping[str, Parameter]] = {"cleaned": NumberParameter(0.25, 0, 0.5)}

    explains: ClassVar[ExplanationMethod] = "members"

    _members: tuple[Detector, ...] = ()

    def _fit(self, X: Array) -> State:
        members: list[Detector] = []
        scores = np.empty((len(X), 0))
        remaining = np.arange(len(X))
        for stage in range(self._stage_count):
            if stage:
                ranks = np.argsort(
                    _combine_views(scores, _fit_score_scales(scores))[remaining], kind="stable"
                )
                count = max(2, round(len(remaining) * (1 - self.params["cleaned"])))
                remaining = np.sort(remaining[ranks[:count]])
            stage_members = [
                member.fit(X[remaining]) for member in self._make_stage_members(X[remaining], stage)
            ]
            scores = np.concatenate([scores, _score_members(stage_members, X)], axis=1)
            members += stage_members
        members.append(NormalTails(self.seed).fit(X))
        scores = np.concatenate([scores, _score_members(members[-1:], X)], axis=1)
        state = _fit_score_scales(scores[remaining])  # anomalies do not widen the spread of these rows
        for place, member in enumerate(members):
            state |= {f"{place}.{key}": array for key, array in member.state.items()}
        return state

    def _prepare(self) -> None:
        facts = {"columns": None, "width": self._width, "rows_offered": 0, "rows_used": 0}
        members = [member for stage in range(self._stage_count) for member in self._make_members(1, stage)]
        members.append(NormalTails(self.seed))
        for place, member in enumerate(members):
            member_state = {
                key.removeprefix(f"{place}."): array
                for key, array in self.state.items()
                if key.startswith(f"{place}.")
            }
            member.restore(facts, member_state)
        self._members = tuple(members)

    def _score(self, X: Array) -> Array:
        return _combine_views(_score_members(self._members, X), self.state)

    def _explain(self, x: Array, usual: Array, groups: ColumnGroups) -> ScoreParts:
        state, scores = self.state, _score_members(self._members, x)
        staged = scores.shape[1] // 4 * 4
        view = [place % 4 // 2 if place < staged else place - staged + 2 for place in range(scores.shape[1])]
        sizes = np.bincount(view)
        # Slope of the score in each view; the largest view counts fully besides its share in the mean.
        weights = np.full(len(sizes), _AGREEMENT / len(sizes))
        weights[_standardize_views(scores, state)[0].argmax()] += 1.0
        parts = [member._explain(x, usual, groups) for member in self._members]
        bases = np.array([[float(part.base[0]) for part in parts]])
        slopes = [
            secant_slope(_cap_scores, before, after)
            for before, after in zip(
                _standardize_scores(bases, state)[0], _standardize_scores(scores, state)[0], strict=True
            )
        ]
        base = float((weights * _standardize_views(bases, state)[0]).sum())
        counts = [
            float(weights[at] / sizes[at] / state["view_spread"][at] * slope / spread)
            for at, slope, spread in zip(view, slopes, state["spread"], strict=True)
        ]
        return join_parts(parts, counts, base)

    @property
    def _stage_count(self) -> int:
        return _STAGES if self.params["cleaned"] else 1

    def _make_stage_members(self, X: Array, stage: int) -> list[Detector]:
        """Return unfitted members for these rows; few rows limit the number of mixture components."""
        return self._make_members(len(X) // (2 * (X.shape[1] + 1)), stage)

    def _make_members(self, components: int, stage: int) -> list[Detector]:
        """Return the members of one stage, view by view: two read single values, two read whole rows."""
        seed = (self.seed + stage) % 2**32  # other trees and other samples
        return [
            IsolationForest(seed, n_estimators=50),
            BinRarity(seed),
            GaussianMixture(seed, n_components=int(np.clip(components, 1, 5)), reg_covar=1e-2),
            SampledNeighbours(seed, samples=1) if self.params["cleaned"] else SampledDensity(seed),
        ]


def _score_members(members: Sequence[Detector], X: Array) -> Array:
    """Return the scores of each member, shape (n, members)."""
    return np.stack([member._score(X) for member in members], axis=1)


def _fit_score_scales(scores: Array) -> State:
    """Return median and spread of each member's scores (n, members), and of each view."""
    state = dict(zip(("middle", "spread"), _median_and_spread(scores), strict=True))
    views = _average_views(scores, state)
    return state | dict(zip(("view_middle", "view_spread"), _median_and_spread(views), strict=True))


def _median_and_spread(scores: Array) -> tuple[Array, Array]:
    """Return median and spread (interquartile range over 1.349), shapes (k,); no spread is 0."""
    low, middle, high = np.quantile(scores, [0.25, 0.5, 0.75], axis=0)
    spread, deviation = (high - low) / 1.349, scores.std(axis=0)
    rounding = 1e-9 * (1 + np.abs(middle))
    return middle, np.where(spread > rounding, spread, np.where(deviation > rounding, deviation, 1.0))


def _average_views(scores: Array, state: State) -> Array:
    """Return the mean of the capped members of each view: (n, 2), or (n, 3) with the tails view last."""
    capped = _cap_scores(_standardize_scores(scores, state))
    staged = scores.shape[1] // 4 * 4
    value = np.arange(staged) % 4 < 2  # the first two of each stage
    views = [row_sum(capped[:, :staged][:, of_view]) / of_view.sum() for of_view in (value, ~value)]
    return np.stack([*views, *capped[:, staged:].T], axis=1)


def _standardize_scores(scores: Array, state: State) -> Array:
    """Return each member's scores in its own robust deviations, shape (n, members)."""
    units: Array = (scores - state["middle"]) / state["spread"]
    return units


def _cap_scores(units: Array) -> Array:
    """Cap member scores: constant below the lower bound, unchanged within, logarithmic above."""
    far = np.log(np.maximum(units, _HIGH) / _HIGH)
    capped: Array = np.clip(units, _LOW, _HIGH) + _BEYOND * far
    return capped


def _standardize_views(scores: Array, state: State) -> Array:
    """Return each view in its own robust deviations, shape (n, views)."""
    views: Array = (_average_views(scores, state) - state["view_middle"]) / state["view_spread"]
    return views


def _combine_views(scores: Array, state: State) -> Array:
    """Return one score a row: the largest view plus half of the mean of the views; shape (n,)."""
    views = _standardize_views(scores, state)
    combined: Array = views.max(axis=1) + _AGREEMENT * row_sum(views) / views.shape[1]
    return combined
