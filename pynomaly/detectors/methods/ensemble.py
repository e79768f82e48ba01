"""Several detectors as one: scores on a common scale, then their mean, maximum or trimmed mean.

Works where no single method is known to suit the data. Fails where most members fail; several members of one
kind add no more than one. Every member keeps its default parameters and its own row limit, and costs as much
as alone.

On the common scale a member's score is reduced by its median and divided by its robust deviation
(interquartile range) on rows it was not fitted on. These come from a first fit on a random half of the rows:
methods of neighbours score their own fitted rows too low, and would then outweigh the others. The members
used for scoring are fitted on all rows.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pynomaly.detectors.attributions import ColumnGroups, ExplanationMethod, ScoreParts, join_parts
from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.catalogue import TABULAR, make_detector
from pynomaly.detectors.numerics.exact import Array, row_sum
from pynomaly.detectors.parameters import NumberParameter, Parameter
from pynomaly.errors import DetectorError, list_allowed

__all__ = ["EnsembleMax", "EnsembleMean", "EnsembleTrimmed", "MembersParameter"]

_IQR_OF_NORMAL = 1.3489795003921634


@dataclass(frozen=True)
class MembersParameter:
    """A list of different detectors by name, none of them an ensemble."""

    default: tuple[str, ...]

    def check(self, owner: str, value: object) -> list[str]:
        """Return `value` as a list of names.

        Raises
        ------
        DetectorError
            Not a list, fewer than two names, a duplicate, or a name that is not allowed.
        """
        options = [name for name, row in TABULAR.items() if row.family != "ensemble"]
        if not isinstance(value, list | tuple) or len(value) < 2 or len(set(map(str, value))) < len(value):
            raise DetectorError(f"{owner} is {value!r}; allowed: a list of two or more different detectors")
        for name in value:
            if name not in options:
                raise DetectorError(f"{owner} names {name!r}; {list_allowed(str(name), options)}")
        return list(value)


_MEMBERS_PARAMETER = MembersParameter(("iforest", "knn", "gmm", "hbos"))


class _EnsembleDetector(Detector):
    """Base of the ensembles: fitted members, and the median and spread of each member's score."""

    parameters: ClassVar[Mapping[str, Parameter]] = {"members": _MEMBERS_PARAMETER}
    explains: ClassVar[ExplanationMethod] = "members"
    _members: tuple[Detector, ...] = ()

    def _fit(self, X: Array) -> State:
        order = np.random.default_rng(self.seed).permutation(len(X))
        halves = X[np.sort(order[: len(X) // 2])], X[np.sort(order[len(X) // 2 :])]
        state: State = {}
        middle, spread = [], []
        for place, name in enumerate(self.params["members"]):
            centre, scale = self._fit_member_scale(name, X, *halves)
            middle.append(centre)
            spread.append(scale)
            member = make_detector(name, seed=self.seed).fit(X)
            state |= {f"member{place}_{key}": array for key, array in member.state.items()}
        return state | {"middle": np.array(middle), "spread": np.array(spread)}

    def _fit_member_scale(self, name: str, X: Array, fitted_on: Array, others: Array) -> tuple[float, float]:
        """Return median and robust deviation of a member's scores on rows it was not fitted on."""
        try:
            scores = make_detector(name, seed=self.seed).fit(fitted_on).score(others)
        except DetectorError:  # half of the rows are too few for this method: use all, its own fitted rows
            scores = make_detector(name, seed=self.seed).fit(X).score(X)
        low, centre, high = np.quantile(scores, (0.25, 0.5, 0.75))
        # With many equal rows the interquartile range is 0; then the standard deviation is used, or 1.
        noise = 1e-9 * max(1.0, abs(float(centre)))
        for spread in ((high - low) / _IQR_OF_NORMAL, scores.std(), 1.0):
            if np.isfinite(spread) and spread > noise:
                return float(centre), float(spread)
        return float(centre), max(1.0, noise)

    def _prepare(self) -> None:
        members = []
        for place, name in enumerate(self.params["members"]):
            prefix = f"member{place}_"
            state = {
                key.removeprefix(prefix): array for key, array in self.state.items() if key.startswith(prefix)
            }
            facts = {"columns": None, "width": self._width, "rows_offered": 0, "rows_used": 0}
            members.append(make_detector(name, seed=self.seed).restore(facts, state))
        self._members = tuple(members)

    def _score(self, X: Array) -> Array:
        raw = np.column_stack([member.score(X, threads=1) for member in self._members])
        return self._join_scores((raw - self.state["middle"]) / self.state["spread"])

    def _explain(self, x: Array, usual: Array, groups: ColumnGroups) -> ScoreParts:
        raw = np.array([[float(member.score(x, threads=1)[0]) for member in self._members]])
        middle, spread = self.state["middle"], self.state["spread"]
        shares = self._member_weights((raw - middle) / spread)[0]
        members = [
            member._explain(x, usual, groups) if share else None
            for member, share in zip(self._members, shares, strict=True)
        ]
        with_weight = [parts for parts in members if parts is not None]
        bases = np.array([parts.base[0] if parts is not None else 0.0 for parts in members])
        base = float((shares * (bases - middle) / spread).sum())
        return join_parts(with_weight, (shares / spread)[shares > 0].tolist(), base)

    @abstractmethod
    def _member_weights(self, scores: Array) -> Array:
        """Return each member's weight in a row's score, the weighted sum of member scores; (n, members)."""

    @abstractmethod
    def _join_scores(self, scores: Array) -> Array:
        """Return one score a row from the members' scaled scores (n, members); shape (n,)."""


class EnsembleMean(_EnsembleDetector):
    """Mean of the members' robust z-scores: a safe choice when most members suit the data.

    References
    ----------
    Aggarwal, Sathe: Theoretical Foundations and Algorithms for Outlier Ensembles. SIGKDD Explorations 17,
    2015.
    """

    name: ClassVar[str] = "ensemble_mean"

    def _join_scores(self, scores: Array) -> Array:
        mean: Array = row_sum(scores) / scores.shape[1]
        return mean

    def _member_weights(self, scores: Array) -> Array:
        return np.full_like(scores, 1 / scores.shape[1])


class EnsembleMax(_EnsembleDetector):
    """Largest of the members' robust z-scores: one member suffices for an anomaly, and for a false alarm.

    References
    ----------
    Aggarwal, Sathe: Theoretical Foundations and Algorithms for Outlier Ensembles. SIGKDD Explorations 17,
    2015.
    """

    name: ClassVar[str] = "ensemble_max"

    def _join_scores(self, scores: Array) -> Array:
        largest: Array = scores.max(axis=1)
        return largest

    def _member_weights(self, scores: Array) -> Array:
        first: Array = np.eye(scores.shape[1])[scores.argmax(axis=1)]
        return first


class EnsembleTrimmed(_EnsembleDetector):
    """Mean of the members' robust z-scores without the extreme ones: no single member decides.

    A share `trim` of the members is left out at each end; at least one if there are three or more.

    References
    ----------
    Tukey: The Future of Data Analysis. Annals of Mathematical Statistics 33, 1962.
    """

    name: ClassVar[str] = "ensemble_trimmed"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "members": _MEMBERS_PARAMETER,
        "trim": NumberParameter(0.2, 0, 0.49, open_low=True),
    }

    def _join_scores(self, scores: Array) -> Array:
        cut = self._count_trimmed(scores.shape[1])
        inner = np.sort(scores, axis=1)[:, cut : scores.shape[1] - cut]
        mean: Array = row_sum(inner) / inner.shape[1]
        return mean

    def _member_weights(self, scores: Array) -> Array:
        members = scores.shape[1]
        cut = self._count_trimmed(members)
        ranks = scores.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
        inner = (ranks >= cut) & (ranks < members - cut)
        shares: Array = inner / (members - 2.0 * cut)
        return shares

    def _count_trimmed(self, members: int) -> int:
        """Return the number of members left out at each end."""
        return min(max(1, int(self.params["trim"] * members)), (members - 1) // 2)
