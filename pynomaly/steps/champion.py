"""Who is champion: the ledger says why, MLflow's alias says who, and the two are kept in step.

A decision is written before the aliases move, and the version is marked when they have. So a move that was
cut off can be told from an alias that a person changed in MLflow: the first is finished, the second is
recorded and honoured. Called before anything is scored, judged or trained.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pynomaly.config import Pipeline
from pynomaly.errors import LeaseHeldError, NoChampionError
from pynomaly.records.ledger import Decision, Ledger
from pynomaly.records.registry import ModelRef, Registry

__all__ = ["champion_of", "honour_alias", "last_change", "move_aliases"]

_SETTLED = "pynomaly.settled"


def champion_of(pipeline: Pipeline, registry: Registry) -> ModelRef | None:
    """The current champion, or None before the first promotion."""
    try:
        return registry.alias(pipeline.name, "champion")
    except NoChampionError:
        return None


def last_change(ledger: Ledger, pipeline: str) -> Decision | None:
    """The newest decision that changed the champion."""
    found = [ledger.last(pipeline, kind) for kind in ("promote", "rollback")]
    return max((item for item in found if item is not None), key=lambda item: item.seq or 0, default=None)


def move_aliases(registry: Registry, decision: Decision) -> None:
    """Point the aliases where `decision` says, and mark the version when they do."""
    version, replaces = decision.evidence["version"], decision.evidence.get("replaces")
    if replaces is not None:
        registry.set_alias(decision.pipeline, "previous", replaces)
    registry.set_alias(decision.pipeline, "champion", version)
    registry.mark(decision.pipeline, version, _SETTLED, decision.key)


def honour_alias(pipeline: Pipeline) -> None:
    """Finish a move that was cut off; record and honour an alias that was changed by hand."""
    registry = Registry.open(pipeline.tracking_uri, pipeline.home)
    with Ledger.open(pipeline.ledger_url) as ledger:
        if _agree(pipeline, registry, ledger):
            return
        try:
            with ledger.lease(f"champion:{pipeline.name}"):
                if not _agree(pipeline, registry, ledger):
                    _settle(pipeline, registry, ledger)
        except LeaseHeldError:
            return  # whoever holds it is changing the champion at this moment


def _agree(pipeline: Pipeline, registry: Registry, ledger: Ledger) -> bool:
    champion, change = champion_of(pipeline, registry), last_change(ledger, pipeline.name)
    return (champion.version if champion else None) == (change.evidence.get("version") if change else None)


def _settle(pipeline: Pipeline, registry: Registry, ledger: Ledger) -> None:
    champion, change = champion_of(pipeline, registry), last_change(ledger, pipeline.name)
    if change is not None:
        decided = registry.version(pipeline.name, change.evidence["version"])
        if champion is None or decided.tags.get(_SETTLED) != change.key:
            move_aliases(registry, change)
            return
    if champion is None:
        return
    replaces = change.evidence["version"] if change else None
    move_aliases(
        registry,
        ledger.record(
            Decision(
                key=f"by-hand:{pipeline.name}:v{champion.version}:{change.seq if change else 0}",
                pipeline=pipeline.name,
                kind="promote",
                subject=f"{pipeline.name} v{champion.version}",
                outcome="by hand",
                reasons=(f"the alias champion was set to v{champion.version} in MLflow, and is honoured",),
                evidence={"version": champion.version, "replaces": replaces},
                as_of=datetime.now(UTC),
                actor="MLflow",
            )
        ),
    )
