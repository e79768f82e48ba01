"""Read the records for the commands ``status``, ``history`` and ``catalogue``.

Called by the command line. Reads only.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pynomaly.config import Alerts, Pipeline
from pynomaly.detectors import DETECTORS
from pynomaly.errors import ConfigError, list_allowed
from pynomaly.judging.alerts.grouping import AlertRow, group_rows
from pynomaly.model.calibration.alert_policy import POLICY_MAKERS
from pynomaly.records.ledger import DECISION_KINDS, Ledger, Partition
from pynomaly.records.registry.alias_lookup import find_alias_version
from pynomaly.steps.account import find_account
from pynomaly.steps.champion import list_pending_promotions
from pynomaly.steps.delivery.delivery_status import describe_delivery
from pynomaly.steps.notices.send import list_undelivered
from pynomaly.steps.obstacles import list_known_obstacles
from pynomaly.steps.promotion.bake import find_baking_promotion
from pynomaly.steps.scoring.stream_alerts import describe_stream

__all__ = ["describe_champion_at", "describe_status", "read_history", "tabulate_catalogue", "verify_history"]


def describe_status(pipeline: Pipeline) -> dict[str, Any]:
    """Returns the champion with date and reason, the newest partitions and the newest verdicts."""
    champion = find_alias_version(pipeline)
    with Ledger.open(pipeline.ledger_url) as ledger:
        changes = [
            item for item in ledger.list_decisions(pipeline.name) if item.kind in ("promote", "rollback")
        ]
        partitions = ledger.list_partitions(pipeline.name)
        verdict = ledger.find_last_decision(pipeline.name, "degradation")
        training = ledger.find_last_decision(pipeline.name, "retrain")
        baking = find_baking_promotion(pipeline, ledger)
        account = find_account(pipeline, ledger, champion) if champion else None
        guarantees = account.list_guarantees() if account else []
        pendings = list_pending_promotions(ledger, pipeline.name)
        newest = partitions[-1] if partitions else None
        obstacles = list_known_obstacles(ledger, pipeline.name, champion, newest)
        events = _count_newest_events(pipeline, ledger, newest) if newest else None
        live = _describe_live(pipeline, ledger) if pipeline.data.source == "stream" else None
        alerts = _read_champion_alerts(pipeline, ledger, champion) if champion else None
        stream = (
            describe_stream(pipeline, ledger, alerts, newest.start)
            if alerts and newest and newest.start
            else None
        )
    change = next((item for item in changes if champion and item.version == champion), None)
    return {
        "pipeline": pipeline.name,
        "champion": champion,
        "since": change.at.isoformat() if change and change.at else None,
        "because": list(change.reasons) if change else [],
        "guarantees": guarantees,
        "alerts_changed": list(_list_policy_changes(alerts, pipeline.alerts)) if alerts else [],
        "stream": stream,
        "live": live,
        "obstacles": list(obstacles),
        "partitions": len(partitions),
        "last_window": partitions[-1].window if partitions else None,
        "last_alerts": partitions[-1].alerts if partitions else None,
        "last_events": events,
        "baking": baking.to_dict() if baking else None,
        "pending": [item.version for item in pendings],
        "waiting": list(list_undelivered(pipeline)),
        "sinks": list(describe_delivery(pipeline)),
        "health": verdict.to_dict() if verdict else None,
        "last_training_decision": training.to_dict() if training else None,
    }


def _describe_live(pipeline: Pipeline, ledger: Ledger) -> dict[str, Any]:
    """Returns how far the messages of the pipeline were read, and what is not in a closed window yet."""
    positions = ledger.stream.read_positions(pipeline.name).values()
    windows = ledger.stream.list_open_windows(pipeline.name)
    newest = max((item.newest for item in positions if item.newest is not None), default=None)
    read_at = max((item.at for item in positions if item.at is not None), default=None)
    return {
        "newest": newest.isoformat() if newest else None,
        "read_at": read_at.isoformat() if read_at else None,
        "open_windows": len(windows),
        "open_rows": sum(item.rows for item in windows),
        "dead_letters": sum(ledger.stream.count_letters(pipeline.name).values()),
    }


def _read_champion_alerts(pipeline: Pipeline, ledger: Ledger, champion: int) -> Alerts | None:
    """Returns the settings that made the champion's policy; None if an earlier edition registered it."""
    training = ledger.find_version_training(pipeline.name, champion)
    registered = training.registered if training else None
    return Alerts.of_record(registered.alerts) if registered and registered.alerts else None


def _list_policy_changes(before: Alerts, now: Alerts) -> tuple[str, ...]:
    """Returns what is set otherwise, if `pynomaly policy` would register another policy for it."""
    rows_per_day = 10 * max(before.per_day, now.per_day)
    try:
        policies = [POLICY_MAKERS[item.policy](item, rows_per_day) for item in (before, now)]
    except ConfigError:  # costs that make every row an alert: `pynomaly policy` says so
        return before.list_changes(now)
    by_all = [(item.count, item.direction, item.minimum) for item in (before, now)]
    return () if policies[0] == policies[1] and by_all[0] == by_all[1] else before.list_changes(now)


def _count_newest_events(pipeline: Pipeline, ledger: Ledger, newest: Partition) -> int | None:
    """Returns the number of events in the newest window; None if its rows have no times or wait for grouping.

    An alert of rows that another column carries is another alert, and the same event.
    """
    sightings = {
        item.alert: item
        for item in ledger.answers.list_events(pipeline.name, window=newest.window)
        if item.event == "seen"
    }
    if newest.start is None or (newest.alerts and not sightings):
        return None
    keys = [key for item in sightings.values() for key in item.content["row_keys"]]
    flags = [
        AlertRow(entity, datetime.fromisoformat(moment), place, 1.0)
        for place, (entity, moment) in enumerate(keys)
    ]
    return len(group_rows(pipeline.name, flags, pipeline.grouping.gap, by_cause=False))


def read_history(pipeline: Pipeline, limit: int, kind: str = "") -> dict[str, Any]:
    """Returns decisions, newest first.

    Raises
    ------
    ConfigError
        If `kind` is not a kind of decision in the ledger.
    """
    if kind and kind not in DECISION_KINDS:
        raise ConfigError(f"--kind {kind!r} is no kind of decision; {list_allowed(kind, DECISION_KINDS)}")
    with Ledger.open(pipeline.ledger_url) as ledger:
        decisions = ledger.list_decisions(pipeline.name, kind or None, limit=limit)
    return {"pipeline": pipeline.name, "decisions": [item.to_dict() for item in decisions]}


def verify_history(pipeline: Pipeline) -> dict[str, Any]:
    """Returns whether the ledger's hash chain is intact, over every pipeline in it."""
    with Ledger.open(pipeline.ledger_url) as ledger:
        return ledger.verify_chain().to_dict()


def describe_champion_at(pipeline: Pipeline, moment: datetime) -> dict[str, Any]:
    """Returns the champion at `moment` (wall-clock time) and the decision that promoted it."""
    with Ledger.open(pipeline.ledger_url) as ledger:
        changes = [
            item for item in ledger.list_decisions(pipeline.name) if item.kind in ("promote", "rollback")
        ]
    change = next((item for item in changes if item.at is not None and item.at <= moment), None)
    return {
        "pipeline": pipeline.name,
        "at": moment.isoformat(),
        "champion": change.version if change else None,
        "decision": change.to_dict() if change else None,
    }


def tabulate_catalogue() -> list[dict[str, Any]]:
    """Returns one row per detector, as declared in the catalogue."""
    return [entry.to_dict() for entry in DETECTORS.values()]
