"""Two versions of a model side by side: what they learned from, how they are calibrated, what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.console.model_schemas import ComparedFact, VersionComparison
from pynomaly.console.schemas import DecisionSummary
from pynomaly.errors import UnknownNameError
from pynomaly.records.formats import format_utc, format_window
from pynomaly.records.ledger import Ledger, TrainingRecord
from pynomaly.records.store import Store
from pynomaly.steps.training.training_facts import name_training_page

__all__ = ["compare_versions", "find_trainings", "read_training_facts", "read_written_page"]

_MOST_DECISIONS = 20
_ABOUT_BOTH = ("promote", "refuse", "pending", "approval", "reject", "expired", "rollback", "bake")
_COUNTS = {
    "rows": "rows of the reference",
    "fit_rows": "rows fitted",
    "calibration_rows": "rows for p-values",
    "labelled_rows": "labelled rows",
    "known_anomalies": "known anomalies left out",
    "incident_rows": "rows of incidents left out",
    "quarantined": "rows in quarantine",
}


def compare_versions(pipeline: Pipeline, ledger: Ledger, first: int, second: int) -> VersionComparison:
    """Return two versions side by side.

    Raises
    ------
    UnknownNameError
        If one was never trained.
    RecordError
        If the records cannot be read.
    """
    trainings = find_trainings(pipeline, ledger, first, second)
    stored = {version: read_training_facts(pipeline, trainings, version) for version in (first, second)}
    described = {version: _describe(trainings[version], stored[version]) for version in (first, second)}
    columns = {version: _list_columns(stored[version]) for version in (first, second)}
    notes = [
        f"What v{version} learned from was not kept: its facts are those of the ledger."
        for version in (first, second)
        if not stored[version]
    ]
    names = dict.fromkeys([*described[first], *described[second]])
    return VersionComparison(
        pipeline=pipeline.name,
        first=first,
        second=second,
        facts=tuple(
            ComparedFact(name=name, first=one, second=other, differs=one != other)
            for name in names
            for one, other in [(described[first].get(name), described[second].get(name))]
        ),
        gained=tuple(name for name in columns[second] if name not in columns[first]),
        lost=tuple(name for name in columns[first] if name not in columns[second]),
        decisions=tuple(_list_decisions(pipeline, ledger, {first, second})),
        notes=tuple(notes),
    )


def find_trainings(pipeline: Pipeline, ledger: Ledger, *versions: int) -> dict[int, TrainingRecord]:
    """Return the trainings of a pipeline by version; UnknownNameError if one of `versions` has none."""
    trainings = {
        item.version: item for item in ledger.list_trainings(pipeline.name) if item.version is not None
    }
    for version in versions:
        if version not in trainings:
            known = ", ".join(f"v{number}" for number in sorted(trainings)) or "none"
            raise UnknownNameError(
                f"no training of {pipeline.name} v{version} is on record; there is: {known}"
            )
    return trainings


def read_written_page(pipeline: Pipeline, name: str) -> bytes:
    """Return a page that a training or a verdict wrote.

    Raises
    ------
    UnknownNameError
        If there is none.
    RecordError
        If the store cannot be read.
    """
    page = Store(pipeline.store_root).read_report(pipeline.name, name)
    if page is None:
        raise UnknownNameError(f"no page {name} of {pipeline.name} is kept; `pynomaly report` writes it")
    return page


def read_training_facts(
    pipeline: Pipeline, trainings: Mapping[int, TrainingRecord], version: int
) -> Mapping[str, Any]:
    """Return what was kept of a training; that of its base, where only the policy is another."""
    store = Store(pipeline.store_root)
    while True:
        facts = store.read_facts(pipeline.name, name_training_page(version))
        registered = trainings[version].registered
        if facts is not None or registered is None or registered.base not in trainings:
            return facts or {}
        version = registered.base


def _describe(training: TrainingRecord, facts: Mapping[str, Any]) -> dict[str, str | None]:
    """Return facts by their name, as text."""
    registered = training.registered
    described: dict[str, str | None] = {
        "detector": registered.detector if registered else None,
        "parameters": _join(facts.get("params")),
        "reference": format_window(str(facts["window"])) if facts.get("window") else None,
        "trained as of": format_utc(training.as_of.isoformat()),
        "came to": training.outcome,
    }
    counts = facts.get("counts") or {}
    described |= {text: _format(counts.get(name)) for name, text in _COUNTS.items()}
    if registered is not None:
        low, high = registered.expected_rate_low, registered.expected_rate_high
        interval = f" ({low:.2%} to {high:.2%})" if low is not None and high is not None else ""
        described |= {
            f"{registered.metric} on its own held-out rows ({registered.rung})": _format(registered.value),
            "normal rows that alert, as promised": f"{registered.expected_alert_rate:.2%}{interval}",
            "held-out rows that alert": (
                None if registered.held_out_alert_rate is None else f"{registered.held_out_alert_rate:.2%}"
            ),
        }
    calibration = facts.get("calibration") or {}
    described |= {
        "p-values": calibration.get("method"),
        "smallest p-value": _format(calibration.get("smallest")),
        "alert policy": registered.policy if registered and registered.policy else _join(facts.get("policy")),
    }
    chosen: Mapping[str, Any] = next((item for item in facts.get("candidates", ()) if item.get("chosen")), {})
    described |= {
        "seconds to fit": _format(chosen.get("fit_seconds")),
        "megabytes": _format(chosen.get("megabytes")),
        "commit": facts.get("git_commit") or None,
    }
    return described


def _list_columns(facts: Mapping[str, Any]) -> list[str]:
    columns = facts.get("columns") or {}
    return [*columns.get("numeric", ()), *columns.get("categorical", ())]


def _list_decisions(pipeline: Pipeline, ledger: Ledger, versions: set[int]) -> list[DecisionSummary]:
    """Return decisions in which one of the versions takes the place of the other, or does not."""
    about = [
        item
        for kind in _ABOUT_BOTH
        for item in ledger.list_decisions(pipeline.name, kind)
        if {item.version, item.replaces} == versions
    ]
    newest = sorted(about, key=lambda item: item.seq or 0, reverse=True)[:_MOST_DECISIONS]
    return [DecisionSummary.of_decision(item) for item in newest]


def _format(value: object) -> str | None:
    if value is None:
        return None
    return (
        f"{value:,.4g}"
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )


def _join(content: object) -> str | None:
    if not isinstance(content, Mapping):
        return None
    return ", ".join(f"{name} {value}" for name, value in content.items() if value is not None) or "defaults"
