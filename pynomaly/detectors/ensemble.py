"""Several detectors as one: scores on one scale, then the mean, the largest, or a mean without extremes.

Works where no single method is known to fit. Fails where most members do; more of one kind are one voice.
Every member keeps its default parameters and its own limit of rows, and costs what it costs alone.

One scale: a member's score, less its median and divided by its interquartile range on rows it was not fitted
on. Those come from a first fit on a random half; scores of rows a member was fitted on would be too low for
neighbours, and would let them shout. The members that are kept are fitted on all rows.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.catalogue import DETECTORS, make
from pynomaly.detectors.exact import Array, row_sum
from pynomaly.detectors.parameters import Number, Parameter
from pynomaly.detectors.parts import Groups, How, Parts, joined
from pynomaly.errors import DetectorError, allowed

__all__ = ["EnsembleMax", "EnsembleMean", "EnsembleTrimmed", "Members"]

_IQR_OF_NORMAL = 1.3489795003921634


@dataclass(frozen=True)
class Members:
    """A list of different detectors by name, none of them an ensemble."""

    default: tuple[str, ...]

    def check(self, owner: str, value: object) -> list[str]:
        """Return `value` as a list of names.

        Raises
        ------
        DetectorError
            Not a list, fewer than two, one twice, or a name that is not allowed.
        """
        possible = [name for name, row in DETECTORS.items() if row.family != "ensemble"]
        if not isinstance(value, list | tuple) or len(value) < 2 or len(set(map(str, value))) < len(value):
            raise DetectorError(f"{owner} is {value!r}; allowed: a list of two or more different detectors")
        for name in value:
            if name not in possible:
                raise DetectorError(f"{owner} names {name!r}; {allowed(str(name), possible)}")
        return list(value)


_MEMBERS = Members(("iforest", "knn", "gmm", "hbos"))


class _Ensemble(Detector):
    """What all share: fitted members, and the median and spread of each one's score."""

    parameters: ClassVar[Mapping[str, Parameter]] = {"members": _MEMBERS}
    explains: ClassVar[How] = "members"
    _members: tuple[Detector, ...] = ()

    def _fit(self, X: Array) -> State:
        order = np.random.default_rng(self.seed).permutation(len(X))
        halves = X[np.sort(order[: len(X) // 2])], X[np.sort(order[len(X) // 2 :])]
        state: State = {}
        middle, spread = [], []
        for place, name in enumerate(self.params["members"]):
            centre, scale = self._scale(name, X, *halves)
            middle.append(centre)
            spread.append(scale)
            fitted = make(name, seed=self.seed).fit(X)
            state |= {f"member{place}_{key}": array for key, array in fitted.state.items()}
        return state | {"middle": np.array(middle), "spread": np.array(spread)}

    def _scale(self, name: str, X: Array, fitted_on: Array, others: Array) -> tuple[float, float]:
        """Median and robust deviation of a member's scores on rows it was not fitted on."""
        try:
            scores = make(name, seed=self.seed).fit(fitted_on).score(others)
        except DetectorError:  # half is too few rows for it: its own are all there is
            scores = make(name, seed=self.seed).fit(X).score(X)
        low, centre, high = np.quantile(scores, (0.25, 0.5, 0.75))
        # Many equal rows leave no quartile distance; what remains says how far apart scores lie.
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
            members.append(make(name, seed=self.seed).restore(facts, state))
        self._members = tuple(members)

    def _score(self, X: Array) -> Array:
        raw = np.column_stack([member.score(X, threads=1) for member in self._members])
        return self._joined((raw - self.state["middle"]) / self.state["spread"])

    def _explain(self, x: Array, usual: Array, groups: Groups) -> Parts:
        raw = np.array([[float(member.score(x, threads=1)[0]) for member in self._members]])
        middle, spread = self.state["middle"], self.state["spread"]
        shares = self._shares((raw - middle) / spread)[0]
        members = [
            member._explain(x, usual, groups) if share else None
            for member, share in zip(self._members, shares, strict=True)
        ]
        counted = [parts for parts in members if parts is not None]
        bases = np.array([parts.base[0] if parts is not None else 0.0 for parts in members])
        base = float((shares * (bases - middle) / spread).sum())
        return joined(counted, (shares / spread)[shares > 0].tolist(), base)

    @abstractmethod
    def _shares(self, scores: Array) -> Array:
        """Weight of each member in each row's score, which is then their sum; shape (n, members)."""

    @abstractmethod
    def _joined(self, scores: Array) -> Array:
        """One score a row from those of the members, shape (n, members)."""


class EnsembleMean(_Ensemble):
    """Mean of the members' robust z-scores: the safe choice when most members suit the data.

    References
    ----------
    Aggarwal, Sathe: Theoretical Foundations and Algorithms for Outlier Ensembles. SIGKDD Explorations 17,
    2015.
    """

    name: ClassVar[str] = "ensemble_mean"

    def _joined(self, scores: Array) -> Array:
        mean: Array = row_sum(scores) / scores.shape[1]
        return mean

    def _shares(self, scores: Array) -> Array:
        return np.full_like(scores, 1 / scores.shape[1])


class EnsembleMax(_Ensemble):
    """Largest of the members' robust z-scores: one member is enough, and so is one false alarm.

    References
    ----------
    Aggarwal, Sathe: Theoretical Foundations and Algorithms for Outlier Ensembles. SIGKDD Explorations 17,
    2015.
    """

    name: ClassVar[str] = "ensemble_max"

    def _joined(self, scores: Array) -> Array:
        largest: Array = scores.max(axis=1)
        return largest

    def _shares(self, scores: Array) -> Array:
        first: Array = np.eye(scores.shape[1])[scores.argmax(axis=1)]
        return first


class EnsembleTrimmed(_Ensemble):
    """Mean of the members' robust z-scores without the extreme ones: no single member decides.

    A share `trim` of the members is left out at each end, one at least where there are three or more.

    References
    ----------
    Tukey: The Future of Data Analysis. Annals of Mathematical Statistics 33, 1962.
    """

    name: ClassVar[str] = "ensemble_trimmed"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "members": _MEMBERS,
        "trim": Number(0.2, 0, 0.49, open_low=True),
    }

    def _joined(self, scores: Array) -> Array:
        cut = self._cut(scores.shape[1])
        kept = np.sort(scores, axis=1)[:, cut : scores.shape[1] - cut]
        mean: Array = row_sum(kept) / kept.shape[1]
        return mean

    def _shares(self, scores: Array) -> Array:
        members = scores.shape[1]
        cut = self._cut(members)
        ranks = scores.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
        kept = (ranks >= cut) & (ranks < members - cut)
        shares: Array = kept / (members - 2.0 * cut)
        return shares

    def _cut(self, members: int) -> int:
        """Members left out at each end."""
        return min(max(1, int(self.params["trim"] * members)), (members - 1) // 2)
