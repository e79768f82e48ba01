"""Train and decide in memory, on slices of rows that were read once, for a replay.

Called by :mod:`pynomaly.steps.replay.replay`. Rows are validated, split, fitted and compared by the functions
that production uses; models stay in memory and nothing is written. Labels are visible after
``data.label_delay``.
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
from pynomaly.data.frame import FrameContract, hash_frame
from pynomaly.data.incidents import mark_incident_rows, read_incidents
from pynomaly.data.quality import CheckedRows, validate
from pynomaly.data.sources import read_source
from pynomaly.data.window import Window
from pynomaly.errors import DataError, DetectorError, QualityError
from pynomaly.judging.comparison.choice import choose_candidate
from pynomaly.judging.comparison.compare import compare_scores
from pynomaly.judging.comparison.evidence import Rung
from pynomaly.judging.comparison.promotion_rules import PromotionRuling, rule_on_promotion
from pynomaly.judging.comparison.ranking_metrics import OperatingPoint
from pynomaly.judging.drift.degradation import Observation
from pynomaly.judging.drift.retraining import RetrainDecision, RetrainSituation, decide_retraining
from pynomaly.model.bundle import Bundle
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.fitting.known_anomalies import KnownAnomalies
from pynomaly.model.row_times import rows_per_day
from pynomaly.steps.keys import compute_work_key
from pynomaly.steps.training.label_free_checks import probe_model
from pynomaly.steps.training.planning import find_cause, find_change_start
from pynomaly.steps.training.prepare import (
    BLOCK,
    JudgedRows,
    build_judged_rows,
    require_two_classes,
    split_reference,
)
from pynomaly.steps.training.reference import find_reference_window
from pynomaly.steps.training.register import estimate_alert_rate

__all__ = [
    "TRUTH_COLUMN",
    "ReplayHistory",
    "TrainedModel",
    "decide_training",
    "rule_on_challenger",
    "train_on_reference",
]

TRUTH_COLUMN = "pynomaly.truth"
"""Column with every label; decisions use the label column, in which late labels are missing."""


@dataclass(frozen=True)
class TrainedModel:
    """A trained model, with the facts that production would register.

    Attributes
    ----------
    bundle : Bundle
    facts : dict
        ``value`` and ``rung`` of the judged rows, ``estimate_alert_rate`` and ``probe_model``.
    judged : JudgedRows
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
    judged: JudgedRows
    scores: np.ndarray
    among: int
    key: str
    name: str
    seconds: float
    recalibrated: bool = False
    reused: bool = False


@dataclass
class ReplayHistory:
    """Rows of a range, read once, with cached trainings and validated windows for the next policy."""

    pipeline: Pipeline
    frame: pd.DataFrame
    candidates: tuple[Candidate, ...]
    every: bool
    students: dict[str, TrainedModel] = field(default_factory=dict)
    checked: dict[tuple[str, str], CheckedRows] = field(default_factory=dict)

    @classmethod
    def read(cls, pipeline: Pipeline, start: datetime, end: datetime, every: bool) -> ReplayHistory:
        """Read the first reference and all rows to `end`; errors are those of ``sources.read``."""
        frame = read_source(pipeline.data, Window(pipeline.reference_start(start), end))
        frame = frame[frame[pipeline.data.time].notna()].reset_index(drop=True)
        label = pipeline.data.label
        frame[TRUTH_COLUMN] = frame[label] if label else np.nan
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

    def read_usable_rows(self, window: Window, bundle: Bundle) -> tuple[pd.DataFrame, str]:
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

    def first(self, at: datetime) -> TrainedModel:
        """Returns the first champion, trained at `at`."""
        return train_on_reference(self, at)


def train_on_reference(past: ReplayHistory, at: datetime) -> TrainedModel:
    """Train on the whole reference that ends at `at`.

    Raises
    ------
    DataError
        If there are no or too few rows, or validation blocks them; DetectorError if nothing can be fitted.
    """
    window = find_reference_window(past.pipeline, at, first=False)
    assert window is not None, "a replay is refused without time"
    return _train_candidates(past, window, at, past.candidates)


