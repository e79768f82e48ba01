"""Calibration: turns raw scores into p-values, and p-values into severity and rarity.

A p-value is the chance that a normal row scores at least this high. It is counted among the scores of rows
that the detector was not fitted on, and is valid while new normal rows are exchangeable with those rows. The
smallest p-value from counting is 1 / (n + 1); a score above every held-out score gets a smaller p-value from
:mod:`pynomaly.model.calibration.tail`, marked as extrapolated. The p-value of a row depends on its score
alone, never on its batch. Which p-values become alerts is decided by
:mod:`pynomaly.model.calibration.alert_policy`.

Unusable scores (all equal, not finite, or too few) make the calibration *not computable*: every p-value is
then 1, nothing is flagged, and `reason` says why. Otherwise every row could become an alert.

Called by :mod:`pynomaly.model.bundle`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pynomaly.errors import ColumnError, ModelError
from pynomaly.model.calibration.entity_groups import EntityGroups, group_entities
from pynomaly.model.calibration.tail import REACH, ParetoTail, fit_tail
from pynomaly.model.entities.scales import Names

__all__ = [
    "GUARANTEES",
    "MIN_SCORES",
    "NOT_COMPUTABLE",
    "NO_TAIL",
    "RARITIES",
    "RARITY_NAMES",
    "SEVERITIES",
    "SEVERITY_NAMES",
    "Calibration",
    "CalibrationMethod",
    "name_rarity",
    "name_severity",
    "rarity_codes",
    "severity_codes",
]

Floats = NDArray[np.float64]
CalibrationMethod = Literal["split", "cross"]

MIN_SCORES = 20  # with fewer held-out scores, p < 0.05 is not possible
_GROUP_ROWS = 3
"""Times the rows that count down to the threshold: the third score of a group decides, not the highest."""

NO_TAIL = ParetoTail(reason="no tail was asked for: training.tail is none")
NOT_COMPUTABLE = "not_computable"
SEVERITIES: Mapping[str, float] = {"low": 0.1, "medium": 0.01, "high": 0.001, "critical": 0.0001}
RARITIES: Mapping[str, float] = {  # days in which one such normal row is expected
    "one a day": 1.0,
    "one a week": 7.0,
    "one a month": 365.25 / 12,
    "one a year": 365.25,
}
SEVERITY_NAMES = ("none", *SEVERITIES)
RARITY_NAMES = ("usual", *RARITIES, NOT_COMPUTABLE)
GUARANTEES: Mapping[CalibrationMethod, str] = {
    "split": (
        "P(p <= t) <= t for a normal row exchangeable with the held-out rows, at any sample size "
        "(Bates et al. 2023); extrapolated p-values have no such guarantee"
    ),
    "cross": (
        "P(p <= t) is about t if leaving out a fold hardly moves a score; there is no guarantee at a given "
        "sample size (Barber et al. 2021: keeping every fold's model would give 2t)"
    ),
}


@dataclass(frozen=True, eq=False)
class Calibration:
    """Held-out scores, sorted ascending; array of shape (n,).

    Attributes
    ----------
    method : {"split", "cross"}
        Scores of rows kept apart, or out-of-fold scores of the fitted rows; see `guarantee`.
    tail : ParetoTail
        p-values above the largest score; its `reason` says why there is no tail.
    groups : EntityGroups or None
        Held-out scores by entity, among which a row is judged if its entity is in a group.
    """

    scores: Floats
    computable: bool
    reason: str = ""
    method: CalibrationMethod = "split"
    tail: ParetoTail = NO_TAIL
    groups: EntityGroups | None = None

    @classmethod
    def fit(cls, scores: ArrayLike, *, method: CalibrationMethod = "split", tail: bool = True) -> Calibration:
        """Calibrate on held-out scores.

        Parameters
        ----------
        scores : array-like of shape (n,)
            Scores of rows that were not used in the fit; higher means more anomalous.
        method : {"split", "cross"}
        tail : bool
            Whether to extrapolate beyond the largest score.

        Returns
        -------
        Calibration
            Not `computable`, with a `reason`, if there are fewer than 20 scores, one is not finite, or all
            are the same.
        """
        values = np.asarray(scores, dtype=np.float64).ravel()
        finite = np.sort(values[np.isfinite(values)])
        reason = ""
        if len(finite) < len(values):
            reason = f"{len(values) - len(finite)} of {len(values)} held-out scores are not finite"
        elif len(values) < MIN_SCORES:
            reason = f"{len(values)} held-out scores are too few; at least {MIN_SCORES} are needed"
        elif finite[0] == finite[-1]:
            reason = f"all {len(values)} held-out scores are {float(finite[0])!r}"
        fitted_tail = NO_TAIL
        if tail:
            fitted_tail = (
                ParetoTail(reason=f"p-values are not computable: {reason}") if reason else fit_tail(finite)
            )
        return cls(finite, not reason, reason, method, fitted_tail)

    def by_entity(
        self, scores: Floats, entities: Names, widths: Mapping[str, float] | None, least: int
    ) -> Calibration:
        """Return the calibration with its held-out scores by entity, where groups have enough of them.

        Parameters
        ----------
        scores : ndarray of shape (n,)
            The held-out scores again, in the order of `entities`.
        entities, widths, least
            As for :func:`pynomaly.model.calibration.entity_groups.group_entities`; `least` is at least 20.
        """
        if not self.computable:
            return self
        tail = self.tail != NO_TAIL
        return replace(
            self,
            groups=group_entities(scores, entities, widths, _GROUP_ROWS * max(least, MIN_SCORES), tail=tail),
        )

    def renew_groups(
        self, older: Calibration, scores: Floats, entities: Names | None, least: int
    ) -> Calibration:
        """Return the calibration with the groups of an older one, on the scores it was fitted on."""
        if older.groups is None or not self.computable:
            return self
        tail = self.tail != NO_TAIL
        names = _require_entities(entities)
        return replace(
            self, groups=older.groups.renew(scores, names, _GROUP_ROWS * max(least, MIN_SCORES), tail=tail)
        )

    @property
    def resolution(self) -> float:
        """The smallest p-value that counting gives: 1 / (n + 1)."""
        return 1.0 / (len(self.scores) + 1)

    @property
    def smallest_p_value(self) -> float:
        """The smallest possible p-value, with extrapolation; 1 when not computable."""
        if not self.computable:
            return 1.0
        return self.resolution / REACH if self.tail else self.resolution

    @property
    def guarantee(self) -> str:
        """The guarantee of the p-values, as a sentence."""
        return GUARANTEES[self.method] if self.computable else f"none: {self.reason}"

    def conformal_p_values(self, scores: ArrayLike) -> Floats:
        """Return conformal p-values, ``(1 + #{held-out >= score}) / (n + 1)``.

        Parameters
        ----------
        scores : array-like of shape (m,)

        Returns
        -------
        ndarray of shape (m,)
            In ``[1 / (n + 1), 1]``; all 1 when not computable.

        Raises
        ------
        ModelError
            If a score is not finite.

        References
        ----------
        Bates, Candès, Lei, Romano, Sesia (2023), Testing for outliers with conformal p-values, Annals of
        Statistics 51(1).
        Barber, Candès, Ramdas, Tibshirani (2021), Predictive inference with the jackknife+, Annals of
        Statistics 49(1).
        """
        new = np.asarray(scores, dtype=np.float64).ravel()
        if not np.isfinite(new).all():
            row = int(np.flatnonzero(~np.isfinite(new))[0])
            raise ModelError(f"the score of row {row} is {new[row]}; allowed: finite scores")
        if not self.computable:
            return np.ones(len(new))
        at_least = len(self.scores) - np.searchsorted(self.scores, new, side="left")
        return np.asarray((1.0 + at_least) / (len(self.scores) + 1.0), dtype=np.float64)

    def p_values(self, scores: ArrayLike, entities: Names | None = None) -> Floats:
        """Return `conformal` p-values; scores above all held-out ones get those of the tail.

        A higher score of the same entity never has a higher p-value.

        Parameters
        ----------
        scores : array-like of shape (m,)
        entities : ndarray of shape (m,), object, or None
            Whose rows they are; needed only if there are `groups`.

        Raises
        ------
        ModelError
            If a score is not finite.
        ColumnError
            If entities are needed and none are given.
        """
        p_values = self.conformal_p_values(scores)
        new = np.asarray(scores, dtype=np.float64).ravel()
        if self.computable and self.tail:
            beyond = new > self.scores[-1]
            p_values[beyond] = self.tail.p_values(new[beyond])
        if self.groups is not None:
            places = self.groups.locate(_require_entities(entities))
            rows = places >= 0
            p_values[rows] = self.groups.p_values(new[rows], places[rows])
        return p_values

    def resolutions(self, entities: Names | None = None) -> float | Floats:
        """Return the smallest p-value that counting gives: of each row, if there are `groups`."""
        if self.groups is None:
            return self.resolution
        places = self.groups.locate(_require_entities(entities))
        own = self.groups.resolutions(np.maximum(places, 0))
        return np.where(places >= 0, own, self.resolution)

    def mark_extrapolated(self, p_values: ArrayLike, entities: Names | None = None) -> NDArray[np.bool_]:
        """Return which of `p_values`, array-like of shape (m,), are below what counting gives."""
        return np.asarray(p_values, dtype=np.float64) < self.resolutions(entities)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content, without the scores."""
        return {
            "computable": self.computable,
            "reason": self.reason,
            "method": self.method,
            "tail": self.tail.to_dict(),
            **({"groups": self.groups.to_dict()} if self.groups is not None else {}),
        }

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the scores, as plain arrays."""
        return {"scores": self.scores} | (self.groups.to_arrays() if self.groups is not None else {})

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], content: Mapping[str, Any]) -> Calibration:
        """Read what `to_arrays` and `to_dict` wrote, also in versions before tails and groups."""
        tail = ParetoTail.from_dict(content["tail"]) if "tail" in content else NO_TAIL
        groups = EntityGroups.restore(arrays, content["groups"]) if "groups" in content else None
        method = content.get("method", "split")
        return cls(arrays["scores"], content["computable"], content["reason"], method, tail, groups)


def _require_entities(entities: Names | None) -> Names:
    if entities is None:
        raise ColumnError(
            "the entity column is needed: this model was calibrated with training.calibrate_by: entity"
        )
    return entities


def name_severity(p_values: ArrayLike) -> NDArray[np.str_]:
    """Return the severity of each p-value.

    Parameters
    ----------
    p_values : array-like of shape (n,)

    Returns
    -------
    ndarray of shape (n,)
        ``critical`` at 0.0001 and below, ``high`` at 0.001, ``medium`` at 0.01, ``low`` at 0.1, or ``none``.
    """
    return np.array(SEVERITY_NAMES)[severity_codes(p_values)]


def severity_codes(p_values: ArrayLike) -> NDArray[np.int8]:
    """Return the index of each p-value's severity in `SEVERITY_NAMES`; array of shape (n,)."""
    p = np.asarray(p_values, dtype=np.float64)
    codes = np.zeros(p.shape, dtype=np.int8)
    for limit in SEVERITIES.values():  # each limit lies below the one before it
        codes += p <= limit
    return codes


def name_rarity(p_values: ArrayLike, rows_per_day: float | None) -> NDArray[np.str_]:
    """Return how often normal operation gives a row at least as extreme: ``p * rows_per_day`` a day.

    Parameters
    ----------
    p_values : array-like of shape (n,)
    rows_per_day : float or None
        Rows a day in normal operation.

    Returns
    -------
    ndarray of shape (n,)
        The rarest name that applies of ``one a year``, ``one a month``, ``one a week``, ``one a day`` (at
        most one such row in that time), or ``usual``; ``not_computable`` without rows a day.
    """
    return np.array(RARITY_NAMES)[rarity_codes(p_values, rows_per_day)]


def rarity_codes(p_values: ArrayLike, rows_per_day: float | None) -> NDArray[np.int8]:
    """Return the index of each p-value's rarity in `RARITY_NAMES`; array of shape (n,)."""
    p = np.asarray(p_values, dtype=np.float64)
    if rows_per_day is None or not rows_per_day > 0:
        return np.full(p.shape, RARITY_NAMES.index(NOT_COMPUTABLE), dtype=np.int8)
    codes = np.zeros(p.shape, dtype=np.int8)
    daily = p * rows_per_day
    for days in RARITIES.values():  # each span is longer than the one before it
        codes += daily * days <= 1.0 + 1e-12
    return codes
