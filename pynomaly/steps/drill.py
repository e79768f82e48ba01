"""Try the alarm out: known anomalies and drift in a shadow copy of a window, until the message arrives.

The real path - validation, the champion's scores, the alert policy, the drift and degradation verdicts, the
outbox, the targets - on rows that were changed in memory. Nothing is written to the scores, the observations
or the windows of the pipeline: a drill leaves one decision of kind ``drill`` and one message marked as such.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.quality import validate
from pynomaly.data.sources import read
from pynomaly.data.window import Window
from pynomaly.errors import QualityError
from pynomaly.judging.degradation import degradation, observe
from pynomaly.judging.drift import compare_sketches
from pynomaly.judging.injection import KINDS, inject
from pynomaly.model.bundle import Bundle
from pynomaly.model.sketch import Sketch
from pynomaly.records.ledger import Decision, Ledger
from pynomaly.records.registry import Registry
from pynomaly.steps.notify import Delivery, Sender, deliver, queue

__all__ = ["Drilled", "drill"]


@dataclass(frozen=True)
class Drilled:
    """How the alarm did.

    Attributes
    ----------
    passed : bool
    injected : int
        Anomalies put into the shadow copy.
    recall : mapping of str to float
        Share that alerted, over all (``all``) and by kind.
    false_alerts : float
        Share of the rows left alone that alerted.
    drift, state : str
        Verdicts on the shifted copy.
    delay_s : float
        Seconds from the injection to the last delivery (to the verdict, when nobody is told).
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
        """Plain values, for events, the ledger and ``--json``."""
        return asdict(self)


def drill(
    pipeline: Pipeline, window: Window | None, as_of: datetime, through: Sender | None = None
) -> Drilled:
    """Run one drill over `window` (None: the whole table) and record how it went.

    Raises
    ------
    NoChampionError
        If nothing was promoted yet.
    DataError
        If the window cannot be read, validation blocks it, or nothing in it can be changed.
    """
    registry = Registry.of(pipeline)
    ref = registry.alias(pipeline.name, "champion")
    bundle = registry.load(ref)
    key = window.key if window else "all"
    usual = _usual(pipeline, bundle, window, key)
    began_at, began = datetime.now(UTC), time.perf_counter()
    found = _anomalies(pipeline, bundle, usual)
    with Ledger.open(pipeline.ledger_url) as ledger:
        trained = next(
            (item for item in ledger.trainings(pipeline.name) if item.version == ref.version), None
        )
    expected = trained.detail["registered"].get("expected_alert_rate") if trained else None
    drift, state = _drift(pipeline, bundle, usual, key, expected)
    sent = _message(pipeline, key, began_at, found, state, through)
    delay = time.perf_counter() - began
    problems = _problems(pipeline, found, drift, state, sent)
    told = tuple(item.target for item in sent if item.delivered)
    said = (
        f"{found['recall']['all']:.0%} of {found['injected']} injected anomalies alerted, "
        f"{found['false_alerts']:.1%} of the rows left alone did",
        f"a shift of every number was judged {drift}; two such windows are {state}",
        f"the message reached {', '.join(told)} after {delay:.1f} s" if told else _nobody(pipeline),
    )
    result = Drilled(
        pipeline.name,
        key,
        ref.version,
        not problems,
        found["injected"],
        found["recall"],
        found["false_alerts"],
        drift,
        state,
        delay,
        told,
        (*problems, *said),
    )
    with Ledger.open(pipeline.ledger_url) as ledger:
        ledger.record(
            Decision(
                key=f"drill:{pipeline.name}:{key}:{began_at.isoformat()}",
                pipeline=pipeline.name,
                kind="drill",
                subject=f"{pipeline.name} v{ref.version}",
                outcome="passed" if result.passed else "failed",
                reasons=result.reasons,
                evidence=result.to_dict(),
                as_of=as_of,
            )
        )
    return result


def _nobody(pipeline: Pipeline) -> str:
    if any("drill" in target.on for target in pipeline.notify.targets):
        return "the message reached nobody"
    return "no target under notify.targets listens to drills: nobody would be told"


