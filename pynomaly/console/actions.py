"""What people do, with the name of who did it: answers to alerts and to promotions.

Called by pages and API, so that both do the same. Each action asks the role it needs.
"""

from __future__ import annotations

from datetime import timedelta

from pynomaly.console.context import Asked
from pynomaly.console.schemas import AlertDetail, Answered, BulkResult, DecisionSummary
from pynomaly.console.wishes import Acknowledge, Assign, BulkAnswer, Comment, Mute, Resolve
from pynomaly.errors import ConfigError, PynomalyError, mask_addresses
from pynomaly.records.ledger import sign_lines
from pynomaly.steps.alerting import resolve_alerts as steps
from pynomaly.steps.promotion.approve import approve_promotion, reject_promotion
from pynomaly.steps.promotion.promote import rollback

__all__ = ["Answer", "answer_alert", "answer_alerts", "answer_promotion", "roll_back"]

Answer = Acknowledge | Resolve | Assign | Mute | Comment


def answer_alert(asked: Asked, pipeline: str, alert: str, answer: Answer) -> Answered:
    """Record an answer to an alert; an analyst's.

    Raises
    ------
    UnknownNameError, RoleError
        If the actor sees no such alert, or may not answer it.
    ConfigError
        If it was resolved before it is acknowledged.
    LeaseHeldError
        If the alerts are being grouped for too long.
    """
    settings, by = asked.find(pipeline, "analyst"), asked.actor.name
    with sign_lines(asked.actor.identity):
        match answer:
            case Acknowledge():
                result = steps.acknowledge_alert(settings, alert, by, answer.note)
            case Resolve():
                result = steps.resolve_alert(settings, alert, answer.ending, by, answer.note)
            case Assign():
                result = steps.assign_alert(settings, alert, answer.to, by)
            case Mute():
                until = asked.now + timedelta(hours=answer.hours)
                result = steps.mute_alert(settings, alert, until, by, answer.note)
            case Comment():
                result = steps.comment_alert(settings, alert, answer.text, by)
    asked.console.cache.renew_for(asked.actor.name)
    return Answered(alert=AlertDetail.of_alert(result.alert), new=result.new, labelled=result.labelled)


def answer_alerts(asked: Asked, bulk: BulkAnswer) -> BulkResult:
    """Record one answer to several alerts; those that cannot be answered are named with the reason.

    Raises
    ------
    ConfigError
        If not exactly one answer is given.
    """
    answers = [item for item in (bulk.acknowledge, bulk.resolve, bulk.assign, bulk.mute) if item is not None]
    if len(answers) != 1:
        raise ConfigError(
            f"{len(answers)} answers; give exactly one of acknowledge, resolve, assign and mute"
        )
    answered, failed = [], {}
    for name in bulk.alerts:
        try:
            answered.append(answer_alert(asked, name.pipeline, name.alert, answers[0]))
        except PynomalyError as error:
            failed[f"{name.pipeline}/{name.alert}"] = mask_addresses(str(error))
    return BulkResult(answered=tuple(answered), failed=failed)


def answer_promotion(
    asked: Asked, pipeline: str, version: int, reason: str, *, approve: bool
) -> DecisionSummary:
    """Approve or reject the promotion of a version; an approver's.

    Raises
    ------
    NothingPendingError
        If it does not wait, or was answered otherwise.
    """
    settings = asked.find(pipeline, "approver")
    answer = approve_promotion if approve else reject_promotion
    with sign_lines(asked.actor.identity):
        decision = answer(settings, asked.now, reason, asked.actor.name, version)
    asked.console.cache.renew_for(asked.actor.name)
    return DecisionSummary.of_decision(decision)


def roll_back(asked: Asked, pipeline: str, version: int, reason: str) -> DecisionSummary:
    """Take back the champion of this version; an approver's.

    Raises
    ------
    NoChampionError
        If there is no champion before it, or another one is champion now.
    """
    settings = asked.find(pipeline, "approver")
    with sign_lines(asked.actor.identity):
        decision = rollback(settings, asked.now, reason, asked.actor.name, version)
    asked.console.cache.renew_for(asked.actor.name)
    return DecisionSummary.of_decision(decision)
