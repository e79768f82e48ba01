"""What the records say, in the words a person asks with: status, history, catalogue.

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
    """Champion, since when and why; newest partitions; newest verdicts."""
    champion = champion_of(pipeline, Registry.of(pipeline))
    with Ledger.open(pipeline.ledger_url) as ledger:
        changes = [item for item in ledger.decisions(pipeline.name) if item.kind in ("promote", "rollback")]
        partitions = ledger.partitions(pipeline.name)
        verdict = ledger.last(pipeline.name, "degradation")
        training = ledger.last(pipeline.name, "retrain")
        baking = baking_of(pipeline, ledger)
        waiting = open_pendings(ledger, pipeline.name)
    since = next(
        (item for item in changes if champion and item.evidence.get("version") == champion.version), None
    )
    return {
        "pipeline": pipeline.name,
        "champion": champion.version if champion else None,
        "since": since.at.isoformat() if since and since.at else None,
        "because": list(since.reasons) if since else [],
        "partitions": len(partitions),
        "last_window": partitions[-1].window if partitions else None,
        "last_alerts": partitions[-1].alerts if partitions else None,
        "baking": baking.to_dict() if baking else None,
        "pending": [item.evidence["version"] for item in waiting],
        "waiting": list(undelivered(pipeline)),
        "health": verdict.to_dict() if verdict else None,
        "last_training_decision": training.to_dict() if training else None,
    }


def history_of(pipeline: Pipeline, limit: int, kind: str = "") -> dict[str, Any]:
    """Decisions, newest first.

    Raises
    ------
    ConfigError
        If `kind` is not one that the ledger keeps.
    """
    if kind and kind not in KINDS:
        raise ConfigError(f"--kind {kind!r} is no kind of decision; {allowed(kind, KINDS)}")
    with Ledger.open(pipeline.ledger_url) as ledger:
        found = ledger.decisions(pipeline.name, kind or None, limit=limit)
    return {"pipeline": pipeline.name, "decisions": [item.to_dict() for item in found]}


def verify_history(pipeline: Pipeline) -> dict[str, Any]:
    """Whether the ledger's chain holds, over every pipeline in it."""
    with Ledger.open(pipeline.ledger_url) as ledger:
        return ledger.verify().to_dict()


def champion_at(pipeline: Pipeline, moment: datetime) -> dict[str, Any]:
    """Who was champion at `moment` by the clock on the wall, and the decision that made it so."""
    with Ledger.open(pipeline.ledger_url) as ledger:
        changes = [item for item in ledger.decisions(pipeline.name) if item.kind in ("promote", "rollback")]
    made = next((item for item in changes if item.at is not None and item.at <= moment), None)
    return {
        "pipeline": pipeline.name,
        "at": moment.isoformat(),
        "champion": made.evidence.get("version") if made else None,
        "decision": made.to_dict() if made else None,
    }


def catalogue_table() -> list[dict[str, Any]]:
    """One row a detector, as declared."""
    return [entry.to_dict() for entry in DETECTORS.values()]
