"""Test whether a stream is still exchangeable with the held-out rows; if not, p-values lose their guarantee.

A conformal test martingale bets against exchangeability, row by row in the given order. Under exchangeability
the stake reaches 1 / alpha with a probability of at most alpha, at any stopping time (Ville's inequality).
The bets use their own p-values: the rank of each score among the held-out scores *and the earlier scores of
the stream*, ties broken at random by seed. These are independent and uniform under exchangeability. p-values
against the held-out scores alone depend on each other through these scores, and a long stream of them would
be rejected because of the sampling error of the held-out scores.

Rows that depend on their neighbours are not exchangeable in the order of time, even in normal operation. The
monitoring step therefore bets on a window's rows in random order: this is equally valid, detects a change of
the scores' distribution, which invalidates p-values, and ignores a daily cycle, which does not. Where rows
depend on the rows before, it bets on rows so far apart that they hardly do (:func:`select_spaced_rows`).

One martingale is carried from window to window of a champion, so that a small shift adds up, and looking at
every window costs nothing; a new champion starts anew. A withdrawal is only reported and raises no alert.

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

from pynomaly.judging.jsonable import to_jsonable

__all__ = [
    "Exchangeability",
    "compute_online_p_values",
    "judge_exchangeability",
    "select_spaced_rows",
    "simple_jumper",
]

Array = npt.NDArray[np.float64]

JUMP = 0.01  # share of the stake that is redistributed evenly before each row, as in the paper
BETS = (-1.0, 0.0, 1.0)  # on small p-values, no bet, on large p-values
NEUTRAL_BAND = 0.02  # a mean p-value this close to 1/2 counts as neither low nor high
MIN_ROWS = 20  # minimum number of rows, and of held-out scores
_CHUNK = 1024


@dataclass(frozen=True)
class Exchangeability:
    """Verdict on one stream.

    Attributes
    ----------
    state : {"kept", "withdrawn", "not_computable"}
    rows : int
    largest : float or None
        Largest value of the stake, which starts at 1; limited to about 1e300.
    p_value : float or None
        ``1 / largest``: valid at any stopping time.
    alpha : float
        The state is ``withdrawn`` when the stake reaches ``1 / alpha``.
    withdrawn_at : int or None
        Number of rows until then.
    mean_p : float or None
        Mean of the p-values: below 0.5, scores are higher than they were.
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
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))


def judge_exchangeability(
    held_out: npt.ArrayLike, scores: npt.ArrayLike, *, alpha: float, seed: int = 0
) -> Exchangeability:
    """Test the exchangeability of a stream with held-out scores.

    Parameters
    ----------
    held_out : array-like of shape (n,)
        Scores from which p-values are computed, in any order.
    scores : array-like of shape (m,)
        Scores of the stream, in an order that does not depend on the scores.
    alpha : float
        Largest probability of a withdrawal while all rows are exchangeable.
    seed : int
        Seed for breaking ties.
    """
    old = np.asarray(held_out, dtype=np.float64).ravel()
    new = np.asarray(scores, dtype=np.float64).ravel()
    if reason := _explain_unusable(old, new):
        return Exchangeability("not_computable", new.size, None, None, alpha, None, None, (reason,))
    p_values = compute_online_p_values(old, new, np.random.default_rng(seed).random(new.size))
    logs = simple_jumper(p_values)
    peak = float(logs.max(initial=0.0))
    crossed = np.flatnonzero(logs >= -math.log(alpha))
    row = int(crossed[0]) + 1 if crossed.size else None
    largest, chance, mean = math.exp(min(peak, 690.0)), math.exp(-peak), float(p_values.mean())
    if row is None:
        summary = f"no sign against exchangeability in {new.size} rows: the stake reached {largest:.3g}"
        return Exchangeability("kept", new.size, largest, chance, alpha, None, mean, (summary,))
    summary = (
        f"the stream does not look exchangeable with the held-out rows: bets against it multiplied the stake "
        f"by {largest:.3g}, and by {1 / alpha:g} within {row} of {new.size} rows "
        f"(chance at most {chance:.2g})"
    )
    side = "scores are about as high as they were, but come in another order or spread"
    if mean < 0.5 - NEUTRAL_BAND:
        side = "scores are higher than they were: anomalies are many, or more normal rows alert than stated"
    elif mean > 0.5 + NEUTRAL_BAND:
        side = "scores are lower than they were: fewer rows alert than stated"
    consequence = "until a recalibration, p-values, severities and expected alert rates are without guarantee"
    return Exchangeability(
        "withdrawn", new.size, largest, chance, alpha, row, mean, (summary, side, consequence)
    )


