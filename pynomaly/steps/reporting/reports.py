"""Write pages about a training and about a window from the records; any page can be written again.

Measurements were stored when they were made; later decisions, earlier windows and declared incidents are read
each time. Called after a training and after a verdict, by ``pynomaly report`` and on schedule. Changes no
model and no decision: a page replaces the page of the same name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.errors import NoChampionError, PynomalyError, RecordError
from pynomaly.records.formats import format_utc, format_window
from pynomaly.records.ledger import Decision, Ledger, RegistrationResult, TrainingRecord, parse_window_key
from pynomaly.records.ledger.decision_evidence import DegradationEvidence, UnchangedPolicyEvidence
from pynomaly.records.pages import render_training_page, render_window_page
from pynomaly.records.registry import Registry
from pynomaly.records.store import Store
from pynomaly.steps.monitoring.window_facts import name_window_page
from pynomaly.steps.pipeline_records import PipelineRecords
from pynomaly.steps.reporting.timeline import build_story, describe_decision
from pynomaly.steps.training.training_facts import FACTS_FORMAT, name_training_page

__all__ = [
    "MAX_PAGE_BYTES",
    "WrittenPage",
    "find_judged_window",
    "write_newest_pages",
    "write_training_page",
    "write_window_page",
]

MAX_PAGE_BYTES = 3_000_000
"""Largest size of a page in bytes; the built-in templates stay far below, a user's template may not."""

PAGE_ARTIFACT = "report.html"
"""Artifact name of the page in MLflow, in the run of the training or of the window."""

_VERSION_KINDS = (
    "register",
    "policy",
    "promote",
    "refuse",
    "pending",
    "approval",
    "reject",
    "expired",
    "rollback",
    "bake",
)


@dataclass(frozen=True)
class WrittenPage:
    """One page that was written to the store.

    Attributes
    ----------
    kind : {"training", "window"}
    subject : str
        The version, or the window's key.
    path : str
        Its address in the store.
    size : int
        In bytes.
    run_id : str
        MLflow run that also holds it, or "".
    summary : str
        Its content in one line.
    error : str
        Why it is not in MLflow, or "".
    """

    kind: str
    subject: str
    version: int
    path: str
    size: int
    run_id: str
    summary: str
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def write_training_page(pipeline: Pipeline, version: int) -> WrittenPage:
    """Write the page of a registered version.

    Raises
    ------
    RecordError
        If there is no such version, or no facts of its training are stored.
    ConfigError
        If a template of the user's cannot be used.
    """
    with PipelineRecords.open(pipeline) as records:
        ledger, store = records.ledger, records.store
        trainings = {
            item.version: item for item in ledger.list_trainings(pipeline.name) if item.version is not None
        }
        if version not in trainings:
            available = ", ".join(f"v{number}" for number in sorted(trainings)) or "none"
            raise RecordError(
                f"{pipeline.name}: no training is on record for v{version}; there is: {available}"
            )
        registered = _require_registration(trainings[version])
        decisions = _read_version_decisions(ledger, pipeline.name, version)
        standing = _describe_standing(ledger, pipeline.name, version)
    base, notes = version, []
    while registered.policy and store.read_facts(pipeline.name, name_training_page(base)) is None:
        base = _require_registration(trainings[base]).base  # another policy over the same model
        if base not in trainings or not _require_registration(trainings[base]).policy:
            break
    if base != version:
        notes.append(f"The model of v{base} with another alert policy: {registered.policy}.")
    facts = _check_facts(store.read_facts(pipeline.name, name_training_page(base)), pipeline, f"v{version}")
    if base != version:
        own_values = {
            "sha256": registered.sha256,
            "expected_alert_rate": registered.expected_alert_rate,
            "expected_rate_low": registered.expected_rate_low,
            "expected_rate_high": registered.expected_rate_high,
            "held_out_alert_rate": registered.held_out_alert_rate,
        }
        facts["registered"] = facts["registered"] | own_values | {"version": version}
        facts["policy"] = _find_policy(decisions) or facts["policy"]
    judged = next((item for item in decisions if item.evidence.get("verdict")), None)
    content = facts | {
        "decisions": [describe_decision(item) for item in decisions],
        "standing": standing,
        "verdict": judged.evidence["verdict"] if judged else None,
        "verdict_about": judged.subject if judged else "",
        "notes": notes,
    }
    html = render_training_page(content, pipeline.reports.templates)
    summary = f"{pipeline.name} v{version}, {facts['registered']['detector']}: {standing}"
    run = registered.parent_run_id or registered.run_id
    page = WrittenPage("training", f"v{version}", version, "", 0, run, summary)
    return _write_page(pipeline, store, page, name_training_page(version), html)


def _require_registration(training: TrainingRecord) -> RegistrationResult:
    if training.registered is None:
        raise RecordError(f"{training.pipeline}: the training of v{training.version} has no registration")
    return training.registered


def write_window_page(pipeline: Pipeline, window: str, version: int) -> WrittenPage:
    """Write the page of a judged window, given by its key, under the version that was judged.

    Raises
    ------
    RecordError
        If no facts of that window are stored.
    ConfigError
        If a template of the user's, or the declared incidents, cannot be used.
    """
    store, name = Store(pipeline.store_root), name_window_page(window, version)
    facts = _check_facts(store.read_facts(pipeline.name, name), pipeline, f"window {window} under v{version}")
    with Ledger.open(pipeline.ledger_url) as ledger:
        story = build_story(pipeline, ledger, window, facts)
    html = render_window_page(facts | story, pipeline.reports.templates)
    state = facts["degradation"]["state"]
    counts = f"{facts['alerts']:,} alerts in {facts['rows']:,} rows"
    summary = f"{pipeline.name}, {format_window(window)}: {state}, {counts}"
    run = str(facts["run_id"])
    page = WrittenPage("window", window, version, "", 0, run, summary)
    return _write_page(pipeline, store, page, name, html)


