"""Who is told of what: how grave each event is, and which receivers the rules name. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from fnmatch import fnmatchcase

from pynomaly.config import SEVERITIES, Notify, Route, Severity, Target
from pynomaly.judging.notice_times import covers_moment

__all__ = ["EVENT_SEVERITIES", "choose_receivers", "is_at_least", "list_rule_problems"]

EVENT_SEVERITIES: Mapping[str, Severity] = {
    "critical": "critical",
    "degraded": "high",
    "dead_man": "high",
    "quality_block": "high",
    "guarantee": "high",
    "rollback": "medium",
    "pending": "medium",
    "drill": "medium",
    "promote": "low",
    "refuse": "low",
    "report": "low",
}
"""How grave an event is that is no alert; an alert has a severity of its own."""


def is_at_least(severity: str, least: str) -> bool:
    """Return whether a severity is as grave as `least`, or graver."""
    return SEVERITIES.index(severity) <= SEVERITIES.index(least)


def choose_receivers(
    notify: Notify, event: str, severity: str, entity: str, local: datetime
) -> tuple[Target, ...]:
    """Return the targets of a notice: those of the first rule that fits, else all; each only if it listens.

    Parameters
    ----------
    notify : Notify
    event, severity : str
    entity : str
        "" where the notice is about none; then only rules for every entity fit.
    local : datetime
        The moment in the zone of the rules.
    """
    listeners = tuple(target for target in notify.targets if event in target.on)
    for route in notify.routes:
        if _fits(route, event, severity, entity, local):
            receivers = notify.find_targets(route.to)
            return tuple(target for target in listeners if target in receivers)
    return listeners


def _fits(route: Route, event: str, severity: str, entity: str, local: datetime) -> bool:
    return (
        event in route.kinds
        and is_at_least(severity, route.severity)
        and fnmatchcase(entity, route.entity)
        and covers_moment(route.hours, route.days, local)
    )


def list_rule_problems(notify: Notify) -> tuple[str, ...]:
    """Return what of the rules is never used, each as a sentence that names the setting."""
    problems: list[str] = []
    named: set[str] = {step.to for step in notify.escalation.steps}
    for place, route in enumerate(notify.routes):
        named |= set(route.to)
        if route == Route(to=route.to):
            late = len(notify.routes) - place - 1
            if late:
                problems.append(
                    f"notify.routes.{place} fits everything, so the {late} after it are never looked at"
                )
            reached = notify.find_targets(named)
            problems += [
                f"no rule and no escalation names the target {target.name!r}, and notify.routes.{place} "
                "fits everything: it is never told"
                for target in notify.targets
                if target not in reached
            ]
            break
    return tuple(problems)
