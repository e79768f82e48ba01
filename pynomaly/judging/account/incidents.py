"""Bet against the incidents that a champion promised to catch. Pure.

An incident is the labelled anomalies of one block of dependent rows; it is caught when one of its rows
alerts. What was caught of the incidents that judged the version gives a lower bound of the share (Clopper and
Pearson, one-sided). The ratio that is bet on is 0 for an incident that is caught, and one over the largest
share of misses that the bound allows for one that is missed.
"""

from __future__ import annotations

from collections.abc import Sequence

from pynomaly.judging.account.guarantees import Guarantee, explain_missing
from pynomaly.judging.account.stake import Stake

__all__ = ["bet_on_catches", "bound_misses", "judge_incidents"]


CLEAR_INCIDENTS = 100
"""A promise that so many missed incidents in a row would not break is none, and is not said to hold."""


def bound_misses(caught: int, incidents: int, chance: float) -> float:
    """Return the largest share of misses that the promise allows; the true one is above with `chance`."""
    from scipy.special import betaincinv

    return 1.0 - (float(betaincinv(caught, incidents - caught + 1, chance)) if caught else 0.0)


def bet_on_catches(stake: Stake, catches: Sequence[bool], misses: float) -> Stake:
    """Return the stake after incidents, in order; `misses` is the largest share that is promised."""
    return stake.bet(0.0 if is_caught else 1.0 / misses for is_caught in catches)


def judge_incidents(stake: Stake, alpha: float, promise: Sequence[bool], misses: float) -> Guarantee:
    """Judge whether incidents are missed no more often than promised; half of `alpha` is the bound's.

    Not computable where :data:`CLEAR_INCIDENTS` missed ones would not break the promise.
    """
    basis = (
        f"at most {misses:.0%} of incidents are missed (of the {len(promise)} that judged it, {sum(promise)} "
        "were caught)"
    )
    if not bet_on_catches(Stake(), [False] * CLEAR_INCIDENTS, misses).reaches(alpha / 2):
        reason = f"{basis}: {CLEAR_INCIDENTS} missed incidents in a row would not break that"
        return explain_missing("incidents", alpha, reason)
    if not stake.reaches(alpha / 2):
        reason = f"{basis}: bets against it reached {stake.largest:.3g} in {stake.bets} incidents"
        return Guarantee("incidents", "holds", alpha, stake.bets, stake.largest, (reason,))
    reason = (
        f"{basis}: no longer. Bets against it multiplied the stake by {stake.largest:.3g} in {stake.bets} "
        f"incidents (chance at most {alpha:g} in the life of a champion)"
    )
    return Guarantee("incidents", "withdrawn", alpha, stake.bets, stake.largest, (reason,))
