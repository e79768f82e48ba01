"""One pipeline: its champion's card, its windows with their verdicts, its promises, its versions."""

from __future__ import annotations

from pynomaly.config import Pipeline
from pynomaly.console.pipelines import Pipelines
from pynomaly.console.schemas import PipelineFacts, VersionLine, WindowLine
from pynomaly.records.ledger import Ledger
from pynomaly.steps.account import find_account
from pynomaly.steps.champion import find_last_change

__all__ = ["describe_pipeline"]

_WINDOWS = 60
_VERSIONS = 20


def describe_pipeline(pipelines: Pipelines, pipeline: Pipeline) -> PipelineFacts:
    """Return what is on record about a pipeline.

    Raises
    ------
    RecordError
        If the ledger cannot be read.
    """
    ledger = pipelines.open_ledger(pipeline.ledger_url)
    change = find_last_change(ledger, pipeline.name)
    champion = change.version if change else None
    training = ledger.find_version_training(pipeline.name, champion) if champion else None
    registered = training.registered if training else None
    account = find_account(pipeline, ledger, champion) if champion else None
    return PipelineFacts(
        name=pipeline.name,
        description=pipeline.description,
        champion=champion,
        since=change.at if change else None,
        because=change.reasons if change else (),
        before=change.replaces if change else None,
        detector=registered.detector if registered else "",
        policy=pipeline.alerts.policy,
        promises=tuple(account.list_guarantees()) if account else (),
        windows=tuple(_list_windows(pipeline, ledger)),
        versions=tuple(_list_versions(pipeline, ledger, champion)),
    )


def _list_windows(pipeline: Pipeline, ledger: Ledger) -> list[WindowLine]:
    states: dict[str, str] = {}
    for item in ledger.list_decisions(pipeline.name, "degradation", limit=4 * _WINDOWS):
        states.setdefault(item.subject, item.outcome)
    partitions = ledger.list_partitions(pipeline.name)[-_WINDOWS:]
    return [
        WindowLine(
            window=part.window,
            start=part.start,
            end=part.end,
            version=part.version,
            rows=part.rows,
            alerts=part.alerts,
            quarantined=part.quarantined,
            rate=part.alerts / part.rows if part.rows else None,
            state=states.get(part.window, ""),
        )
        for part in partitions
    ]


def _list_versions(pipeline: Pipeline, ledger: Ledger, champion: int | None) -> list[VersionLine]:
    return [
        VersionLine(
            version=item.version,
            outcome=item.outcome,
            at=item.at,
            as_of=item.as_of,
            detector=item.registered.detector if item.registered else "",
            champion=item.version == champion,
        )
        for item in ledger.list_trainings(pipeline.name, _VERSIONS)
        if item.version is not None
    ]
