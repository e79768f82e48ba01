"""The account of a champion: opened with a budget, added to after each window, closed by the next champion.

Called by the steps that judge windows and bakes, and by ``status``. The account belongs to one change of the
champion: a version that comes back starts anew. Entries are in the ledger; a promise that is withdrawn is a
decision of its own, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.judging.account.guarantees import GUARANTEES, Guarantee, GuaranteeName
from pynomaly.records.ledger import AccountEntry, Decision, Ledger
from pynomaly.records.ledger.decision_evidence import AccountEvidence
from pynomaly.steps.champion import find_last_change

__all__ = ["ChampionAccount", "find_account", "open_account"]


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

    def read_state(self, guarantee: GuaranteeName) -> dict[str, Any]:
        """Return what bets on the next window go on from; empty before the first."""
        entry = self.ledger.accounts.find_newest(self.pipeline, self.name, guarantee)
        return dict(entry.content["bets"]) if entry else {}

    def has_entry(self, guarantee: GuaranteeName, window: str) -> bool:
        """Return whether the window was entered already."""
        return self.ledger.accounts.find_entry(self.pipeline, self.name, guarantee, window) is not None

    def enter(self, window: str, guarantee: Guarantee, bets: Mapping[str, Any], as_of: datetime) -> Guarantee:
        """Enter a guarantee after a window, with the state of its bets; return what the ledger holds.

        What was withdrawn stays withdrawn. The withdrawal is recorded as a decision before the entry, so that
        a process killed in between writes both when the window is judged again.
        """
        before = self.ledger.accounts.find_newest(self.pipeline, self.name, guarantee.name)
        known = Guarantee.from_dict(before.content["guarantee"]) if before else None
        if known is not None and known.state == "withdrawn":
            guarantee = replace(known, bets=guarantee.bets)
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
        entry = AccountEntry(self.pipeline, self.name, guarantee.name, window, content)
        return Guarantee.from_dict(self.ledger.accounts.add_entry(entry).content["guarantee"])

    def list_guarantees(self) -> list[dict[str, Any]]:
        """Return every guarantee as it stands, as plain values; those without an entry say so."""
        guarantees = []
        for name in GUARANTEES:
            entry = self.ledger.accounts.find_newest(self.pipeline, self.name, name)
            if entry is None:
                reasons = ["no window was judged yet that says anything about it"]
                content = Guarantee(name, "not_computable", self.shares.get(name, 0.0), 0, None, ()).to_dict()
                guarantees.append(content | {"reasons": reasons, "window": None})
            else:
                guarantees.append({**entry.content["guarantee"], "window": entry.window})
        return guarantees


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
    shares: dict[str, float] = {item: pipeline.account.find_alpha(item) for item in GUARANTEES}
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
