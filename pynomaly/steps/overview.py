"""Read the records for the commands ``status``, ``history`` and ``catalogue``.

Called by the command line. Reads only.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.detectors import DETECTORS
from pynomaly.errors import ConfigError, allowed
from pynomaly.records.ledger import KINDS, Ledger
from pynomaly.records.registry import Registry
from pynomaly.steps.bake import baking_of
from pynomaly.steps.champion import champion_of, open_pendings
from pynomaly.steps.notify import undelivered

__all__ = ["catalogue_table", "champion_at", "history_of", "status_of", "verify_history"]


def status_of(pipeline: Pipeline) -> dict[str, Any]:
    """Returns the champion with date and reason, the newest partitions and the newest verdicts."""
    champion = champion_of(pipeline, Registry.of(pipeline))
    with Ledger.open(pipeline.ledger_url) as ledger:
        changes = [item for item in ledger.decisions(pipeline.name) if item.kind in ("promote", "rollback")]
        partitions = ledger.partitions(pipeline.name)
        verdict = ledger.last(pipeline.name, "degradation")
        training = ledger.last(pipeline.name, "retrain")
        baking = baking_of(pipeline, ledger)
        pendings = open_pendings(ledger, pipeline.name)
    change = next(
        (item for item in changes if champion and item.evidence.get("version") == champion.version), None
    )
    return {
        "pipeline": pipeline.name,
        "champion": champion.version if champion else None,
        "since": change.at.isoformat() if change and change.at else None,
        "because": list(change.reasons) if change else [],
        "partitions": len(partitions),
        "last_window": partitions[-1].window if partitions else None,
        "last_alerts": partitions[-1].alerts if partitions else None,
        "baking": baking.to_dict() if baking else None,
        "pending": [item.evidence["version"] for item in pendings],
        "waiting": list(undelivered(pipeline)),
        "health": verdict.to_dict() if verdict else None,
        "last_training_decision": training.to_dict() if training else None,
    }


def history_of(pipeline: Pipeline, limit: int, kind: str = "") -> dict[str, Any]:
    """Returns decisions, newest first.

    Raises
    ------
    ConfigError
        If `kind` is not a kind of decision in the ledger.
    """
    if kind and kind not in KINDS:
        raise ConfigError(f"--kind {kind!r} is no kind of decision; {allowed(kind, KINDS)}")
    with Ledger.open(pipeline.ledger_url) as ledger:
        decisions = ledger.decisions(pipeline.name, kind or None, limit=limit)
    return {"pipeline": pipeline.name, "decisions": [item.to_dict() for item in decisions]}


def verify_history(pipeline: Pipeline) -> dict[str, Any]:
    """Returns whether the ledger's hash chain is intact, over every pipeline in it."""
    with Ledger.open(pipeline.ledger_url) as ledger:
        return ledger.verify().to_dict()


def champion_at(pipeline: Pipeline, moment: datetime) -> dict[str, Any]:
    """Returns the champion at `moment` (wall-clock time) and the decision that promoted it."""
    with Ledger.open(pipeline.ledger_url) as ledger:
        changes = [item for item in ledger.decisions(pipeline.name) if item.kind in ("promote", "rollback")]
    change = next((item for item in changes if item.at is not None and item.at <= moment), None)
    return {
        "pipeline": pipeline.name,
        "at": moment.isoformat(),
        "champion": change.evidence.get("version") if change else None,
        "decision": change.to_dict() if change else None,
    }


def catalogue_table() -> list[dict[str, Any]]:
    """Returns one row per detector, as declared in the catalogue."""
    return [entry.to_dict() for entry in DETECTORS.values()]
