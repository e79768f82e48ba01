"""Search a prepared reference for a better detector, and record the result, also "no better".

Called by the ``tune_detectors`` flow, and by a retraining whose remedy for degraded performance is
``tune_detectors``. The search uses the fit rows and the known anomalies that detectors may learn from. It
does not use the judged rows, which later decide whether its winner is promoted, nor the calibration rows,
which set its p-values. Deterministic by seed, except for where the time runs out. Repeating a search returns
the stored result.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Candidate, Pipeline
from pynomaly.config.spelling.units import parse_duration, spell_duration
from pynomaly.detectors import make_detector
from pynomaly.detectors.catalogue import find_entry
from pynomaly.errors import ConfigError
from pynomaly.judging.comparison.evidence import Evidence, Rung
from pynomaly.judging.comparison.injected.rows import inject_rows
from pynomaly.judging.comparison.ranking_metrics import OperatingPoint
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.features import FeatureEncoder
from pynomaly.model.row_times import rows_per_day
from pynomaly.model.scoring import encode_rows, prepare_rows
from pynomaly.records.ledger import Decision, Ledger
from pynomaly.records.ledger.decision_evidence import SearchEvidence
from pynomaly.records.registry import Registry
from pynomaly.records.store import write_atomically
from pynomaly.steps.champion import find_champion
from pynomaly.steps.training.prepare import PreparedReference
from pynomaly.steps.training.splits import number_rows, set_rows_apart
from pynomaly.steps.training.training_rows import JudgedRows, TrainingRows
from pynomaly.steps.training.tuning import TrialRows, TuningResult, tune_detectors

__all__ = ["MAX_BUDGET", "TuningRecord", "parse_budget", "tune_prepared", "tune_reference"]

MAX_BUDGET = timedelta(days=1)
_EVIDENCE_SHARE = 0.3  # of the rows to fit on, kept to judge trials by
_MAX_EVIDENCE_ROWS = 20_000  # rows that trials are judged on
_MAX_INJECTED_SHARE = 0.25


@dataclass(frozen=True)
class TuningRecord:
    """Stored result of a search; the same search returns it again.

    Attributes
    ----------
    winner : Candidate
        The default, unless another candidate is better on rows that did not choose it.
    trials : tuple of dict
        Detector, parameters, value, stability, seconds and reason of each; the first is the default.
    run_id : str
        The MLflow run, with one child run per trial.
    new : bool
        False when the same search was made before.
    """

    key: str
    window: str
    rung: str
    better: bool
    winner: Candidate
    reasons: tuple[str, ...]
    trials: tuple[dict[str, Any], ...]
    run_id: str
    new: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for artifacts and ``--json``."""
        return {
            "key": self.key,
            "window": self.window,
            "rung": self.rung,
            "better": self.better,
            "winner": self.winner.model_dump(mode="json"),
            "reasons": list(self.reasons),
            "trials": [dict(trial) for trial in self.trials],
            "run_id": self.run_id,
            "new": self.new,
        }


def parse_budget(pipeline: Pipeline, asked: str = "") -> timedelta:
    """Returns the wall time of a search: `asked` (``"10m"``) if given, else ``search.budget``.

    Raises
    ------
    ConfigError
        If it is no duration, or not above 0 and at most a day.
    """
    try:
        budget = parse_duration(asked) if asked else pipeline.search.budget
    except ValueError as error:
        raise ConfigError(f"budget: {error}") from error
    if not timedelta() < budget <= MAX_BUDGET:
        raise ConfigError(
            f"budget: {spell_duration(budget)} is not allowed; from 1s to {spell_duration(MAX_BUDGET)}"
        )
    return budget


def tune_reference(
    pipeline: Pipeline, prepared: PreparedReference, as_of: datetime, budget: timedelta, actor: str = "person"
) -> TuningRecord:
    """Search, log every trial to MLflow, and record the result with its reasons, once.

    The default to beat is the champion's detector with its parameters, or the pipeline's first candidate
    if there is no champion.

    Raises
    ------
    DetectorError
        If the default cannot be fitted or judged; UnknownDetectorError for a name in ``search.detectors``.
    """
    registry = Registry.open_for(pipeline)
    default = _find_default(pipeline, registry)
    settings = pipeline.search
    parts = [prepared.key, default.model_dump(mode="json"), budget.total_seconds()]
    parts += [settings.trials, list(settings.detectors)]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    file = prepared.path / f"search-{key}.json"
    if file.is_file():
        return _restore_record(json.loads(file.read_text()))
    rung, result = tune_prepared(pipeline, prepared, default, seconds=budget.total_seconds())
    content = result.to_dict()
    run = _log_trials(pipeline, registry, prepared, key, result, rung, budget)
    with Ledger.open(pipeline.ledger_url) as ledger:
        ledger.record_decision(
            Decision(
                key=f"search:{pipeline.name}:{key}",
                pipeline=pipeline.name,
                kind="search",
                subject=prepared.window,
                outcome="better" if result.better else "no better",
                reasons=(
                    f"{len(result.trials)} trials within {spell_duration(budget)} on {rung}",
                    *result.reasons,
                ),
                evidence=SearchEvidence(**content, run_id=run, default=default.model_dump(mode="json")),
                as_of=as_of,
                actor=actor,
            )
        )
    record = TuningRecord(
        key,
        prepared.window,
        str(rung),
        result.better,
        result.winner,
        result.reasons,
        tuple(content["trials"]),
        run,
        new=True,
    )
    write_atomically(file, json.dumps(record.to_dict(), indent=1).encode())
    return record


