"""Pages about a training and about a window, written from the records, as often as anybody asks.

What was measured was kept when it was measured; what was decided since, earlier windows and declared
incidents are read from the ledger each time. Called after a training and after a verdict, by ``pynomaly
report`` and on schedule. Changes no model and no decision: a page replaces the page of the same name.
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
"""Most bytes of a page; one of ours is far below, a user's template may not be."""

ARTIFACT = "report.html"
"""What the page is called in MLflow, with the run of the training or of the window."""

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
    """One page that was written.

    Attributes
    ----------
    kind : {"training", "window"}
    subject : str
        The version, or the window's key.
    path : str
        Where it lies.
    size : int
        Bytes.
    run_id : str
        MLflow run that holds it too, or "".
    summary : str
        What it says, in a line.
    error : str
        Why MLflow does not hold it, or "".
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
        If there is no such version, or nothing was kept of its training.
    ConfigError
        If a template of the user's cannot be used.
    """
    store = Store(pipeline.store_root)
    with Ledger.open(pipeline.ledger_url) as ledger:
        known = {item.version: item for item in ledger.trainings(pipeline.name) if item.version is not None}
        if version not in known:
            there = ", ".join(f"v{number}" for number in sorted(known)) or "none"
            raise RecordError(f"{pipeline.name}: no training is on record for v{version}; there is: {there}")
        registered = dict(known[version].detail["registered"])
        about = _about(ledger, pipeline.name, version)
        standing = _standing(ledger, pipeline.name, version)
    base, notes = version, []
    while registered["policy"] and (facts := store.read_facts(pipeline.name, training_name(base))) is None:
        base = int(known[base].detail["registered"]["base"])  # another policy over the same model
        if base not in known or not known[base].detail["registered"]["policy"]:
            break
    if base != version:
        notes.append(f"The model of v{base} with another alert policy: {registered['policy']}.")
    facts = _kept(store.read_facts(pipeline.name, training_name(base)), pipeline, f"v{version}")
    if base != version:
        known_rates = {
            "sha256": registered["sha256"],
            "expected_alert_rate": registered["expected_alert_rate"],
        }
        facts["registered"] = facts["registered"] | known_rates | {"version": version}
        facts["policy"] = _policy_of(about) or facts["policy"]
    verdict = next((item.evidence["verdict"] for item in about if item.evidence.get("verdict")), None)
    content = facts | {
        "decisions": [told(item) for item in about],
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
        If nothing was kept of that window.
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
    """The champion's page, and that of the window judged last: what a scheduled report holds.

    Raises
    ------
    NoChampionError
        If nothing was promoted yet.
    """
    champion = Registry.of(pipeline).alias(pipeline.name, "champion")
    pages = [report_training(pipeline, champion.version)]
    with Ledger.open(pipeline.ledger_url) as ledger:
        judged = ledger.last(pipeline.name, "degradation")
    if judged is not None:
        pages.append(report_window(pipeline, judged.subject, int(judged.evidence["version"])))
    return tuple(pages)


def judged_window(pipeline: Pipeline, start: datetime) -> tuple[str, int]:
    """Key and version of the newest verdict on the window that starts at `start`.

    Raises
    ------
    RecordError
        If no such window was judged; the nearest ones are named.
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
    near = sorted(starts, key=lambda moment: abs(moment - start))[:3]
    there = ", ".join(moment.isoformat() for moment in sorted(near)) or "none"
    raise RecordError(
        f"{pipeline.name}: no judged window starts at {start.isoformat()}; the nearest start at: {there}"
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
    """Every decision about a version, oldest first."""
    found = [item for kind in _ABOUT_VERSIONS for item in ledger.decisions(pipeline, kind)]
    name = f"{pipeline} v{version}"
    about = [
        item
        for item in found
        if item.subject == name or version in (item.evidence.get("version"), item.evidence.get("replaces"))
    ]
    return sorted(about, key=lambda item: item.seq or 0)


def _standing(ledger: Ledger, pipeline: str, version: int) -> str:
    """What the version is now, in words."""
    found = [*ledger.decisions(pipeline, "promote"), *ledger.decisions(pipeline, "rollback")]
    changes = sorted(found, key=lambda item: item.seq or 0)
    made = next((item for item in reversed(changes) if item.evidence.get("version") == version), None)
    if made is None:
        last = next(iter(item for item in reversed(_about(ledger, pipeline, version))), None)
        return {"pending": "waits for an answer", "refuse": "refused"}.get(
            last.kind if last else "", "not promoted"
        )
    since = f"{made.as_of:%Y-%m-%d %H:%M} UTC"
    if changes[-1] is made:
        return f"champion since {since}"
    gone = next(item for item in changes if (item.seq or 0) > (made.seq or 0))
    return f"champion from {since} to {gone.as_of:%Y-%m-%d %H:%M} UTC"


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
    """Keep the page in the store and, as well as may be, with its MLflow run."""
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
