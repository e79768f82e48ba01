"""Narrow the interval of the alerts' precision by scores that predict the answers. Pure.

Every alerted row has a score, and a few have an answer. Where a high score mostly is a true alert, a model
of the answers says much of the rows that nobody answered. Its prediction is averaged over all alerted rows,
and corrected by what it gets wrong on the answered ones; so it may be any model, also a bad one: the estimate
stays right on average as long as the answered rows are a random draw. A weight (power tuning) leaves out what
predicts nothing. The model is a logistic curve over the rank of the score, fitted for each tenth of the
answers on the others (cross-fitting), so that no answer corrects a prediction that it made.

This holds for an audit, whose rows are drawn at random. It does not hold for alerts that people answered as
they came: they answer the gravest first, and no prediction mends a choice that depends on what is predicted.

The interval is that of Clopper and Pearson for as many answers as the corrected estimate is worth (Korn,
Graubard). It is no exact one, as the interval by the answers alone is: :data:`PRIOR_ANSWERS`,
:data:`MIN_ANSWERS` and :data:`MIN_OF_EACH` keep its coverage, as ``benchmarks/audits.py`` measures.

References
----------
Angelopoulos, Bates, Fannjiang, Jordan, Zrnic (2023), Prediction-powered inference, Science 382.
Angelopoulos, Duchi, Zrnic (2023), PPI++: efficient prediction-powered inference: power tuning.
Zrnic, Candès (2024), Cross-prediction-powered inference, PNAS 121.
Korn, Graubard (1998), Confidence intervals for proportions with small expected number of positive counts
estimated from survey data, Survey Methodology 24.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pynomaly.judging.alerts.audit import ShareEstimate

__all__ = ["PoweredShare", "estimate_powered_share"]

Floats = npt.NDArray[np.float64]

MIN_ANSWERS = 20
"""Fewer answers are not enough to fit a curve and to know its error."""

MIN_OF_EACH = 5
"""True alerts, and false ones, that the answers must hold; near 0 and 1 the exact interval is the better."""

LEAST_GAIN = 1.2
"""Answers that an answer must be worth; below it the exact interval is printed, and nothing is gained."""

FOLDS = 10

PRIOR_ANSWERS = 2.0
"""Answers that are taken to be as wrong as without a prediction, beside those that there are.

