"""Whether a stream still looks exchangeable with the held-out rows; if not, p-values lose their guarantee.

A conformal test martingale bets against exchangeability, row by row in the order given. While it holds, the
stake grows to 1 / alpha with a chance of at most alpha, however long one looks (Ville's inequality). The bets
are on p-values of their own: the rank of each score among the held-out ones *and the stream before it*, ties
broken at random by seed. Those are independent and uniform under exchangeability; p-values against the
held-out scores alone share these, and a long stream of them would look wrong by their sampling error.

Rows that resemble their neighbours are not exchangeable in the order of time, even in normal operation. The
monitoring step therefore bets on a window's rows in an order drawn at random: that is as valid, and tells a
change of the scores' distribution, which p-values cannot survive, from a daily cycle, which they can. A
withdrawal is words and no alarm; each window is judged for itself.

References
----------
Ville (1939), Étude critique de la notion de collectif.
Vovk, Petej, Nouretdinov, Ahlberg, Carlsson, Gammerman (2021), Retrain or not retrain: conformal test
martingales for change-point detection, COPA, PMLR 152: the simple jumper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pynomaly.judging.plain import plain

__all__ = ["Exchangeability", "exchangeability", "online_p_values", "simple_jumper"]

Array = npt.NDArray[np.float64]

JUMP = 0.01  # share of the stake spread evenly anew before each row, as in the paper
BETS = (-1.0, 0.0, 1.0)  # on small p-values, on nothing, on large ones
NEAR = 0.02  # a mean p-value this near to 1/2 is no side worth naming
FEWEST = 20  # rows, and held-out scores
_CHUNK = 1024


@dataclass(frozen=True)
class Exchangeability:
    """Verdict on one stream.

    Attributes
    ----------
    state : {"kept", "withdrawn", "not_computable"}
    rows : int
    largest : float or None
        Largest value the stake of 1 has had; at most 1e300 is written.
    p_value : float or None
        ``1 / largest``: valid at any time of looking.
    alpha : float
        Withdrawn when the stake reaches ``1 / alpha``.
    withdrawn_at : int or None
        How many rows that took.
    mean_p : float or None
        Mean of the ranks' p-values: below 0.5, scores are higher than they were.
    reasons : tuple of str
    """

    state: Literal["kept", "withdrawn", "not_computable"]
    rows: int
    largest: float | None
    p_value: float | None
    alpha: float
    withdrawn_at: int | None
    mean_p: float | None
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return dict(plain(self))


def exchangeability(
    held_out: npt.ArrayLike, scores: npt.ArrayLike, *, alpha: float, seed: int = 0
) -> Exchangeability:
    """Bet against the stream.

    Parameters
    ----------
    held_out : array-like of shape (n,)
        Scores the p-values rest on, in any order.
    scores : array-like of shape (m,)
        Scores of the stream, in an order that does not depend on them.
    alpha : float
        Chance, at most, of withdrawing while all rows are exchangeable.
    seed : int
        Breaks ties.
    """
    old = np.asarray(held_out, dtype=np.float64).ravel()
    new = np.asarray(scores, dtype=np.float64).ravel()
    if reason := _unusable(old, new):
        return Exchangeability("not_computable", new.size, None, None, alpha, None, None, (reason,))
    p_values = online_p_values(old, new, np.random.default_rng(seed).random(new.size))
    logs = simple_jumper(p_values)
    peak = float(logs.max(initial=0.0))
    crossed = np.flatnonzero(logs >= -math.log(alpha))
    at = int(crossed[0]) + 1 if crossed.size else None
    largest, chance, mean = math.exp(min(peak, 690.0)), math.exp(-peak), float(p_values.mean())
    if at is None:
        said = f"no sign against exchangeability in {new.size} rows: the stake reached {largest:.3g}"
        return Exchangeability("kept", new.size, largest, chance, alpha, None, mean, (said,))
    said = (
        f"the stream does not look exchangeable with the held-out rows: bets against it multiplied the stake "
        f"by {largest:.3g}, and by {1 / alpha:g} within {at} of {new.size} rows (chance at most {chance:.2g})"
    )
    side = "scores are about as high as they were, but come in another order or spread"
    if mean < 0.5 - NEAR:
        side = "scores are higher than they were: anomalies are many, or more normal rows alert than stated"
    elif mean > 0.5 + NEAR:
        side = "scores are lower than they were: fewer rows alert than stated"
    end = "until a recalibration, p-values, severities and expected alert rates are without guarantee"
    return Exchangeability("withdrawn", new.size, largest, chance, alpha, at, mean, (said, side, end))


def online_p_values(held_out: Array, scores: Array, uniforms: Array) -> Array:
    """Smoothed rank of each score among the held-out ones, those before it, and itself.

    Parameters
    ----------
    held_out : ndarray of shape (n,)
    scores, uniforms : ndarray of shape (m,)
        The stream, and a number in [0, 1) to break each tie by.

    Returns
    -------
    ndarray of shape (m,)
        ``(#{greater} + uniform * #{equal}) / #{all so far}``; a small one is a high score.
    """
    p_values = np.empty(scores.size)
    past = np.sort(held_out)
    for start in range(0, scores.size, _CHUNK):
        block = scores[start : start + _CHUNK]
        right = np.searchsorted(past, block, side="right")
        earlier = np.tri(block.size, k=-1, dtype=bool)
        greater = past.size - right + ((block > block[:, None]) & earlier).sum(axis=1)
        equal = right - np.searchsorted(past, block, side="left")
        equal += 1 + ((block == block[:, None]) & earlier).sum(axis=1)
        known = past.size + 1 + np.arange(block.size)
        p_values[start : start + block.size] = (
            greater + uniforms[start : start + block.size] * equal
        ) / known
        past = np.sort(np.concatenate([past, block]), kind="stable")
    return p_values


def simple_jumper(p_values: Array) -> Array:
    """Logarithm of the stake after each of `p_values`, ndarray of shape (m,); it starts at 1.

    Before each row a share of the stake is spread over the bets; bet e then multiplies its part by
    ``1 + e (p - 1/2)``, which is 1 on average when p is uniform.
    """
    logs = np.empty(p_values.size)
    parts, total = [1.0 / len(BETS)] * len(BETS), 0.0
    for place, p in enumerate(p_values.tolist()):
        parts = [
            ((1.0 - JUMP) * part + JUMP / len(BETS)) * (1.0 + bet * (p - 0.5))
            for part, bet in zip(parts, BETS, strict=True)
        ]
        grown = sum(parts)
        parts = [part / grown for part in parts]  # kept at 1 in sum: a long stream would overflow
        total += math.log(grown)
        logs[place] = total
    return logs


def _unusable(held_out: Array, scores: Array) -> str:
    for name, values in (("held-out scores", held_out), ("rows", scores)):
        if values.size < FEWEST:
            return f"exchangeability is not computable: {values.size} {name}, at least {FEWEST} are needed"
        if not np.isfinite(values).all():
            return f"exchangeability is not computable: of the {name}, some have a score that is not finite"
    return ""
