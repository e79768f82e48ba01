"""What a pipeline lacks before people may rely on it: the list of ``pynomaly doctor --production``.

``wrong`` is what nobody should go live without; a ``warning`` is a choice that somebody should have made.
What no program can see is in ``docs/operating.md``: a backup that was restored once, who answers at night.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from pynomaly.config import Pipeline
from pynomaly.errors import PynomalyError
from pynomaly.records.ledger import Ledger
from pynomaly.steps.operations.finding import Finding

__all__ = ["check_production"]

_DRILL_AGE = timedelta(days=35)
"""A drill a month is enough; the default schedule has one a week."""

_EACH_RUN = ("score", "monitor", "reconcile")


def check_production(pipeline: Pipeline, prefect_api: str, now: datetime | None = None) -> list[Finding]:
    """Go through the list; reads settings and the ledger, and asks no server but the ledger's.

    Parameters
    ----------
    pipeline : Pipeline
    prefect_api : str
        Address of Prefect's API that runs would use; empty for a server of the command's own.
    now : datetime, optional
        Aware; the moment that it is.
    """
    return [
        *_check_data(pipeline),
        *_check_places(pipeline),
        *_check_schedules(pipeline, prefect_api),
        *_check_people(pipeline),
        *_check_gate(pipeline),
        *_check_records(pipeline, now or datetime.now(UTC)),
    ]


def _check_data(pipeline: Pipeline) -> Iterator[Finding]:
    kind = pipeline.data.source
    is_example = kind == "bundled"
    yield Finding(
        "data of its own",
        "wrong" if is_example else "ok",
        "rows are generated: data.source is bundled" if is_example else f"rows come from {kind}",
        "name your own source in data.source; `pynomaly init FILE` drafts it",
    )


def _check_places(pipeline: Pipeline) -> Iterator[Finding]:
    places = (
        ("ledger", pipeline.ledger_url, "a PostgreSQL address in PYNOMALY_LEDGER"),
        ("tracking", pipeline.tracking_uri, "the address of an MLflow server in PYNOMALY_TRACKING"),
    )
    for name, address, wanted in places:
        is_file = address.startswith("sqlite")
        yield Finding(
            f"records.{name}",
            "warning" if is_file else "ok",
            "a file of this machine: it is lost with it, and no other machine may write to it"
            if is_file
            else "on a server",
            f"set {wanted}, or back the file up each day",
        )
    is_folder = "://" not in pipeline.store_root
    yield Finding(
        "records.store",
        "warning" if is_folder else "ok",
        "a folder of this machine" if is_folder else "a bucket",
        "set an s3:// address in PYNOMALY_STORE, or back the folder up each day",
    )


def _check_schedules(pipeline: Pipeline, prefect_api: str) -> Iterator[Finding]:
    yield Finding(
        "a server of Prefect",
        "ok" if prefect_api else "wrong",
        "it keeps the schedules" if prefect_api else "none: nothing runs unless somebody starts it",
        "`pynomaly up`, or PREFECT_API_URL with the address of a server",
    )
    empty = [name for name in _EACH_RUN if not getattr(pipeline.schedule, name)]
    yield Finding(
        "schedules",
        "wrong" if empty else "ok",
        f"no schedule for {', '.join(empty)}" if empty else f"{', '.join(_EACH_RUN)} have one",
        "write a cron line for each into the block schedule",
    )


def _check_people(pipeline: Pipeline) -> Iterator[Finding]:
    notify = pipeline.notify
    names = [target.name for target in notify.targets]
    yield Finding(
        "somebody is told",
        "ok" if names else "wrong",
        f"{', '.join(names)} are told" if names else "nobody is: alerts wait until somebody looks",
        "name receivers in notify.targets; `pynomaly notify CONFIG --test` tries them",
    )
    steps = notify.escalation.steps
    yield Finding(
        "somebody else is told",
        "ok" if steps else "warning",
        f"{len(steps)} steps of escalation" if steps else "an alert that nobody acknowledges is told once",
        "write notify.escalation.steps",
    )
    yield Finding(
        "messages have links",
        "ok" if pipeline.console.url else "warning",
        pipeline.console.url or "console.url is empty: a message leads to no page",
        "write the address of the console into console.url",
    )


def _check_gate(pipeline: Pipeline) -> Iterator[Finding]:
    by_hand = pipeline.promotion.by_hand
    yield Finding(
        "no way past the gate",
        "warning" if by_hand == "honour" else "ok",
        f"promotion.by_hand is {by_hand}"
        + (": whoever may set an alias in MLflow makes a champion" if by_hand == "honour" else ""),
        "set promotion.by_hand: check or refuse",
    )


def _check_records(pipeline: Pipeline, now: datetime) -> list[Finding]:
    """Check what is on record: a champion, and a drill that its alerts passed."""
    from pynomaly.records.registry.alias_lookup import find_alias_version

    def check_champion() -> Finding:
        version = find_alias_version(pipeline)
        fact = "there is none: nothing is scored" if version is None else f"version {version}"
        return Finding("a champion", "wrong" if version is None else "ok", fact, "`pynomaly train CONFIG`")

    def check_drill() -> Finding:
        with Ledger.open(pipeline.ledger_url) as ledger:
            last = ledger.find_last_decision(pipeline.name, "drill")
        mend = "`pynomaly drill CONFIG`, and a cron line in schedule.drill"
        if last is None or last.at is None:
            return Finding("a drill", "warning", "none: no known anomaly was ever sent through", mend)
        fact = f"{last.outcome} on {last.at:%d %b %Y}"
        if last.outcome != "passed":
            return Finding("a drill", "wrong", fact, "`pynomaly history CONFIG --kind drill` says why")
        if now - last.at > _DRILL_AGE:
            return Finding("a drill", "warning", f"{fact}: longer than {_DRILL_AGE.days} days ago", mend)
        return Finding("a drill", "ok", fact)

    return [_try_check("a champion", check_champion), _try_check("a drill", check_drill)]


def _try_check(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except PynomalyError as error:
        return Finding(name, "wrong", str(error), "mend what `pynomaly doctor CONFIG` says of the records")