def select_spaced_rows(
    seconds: Array, entities: npt.NDArray[np.int64], spacing: float
) -> npt.NDArray[np.int64]:
    """Return places of rows of an entity that are about `spacing` seconds apart, in order of time.

    Time is cut into slots that do not depend on the rows; the first row of each entity in a slot is taken. A
    slot that began before the rows is left out: the rows before may have had theirs in it. So windows that
    follow each other give rows that are as far apart as those of one window.

    Parameters
    ----------
    seconds : array of shape (n,)
        Time of each row, in any order.
    entities : int array of shape (n,)
        0 for all where entities move together.
    spacing : float
        Above 0; infinite: no rows.
    """
    if not (seconds.size and math.isfinite(spacing)):
        return np.zeros(0, dtype=np.int64)
    slots = np.floor(seconds / spacing)
    order = np.lexsort((seconds, slots, entities))
    order = order[slots[order] * spacing >= seconds.min() - 1.0]
    is_first = np.ones(order.size, dtype=bool)
    is_first[1:] = (np.diff(slots[order]) != 0) | (np.diff(entities[order]) != 0)
    chosen = order[is_first]
    return np.asarray(chosen[np.argsort(seconds[chosen], kind="stable")], dtype=np.int64)


def compute_online_p_values(held_out: Array, scores: Array, uniforms: Array) -> Array:
    """Compute the smoothed rank of each score among held-out scores, earlier scores and itself.

    Parameters
    ----------
    held_out : ndarray of shape (n,)
    scores, uniforms : ndarray of shape (m,)
        The stream, and for each score a number in [0, 1) that breaks its ties.

    Returns
    -------
    ndarray of shape (m,)
        ``(#{greater} + uniform * #{equal}) / #{all so far}``; small for a high score.
    """
    p_values = np.empty(scores.size)
    sorted_scores = np.sort(held_out)
    for start in range(0, scores.size, _CHUNK):
        block = scores[start : start + _CHUNK]
        right = np.searchsorted(sorted_scores, block, side="right")
        earlier = np.tri(block.size, k=-1, dtype=bool)
        greater = sorted_scores.size - right + ((block > block[:, None]) & earlier).sum(axis=1)
        equal = right - np.searchsorted(sorted_scores, block, side="left")
        equal += 1 + ((block == block[:, None]) & earlier).sum(axis=1)
        counts = sorted_scores.size + 1 + np.arange(block.size)
        p_values[start : start + block.size] = (
            greater + uniforms[start : start + block.size] * equal
        ) / counts
        sorted_scores = np.sort(np.concatenate([sorted_scores, block]), kind="stable")
    return p_values


def simple_jumper(p_values: Array) -> Array:
    """Return the logarithm of the stake after each p-value, ndarray of shape (m,); the stake starts at 1.

    Before each row the share :data:`JUMP` of the stake is redistributed evenly over the bets; bet e then
    multiplies its part by ``1 + e (p - 1/2)``, whose mean is 1 when p is uniform.
    """
    logs = np.empty(p_values.size)
    parts, total = [1.0 / len(BETS)] * len(BETS), 0.0
    for place, p in enumerate(p_values.tolist()):
        parts = [
            ((1.0 - JUMP) * part + JUMP / len(BETS)) * (1.0 + bet * (p - 0.5))
            for part, bet in zip(parts, BETS, strict=True)
        ]
        growth = sum(parts)
        parts = [part / growth for part in parts]  # scaled to a sum of 1: a long stream would overflow
        total += math.log(growth)
        logs[place] = total
    return logs


def _explain_unusable(held_out: Array, scores: Array) -> str:
    for name, values in (("held-out scores", held_out), ("rows", scores)):
        if values.size < MIN_ROWS:
            return f"exchangeability is not computable: {values.size} {name}, at least {MIN_ROWS} are needed"
        if not np.isfinite(values).all():
            return f"exchangeability is not computable: of the {name}, some have a score that is not finite"
    return ""
