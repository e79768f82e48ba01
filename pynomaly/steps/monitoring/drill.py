"""Tests the alarm: injects anomalies and drift into a copy of a window, and checks that a message arrives.

Uses the real path - validation, the champion's scores, the alert policy, the drift and degradation verdicts,
the outbox, the targets - on rows that were changed in memory. Nothing is written to the scores, the
observations or the windows of the pipeline: a drill leaves one decision of kind ``drill`` and one message
marked as a drill.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.sources.checked_window import read_checked_window
from pynomaly.data.window import Window
from pynomaly.judging.comparison.evidence import Evidence
from pynomaly.judging.comparison.injected.rows import inject_rows
from pynomaly.judging.drift.compare_window import compute_window_drift
from pynomaly.judging.drift.degradation import judge_degradation, observe_window
from pynomaly.model.bundle import Bundle
from pynomaly.model.provenance import count_rows_per_event
from pynomaly.records.ledger import Decision, Ledger, QueuedNotice
from pynomaly.records.ledger.decision_evidence import DrillEvidence
from pynomaly.records.registry import Registry
from pynomaly.steps.notices.deliver import Delivery, Sender, deliver_messages
from pynomaly.steps.notices.queue_notice import Notice, queue_notice

__all__ = ["DrillResult", "drill"]


@dataclass(frozen=True)
class DrillResult:
    """Result of one drill.

    Attributes
    ----------
    passed : bool
    injected : int
        Number of anomalies put into the copy: of all kinds that the window's rows show to be possible.
    recall : mapping of str to float
        Share of injected anomalies that alerted, over all (``all``) and by kind; an episode counts with the
        share of its rows.
    false_alerts : float
        Share of the unchanged rows that alerted.
    drift, state : str
        Drift and degradation verdicts on the shifted copy.
    delay_s : float
        Seconds from the injection to the last delivery (to the verdict, if no message is sent).
    channel : tuple of str
        Targets that accepted the message.
    """

    pipeline: str
    window: str
    version: int
    passed: bool
    injected: int
    recall: dict[str, float]
    false_alerts: float
    drift: str
    state: str
    delay_s: float
    channel: tuple[str, ...]
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for events, the ledger and ``--json``."""
        return asdict(self)


def drill(
    pipeline: Pipeline, window: Window | None, as_of: datetime, through: Sender | None = None
) -> DrillResult:
    """Run one drill over `window` (None: the whole table) and record the result.

    Raises
    ------
    NoChampionError
        If the pipeline has no champion yet.
    DataError
        If the window cannot be read, validation blocks it, or nothing in it can be changed.
    """
    registry = Registry.open_for(pipeline)
    ref = registry.resolve_alias(pipeline.name, "champion")
    bundle = registry.load_bundle(ref)
    key = window.key if window else "all"
    normal_rows = _read_normal_rows(pipeline, bundle, window)
    started_at, clock = datetime.now(UTC), time.perf_counter()
    alarm = _test_anomalies(pipeline, bundle, normal_rows)
    with Ledger.open(pipeline.ledger_url) as ledger:
        training = ledger.find_version_training(pipeline.name, ref.version)
    expected = training.baseline.usual_alert_rate if training else None
    drift, state = _judge_shift(pipeline, bundle, normal_rows, key, expected)
    queued, sent = _send_message(pipeline, key, started_at, alarm, state, through)
    delay = time.perf_counter() - clock
    problems = _list_problems(pipeline, alarm, drift, state, queued, sent)
    reached_targets = tuple(item.target for item in sent if item.delivered)
    findings = (
        f"{alarm['recall']['all']:.0%} of {alarm['injected']} injected anomalies alerted, "
        f"{alarm['false_alerts']:.1%} of the rows left alone did",
        f"a shift of every number was judged {drift}; two such windows are {state}",
        f"the message reached {', '.join(reached_targets)} after {delay:.1f} s"
        if reached_targets
        else _explain_no_delivery(queued),
    )
    result = DrillResult(
        pipeline.name,
        key,
        ref.version,
        not problems,
        alarm["injected"],
        alarm["recall"],
        alarm["false_alerts"],
        drift,
        state,
        delay,
        reached_targets,
        (*problems, *findings),
    )
    with Ledger.open(pipeline.ledger_url) as ledger:
        ledger.record_decision(
            Decision(
                key=f"drill:{pipeline.name}:{key}:{started_at.isoformat()}",
                pipeline=pipeline.name,
                kind="drill",
                subject=f"{pipeline.name} v{ref.version}",
                outcome="passed" if result.passed else "failed",
                reasons=result.reasons,
                evidence=DrillEvidence(**result.to_dict()),
                as_of=as_of,
            )
        )
    return result