def _train_candidates(
    history: ReplayHistory,
    window: Window,
    as_of: datetime,
    candidates: tuple[Candidate, ...],
    champion: TrainedModel | None = None,
) -> TrainedModel:
    """Fit the candidates, or recalibrate `champion`; an identical training of candidates is reused."""
    pipeline, started = history.pipeline, time.perf_counter()
    frame = history.slice(window, as_of).drop(columns=TRUTH_COLUMN)
    if frame.empty:
        raise DataError(f"{pipeline.name}: no row lies in the reference {window}")
    key = compute_work_key(pipeline, "replay", window.key, hash_frame(frame), candidates)
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
    judged = build_judged_rows(pipeline, contract, parts["holdout"])
    if champion is None:
        bundles = _fit_candidates(pipeline, contract, parts, candidates, window, as_of)
    else:
        bundles = {"recalibrated": _recalibrate_champion(pipeline, champion.bundle, parts)}
    scored = {name: bundle.score(judged.frame) for name, bundle in bundles.items()}
    any_bundle = next(iter(bundles.values()))
    operation = OperatingPoint.of(pipeline.alerts, any_bundle.policy.threshold)
    choice = choose_candidate(
        replace(judged.evidence, operation=operation),
        {name: scored_rows["score"].to_numpy() for name, scored_rows in scored.items()},
        pipeline.comparison,
        baseline=next(iter(bundles)),
        seed=pipeline.training.seed,
    )
    winner, name = bundles[choice.winner], choice.winner
    value = next(row["value"] for row in choice.table if row["candidate"] == name)
    without_injected = (
        scored[name] if judged.evidence.rung is Rung.LABELS else scored[name][judged.evidence.truth == 0]
    )
    facts = {
        "value": float(value) if np.isfinite(value) else None,
        "rung": str(judged.evidence.rung),
        "expected_alert_rate": estimate_alert_rate(without_injected["is_anomaly"]),
        "probe": probe_model(pipeline, winner, parts["calibration"]).to_dict(),
    }
    scores, duration = scored[name]["score"].to_numpy(), time.perf_counter() - started
    student = TrainedModel(
        winner, facts, judged, scores, choice.among, key, name, duration, recalibrated=champion is not None
    )
    if champion is None:
        history.students[key] = student
    return student


def _fit_candidates(
    pipeline: Pipeline,
    contract: FrameContract,
    parts: dict[str, pd.DataFrame],
    candidates: tuple[Candidate, ...],
    window: Window,
    as_of: datetime,
) -> dict[str, Bundle]:
    """Returns every candidate that could be fitted, by name; numbered where a detector occurs twice."""
    known = KnownAnomalies(parts["known"].drop(columns=BLOCK), parts["known"][BLOCK].to_numpy(dtype=np.int64))
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


def _recalibrate_champion(pipeline: Pipeline, champion: Bundle, parts: dict[str, pd.DataFrame]) -> Bundle:
    rows = pd.concat([parts["fit"], parts["calibration"]], ignore_index=True)
    policy = AlertPolicy.from_config(pipeline.alerts, rows_per_day(rows, champion.contract))
    return champion.recalibrate(rows, {}).with_policy(policy)


@dataclass(frozen=True)
class ReplayPlan:
    """A retraining decision, and the training that follows from it."""

    decision: RetrainDecision
    key: str
    learn: Callable[[TrainedModel], TrainedModel]


def decide_training(
    past: ReplayHistory,
    at: datetime,
    observations: Sequence[Observation],
    last_training: datetime,
    asked: set[str],
    rejected: int,
    last_rejection: datetime | None,
) -> ReplayPlan:
    """Decide on a retraining as production does after an event, from the state of a replay.

    Parameters
    ----------
    observations : sequence of Observation
        Of the champion, oldest first.
    asked : set of str
        Keys of the trainings that were done already.
    """
    pipeline = past.pipeline
    since = find_change_start(observations)
    window = find_reference_window(pipeline, at, first=False, since=since)
    assert window is not None, "a replay is refused without time"
    frame = past.slice(window, at)
    if since is not None and len(frame) < pipeline.retraining.min_rows:
        window = find_reference_window(pipeline, at, first=False)
        assert window is not None, "a replay is refused without time"
        frame = past.slice(window, at)
    left_out = int(mark_incident_rows(pipeline.data, frame, read_incidents(pipeline.data)).sum())
    key = compute_work_key(
        pipeline, "replay", window.key, hash_frame(frame.drop(columns=TRUTH_COLUMN)), past.candidates
    )
    situation = RetrainSituation(
        reason=find_cause(observations),
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
    decision = decide_retraining(situation, pipeline.retraining)
    reference = window

    def learn(champion: TrainedModel) -> TrainedModel:
        if decision.remedy == "recalibrate":
            return _train_candidates(past, reference, at, past.candidates, champion)
        detector = champion.bundle.detector.name
        same = tuple(item for item in past.candidates if item.detector == detector)
        used = same if decision.remedy == "refit" and same else past.candidates
        return _train_candidates(past, reference, at, used)

    return ReplayPlan(decision, key, learn)


def rule_on_challenger(
    past: ReplayHistory, champion: TrainedModel, challenger: TrainedModel
) -> PromotionRuling:
    """Compare on the challenger's held-out rows and rule; only a superior challenger is promoted.

    No clean process runs; ``promotion.mode: approval`` counts as approved, ``never`` promotes nothing.
    """
    pipeline, judged = past.pipeline, challenger.judged
    operation = OperatingPoint.of(pipeline.alerts, challenger.bundle.policy.threshold)
    verdict = compare_scores(
        replace(judged.evidence, operation=operation),
        champion.bundle.score(judged.frame)["score"].to_numpy(),
        challenger.scores,
        pipeline.comparison,
        champion="champion",
        challenger=challenger.name,
        seed=pipeline.training.seed,
        among=challenger.among,
    )
    return rule_on_promotion(
        verdict,
        "never" if pipeline.promotion.mode == "never" else "automatic",
        gate_passed=True,
        champion="champion",
        recalibrated=challenger.recalibrated,
    )