def _usual(pipeline: Pipeline, bundle: Bundle, window: Window | None, key: str) -> pd.DataFrame:
    """The window's valid rows that are not known to be anomalies."""
    checked = validate(read(pipeline.data, window), bundle.contract, pipeline.quality, "score")
    if checked.report.outcome == "block":
        raise QualityError(f"{pipeline.name}: window {key} is blocked: {'; '.join(checked.report.reasons)}")
    label = bundle.contract.label
    frame = checked.clean
    if label is not None and label in frame:
        frame = frame[(frame[label] != 1).fillna(True).to_numpy(dtype=bool)]
    return frame.reset_index(drop=True)


def _anomalies(pipeline: Pipeline, bundle: Bundle, usual: pd.DataFrame) -> dict[str, Any]:
    """Inject, score, apply the policy; recall by kind and the share of false alerts."""
    conformed = bundle.contract.conform(usual)
    changed, labels, injected = inject(
        conformed, bundle.contract, pipeline.drill.share, pipeline.training.seed
    )
    kinds = np.asarray(getattr(injected, "kinds", injected), dtype=object)
    shadow = usual.copy()
    for name in (*bundle.contract.numeric, *bundle.contract.categorical):
        shadow[name] = changed[name].to_numpy()
    alerted = bundle.score_window(shadow)["is_anomaly"].to_numpy(dtype=bool)
    recall = {"all": float(alerted[labels == 1].mean())}
    recall |= {kind: float(alerted[kinds == kind].mean()) for kind in KINDS if (kinds == kind).any()}
    rest = alerted[labels == 0]
    return {
        "injected": int(labels.sum()),
        "recall": recall,
        "false_alerts": float(rest.mean()) if rest.size else 0.0,
    }


def _drift(
    pipeline: Pipeline, bundle: Bundle, usual: pd.DataFrame, key: str, expected: float | None
) -> tuple[str, str]:
    """The verdicts on a copy whose every number moved, seen in as many windows as the policy asks for."""
    shadow = usual.copy()
    for name in bundle.contract.numeric:
        values = shadow[name].astype("float64")
        low, high = values.quantile([0.25, 0.75])
        spread = float((high - low) / 1.349) or float(values.std()) or 1.0
        shadow[name] = values + pipeline.drill.shift * spread
    scored = bundle.score(shadow)
    sketch = Sketch.of(bundle.contract.conform(shadow), scored["score"].to_numpy())
    report = compare_sketches(bundle.sketch, sketch, pipeline.drift)
    seen = observe(key, len(shadow), report, int(scored["is_anomaly"].sum()), expected, pipeline.degradation)
    verdict = degradation([seen] * pipeline.degradation.violated, pipeline.degradation)
    return str(report.status), str(verdict.state)


def _message(
    pipeline: Pipeline, key: str, began: datetime, found: dict[str, Any], state: str, through: Sender | None
) -> tuple[Delivery, ...]:
    """Send the alert the way a real one goes, marked as a drill; what became of it, target by target."""
    title = f"[pynomaly] DRILL {pipeline.name}: {state} ({key})"
    body = (
        "This is a drill: the anomalies were injected into a copy, and nothing needs to be done.\n"
        f"{found['recall']['all']:.0%} of {found['injected']} injected anomalies alerted."
    )
    with Ledger.open(pipeline.ledger_url) as ledger:
        new = queue(pipeline, ledger, "drill", f"{key}:{began.isoformat()}", title, body)
    if not new:
        return ()
    sent = deliver(pipeline, through)
    return tuple(item for item in sent if item.title == title)


def _problems(
    pipeline: Pipeline, found: dict[str, Any], drift: str, state: str, sent: tuple[Delivery, ...]
) -> tuple[str, ...]:
    """Why the drill failed; empty when it passed."""
    problems = []
    reached, least = found["recall"]["all"], pipeline.drill.min_recall
    if reached < least:
        problems.append(f"only {reached:.0%} of the injected anomalies alerted (at least {least:.0%})")
    if reached <= found["false_alerts"]:
        problems.append("injected anomalies alert no more often than rows left alone")
    if drift != "drift":
        problems.append(
            f"a shift of {pipeline.drill.shift:g} deviations in every number was judged {drift!r}"
        )
    if state not in ("degraded", "critical"):
        problems.append(f"windows that drifted were judged {state!r}")
    wanted = {target.name for target in pipeline.notify.targets if "drill" in target.on}
    reasons = {item.target: item.reason for item in sent if not item.delivered}
    reached_targets = {item.target for item in sent if item.delivered}
    problems += [
        f"the message did not reach {name}: {reasons.get(name, 'it still waits')}"
        for name in sorted(wanted - reached_targets)
    ]
    return tuple(problems)