def _explain_no_delivery(queued: tuple[QueuedNotice, ...]) -> str:
    held = [f"{item.target} until {item.due:%Y-%m-%d %H:%M} UTC" for item in queued if item.due]
    if held:
        return f"quiet hours hold the message to {', '.join(held)}"
    if queued:
        return "the message reached nobody"
    return "no target under notify.targets listens to drills: nobody would be told"


def _read_normal_rows(pipeline: Pipeline, bundle: Bundle, window: Window | None) -> pd.DataFrame:
    """Return the window's valid rows that are not labelled as anomalies."""
    frame, label = read_checked_window(pipeline, window).require_clean(bundle.contract), bundle.contract.label
    if label is not None and label in frame:
        frame = frame[(frame[label] != 1).fillna(True).to_numpy(dtype=bool)]
    return frame.reset_index(drop=True)


def _test_anomalies(pipeline: Pipeline, bundle: Bundle, normal_rows: pd.DataFrame) -> dict[str, Any]:
    """Inject anomalies, score, apply the alert policy; return recall by kind and the false-alert share."""
    shadow = inject_rows(pipeline, bundle.contract, normal_rows, normal_rows, pipeline.drill.share, (1.0,))
    is_alert = bundle.score_window(shadow.frame.reset_index(drop=True))["is_anomaly"].to_numpy(dtype=bool)
    rest = is_alert[shadow.truth == 0]
    return {
        "injected": Evidence(shadow.truth, injected=shadow.injected).positives,
        "recall": shadow.injected.measure_found(is_alert),
        "false_alerts": float(rest.mean()) if rest.size else 0.0,
    }


def _judge_shift(
    pipeline: Pipeline, bundle: Bundle, normal_rows: pd.DataFrame, key: str, expected: float | None
) -> tuple[str, str]:
    """Return the verdicts on a copy with every number shifted, repeated as often as the policy requires."""
    shadow = normal_rows.copy()
    for name in bundle.contract.numeric:
        values = shadow[name].astype("float64")
        low, high = values.quantile([0.25, 0.75])
        spread = float((high - low) / 1.349) or float(values.std()) or 1.0
        shadow[name] = values + pipeline.drill.shift * spread
    scored = bundle.score(shadow)
    report = compute_window_drift(bundle.sketch, bundle.contract, shadow, pipeline.drift, scored["score"])
    observation = observe_window(
        key,
        len(shadow),
        report,
        int(scored["is_anomaly"].sum()),
        expected,
        pipeline.degradation,
        rows_per_event=count_rows_per_event(bundle.policy, bundle.facts),
    )
    verdict = judge_degradation([observation] * pipeline.degradation.violated, pipeline.degradation)
    return str(report.status), str(verdict.state)


def _send_message(
    pipeline: Pipeline,
    key: str,
    started_at: datetime,
    alarm: dict[str, Any],
    state: str,
    through: Sender | None,
) -> tuple[tuple[QueuedNotice, ...], tuple[Delivery, ...]]:
    """Send the alert through the outbox, marked as a drill; return the messages, and what was sent."""
    title = f"[pynomaly] DRILL {pipeline.name}: {state} ({key})"
    body = (
        "This is a drill: the anomalies were injected into a copy, and nothing needs to be done.\n"
        f"{alarm['recall']['all']:.0%} of {alarm['injected']} injected anomalies alerted."
    )
    with Ledger.open(pipeline.ledger_url) as ledger:
        notice = Notice("drill", f"{key}:{started_at.isoformat()}", title, body)
        queued = queue_notice(pipeline, ledger, notice, started_at)
    sent = deliver_messages(pipeline, through) if queued else ()
    return queued, tuple(item for item in sent if item.title == title)


def _list_problems(
    pipeline: Pipeline,
    alarm: dict[str, Any],
    drift: str,
    state: str,
    queued: tuple[QueuedNotice, ...],
    sent: tuple[Delivery, ...],
) -> tuple[str, ...]:
    """Return why the drill failed; empty if it passed."""
    problems = []
    recall, min_recall = alarm["recall"]["all"], pipeline.drill.min_recall
    if recall < min_recall:
        problems.append(f"only {recall:.0%} of the injected anomalies alerted (at least {min_recall:.0%})")
    if recall <= alarm["false_alerts"]:
        problems.append("injected anomalies alert no more often than rows left alone")
    if drift != "drift":
        problems.append(
            f"a shift of {pipeline.drill.shift:g} deviations in every number was judged {drift!r}"
        )
    if state not in ("degraded", "critical"):
        problems.append(f"windows that drifted were judged {state!r}")
    wanted_targets = {item.target for item in queued if item.due is None}
    reasons = {item.target: item.reason for item in sent if not item.delivered}
    reached_targets = {item.target for item in sent if item.delivered}
    problems += [
        f"the message did not reach {name}: {reasons.get(name, 'it still waits')}"
        for name in sorted(wanted_targets - reached_targets)
    ]
    return tuple(problems)
