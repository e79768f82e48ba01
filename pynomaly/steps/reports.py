"""Write pages about a training and about a window from the records; any page can be written again.

Measurements were stored when they were made; later decisions, earlier windows and declared incidents are read
each time. Called after a training and after a verdict, by ``pynomaly report`` and on schedule. Changes no
model and no decision: a page replaces the page of the same name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.errors import NoChampionError, PynomalyError, RecordError
from pynomaly.records.ledger import Decision, Ledger, bounds
from pynomaly.records.pages import training_page, window_page
from pynomaly.records.registry import Registry
from pynomaly.records.store import Store
from pynomaly.steps.timeline import story_of, told
from pynomaly.steps.training_facts import FORMAT, training_name
from pynomaly.steps.window_facts import window_name

__all__ = ["LARGEST", "Page", "judged_window", "newest_pages", "report_training", "report_window"]

LARGEST = 3_000_000
"""Largest size of a page in bytes; the built-in templates stay far below, a user's template may not."""

ARTIFACT = "report.html"
"""Artifact name of the page in MLflow, in the run of the training or of the window."""

_ABOUT_VERSIONS = (
    "register",
    "policy",
    "promote",
    "refuse",
    "pending",
    "reject",
    "expired",
    "rollback",
    "bake",
)


@dataclass(frozen=True)
class Page:
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


def report_training(pipeline: Pipeline, version: int) -> Page:
    """Write the page of a registered version.

    Raises
    ------
    RecordError
        If there is no such version, or no facts of its training are stored.
    ConfigError
        If a template of the user's cannot be used.
    """
    store = Store(pipeline.store_root)
    with Ledger.open(pipeline.ledger_url) as ledger:
        trainings = {
            item.version: item for item in ledger.trainings(pipeline.name) if item.version is not None
        }
        if version not in trainings:
            available = ", ".join(f"v{number}" for number in sorted(trainings)) or "none"
            raise RecordError(
                f"{pipeline.name}: no training is on record for v{version}; there is: {available}"
            )
        registered = dict(trainings[version].detail["registered"])
        decisions = _about(ledger, pipeline.name, version)
        standing = _standing(ledger, pipeline.name, version)
    base, notes = version, []
    while registered["policy"] and (facts := store.read_facts(pipeline.name, training_name(base))) is None:
        base = int(trainings[base].detail["registered"]["base"])  # another policy over the same model
        if base not in trainings or not trainings[base].detail["registered"]["policy"]:
            break
    if base != version:
        notes.append(f"The model of v{base} with another alert policy: {registered['policy']}.")
    facts = _kept(store.read_facts(pipeline.name, training_name(base)), pipeline, f"v{version}")
    if base != version:
        own_values = {
            "sha256": registered["sha256"],
            "expected_alert_rate": registered["expected_alert_rate"],
        }
        facts["registered"] = facts["registered"] | own_values | {"version": version}
        facts["policy"] = _policy_of(decisions) or facts["policy"]
    verdict = next((item.evidence["verdict"] for item in decisions if item.evidence.get("verdict")), None)
    content = facts | {
        "decisions": [told(item) for item in decisions],
        "standing": standing,
        "verdict": verdict,
        "notes": notes,
    }
    html = training_page(content, pipeline.reports.templates)
    summary = f"{pipeline.name} v{version}, {facts['registered']['detector']}: {standing}"
    run = str(registered["parent_run_id"] or registered["run_id"])
    return _written(
        pipeline, store, "training", f"v{version}", version, training_name(version), html, run, summary
    )


def report_window(pipeline: Pipeline, window: str, version: int) -> Page:
    """Write the page of a judged window, given by its key, under the version that was judged.

    Raises
    ------
    RecordError
        If no facts of that window are stored.
    ConfigError
        If a template of the user's, or the declared incidents, cannot be used.
    """
    store, name = Store(pipeline.store_root), window_name(window, version)
    facts = _kept(store.read_facts(pipeline.name, name), pipeline, f"window {window} under v{version}")
    with Ledger.open(pipeline.ledger_url) as ledger:
        story = story_of(pipeline, ledger, window, facts)
    html = window_page(facts | story, pipeline.reports.templates)
    state = facts["degradation"]["state"]
    summary = f"{pipeline.name}, {window}: {state}, {facts['alerts']:,} alerts in {facts['rows']:,} rows"
    run = str(facts["run_id"])
    return _written(pipeline, store, "window", window, version, name, html, run, summary)


