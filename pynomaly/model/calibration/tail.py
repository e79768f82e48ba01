"""p-values beyond the largest held-out score: a generalised-Pareto tail, by peaks over threshold.

Counting gives no p-value below 1 / (n + 1). Above a high threshold the excesses of most distributions are
close to a generalised Pareto (Pickands 1975), so a fit estimates how rare higher scores are. This is
extrapolation without a guarantee, and results are marked as extrapolated. Three limits keep it cautious: the
predictive survival is used, averaged over all plausible fits (a single best fit gave p-values up to 25 times
too small in simulation); it is multiplied by `MARGIN`; and no p-value is smaller than that of counting
divided by `REACH`. No fit can foresee normal rows unlike all held-out ones: on some real tables these came
many times as often as the tail predicted (``benchmarks/calibration.py``).

A tail that is not reliable (too few scores, ties, an infinite mean, no fit) is left empty, and `reason` says
why. Called by :mod:`pynomaly.model.calibration.calibration`.

References
----------
Pickands (1975), Statistical inference using extreme order statistics, Annals of Statistics 3(1).
Zhang, Stephens (2009), A new and efficient estimation method for the generalized Pareto distribution,
Technometrics 51(3).
Vehtari, Simpson, Gelman, Yao, Gabry (2024), Pareto smoothed importance sampling, JMLR 25: how many excesses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MARGIN", "REACH", "ParetoTail", "fit_tail"]

Floats = NDArray[np.float64]

MIN_TAIL_SCORES = 100  # held-out scores: 20 excesses
MARGIN = (
    3.0  # simulated on ten distributions, predictive p-values were 1 to 3 times (100 scores: 5) too small
)
REACH = 100.0  # smallest p-value from n scores: about 1 in 100 n
MAX_SHAPE = 1.0  # from this shape on, the mean is infinite and scores are not predictable
MAX_MISFIT = 1.25  # limit for sqrt(k) times Kolmogorov's distance; one good fit in a thousand exceeds it


@dataclass(frozen=True)
class ParetoTail:
    """Survival above a threshold, as a mixture of generalised-Pareto fits; empty when there is a `reason`.

    Attributes
    ----------
    threshold : float
        Score that the excesses are counted from.
    share : float
        Share of held-out scores above it, ``(1 + k) / (n + 1)``.
    resolution : float
        ``1 / (n + 1)``: the tail is used only for smaller p-values.
    shapes, scales, weights : tuple of float
        Shape (xi), scale (sigma) and weight of each fit; with a negative shape, scores are bounded.
    reason : str
        Why there is no tail, or "".
    """

    threshold: float = 0.0
    share: float = 0.0
    resolution: float = 0.0
    shapes: tuple[float, ...] = ()
    scales: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()
    reason: str = ""

    def __bool__(self) -> bool:
        return not self.reason

    def survival(self, scores: Floats) -> Floats:
        """Return the chance that a score above the threshold is at least each of `scores`, shape (m,)."""
        excess = np.maximum(scores - self.threshold, 0.0)
        total = np.zeros(len(excess))
        # A loop over fits treats each element alone in a fixed order: results do not depend on the batch.
        for shape, scale, weight in zip(self.shapes, self.scales, self.weights, strict=True):
            base = 1.0 + shape * (excess / scale)
            inside = base > 0
            total[inside] += weight * np.exp(-np.log(base[inside]) / shape)
        return np.minimum(total, 1.0)

    def p_values(self, scores: Floats) -> Floats:
        """Return p-values of scores above all held-out ones, in ``[resolution / REACH, resolution]``."""
        p_values = MARGIN * self.share * self.survival(scores)
        return np.clip(p_values, self.resolution / REACH, self.resolution)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        fits = {name: list(getattr(self, name)) for name in ("shapes", "scales", "weights")}
        return {
            "threshold": self.threshold,
            "share": self.share,
            "resolution": self.resolution,
            **fits,
            "reason": self.reason,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ParetoTail:
        """Read what `to_dict` wrote."""
        fits = {name: tuple(content[name]) for name in ("shapes", "scales", "weights")}
        return cls(
            content["threshold"], content["share"], content["resolution"], **fits, reason=content["reason"]
        )


def fit_tail(scores: Floats) -> ParetoTail:
    """Fit a tail to the top ``min(n / 5, 3 sqrt(n))`` of `scores`, ascending array of shape (n,)."""
    n = len(scores)
    if n < MIN_TAIL_SCORES:
        return ParetoTail(
            reason=f"{n} held-out scores are too few for a tail; at least {MIN_TAIL_SCORES} are needed"
        )
    k = int(min(n / 5, 3 * math.sqrt(n)))
    threshold = float(scores[-k - 1])
    # The difference of two huge scores may overflow in double precision; this is refused below.
    with np.errstate(over="ignore"):
        excess = scores[-k:] - threshold
    distinct = len(np.unique(excess[excess > 0]))
    if not np.isfinite(excess[-1]):
        return ParetoTail(reason="the largest held-out scores are too large to be subtracted")
    if distinct < k / 2:
        return ParetoTail(
            reason=f"only {distinct} of the {k} largest held-out scores differ: ties have no tail"
        )
    unit = float(np.median(excess[excess > 0]))
    with np.errstate(all="ignore"):  # a fit that is not finite is refused below, with a reason
        shapes, scales, weights = _fit_shapes(excess[excess > 0] / unit)
        tail = ParetoTail(
            threshold,
            (1.0 + k) / (n + 1.0),
            1.0 / (n + 1.0),
            tuple(shapes.tolist()),
            tuple((scales * unit).tolist()),
            tuple(weights.tolist()),
        )
        usable = np.isfinite([shapes, scales * unit, weights]).all() and (scales * unit > 0).all()
        if not usable or not len(shapes):
            return ParetoTail(reason="no generalised-Pareto tail fits the largest held-out scores")
        distance = _kolmogorov_distance(tail, scores[-k:])
    shape = float(shapes @ weights)
    if shape > MAX_SHAPE:
        return ParetoTail(
            reason=f"the tail's shape is {shape:.2f}, above {MAX_SHAPE:g}: too heavy to extrapolate"
        )
    if not math.sqrt(k) * distance <= MAX_MISFIT:
        return ParetoTail(
            reason=f"the tail misses the {k} largest held-out scores by {distance:.2f} (Kolmogorov); "
            f"at most {MAX_MISFIT / math.sqrt(k):.2f} is chance"
        )
    return tail


def _fit_shapes(excess: Floats) -> tuple[Floats, Floats, Floats]:
    """Return shapes, scales and weights on the grid of Zhang and Stephens; no optimizer that can fail."""
    k = len(excess)
    points = 30 + int(math.sqrt(k))
    quartile = excess[int(k / 4 + 0.5) - 1]
    steps = 1.0 - np.sqrt(points / (np.arange(1, points + 1) - 0.5))
    rates = 1.0 / excess[-1] + steps / (3.0 * quartile)
    rates = rates[rates != 0]
    shapes = np.log1p(-rates[:, None] * excess).mean(axis=1)
    likelihood = k * (np.log(-rates / shapes) - shapes - 1.0)
    usable = np.isfinite(likelihood) & (shapes != 0)
    rates, shapes, likelihood = rates[usable], shapes[usable], likelihood[usable]
    if not len(shapes):
        return shapes, shapes, shapes
    weights = np.exp(likelihood - likelihood.max())
    likely = weights > 1e-8 * weights.sum()
    weights = weights[likely] / weights[likely].sum()
    return shapes[likely], -shapes[likely] / rates[likely], weights


def _kolmogorov_distance(tail: ParetoTail, largest: Floats) -> float:
    """Return Kolmogorov's distance between the tail and the scores it was fitted on."""
    below = 1.0 - tail.survival(largest)
    steps = np.arange(len(largest) + 1) / len(largest)
    return float(max(np.max(np.abs(below - steps[1:])), np.max(np.abs(below - steps[:-1]))))
