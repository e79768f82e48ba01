"""Give the champion new p-values from rows that it has not learned, and say what speaks against these rows.

The detector stays, and with it every score. Called by a training whose remedy is a recalibration, by its
rehearsal, and by replays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.errors import ConfigError, NoChampionError
from pynomaly.judging.alerts.recalibration import object_to_rows
from pynomaly.judging.comparison.evidence import Rung
from pynomaly.judging.drift.compare_window import compute_window_drift
from pynomaly.judging.drift.label_free_checks import UnlabelledProbe, judge_probe
from pynomaly.model.bundle import Bundle
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.row_times import rows_per_day
from pynomaly.model.window_alerts import count_events_again
from pynomaly.records.ledger import Ledger, TrainedBaseline, TrainingRecord, parse_window_key
from pynomaly.records.registry import ModelRef
from pynomaly.steps.rejections import RECALIBRATED
from pynomaly.steps.training.label_free_checks import probe_model
from pynomaly.steps.training.splits import number_rows
from pynomaly.steps.training.train_candidates import MemoryCandidate
from pynomaly.steps.training.training_rows import TrainingRows

__all__ = [
    "find_detector_window",
    "find_learned_end",
    "find_objections",
    "name_detector_window",
    "read_baseline",
    "recalibrate_bundle",
    "recalibrate_in_memory",
    "require_recalibratable",
]


_DETECTOR_WINDOW = "detector_window"
"""Fact of a recalibrated bundle: key of the window that its detector learned."""


def require_recalibratable(pipeline: Pipeline, champion: ModelRef | None) -> ModelRef:
    """Return the champion, if there is one and its p-values can be set from rows it has not learned.

    Raises
    ------
    NoChampionError
        If there is no champion.
    ConfigError
        If rows have no times, which say which of them are new to it.
    """
    if champion is None:
        raise NoChampionError(f"{pipeline.name} has no champion to recalibrate; train one first")
    if pipeline.data.time is None:
        raise ConfigError(
            f"{pipeline.name} has no time column (data.time), so nobody knows which rows the champion has "
            "not learned, from which alone p-values are set; retrain instead"
        )
    return champion


def find_learned_end(champion: Bundle) -> datetime | None:
    """Return when the rows end that the champion learned or that set its p-values; None without times."""
    edges = parse_window_key(str(champion.facts.get("window", "")))
    return edges[1] if edges else None


def find_detector_window(champion: Bundle, training: TrainingRecord | None) -> str:
    """Return the key of the window that the champion's detector learned; "all" where that is not known.

    That is where `training`, the record of its version, set p-values alone in an earlier edition.
    """
    registered = training.facts.registered if training else None
    return name_detector_window(champion, recalibrated=registered is None or registered.recalibrated)


def name_detector_window(champion: Bundle, *, recalibrated: bool) -> str:
    """Return the key of the window that a detector learned; `recalibrated` as its newest training was."""
    learned = champion.facts.get(_DETECTOR_WINDOW)
    return str(learned or (not recalibrated and champion.facts.get("window")) or "all")


def read_baseline(pipeline: Pipeline, champion: ModelRef) -> TrainedBaseline:
    """Return what the champion measured at its training."""
    with Ledger.open(pipeline.ledger_url) as ledger:
        training = ledger.find_version_training(pipeline.name, champion.version)
    return training.baseline if training else TrainedBaseline()


def find_objections(
    pipeline: Pipeline, rows: TrainingRows, champion: Bundle, baseline: TrainedBaseline
) -> tuple[str, ...]:
    """Return what speaks against the rows that would set the champion's p-values; empty if nothing does.

    Labelled anomalies and declared incidents are not among them. The champion's alerts on these rows, and on
    the normal ones that judge, must not look like an incident. Its ranking must be as good as at its
    training: no drift of columns, a refit ranks the rows alike, and injected anomalies are found as before,
    unless labels judge.

    Parameters
    ----------
    pipeline : Pipeline
    rows : TrainingRows
        Newer than what the champion learned.
    champion : Bundle
    baseline : TrainedBaseline
        What the champion measured at its training.
    """
    learned, judged = _join_rows(rows), rows.judged
    normal = judged.frame[judged.evidence.truth == 0]
    objections = [
        reason
        for name, frame in (("the rows that would set p-values", learned), ("the held-out rows", normal))
        for reason in _object_to_alerts(pipeline, champion, name, frame)
    ]
    drift = compute_window_drift(
        champion.sketch, champion.contract, learned, pipeline.drift, champion.raw_scores(learned)
    )
    if drift.status not in ("ok", "warning"):
        objections.append("; ".join((f"data {drift.status}, which a refit can learn", *drift.reasons)))
    then = UnlabelledProbe.from_dict(baseline.probe) if baseline.probe else None
    probe = probe_model(pipeline, champion, learned)
    checks = judge_probe(probe, then, pipeline.degradation, pipeline.drift.alpha)
    problems = []
    if checks.agreement_status != "ok":
        problems.append(f"agreement with a refit {checks.agreement_status}")
    if judged.evidence.rung is not Rung.LABELS and checks.injected_status != "none":
        problems.append(f"injected anomalies {checks.injected_status}")
    if problems:
        details = "; ".join((*problems, *checks.reasons))
        objections.append(f"the ranking is not shown to be intact: {details}")
    return tuple(objections)


def _object_to_alerts(
    pipeline: Pipeline, champion: Bundle, name: str, frame: pd.DataFrame
) -> tuple[str, ...]:
    contract = champion.contract
    order = [column for column in (contract.id, contract.time) if column is not None and column in frame]
    ordered = frame.sort_values(order, kind="stable") if order else frame
    return object_to_rows(
        name,
        champion.score(ordered)["p_value"].to_numpy(),
        len(np.unique(number_rows(contract, ordered, champion.dependence))),
        champion.policy.threshold,
        pipeline.training,
        pipeline.comparison,
    )


def recalibrate_bundle(
    pipeline: Pipeline, rows: TrainingRows, champion: Bundle, facts: Mapping[str, object]
) -> Bundle:
    """Return the champion's own features and detector, with p-values from `rows`.

    The alert policy is the configured one: it may have changed since the fit, and needs no refit.
    """
    learned = _join_rows(rows)
    daily = rows_per_day(learned, champion.contract, rows.row_weight)
    bundle = champion.recalibrate(learned, dict(facts))
    rates = count_events_again(bundle, learned, pipeline)
    own = champion.facts.get(_DETECTOR_WINDOW) or champion.facts.get("window")
    kept = {_DETECTOR_WINDOW: own, "events": rates.to_dict() if rates else None}
    bundle = replace(bundle, facts={**bundle.facts, **kept})
    return bundle.with_policy(
        AlertPolicy.from_config(pipeline.alerts, daily, champion.contract.numeric, rates)
    )


def recalibrate_in_memory(
    pipeline: Pipeline,
    rows: TrainingRows,
    champion: Bundle,
    baseline: TrainedBaseline,
    facts: Mapping[str, object],
) -> MemoryCandidate:
    """Recalibrate the champion and score the judged rows."""
    detector = champion.detector
    objections = find_objections(pipeline, rows, champion, baseline)
    bundle = recalibrate_bundle(pipeline, rows, champion, facts)
    scored = bundle.score(rows.judged.frame)
    return MemoryCandidate(
        RECALIBRATED, detector.name, dict(detector.params), bundle, scored, objections=objections
    )


def _join_rows(rows: TrainingRows) -> pd.DataFrame:
    """Return the rows that set p-values: no detector is fitted, so that all may."""
    return pd.concat([rows.fit, rows.calibration], ignore_index=True)
