"""The account of a champion: opened with a budget, added to after each window, closed by the next champion.

Called by the steps that judge windows and bakes, and by ``status``. The account belongs to one change of the
champion: a version that comes back starts anew. Entries are in the ledger; a promise that is withdrawn is a
decision of its own, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pynomaly.config import Pipeline
from pynomaly.config.monitoring import GUARANTEES, GuaranteeName
from pynomaly.judging.account.guarantees import Guarantee
from pynomaly.records.ledger import AccountEntry, Decision, Ledger
from pynomaly.records.ledger.decision_evidence import AccountEvidence
from pynomaly.steps.champion import find_last_change
from pynomaly.steps.patient_lease import wait_for_lease

__all__ = ["Bet", "ChampionAccount", "WindowAccount", "find_account", "open_account"]

PATIENCE_S = 60.0
"""Seconds that a window waits while another is entered; that takes well under one."""


Bet = Callable[[Mapping[str, Any]], tuple[Guarantee, Mapping[str, Any]]]
"""From the state that bets go on from, empty before the first window, to the guarantee and that after it."""


class WindowAccount(Protocol):
    """What windows are entered into."""

    @property
    def shares(self) -> Mapping[str, float]:
        """Chance of a false withdrawal by guarantee."""
        ...

    def bet_on_window(self, name: GuaranteeName, window: str, bet: Bet, as_of: datetime) -> object:
        """Bet on a window, after those before it."""
        ...


@dataclass(frozen=True)
class ChampionAccount:
    """The account of a champion in the ledger.

    Attributes
    ----------
    ledger : Ledger
        Open.
    pipeline : str
    name : str
        Version and decision that made it champion, like ``v3:17``.
    version : int
    shares : mapping
        Chance of a false withdrawal by guarantee, as it was when the account was opened.
    """

    ledger: Ledger
    pipeline: str
    name: str
    version: int
    shares: Mapping[str, float]

    def bet_on_window(self, name: GuaranteeName, window: str, bet: Bet, as_of: datetime) -> AccountEntry:
        """Bet on a window unless it was entered already, and return its entry; one writer at a time.

        What was withdrawn stays withdrawn. The withdrawal is recorded as a decision before the entry, so that
        a process killed in between writes both when the window is judged again.

        Parameters
        ----------
        name : str
            The guarantee.
        window : str
            Key of the window.
        bet : callable
            From the state that bets go on from, empty before the first window, to the guarantee after this
            one and the state of its bets.
        as_of : datetime
            Aware moment that is recorded.

        Raises
        ------
        LeaseHeldError
            If another process has been entering a window for longer than :data:`PATIENCE_S`.
        """
        accounts = self.ledger.accounts
        with wait_for_lease(self.ledger, f"account:{self.pipeline}", PATIENCE_S, renew=False):
            entry = accounts.find_entry(self.pipeline, self.name, name, window)
            if entry is not None:
                return entry
            before = accounts.find_newest(self.pipeline, self.name, name)
            guarantee, bets = bet(before.content["bets"] if before else {})
            known = Guarantee.from_dict(before.content["guarantee"]) if before else None
            return self._enter(window, guarantee, bets, known, as_of)

    def _enter(
        self,
        window: str,
        guarantee: Guarantee,
        bets: Mapping[str, Any],
        known: Guarantee | None,
        as_of: datetime,
    ) -> AccountEntry:
        """Write a guarantee after a window, and its withdrawal; `known` is the guarantee before it."""
        guarantee = guarantee.follow(known)
        if guarantee.state == "withdrawn":
            self.ledger.record_decision(
                Decision(
                    key=f"account:{self.pipeline}:{self.name}:{guarantee.name}",
                    pipeline=self.pipeline,
                    kind="account",
                    subject=f"{self.pipeline} v{self.version}",
                    outcome="withdrawn",
                    reasons=guarantee.reasons,
                    evidence=AccountEvidence(
                        self.version, self.name, self.shares, guarantee.to_dict(), window
                    ),
                    as_of=as_of,
                )
            )
        content = {"guarantee": guarantee.to_dict(), "bets": bets}
        return self.ledger.accounts.add_entry(
            AccountEntry(self.pipeline, self.name, guarantee.name, window, content)
        )

    def list_guarantees(self) -> list[dict[str, Any]]:
        """Return every guarantee as it stands, as plain values; those without an entry say so."""
        guarantees = []
        for name in GUARANTEES:
            entry = self.ledger.accounts.find_newest(self.pipeline, self.name, name)
            if entry is None:
                reasons = [self._explain_no_entry(name)]
                content = Guarantee(name, "not_computable", self.shares.get(name, 0.0), 0, None, ()).to_dict()
                guarantees.append(content | {"reasons": reasons, "window": None})
            else:
                guarantees.append({**entry.content["guarantee"], "window": entry.window})
        return guarantees

    def list_withdrawn(self) -> tuple[str, ...]:
        """Return the names of the guarantees that are withdrawn."""
        return tuple(item["name"] for item in self.list_guarantees() if item["state"] == "withdrawn")

    def _explain_no_entry(self, name: GuaranteeName) -> str:
        change = find_last_change(self.ledger, self.pipeline)
        if name == "bake" and change is not None and change.kind == "rollback":
            return "it came back in a rollback, and only a promotion bakes"
        if name == "bake" and (change is None or change.replaces is None):
            return "it replaced no version"
        return "no window was judged yet that says anything about it"


def open_account(pipeline: Pipeline, ledger: Ledger, version: int, as_of: datetime) -> ChampionAccount:
    """Return the account of the champion; a new champion's is opened, on record.

    Parameters
    ----------
    version : int
        The champion.
    as_of : datetime
        Aware moment that is recorded if the account is new.
    """
    name = _name_account(pipeline, ledger, version)
    shares: dict[str, float] = dict(pipeline.account.split_alpha().items())
    budget = ", ".join(f"{item.replace('_', ' ')} {alpha:g}" for item, alpha in shares.items())
    decision = ledger.record_decision(
        Decision(
            key=_opening_key(pipeline.name, name),
            pipeline=pipeline.name,
            kind="account",
            subject=f"{pipeline.name} v{version}",
            outcome="opened",
            reasons=(
                f"v{version} starts with a budget of {pipeline.account.alpha:g}, the chance of any false "
                f"withdrawal while it is champion: {budget}; the account of the champion before it is closed",
            ),
            evidence=AccountEvidence(version, name, shares),
            as_of=as_of,
        )
    )
    return ChampionAccount(ledger, pipeline.name, name, version, AccountEvidence.of(decision).shares)


def find_account(pipeline: Pipeline, ledger: Ledger, version: int) -> ChampionAccount | None:
    """Return the account of the champion, or None if no window was judged under it yet."""
    name = _name_account(pipeline, ledger, version)
    decision = ledger.find_decision(_opening_key(pipeline.name, name))
    if decision is None:
        return None
    return ChampionAccount(ledger, pipeline.name, name, version, AccountEvidence.of(decision).shares)


def _name_account(pipeline: Pipeline, ledger: Ledger, version: int) -> str:
    change = find_last_change(ledger, pipeline.name)
    return f"v{version}:{change.seq}" if change is not None and change.version == version else f"v{version}"


def _opening_key(pipeline: str, account: str) -> str:
    return f"account:{pipeline}:{account}:opened"
