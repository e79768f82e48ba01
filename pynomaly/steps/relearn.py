"""Train and decide in memory, on slices of rows that were read once, for a replay.

Called by :mod:`pynomaly.steps.replay`. Rows are validated, split, fitted and compared by the functions that
production uses; models stay in memory and nothing is written. Labels are visible after ``data.label_delay``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Candidate, Pipeline
from pynomaly.data.frame import FrameContract, digest
from pynomaly.data.incidents import covered, declared
from pynomaly.data.quality import Checked, validate
from pynomaly.data.sources import read
from pynomaly.data.window import Window
from pynomaly.errors import DataError, DetectorError, QualityError
from pynomaly.judging.choice import choose
from pynomaly.judging.comparison import Rung, compare
from pynomaly.judging.degradation import Observation
from pynomaly.judging.promotion import Ruling, rule
from pynomaly.judging.ranking import Operation
from pynomaly.judging.retraining import RetrainDecision, Situation, decide
from pynomaly.model.alerts import AlertPolicy
from pynomaly.model.bundle import Bundle
from pynomaly.model.known import Known
from pynomaly.model.times import rows_per_day
from pynomaly.steps.keys import work_key
from pynomaly.steps.prepare import BLOCK, Judged, judged_of, require_two_classes, split_reference
from pynomaly.steps.probe import probe
from pynomaly.steps.reference import reference_window
from pynomaly.steps.register import expected_alert_rate
from pynomaly.steps.retrain import cause_of, changed_since

__all__ = ["TRUTH", "Past", "Student", "decided", "judged_against", "refitted"]

TRUTH = "pynomaly.truth"
"""Column with every label; decisions use the label column, in which late labels are missing."""


@dataclass(frozen=True)
class Student:
    """A trained model, with the facts that production would register.

    Attributes
    ----------
    bundle : Bundle
    facts : dict
        ``value`` and ``rung`` of the judged rows, ``expected_alert_rate`` and ``probe``.
    judged : Judged
        The held-out rows, to compare it with a champion on.
    scores : ndarray of shape (n,)
        Its scores of those rows.
    among : int
        Number of candidates among which those rows chose it.
    key, name : str
        Content key of the training; the candidate's label.
    seconds : float
        Duration of the training.
    recalibrated, reused : bool
        Whether it is an older model with newer p-values; whether an earlier training was reused.
    """

    bundle: Bundle
    facts: dict[str, Any]
    judged: Judged
    scores: np.ndarray
    among: int
    key: str
    name: str
    seconds: float
    recalibrated: bool = False
    reused: bool = False


@dataclass
class Past:
    """Rows of a range, read once, with cached trainings and validated windows for the next policy."""

    pipeline: Pipeline
    frame: pd.DataFrame
    candidates: tuple[Candidate, ...]
    every: bool
    students: dict[str, Student] = field(default_factory=dict)
    checked: dict[tuple[str, str], Checked] = field(default_factory=dict)

    @classmethod
    def read(cls, pipeline: Pipeline, start: datetime, end: datetime, every: bool) -> Past:
        """Read the first reference and all rows to `end`; errors are those of ``sources.read``."""
        frame = read(pipeline.data, Window(pipeline.reference_start(start), end))
        frame = frame[frame[pipeline.data.time].notna()].reset_index(drop=True)
        label = pipeline.data.label
        frame[TRUTH] = frame[label] if label else np.nan
        configured = pipeline.training.candidates
        return cls(pipeline, frame, configured if every else configured[:1], every)

    def notes(self) -> tuple[str, ...]:
        """Returns how a replay differs from operation."""
        detectors = ", ".join(candidate.detector for candidate in self.candidates)
        untrained = len(self.pipeline.training.candidates) - len(self.candidates)
        untrained_note = f"; {untrained} more are configured (--all-candidates)" if untrained else ""
        lines = [f"trained: {detectors}{untrained_note}"]
        lines.append("not replayed: search, the gate's clean process, baking, and people's answers")
        if self.every and self.pipeline.comparison.folds:
            lines.append("not replayed: comparison.folds")
        return tuple(lines)

    def rows(self, window: Window) -> int:
        """Returns the number of rows in the window."""
        return int(self._inside(window).sum())

    def slice(self, window: Window, as_of: datetime) -> pd.DataFrame:
        """Returns the rows of the window, with the labels known at `as_of`."""
        data = self.pipeline.data
        frame = self.frame[self._inside(window)].reset_index(drop=True)
        if data.label:
            label_is_known = frame[data.time] + data.label_delay <= pd.Timestamp(as_of)
            frame[data.label] = frame[data.label].where(label_is_known)
        return frame

    def _inside(self, window: Window) -> pd.Series[bool]:
        times = self.frame[self.pipeline.data.time]
        return (times >= window.start) & (times < window.end)

    def usable(self, window: Window, bundle: Bundle) -> tuple[pd.DataFrame, str]:
        """Returns the rows that pass validation at the window's end, and why the window is blocked, or ""."""
        frame = self.slice(window, window.end)
        if frame.empty:
            return frame, "no row lies in the window"
        key = (window.key, json.dumps(bundle.contract.to_dict(), sort_keys=True))
        if key not in self.checked:
            self.checked[key] = validate(frame, bundle.contract, self.pipeline.quality, "score")
        checked = self.checked[key]
        blocked = checked.report.outcome == "block"
        return checked.clean, "; ".join(checked.report.reasons) or "blocked" if blocked else ""

    def first(self, at: datetime) -> Student:
        """Returns the first champion, trained at `at`."""
        return refitted(self, at)


