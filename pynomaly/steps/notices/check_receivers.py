"""Say which receivers cannot be told, before there is anything to tell; nothing is sent. For ``doctor``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cronsim import CronSim

from pynomaly.config import Pipeline
from pynomaly.config.spelling.units import spell_duration
from pynomaly.errors import ConfigError
from pynomaly.records.notices import check_secret
from pynomaly.steps.notices.deliver import read_secret

__all__ = ["list_slow_steps", "list_unreachable"]


def list_unreachable(pipeline: Pipeline) -> tuple[tuple[str, str], ...]:
    """Return the targets whose address or key is missing or of another form, each with the reason.

    What a Prefect block holds is not looked at: ``pynomaly notify CONFIG --test`` opens it.
    """
    problems = []
    for target in pipeline.notify.targets:
        if target.block:
            continue
        try:
            check_secret(target, read_secret(target))
        except ConfigError as error:
            problems.append((target.name, str(error)))
    return tuple(problems)


def list_slow_steps(pipeline: Pipeline) -> tuple[str, ...]:
    """Return steps of the escalation that come sooner than anybody looks whether they are due."""
    steps, cron = pipeline.notify.escalation.steps, pipeline.schedule.reconcile
    if not steps:
        return ()
    if not cron:
        return ("schedule.reconcile is empty: an escalation waits until some flow runs",)
    runs = CronSim(cron, datetime(2026, 1, 1, tzinfo=UTC))
    first = next(runs)
    longest = timedelta(0)
    for _ in range(200):
        later = next(runs)
        longest, first = max(longest, later - first), later
    return tuple(
        f"the step to {step.to!r} is due after {spell_duration(step.after)}, and schedule.reconcile looks "
        f"only every {spell_duration(longest)}"
        for step in steps
        if step.after < longest
    )