def write_newest_pages(pipeline: Pipeline) -> tuple[WrittenPage, ...]:
    """Write the champion's page and that of the window judged last, for a scheduled report.

    Raises
    ------
    NoChampionError
        If nothing was promoted yet.
    """
    champion = Registry.open_for(pipeline).resolve_alias(pipeline.name, "champion")
    pages = [write_training_page(pipeline, champion.version)]
    with Ledger.open(pipeline.ledger_url) as ledger:
        verdict = ledger.find_last_decision(pipeline.name, "degradation")
    if verdict is not None:
        pages.append(write_window_page(pipeline, verdict.subject, DegradationEvidence.of(verdict).version))
    return tuple(pages)


def find_judged_window(pipeline: Pipeline, start: datetime) -> tuple[str, int]:
    """Returns key and version of the newest verdict on the window that starts at `start`.

    Raises
    ------
    RecordError
        If no such window was judged; the message names the nearest ones.
    """
    with Ledger.open(pipeline.ledger_url) as ledger:
        verdicts = ledger.list_decisions(pipeline.name, "degradation")
    starts: dict[datetime, tuple[str, int]] = {}
    for item in verdicts:
        edges = parse_window_key(item.subject)
        if edges is not None:
            starts.setdefault(edges[0], (item.subject, DegradationEvidence.of(item).version))
    if start in starts:
        return starts[start]
    nearest = sorted(starts, key=lambda moment: abs(moment - start))[:3]
    available = ", ".join(moment.isoformat() for moment in sorted(nearest)) or "none"
    raise RecordError(
        f"{pipeline.name}: no judged window starts at {start.isoformat()}; the nearest start at: {available}"
    )


def _check_facts(facts: Mapping[str, Any] | None, pipeline: Pipeline, what: str) -> dict[str, Any]:
    if facts is None:
        raise RecordError(
            f"{pipeline.name}: nothing was kept to write the page of {what} from; "
            f"looked in {pipeline.store_root}"
        )
    if facts.get("format") != FACTS_FORMAT:
        raise RecordError(
            f"{pipeline.name}: what was kept of {what} has format {facts.get('format')!r}; "
            f"this Pynomaly reads {FACTS_FORMAT}"
        )
    return dict(facts)


def _read_version_decisions(ledger: Ledger, pipeline: str, version: int) -> list[Decision]:
    """Returns every decision about a version, oldest first."""
    decisions = [item for kind in _VERSION_KINDS for item in ledger.list_decisions(pipeline, kind)]
    name = f"{pipeline} v{version}"
    about = [item for item in decisions if item.subject == name or version in (item.version, item.replaces)]
    return sorted(about, key=lambda item: item.seq or 0)


def _describe_standing(ledger: Ledger, pipeline: str, version: int) -> str:
    """Return the standing of the version as text: champion since when, or in which spans of time."""
    decisions = [*ledger.list_decisions(pipeline, "promote"), *ledger.list_decisions(pipeline, "rollback")]
    changes = sorted(decisions, key=lambda item: item.seq or 0)
    promotion = next((item for item in reversed(changes) if item.version == version), None)
    if promotion is None:
        last = next(iter(item for item in reversed(_read_version_decisions(ledger, pipeline, version))), None)
        return {"pending": "waits for an answer", "refuse": "refused"}.get(
            last.kind if last else "", "not promoted"
        )
    since = format_utc(promotion.as_of.isoformat())
    if changes[-1] is promotion:
        return f"champion since {since}"
    spans = [
        (item.as_of, successor.as_of)
        for item, successor in pairwise(changes)
        if item.evidence.get("version") == version
    ]
    # A rollback that is taken back in the same moment made a champion for no time.
    texts = [
        f"from {format_utc(start.isoformat())} to {format_utc(end.isoformat())}"
        for start, end in spans
        if start < end
    ]
    return "champion " + (" and ".join(texts) or f"for a moment on {since}")


def _find_policy(about: list[Decision]) -> dict[str, Any] | None:
    policies = (UnchangedPolicyEvidence.of(item).policy for item in about if item.kind == "policy")
    return next(map(dict, policies), None)


def _write_page(
    pipeline: Pipeline,
    store: Store,
    page: WrittenPage,
    name: str,
    html: str,
) -> WrittenPage:
    """Write the page to the store and try to log it to its MLflow run; a failure there is reported.

    Returns `page` with its address and size; without its run if that could not be reached.
    """
    content, error = html.encode(), ""
    if len(content) > MAX_PAGE_BYTES:
        raise RecordError(
            f"{pipeline.name}: the page {name} would have {len(content):,} bytes; allowed: {MAX_PAGE_BYTES:,}"
        )
    path = store.write_report(pipeline.name, name, content)
    try:
        Registry.open_for(pipeline).log_to_run(page.run_id, figures={PAGE_ARTIFACT: content})
    except (PynomalyError, NoChampionError) as failed:
        error = str(failed)
    run = "" if error else page.run_id
    return replace(page, path=str(path), size=len(content), run_id=run, error=error)
