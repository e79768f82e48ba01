"""Who is champion: the ledger says why, MLflow's alias says who, and the two are kept in step.

A decision is written before the aliases move, and the version is marked when they have. So a move that was
cut off can be told from an alias that a person changed in MLflow: the first is finished, the second is
recorded and honoured. Called before anything is scored, judged or trained.

Whoever changes the champion holds one lease. The ledger's line is written only while the lease is held, in
one transaction; MLflow knows no such thing, so the lease is checked before the aliases move, and again after:
a holder that was overtaken in between puts back what the ledger says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

from pynomaly.config import Pipeline
from pynomaly.errors import LeaseHeldError, NoChampionError
from pynomaly.records.ledger import Decision, Lease, Ledger
from pynomaly.records.registry import ModelRef, Registry

__all__ = [
    "PATIENCE_S",
    "champion_at",
    "champion_of",
    "changing_champion",
    "closing",
    "honour_alias",
    "last_change",
    "move_aliases",
    "open_pendings",
]

PATIENCE_S = 120.0
"""How long one change of the champion waits for another; a clean process takes up to half a minute."""

_SETTLED = "pynomaly.settled"


def champion_of(pipeline: Pipeline, registry: Registry) -> ModelRef | None:
    """The current champion, or None before the first promotion."""
    try:
        return registry.alias(pipeline.name, "champion")
    except NoChampionError:
        return None


def champion_at(
    ledger: Ledger, pipeline: str, moment: datetime | None, *, below: int | None = None
) -> int | None:
    """Version that was champion at `moment` (None: now), by the ledger; None if there was none.

    With `below`, the newest champion among older versions: whom that version was trained beside.
    """
    changes = [*ledger.decisions(pipeline, "promote"), *ledger.decisions(pipeline, "rollback")]
    for item in sorted(changes, key=lambda item: item.seq or 0, reverse=True):
        version = item.evidence.get("version")
        if version is None or (below is not None and int(version) >= below):
            continue
        if moment is None or item.at is None or item.at <= moment:
            return int(version)
    return None


def last_change(ledger: Ledger, pipeline: str) -> Decision | None:
    """The newest decision that changed the champion."""
    found = [ledger.last(pipeline, kind) for kind in ("promote", "rollback")]
    return max((item for item in found if item is not None), key=lambda item: item.seq or 0, default=None)


@contextmanager
def changing_champion(pipeline: Pipeline, registry: Registry, ledger: Ledger) -> Iterator[Lease]:
    """Hold the only right to change the champion; a change before it that was cut off is finished first.

    Raises
    ------
    LeaseHeldError
        If somebody else holds it for longer than :data:`PATIENCE_S`.
    """
    with ExitStack() as stack:
        for attempt in Retrying(
            retry=retry_if_exception_type(LeaseHeldError),
            stop=stop_after_delay(PATIENCE_S),
            wait=wait_random(0.02, 0.2),
            reraise=True,
        ):
            with attempt:
                lease = stack.enter_context(ledger.lease(f"champion:{pipeline.name}"))
        if not _agree(pipeline, registry, ledger):
            _settle(pipeline, registry, ledger, lease)
        yield lease


def move_aliases(ledger: Ledger, registry: Registry, decision: Decision, lease: Lease) -> None:
    """Point the aliases where `decision` says, and mark the version when they do.

    Raises
    ------
    LeaseHeldError
        If somebody else has taken the lease: nothing was moved, or what was moved was put back.
    """
    lease.renew()
    _point(registry, decision)
    try:
        lease.renew()
    except LeaseHeldError:
        newest = last_change(ledger, decision.pipeline)
        if newest is not None and newest.key != decision.key:
            _point(registry, newest)
        raise


def _point(registry: Registry, decision: Decision) -> None:
    version, replaces = decision.evidence["version"], decision.evidence.get("replaces")
    if replaces is not None:
        registry.set_alias(decision.pipeline, "previous", replaces)
    registry.set_alias(decision.pipeline, "champion", version)
    registry.mark(decision.pipeline, version, _SETTLED, decision.key)


def closing(ledger: Ledger, pending: Decision) -> Decision | None:
    """What ended a pending promotion, or None while it waits."""
    return next(
        (
            item
            for kind in ("promote", "reject", "expired", "refuse")
            for item in ledger.decisions(pending.pipeline, kind)
            if item.evidence.get("pending") == pending.key
        ),
        None,
    )


def open_pendings(ledger: Ledger, pipeline: str) -> tuple[Decision, ...]:
    """Promotions that wait for an answer, newest first; expired ones that nobody has looked at among them."""
    return tuple(item for item in ledger.decisions(pipeline, "pending") if closing(ledger, item) is None)


def honour_alias(pipeline: Pipeline, registry: Registry | None = None) -> ModelRef | None:
    """Finish a move that was cut off; record and honour an alias that was changed by hand.

    Returns
    -------
    ModelRef or None
        The champion, if alias and ledger agreed when asked; otherwise ask the registry for it.
    """
    registry = registry or Registry.of(pipeline)
    with Ledger.open(pipeline.ledger_url) as ledger:
        champion = champion_of(pipeline, registry)
        if _decided(pipeline, ledger) == (champion.version if champion else None):
            return champion
        try:
            with ledger.lease(f"champion:{pipeline.name}") as lease:
                if not _agree(pipeline, registry, ledger):
                    _settle(pipeline, registry, ledger, lease)
        except LeaseHeldError:
            pass  # whoever holds it is changing the champion at this moment
    return None


def _decided(pipeline: Pipeline, ledger: Ledger) -> Any:
    change = last_change(ledger, pipeline.name)
    return change.evidence.get("version") if change else None


def _agree(pipeline: Pipeline, registry: Registry, ledger: Ledger) -> bool:
    champion = champion_of(pipeline, registry)
    return bool((champion.version if champion else None) == _decided(pipeline, ledger))


def _settle(pipeline: Pipeline, registry: Registry, ledger: Ledger, lease: Lease) -> None:
    champion, change = champion_of(pipeline, registry), last_change(ledger, pipeline.name)
    if change is not None:
        decided = registry.version(pipeline.name, change.evidence["version"])
        if champion is None or decided.tags.get(_SETTLED) != change.key:
            move_aliases(ledger, registry, change, lease)
            return
    if champion is None:
        return
    replaces = change.evidence["version"] if change else None
    version = champion.version
    waiting = [item for item in open_pendings(ledger, pipeline.name) if item.evidence["version"] == version]
    answers = {"pending": waiting[0].key, "verdict": waiting[0].evidence["verdict"]} if waiting else {}
    said = ", which answers the promotion that waited for it" if waiting else ""
    decision = ledger.record(
        Decision(
            key=f"by-hand:{pipeline.name}:v{version}:{change.seq if change else 0}",
            pipeline=pipeline.name,
            kind="promote",
            subject=f"{pipeline.name} v{version}",
            outcome="approved by hand" if waiting else "by hand",
            reasons=(f"the alias champion was set to v{version} in MLflow, and is honoured{said}",),
            evidence={"version": version, "replaces": replaces} | answers,
            as_of=datetime.now(UTC),
            actor="MLflow",
        ),
        lease,
    )
    move_aliases(ledger, registry, decision, lease)
