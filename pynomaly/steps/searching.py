"""Search a prepared reference for a better detector, and keep what came of it, also "no better".

Called by the ``search`` flow, and by a retraining whose remedy for degraded performance is ``search``. The
search sees the rows that would be fitted and the known anomalies that may be learned from; the judged rows,
which decide later whether its winner ships, and the calibration rows, which set its p-values, stay unseen.
Deterministic by seed, apart from where the time runs out. The same search again gives what it gave.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Candidate, Pipeline
from pynomaly.config.units import duration, spell
from pynomaly.data.frame import FrameContract
from pynomaly.detectors import make
from pynomaly.errors import ConfigError
from pynomaly.judging.comparison import Rung
from pynomaly.judging.injection import inject
from pynomaly.judging.ranking import Operation
from pynomaly.model.alerts import AlertPolicy
from pynomaly.model.features import Features
from pynomaly.model.scoring import prepared as conformed
from pynomaly.model.times import rows_per_day
from pynomaly.records.ledger import Decision, Ledger
from pynomaly.records.registry import Registry
from pynomaly.records.store import write_atomically
from pynomaly.steps.candidates import contract_of
from pynomaly.steps.champion import champion_of
from pynomaly.steps.prepare import Prepared, dependent_rows, known_of
from pynomaly.steps.search import Evidence, Found, search

__all__ = ["LONGEST", "Searched", "budget_of", "search_prepared", "search_reference"]

LONGEST = timedelta(days=1)
_SHARE = 0.3  # of the rows to fit on, kept to judge trials by
_MOST_ROWS = 20_000  # rows that trials are judged on
_MOST_INJECTED = 0.25


@dataclass(frozen=True)
class Searched:
    """What a search came to; the same for whoever asks again.

    Attributes
    ----------
    winner : Candidate
        The default, unless another was shown to be better on rows that did not choose it.
    trials : tuple of dict
        Detector, parameters, value, stability, seconds and reason of each; the first is the default.
    run_id : str
        The MLflow run, with one child run a trial.
    new : bool
        False when this very search was made before.
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


def budget_of(pipeline: Pipeline, asked: str = "") -> timedelta:
    """Wall time of a search: as asked (``"10m"``), else ``search.budget``.

    Raises
    ------
    ConfigError
        If it is no duration, or not above nothing and at most a day.
    """
    try:
        budget = duration(asked) if asked else pipeline.search.budget
    except ValueError as error:
        raise ConfigError(f"budget: {error}") from error
    if not timedelta() < budget <= LONGEST:
        raise ConfigError(f"budget: {spell(budget)} is not allowed; from 1s to {spell(LONGEST)}")
    return budget


def search_reference(
    pipeline: Pipeline, prepared: Prepared, as_of: datetime, budget: timedelta, actor: str = "person"
) -> Searched:
    """Search, log every trial to MLflow, and record the answer with its reasons, once.

    What it must beat is the champion's own detector with its parameters, or the pipeline's first candidate
    while there is no champion.

    Raises
    ------
    DetectorError
        If the default cannot be fitted or judged; UnknownDetectorError for a name in ``search.detectors``.
    """
    registry = Registry.of(pipeline)
    default = _default(pipeline, registry)
    settings = pipeline.search
    parts = [prepared.key, default.model_dump(mode="json"), budget.total_seconds()]
    parts += [settings.trials, list(settings.detectors)]
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    file = prepared.path / f"search-{key}.json"
    if file.is_file():
        return _stored(json.loads(file.read_text()))
    rung, found = search_prepared(pipeline, prepared, default, seconds=budget.total_seconds())
    content = found.to_dict()
    run = _log(pipeline, registry, prepared, key, found, rung, budget)
    with Ledger.open(pipeline.ledger_url) as ledger:
        ledger.record(
            Decision(
                key=f"search:{pipeline.name}:{key}",
                pipeline=pipeline.name,
                kind="search",
                subject=prepared.window,
                outcome="better" if found.better else "no better",
                reasons=(f"{len(found.trials)} trials within {spell(budget)} on {rung}", *found.reasons),
                evidence=content | {"run_id": run, "default": default.model_dump(mode="json")},
                as_of=as_of,
                actor=actor,
            )
        )
    searched = Searched(
        key,
        prepared.window,
        str(rung),
        found.better,
        found.winner,
        found.reasons,
        tuple(content["trials"]),
        run,
        new=True,
    )
    write_atomically(file, json.dumps(searched.to_dict(), indent=1).encode())
    return searched


def _stored(content: dict[str, Any]) -> Searched:
    winner = Candidate(**content.pop("winner"))
    reasons, trials = tuple(content.pop("reasons")), tuple(content.pop("trials"))
    return Searched(**content | {"new": False}, winner=winner, reasons=reasons, trials=trials)