def refitted(past: Past, at: datetime) -> Student:
    """Train on the whole reference that ends at `at`.

    Raises
    ------
    DataError
        If there are no or too few rows, or validation blocks them; DetectorError if nothing can be fitted.
    """
    window = reference_window(past.pipeline, at, first=False)
    assert window is not None, "a replay is refused without time"
    return _trained(past, window, at, past.candidates)


def _trained(
    history: Past,
    window: Window,
    as_of: datetime,
    candidates: tuple[Candidate, ...],
    champion: Student | None = None,
) -> Student:
    """Fit the candidates, or recalibrate `champion`; an identical training of candidates is reused."""
    pipeline, started = history.pipeline, time.perf_counter()
    frame = history.slice(window, as_of).drop(columns=TRUTH)
    if frame.empty:
        raise DataError(f"{pipeline.name}: no row lies in the reference {window}")
    key = work_key(pipeline, "replay", window.key, digest(frame), candidates)
    if champion is None and key in history.students:
        return replace(history.students[key], reused=True)
    contract = FrameContract.infer(frame, pipeline.data)
    checked = validate(frame, contract, pipeline.quality, "train")
    if checked.report.outcome == "block":
        raise QualityError(
            f"{pipeline.name}: the reference {window.key} is blocked: {'; '.join(checked.report.reasons)}"
        )
    require_two_classes(pipeline, contract, checked.clean)
    parts, _ = split_reference(pipeline, contract, checked.clean)
    judged = judged_of(pipeline, contract, parts["holdout"])
    if champion is None:
        bundles = _fitted(pipeline, contract, parts, candidates, window, as_of)
    else:
        bundles = {"recalibrated": _recalibrated(pipeline, champion.bundle, parts)}
    scored = {name: bundle.score(judged.frame) for name, bundle in bundles.items()}
    any_bundle = next(iter(bundles.values()))
    choice = choose(
        judged.truth,
        {name: scored_rows["score"].to_numpy() for name, scored_rows in scored.items()},
        pipeline.comparison,
        rung=judged.rung,
        baseline=next(iter(bundles)),
        seed=pipeline.training.seed,
        blocks=judged.blocks,
        operation=Operation.of(pipeline.alerts, any_bundle.policy.threshold),
        injected=judged.injected,
    )
    winner, name = bundles[choice.winner], choice.winner
    value = next(row["value"] for row in choice.table if row["candidate"] == name)
    without_injected = scored[name] if judged.rung is Rung.LABELS else scored[name][judged.truth == 0]
    facts = {
        "value": float(value) if np.isfinite(value) else None,
        "rung": str(judged.rung),
        "expected_alert_rate": expected_alert_rate(without_injected["is_anomaly"]),
        "probe": probe(pipeline, winner, parts["calibration"]).to_dict(),
    }
    scores, duration = scored[name]["score"].to_numpy(), time.perf_counter() - started
    student = Student(
        winner, facts, judged, scores, choice.among, key, name, duration, recalibrated=champion is not None
    )
    if champion is None:
        history.students[key] = student
    return student


