"""What a champion promises, and whether it holds: the entries of its account. Pure.

A champion is born with one budget: the chance that any of its promises is said to be broken, in its whole
life, while all are kept. Each promise has its share; by the union bound the shares add up. Called by
:mod:`pynomaly.steps.account`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pynomaly.config.monitoring import GuaranteeName
from pynomaly.judging.account.stake import Stake
from pynomaly.judging.drift.exchangeability import Exchangeability
from pynomaly.judging.jsonable import to_jsonable

__all__ = [
    "Guarantee",
    "explain_missing",
    "judge_alert_rate",
    "judge_bake_bets",
    "judge_exchange_test",
]

State = Literal["holds", "withdrawn", "not_computable"]


@dataclass(frozen=True)
class Guarantee:
    """One promise of a champion after its newest window.

    Attributes
    ----------
    name : str
    state : {"holds", "withdrawn", "not_computable"}
        ``holds``: bets against it have not reached ``1 / alpha`` at any time. Once withdrawn it stays so.
    alpha : float
        Its share of the budget.
    bets : int
        Observations that were bet on.
    largest : float or None
        The largest stake so far, from 1; None without one.
    reasons : tuple of str
    """

    name: GuaranteeName
    state: State
    alpha: float
    bets: int
    largest: float | None
    reasons: tuple[str, ...]

    def follow(self, before: Guarantee | None) -> Guarantee:
        """Return what is entered after `before`: what was withdrawn stays so, with the bets counted on."""
        if before is None or before.state != "withdrawn":
            return self
        return replace(before, bets=max(before.bets, self.bets))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Guarantee:
        """Read what `to_dict` wrote."""
        names = ("name", "state", "alpha", "bets", "largest")
        return cls(**{name: content[name] for name in names}, reasons=tuple(content["reasons"]))


def judge_alert_rate(stake: Stake, alpha: float, rate: float) -> Guarantee:
    """Judge whether normal rows alert no more often than `rate`, the upper bound of what was promised.

    Half of `alpha` is spent by that bound, the other half by the bets.
    """
    promise = f"at most {rate:.2%} of normal rows alert"
    if not stake.reaches(alpha / 2):
        reason = f"{promise}: bets against it reached {stake.largest:.3g}, {2 / alpha:.3g} would withdraw it"
        return Guarantee("alert_rate", "holds", alpha, stake.bets, stake.largest, (reason,))
    reasons = (
        f"{promise}: no longer. Bets against it multiplied the stake by {stake.largest:.3g} in {stake.bets} "
        f"units of rows (chance at most {alpha:g} in the life of a champion)",
        "either more rows are anomalous than data.incidents and the source's labels said when their windows "
        "were judged, or what is normal has moved",
    )
    return Guarantee("alert_rate", "withdrawn", alpha, stake.bets, stake.largest, reasons)


def judge_bake_bets(stake: Stake, alpha: float, breaches: Sequence[str], lacking: str = "") -> Guarantee:
    """Return whether the champion is no worse than the version before.

    Parameters
    ----------
    stake : Stake
    alpha : float
    breaches : sequence of str
        Why it is worse; empty where it is not.
    lacking : str
        Why the windows so far do not say; "" where they do.
    """
    if breaches:
        return Guarantee("bake", "withdrawn", alpha, stake.bets, stake.largest, tuple(breaches))
    if lacking:
        return explain_missing("bake", alpha, lacking)
    reason = f"no worse than the version before: {stake.bets} units of rows differ clearly"
    if stake.bets:
        reason += f", bets on them reached {stake.largest:.3g}"
    return Guarantee("bake", "holds", alpha, stake.bets, stake.largest, (reason,))


def judge_exchange_test(test: Exchangeability) -> Guarantee:
    """Return the test of exchangeability as an entry of the account."""
    states: dict[str, State] = {"kept": "holds", "withdrawn": "withdrawn"}
    state = states.get(test.state, "not_computable")
    return Guarantee("exchangeability", state, test.alpha, test.rows, test.largest, test.reasons)


def explain_missing(name: GuaranteeName, alpha: float, reason: str) -> Guarantee:
    """Return the entry of a promise that cannot be checked yet, or was not made."""
    return Guarantee(name, "not_computable", alpha, 0, None, (reason,))