def _restore_record(content: dict[str, Any]) -> TuningRecord:
    winner = Candidate(**content.pop("winner"))
    reasons, trials = tuple(content.pop("reasons")), tuple(content.pop("trials"))
    return TuningRecord(**content | {"new": False}, winner=winner, reasons=reasons, trials=trials)


def _find_default(pipeline: Pipeline, registry: Registry) -> Candidate:
    champion = find_champion(pipeline, registry)
    if champion is None:
        return pipeline.training.candidates[0]
    detector = registry.load_bundle(champion).detector
    defaults = make_detector(
        detector.name
    ).params  # only changed ones, as in the label of a trial; else it would be tried twice
    changed_params = {name: value for name, value in detector.params.items() if defaults.get(name) != value}
    return Candidate(detector=detector.name, params=changed_params)


def tune_prepared(
    pipeline: Pipeline, prepared: PreparedReference, default: Candidate, *, seconds: float
) -> tuple[Rung, TuningResult]:
    """Search on the fit rows and known anomalies of a reference; returns the rung and the result.

    Raises
    ------
    As :func:`~pynomaly.steps.training.tuning.tune_detectors`.
    """
    training_rows, seed = prepared.load_rows(), pipeline.training.seed
    contract, rows = training_rows.contract, training_rows.fit
    rng = np.random.default_rng(seed)
    size = min(round(_EVIDENCE_SHARE * len(rows)), _MAX_EVIDENCE_ROWS)
    is_evidence, between = set_rows_apart(contract, rows, size, training_rows.dependence, rng)
    fit = rows[~is_evidence & ~between]
    judged = _build_evidence(pipeline, training_rows, rows[is_evidence], fit)
    if len(fit) > pipeline.training.max_rows:
        fit = fit.sample(pipeline.training.max_rows, random_state=seed).sort_index()
    fit_rows, evidence_rows = (
        prepare_rows(
            part,
            contract,
            calendar=pipeline.features.calendar,
            entities=pipeline.features.entities == "own",
        )
        for part in (fit, judged.frame)
    )
    features = FeatureEncoder.fit(fit_rows.frame, fit_rows.times, pipeline.features, fit_rows.entities)
    names = (default.detector, *pipeline.search.detectors)
    looks_back = any(find_entry(name).looks_back for name in names)
    fit_numbers, evidence_numbers = (
        encode_rows(part, features, looks_back=looks_back) for part in (fit_rows, evidence_rows)
    )
    policy = AlertPolicy.from_config(
        pipeline.alerts, rows_per_day(rows, contract, prepared.row_weight), contract.numeric
    )
    evidence = replace(judged.evidence, operation=OperatingPoint.of(pipeline.alerts, policy.threshold))
    result = tune_detectors(
        fit_numbers,
        TrialRows(evidence_numbers, evidence),
        default,
        pipeline.comparison,
        seconds=seconds,
        trials=pipeline.search.trials,
        detectors=pipeline.search.detectors,
        seed=seed,
    )
    return evidence.rung, result


def _build_evidence(
    pipeline: Pipeline, rows: TrainingRows, normal: pd.DataFrame, learned: pd.DataFrame
) -> JudgedRows:
    """Returns rows to judge trials by: known anomalies if both halves get enough, else injected ones.

    What `learned` rows show of hours, entities and the past decides which kinds are injected.
    """
    needed, contract = 2 * pipeline.comparison.min_positives, rows.contract
    known_anomalies = rows.collect_known_anomalies().frame
    if contract.label is not None and len(known_anomalies) >= needed:
        labelled_normal = normal[(normal[contract.label] == 0).to_numpy()]
        if len(labelled_normal) >= needed:
            truth = (np.arange(len(labelled_normal) + len(known_anomalies)) >= len(labelled_normal)).astype(
                np.int64
            )
            frame = pd.concat([labelled_normal, known_anomalies], ignore_index=True)
            return JudgedRows(frame, Evidence(truth, number_rows(contract, frame, rows.dependence)))
    least = pipeline.comparison.injected_share
    share = min(max(least, 1.25 * needed / max(len(normal), 1)), max(least, _MAX_INJECTED_SHARE))
    injected = inject_rows(pipeline, contract, normal, learned, share)
    return JudgedRows.of_injected(injected, contract, rows.dependence)


def _log_trials(
    pipeline: Pipeline,
    registry: Registry,
    prepared: PreparedReference,
    key: str,
    result: TuningResult,
    rung: Rung,
    budget: timedelta,
) -> str:
    """Log one parent run and one child run per trial; a trial without a value has the reason in a tag."""
    tags = {
        "pynomaly.kind": "search",
        "pynomaly.key": key,
        "pynomaly.window": prepared.window,
        "pynomaly.rung": str(rung),
        "pynomaly.outcome": "better" if result.better else "no better",
    }
    params = {
        "budget": spell_duration(budget),
        "trials": pipeline.search.trials,
        "seed": pipeline.training.seed,
    }
    with registry.start_parent_run(
        pipeline.name, f"search {prepared.window}", tags=tags, params=params
    ) as parent:
        values = [trial.value for trial in result.trials if math.isfinite(trial.value)]
        registry.log_to_run(
            parent, metrics={"tried": float(len(result.trials)), "best": max(values, default=math.nan)}
        )
        for number, trial in enumerate(result.trials):
            run_name = f"{number} {trial.detector}"
            trial_tags = {"pynomaly.detector": trial.detector, "pynomaly.reason": trial.reason or "judged"}
            with registry.start_child_run(parent, run_name, tags=tags | trial_tags) as run:
                registry.log_to_run(
                    run,
                    metrics={
                        pipeline.comparison.metric: trial.value,
                        "stability": trial.stability,
                        "seconds": trial.seconds,
                    },
                    params={f"detector.{name}": value for name, value in trial.params.items()},
                )
    return parent