def _fitted(
    pipeline: Pipeline,
    contract: FrameContract,
    parts: dict[str, pd.DataFrame],
    candidates: tuple[Candidate, ...],
    window: Window,
    as_of: datetime,
) -> dict[str, Bundle]:
    """Returns every candidate that could be fitted, by name; numbered where a detector occurs twice."""
    known = Known(parts["known"].drop(columns=BLOCK), parts["known"][BLOCK].to_numpy(dtype=np.int64))
    facts = {"pipeline": pipeline.name, "window": window.key, "as_of": as_of.isoformat()}
    bundles, failed = {}, []
    for number, candidate in enumerate(candidates, 1):
        name = candidate.detector if candidate.detector not in bundles else f"{candidate.detector}-{number}"
        try:
            bundles[name] = Bundle.fit(
                parts["fit"], parts["calibration"], pipeline, candidate, contract, facts, known
            )
        except DetectorError as error:
            failed.append(f"{name}: {error}")
    if not bundles:
        raise DetectorError(f"{pipeline.name}: no candidate could be fitted: {'; '.join(failed)}")
    return bundles


def _recalibrated(pipeline: Pipeline, champion: Bundle, parts: dict[str, pd.DataFrame]) -> Bundle:
    rows = pd.concat([parts["fit"], parts["calibration"]], ignore_index=True)
    policy = AlertPolicy.from_config(pipeline.alerts, rows_per_day(rows, champion.contract))
    return champion.recalibrate(rows, {}).with_policy(policy)


@dataclass(frozen=True)
class Plan:
    """A retraining decision, and the training that follows from it."""

    decision: RetrainDecision
    key: str
    learn: Callable[[Student], Student]


def decided(
    past: Past,
    at: datetime,
    observations: Sequence[Observation],
    last_training: datetime,
    asked: set[str],
    rejected: int,
    last_rejection: datetime | None,
) -> Plan:
    """Decide on a retraining as production does after an event, from the state of a replay.

    Parameters
    ----------
    observations : sequence of Observation
        Of the champion, oldest first.
    asked : set of str
        Keys of the trainings that were done already.
    """
    pipeline = past.pipeline
    since = changed_since(observations)
    window = reference_window(pipeline, at, first=False, since=since)
    assert window is not None, "a replay is refused without time"
    frame = past.slice(window, at)
    if since is not None and len(frame) < pipeline.retraining.min_rows:
        window = reference_window(pipeline, at, first=False)
        assert window is not None, "a replay is refused without time"
        frame = past.slice(window, at)
    left_out = int(covered(pipeline.data, frame, declared(pipeline.data)).sum())
    key = work_key(pipeline, "replay", window.key, digest(frame.drop(columns=TRUTH)), past.candidates)
    situation = Situation(
        reason=cause_of(observations),
        trigger="event",
        as_of=at,
        last_training=last_training,
        last_data_hash=key if key in asked else None,
        data_hash=key,
        rows_available=len(frame) - left_out,
        rejected_in_a_row=rejected,
        last_rejection=last_rejection,
        data_status="pass",
        schema_ok=True,
        champion=pipeline.name,
        left_out=left_out,
    )
    decision = decide(situation, pipeline.retraining)
    reference = window

    def learn(champion: Student) -> Student:
        if decision.remedy == "recalibrate":
            return _trained(past, reference, at, past.candidates, champion)
        detector = champion.bundle.detector.name
        same = tuple(item for item in past.candidates if item.detector == detector)
        used = same if decision.remedy == "refit" and same else past.candidates
        return _trained(past, reference, at, used)

    return Plan(decision, key, learn)


def judged_against(past: Past, champion: Student, challenger: Student) -> Ruling:
    """Compare on the challenger's held-out rows and rule; only a superior challenger is promoted.

    No clean process runs; ``promotion.mode: approval`` counts as approved, ``never`` promotes nothing.
    """
    pipeline, judged = past.pipeline, challenger.judged
    verdict = compare(
        judged.truth,
        champion.bundle.score(judged.frame)["score"].to_numpy(),
        challenger.scores,
        pipeline.comparison,
        rung=judged.rung,
        champion="champion",
        challenger=challenger.name,
        blocks=judged.blocks,
        seed=pipeline.training.seed,
        among=challenger.among,
        operation=Operation.of(pipeline.alerts, challenger.bundle.policy.threshold),
        injected=judged.injected,
    )
    return rule(
        verdict,
        "never" if pipeline.promotion.mode == "never" else "automatic",
        gate_passed=True,
        champion="champion",
        recalibrated=challenger.recalibrated,
    )
