"""Train and decide in memory, on slices of a past that was read once: what a replay needs of production.

Called by :mod:`pynomaly.steps.replay`. Rows are validated, split, fitted and compared by the functions that
production uses; models stay in memory and nothing is written. Labels are seen after ``data.label_delay``.
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
from pynomaly.steps.prepare import (
    BLOCK,
    Judged,
    judged_of,
    require_two_classes,
    split_reference,
)
from pynomaly.steps.probe import probe
from pynomaly.steps.reference import reference_window
from pynomaly.steps.register import expected_alert_rate
from pynomaly.steps.retrain import cause_of, changed_since

__all__ = ["TRUTH", "Past", "Student", "decided", "judged_against", "refitted"]

TRUTH = "pynomaly.truth"
"""Column of every label there is; what decides sees the label column, in which late ones are missing."""


@dataclass(frozen=True)
class Student:
    """A model as it came out of a training, with what production would have registered of it.

    Attributes
    ----------
    bundle : Bundle
    facts : dict
        ``value`` and ``rung`` of the judged rows, ``expected_alert_rate`` and ``probe``.
    judged : Judged
        The held-out rows, to compare it with a champion on.
    scores : ndarray of shape (n,)
        Its scores of them.
    among : int
        How many candidates those rows chose it from.
    key, name : str
        Content key of the training; the candidate's label.
    seconds : float
        What the training took.
    recalibrated, reused : bool
        An older model with newer p-values; found again instead of trained again.
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
    """Rows of a range, read once; trainings and validated windows are kept for the next policy."""

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
        """What a replay does otherwise than operation."""
        named = ", ".join(candidate.detector for candidate in self.candidates)
        left = len(self.pipeline.training.candidates) - len(self.candidates)
        of = f"; {left} more are configured (--all-candidates)" if left else ""
        said = [f"trained: {named}{of}"]
        said.append("not replayed: search, the gate's clean process, baking, and people's answers")
        if self.every and self.pipeline.comparison.folds:
            said.append("not replayed: comparison.folds")
        return tuple(said)

    def rows(self, window: Window) -> int:
        """How many rows lie in the window."""
        return int(self._inside(window).sum())

    def slice(self, window: Window, as_of: datetime) -> pd.DataFrame:
        """Rows of the window, with the labels known at `as_of`."""
        data = self.pipeline.data
        frame = self.frame[self._inside(window)].reset_index(drop=True)
        if data.label:
            known = frame[data.time] + data.label_delay <= pd.Timestamp(as_of)
            frame[data.label] = frame[data.label].where(known)
        return frame

    def _inside(self, window: Window) -> pd.Series[bool]:
        times = self.frame[self.pipeline.data.time]
        return (times >= window.start) & (times < window.end)

    def usable(self, window: Window, bundle: Bundle) -> tuple[pd.DataFrame, str]:
        """Rows of the window that pass validation at its end; or none, and why."""
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
        """The model everything starts with."""
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
    past: Past,
    window: Window,
    at: datetime,
    candidates: tuple[Candidate, ...],
    champion: Student | None = None,
) -> Student:
    """Fit the candidates, or give `champion` newer p-values; the same training is done once."""
    pipeline, began = past.pipeline, time.perf_counter()
    frame = past.slice(window, at).drop(columns=TRUTH)
    if frame.empty:
        raise DataError(f"{pipeline.name}: no row lies in the reference {window}")
    key = work_key(pipeline, "replay", window.key, digest(frame), candidates)
    if champion is None and key in past.students:
        return replace(past.students[key], reused=True)
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
        bundles = _fitted(pipeline, contract, parts, candidates, window, at)
    else:
        bundles = {"recalibrated": _recalibrated(pipeline, champion.bundle, parts)}
    scored = {name: bundle.score(judged.frame) for name, bundle in bundles.items()}
    any_bundle = next(iter(bundles.values()))
    choice = choose(
        judged.truth,
        {name: found["score"].to_numpy() for name, found in scored.items()},
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
    natural = scored[name] if judged.rung is Rung.LABELS else scored[name][judged.truth == 0]
    facts = {
        "value": float(value) if np.isfinite(value) else None,
        "rung": str(judged.rung),
        "expected_alert_rate": expected_alert_rate(natural["is_anomaly"]),
        "probe": probe(pipeline, winner, parts["calibration"]).to_dict(),
    }
    scores, spent = scored[name]["score"].to_numpy(), time.perf_counter() - began
    student = Student(
        winner, facts, judged, scores, choice.among, key, name, spent, recalibrated=champion is not None
    )
    if champion is None:
        past.students[key] = student
    return student


def _fitted(
    pipeline: Pipeline,
    contract: FrameContract,
    parts: dict[str, pd.DataFrame],
    candidates: tuple[Candidate, ...],
    window: Window,
    at: datetime,
) -> dict[str, Bundle]:
    """Every candidate that could be fitted, by name; numbered where a detector stands twice."""
    known = Known(parts["known"].drop(columns=BLOCK), parts["known"][BLOCK].to_numpy(dtype=np.int64))
    facts = {"pipeline": pipeline.name, "window": window.key, "as_of": at.isoformat()}
    found, failed = {}, []
    for number, candidate in enumerate(candidates, 1):
        name = candidate.detector if candidate.detector not in found else f"{candidate.detector}-{number}"
        try:
            found[name] = Bundle.fit(
                parts["fit"], parts["calibration"], pipeline, candidate, contract, facts, known
            )
        except DetectorError as error:
            failed.append(f"{name}: {error}")
    if not found:
        raise DetectorError(f"{pipeline.name}: no candidate could be fitted: {'; '.join(failed)}")
    return found


def _recalibrated(pipeline: Pipeline, champion: Bundle, parts: dict[str, pd.DataFrame]) -> Bundle:
    rows = pd.concat([parts["fit"], parts["calibration"]], ignore_index=True)
    policy = AlertPolicy.from_config(pipeline.alerts, rows_per_day(rows, champion.contract))
    return champion.recalibrate(rows, {}).with_policy(policy)


@dataclass(frozen=True)
class Plan:
    """What was decided, and the training that follows from it."""

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
    """Decide as an event would make production decide, from what a replay remembers.

    Parameters
    ----------
    observations : sequence of Observation
        Of the champion, oldest first.
    asked : set of str
        Keys of the trainings that ended.
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
    chosen = window

    def learn(champion: Student) -> Student:
        if decision.remedy == "recalibrate":
            return _trained(past, chosen, at, past.candidates, champion)
        own = tuple(item for item in past.candidates if item.detector == champion.bundle.detector.name)
        return _trained(past, chosen, at, own if decision.remedy == "refit" and own else past.candidates)

    return Plan(decision, key, learn)


def judged_against(past: Past, champion: Student, challenger: Student) -> Ruling:
    """Compare on the challenger's held-out rows, and rule; only superior promotes.

    No clean process runs; ``promotion.mode: approval`` counts as a yes, ``never`` promotes nothing.
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