Where predictions are nearly always right, the few wrong ones that a small sample has by chance decide how
wide the interval is; without these, 95 % intervals of 25 to 50 answers held 90 to 94 %.
"""

_SLOPE_PENALTY, _LEVEL_PENALTY = 0.1, 1e-3
_SPREAD = math.sqrt(12.0)  # a uniform rank times this has a standard deviation of 1
_STEPS = 25


@dataclass(frozen=True)
class PoweredShare:
    """A share that predictions narrow, or why they do not.

    Attributes
    ----------
    share : ShareEstimate or None
        None where the exact interval stands; `reason` says why.
    worth : float
        Answers without predictions that the answers with them are worth; 0 where that is not known.
    weight : float
        How far predictions are trusted, from 0 to 1.
    reason : str
    """

    share: ShareEstimate | None
    worth: float
    weight: float
    reason: str


def estimate_powered_share(
    ranks: Floats, truth: npt.NDArray[np.int64], population: int, level: float = 0.95
) -> PoweredShare:
    """Estimate the share of true alerts among `population` rows of which `ranks` were drawn at random.

    Parameters
    ----------
    ranks : array of shape (n,)
        Place of each drawn row among all rows by score, from 0 to 1: of place k it is
        ``(k + 0.5) / population``. In the order of the draw.
    truth : int array of shape (n,)
        1 true, 0 false, -1 without an answer.
    population : int
    level : float

    Notes
    -----
    Cost: :data:`FOLDS` fits of two numbers, and as many passes over `population` ranks.
    """
    if refusal := _explain_refusal(truth, population):
        return PoweredShare(None, 0.0, 0.0, refusal)
    count, answers = len(truth), truth.astype(np.float64)
    deviations = _predict_by_others(ranks, answers, population)
    spread = float(np.square(deviations - deviations.mean()).sum())
    together = float(((answers - answers.mean()) * (deviations - deviations.mean())).sum())
    weight = min(1.0, max(0.0, together / spread)) if spread else 0.0
    corrected = answers - weight * deviations
    share = float(corrected.mean())
    plain = float(np.square(answers - answers.mean()).sum())
    left = float(np.square(corrected - corrected.mean()).sum()) + PRIOR_ANSWERS * plain / count
    gain = plain / (count - 1) / (left / (count - 2))
    if gain < LEAST_GAIN or not 0 < share < 1:
        reason = f"scores do not predict the answers: {count} are worth {count * gain:.0f} with them"
        return PoweredShare(None, count * gain, weight, reason)
    variance = left / (count - 2) / count * (1 - count / population)
    low, high = _bound_share(share, variance, count, level)
    low, high = max(low, answers.sum() / population), min(high, 1 - (count - answers.sum()) / population)
    reason = f"scores predict the answers: {count} are worth {count * gain:.0f}"
    return PoweredShare(ShareEstimate(share, low, high), count * gain, weight, reason)


def _explain_refusal(truth: npt.NDArray[np.int64], population: int) -> str:
    """Return why predictions are of no use, or ""."""
    waiting, true, false = (int((truth == value).sum()) for value in (-1, 1, 0))
    if waiting:
        return (
            f"{waiting} drawn alerts wait for an answer: those that have one may be a choice, no random draw"
        )
    if true + false == population:
        return "every alert is answered"
    if true + false < MIN_ANSWERS or min(true, false) < MIN_OF_EACH:
        return (
            f"{true} true and {false} false alerts are answered; scores are used from {MIN_ANSWERS} answers "
            f"on, with {MIN_OF_EACH} of each kind"
        )
    return ""


def _predict_by_others(ranks: Floats, answers: Floats, population: int) -> Floats:
    """Return each row's prediction by the other folds, less the mean of that prediction over all rows."""
    folds = np.arange(len(ranks)) % FOLDS  # the draw is in random order
    places = (np.arange(population) + 0.5) / population
    deviations = np.empty(len(ranks))
    for fold in range(FOLDS):
        own = folds == fold
        level, slope = _fit_curve(ranks[~own], answers[~own])
        deviations[own] = _draw_curve(ranks[own], level, slope)
        deviations[own] -= _draw_curve(places, level, slope).mean()
    return deviations


def _draw_curve(ranks: Floats, level: float, slope: float) -> Floats:
    from scipy.special import expit

    return np.asarray(expit(level + slope * _SPREAD * (ranks - 0.5)))


def _fit_curve(ranks: Floats, answers: Floats) -> tuple[float, float]:
    """Return level and slope of the penalised logistic curve, by Newton's steps."""
    design = np.column_stack([np.ones(len(ranks)), _SPREAD * (ranks - 0.5)])
    penalty = np.array([_LEVEL_PENALTY, _SLOPE_PENALTY])
    odds = (answers.sum() + 0.5) / (len(answers) - answers.sum() + 0.5)
    curve = np.array([math.log(odds), 0.0])
    for _ in range(_STEPS):
        predicted = _draw_curve(ranks, curve[0], curve[1])
        steepness = predicted * (1 - predicted)
        gradient = design.T @ (answers - predicted) - penalty * curve
        curve = curve + np.linalg.solve((design.T * steepness) @ design + np.diag(penalty), gradient)
    return float(curve[0]), float(curve[1])


def _bound_share(share: float, variance: float, count: int, level: float) -> tuple[float, float]:
    """Return the exact binomial interval of as many answers as the variance is worth."""
    from scipy.special import betaincinv, ndtri, stdtrit

    tail = (1 - level) / 2
    worth = share * (1 - share) / variance * (ndtri(tail) / stdtrit(count - 1, tail)) ** 2
    hits = share * worth
    low = float(betaincinv(hits, worth - hits + 1, tail))
    high = float(betaincinv(hits + 1, worth - hits, 1 - tail))
    return low, high