def newest_pages(pipeline: Pipeline) -> tuple[Page, ...]:
    """Write the champion's page and that of the window judged last, for a scheduled report.

    Raises
    ------
    NoChampionError
        If nothing was promoted yet.
    """
    champion = Registry.of(pipeline).alias(pipeline.name, "champion")
    pages = [report_training(pipeline, champion.version)]
    with Ledger.open(pipeline.ledger_url) as ledger:
        verdict = ledger.last(pipeline.name, "degradation")
    if verdict is not None:
        pages.append(report_window(pipeline, verdict.subject, int(verdict.evidence["version"])))
    return tuple(pages)


def judged_window(pipeline: Pipeline, start: datetime) -> tuple[str, int]:
    """Returns key and version of the newest verdict on the window that starts at `start`.

    Raises
    ------
    RecordError
        If no such window was judged; the message names the nearest ones.
    """
    with Ledger.open(pipeline.ledger_url) as ledger:
        verdicts = ledger.decisions(pipeline.name, "degradation")
    starts: dict[datetime, tuple[str, int]] = {}
    for item in verdicts:
        edges = bounds(item.subject)
        if edges is not None:
            starts.setdefault(edges[0], (item.subject, int(item.evidence["version"])))
    if start in starts:
        return starts[start]
    nearest = sorted(starts, key=lambda moment: abs(moment - start))[:3]
    available = ", ".join(moment.isoformat() for moment in sorted(nearest)) or "none"
    raise RecordError(
        f"{pipeline.name}: no judged window starts at {start.isoformat()}; the nearest start at: {available}"
    )


def _kept(facts: Mapping[str, Any] | None, pipeline: Pipeline, what: str) -> dict[str, Any]:
    if facts is None:
        raise RecordError(
            f"{pipeline.name}: nothing was kept to write the page of {what} from; "
            f"looked in {pipeline.store_root}"
        )
    if facts.get("format") != FORMAT:
        raise RecordError(
            f"{pipeline.name}: what was kept of {what} has format {facts.get('format')!r}; "
            f"this Pynomaly reads {FORMAT}"
        )
    return dict(facts)


def _about(ledger: Ledger, pipeline: str, version: int) -> list[Decision]:
    """Returns every decision about a version, oldest first."""
    decisions = [item for kind in _ABOUT_VERSIONS for item in ledger.decisions(pipeline, kind)]
    name = f"{pipeline} v{version}"
    about = [
        item
        for item in decisions
        if item.subject == name or version in (item.evidence.get("version"), item.evidence.get("replaces"))
    ]
    return sorted(about, key=lambda item: item.seq or 0)


def _standing(ledger: Ledger, pipeline: str, version: int) -> str:
    """Returns the current status of the version as text."""
    decisions = [*ledger.decisions(pipeline, "promote"), *ledger.decisions(pipeline, "rollback")]
    changes = sorted(decisions, key=lambda item: item.seq or 0)
    promotion = next((item for item in reversed(changes) if item.evidence.get("version") == version), None)
    if promotion is None:
        last = next(iter(item for item in reversed(_about(ledger, pipeline, version))), None)
        return {"pending": "waits for an answer", "refuse": "refused"}.get(
            last.kind if last else "", "not promoted"
        )
    since = f"{promotion.as_of:%Y-%m-%d %H:%M} UTC"
    if changes[-1] is promotion:
        return f"champion since {since}"
    successor = next(item for item in changes if (item.seq or 0) > (promotion.seq or 0))
    return f"champion from {since} to {successor.as_of:%Y-%m-%d %H:%M} UTC"


def _policy_of(about: list[Decision]) -> dict[str, Any] | None:
    return next((dict(item.evidence["policy"]) for item in about if item.kind == "policy"), None)


def _written(
    pipeline: Pipeline,
    store: Store,
    kind: str,
    subject: str,
    version: int,
    name: str,
    html: str,
    run: str,
    summary: str,
) -> Page:
    """Write the page to the store and try to log it to its MLflow run; a failure there is reported."""
    content, error = html.encode(), ""
    if len(content) > LARGEST:
        raise RecordError(
            f"{pipeline.name}: the page {name} would have {len(content):,} bytes; allowed: {LARGEST:,}"
        )
    path = store.write_report(pipeline.name, name, content)
    try:
        Registry.of(pipeline).log(run, figures={ARTIFACT: content})
    except (PynomalyError, NoChampionError) as failed:
        error = str(failed)
    return Page(kind, subject, version, str(path), len(content), "" if error else run, summary, error)