def _default(pipeline: Pipeline, registry: Registry) -> Candidate:
    champion = champion_of(pipeline, registry)
    if champion is None:
        return pipeline.training.candidates[0]
    detector = registry.load(champion).detector
    usual = make(detector.name).params  # named as a trial names it, or it would be tried twice
    turned = {name: value for name, value in detector.params.items() if usual.get(name) != value}
    return Candidate(detector=detector.name, params=turned)


def search_prepared(
    pipeline: Pipeline, prepared: Prepared, default: Candidate, *, seconds: float
) -> tuple[Rung, Found]:
    """Search on the fit rows and known anomalies of a reference; the rung it rests on, and the answer.

    Raises
    ------
    As :func:`~pynomaly.steps.search.search`.
    """
    contract, seed = contract_of(prepared), pipeline.training.seed
    rows = pd.read_parquet(prepared.path / "fit.parquet")
    rng = np.random.default_rng(seed)
    apart = np.zeros(len(rows), dtype=bool)
    apart[rng.choice(len(rows), min(round(_SHARE * len(rows)), _MOST_ROWS), replace=False)] = True
    fit, (frame, truth, rung) = rows[~apart], _evidence(pipeline, prepared, contract, rows[apart])
    if len(fit) > pipeline.training.max_rows:
        fit = fit.sample(pipeline.training.max_rows, random_state=seed).sort_index()
    usual, times = conformed(fit, contract, calendar=pipeline.features.calendar)
    features = Features.fit(usual, times, pipeline.features)
    judged = features.transform(*conformed(frame, contract, calendar=pipeline.features.calendar))
    policy = AlertPolicy.from_config(pipeline.alerts, rows_per_day(rows, contract, prepared.row_weight))
    found = search(
        features.transform(usual, times),
        Evidence(judged, truth, dependent_rows(contract, frame), rung),
        default,
        pipeline.comparison,
        seconds=seconds,
        trials=pipeline.search.trials,
        detectors=pipeline.search.detectors,
        seed=seed,
        operation=Operation.of(pipeline.alerts, policy.threshold),
    )
    return rung, found


def _evidence(
    pipeline: Pipeline, prepared: Prepared, contract: FrameContract, normal: pd.DataFrame
) -> tuple[pd.DataFrame, np.ndarray[Any, np.dtype[np.int64]], Rung]:
    """Rows to judge trials by: with known anomalies where both halves get enough, else with injected ones."""
    needed, known = 2 * pipeline.comparison.min_positives, known_of(prepared).frame
    if contract.label is not None and len(known) >= needed:
        sure = normal[(normal[contract.label] == 0).to_numpy()]
        if len(sure) >= needed:
            truth = (np.arange(len(sure) + len(known)) >= len(sure)).astype(np.int64)
            return pd.concat([sure, known], ignore_index=True), truth, Rung.LABELS
    least = pipeline.comparison.injected_share
    share = min(max(least, 1.25 * needed / max(len(normal), 1)), max(least, _MOST_INJECTED))
    seed, sizes = pipeline.training.seed, pipeline.comparison.injected_sizes
    changed, truth, _ = inject(contract.conform(normal), contract, share, seed, sizes)
    frame = normal.assign(**{name: changed[name] for name in contract.features})
    return frame.reset_index(drop=True), truth.astype(np.int64), Rung.INJECTED


def _log(
    pipeline: Pipeline,
    registry: Registry,
    prepared: Prepared,
    key: str,
    found: Found,
    rung: Rung,
    budget: timedelta,
) -> str:
    """One parent run, one child run a trial; a trial without a value says why in a tag."""
    tags = {
        "pynomaly.kind": "search",
        "pynomaly.key": key,
        "pynomaly.window": prepared.window,
        "pynomaly.rung": str(rung),
        "pynomaly.outcome": "better" if found.better else "no better",
    }
    params = {"budget": spell(budget), "trials": pipeline.search.trials, "seed": pipeline.training.seed}
    with registry.parent_run(pipeline.name, f"search {prepared.window}", tags=tags, params=params) as parent:
        values = [trial.value for trial in found.trials if math.isfinite(trial.value)]
        registry.log(
            parent, metrics={"tried": float(len(found.trials)), "best": max(values, default=math.nan)}
        )
        for number, trial in enumerate(found.trials):
            named = f"{number} {trial.detector}"
            told = {"pynomaly.detector": trial.detector, "pynomaly.reason": trial.reason or "judged"}
            with registry.child_run(parent, named, tags=tags | told) as run:
                registry.log(
                    run,
                    metrics={
                        pipeline.comparison.metric: trial.value,
                        "stability": trial.stability,
                        "seconds": trial.seconds,
                    },
                    params={f"detector.{name}": value for name, value in trial.params.items()},
                )
    return parent
