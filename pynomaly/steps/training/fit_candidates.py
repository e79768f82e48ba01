"""Fits one candidate and scores the judged rows with it; a candidate that fails is a result, not a crash.

Called once for each candidate, in parallel. The returned result is small: the bundle and its scores are files
in the training's work folder.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

import pynomaly
from pynomaly.config import Candidate, Pipeline
from pynomaly.errors import DetectorError, ModelError
from pynomaly.judging.comparison.pareto import CandidateCost
from pynomaly.model.bundle import Bundle
from pynomaly.records.ledger import TrainedBaseline
from pynomaly.records.store import write_atomically
from pynomaly.steps.rejections import RECALIBRATED
from pynomaly.steps.runner import run_parts
from pynomaly.steps.training.prepare import PreparedReference
from pynomaly.steps.training.recalibration.new_p_values import find_objections, recalibrate_bundle
from pynomaly.steps.training.train_candidates import fit_bundle
from pynomaly.steps.training.training_rows import TrainingRows

__all__ = ["FittedCandidate", "fit_candidate", "recalibrate_champion"]


@dataclass(frozen=True)
class FittedCandidate:
    """One candidate after its fit.

    Attributes
    ----------
    label : str
        The detector's name, numbered if the detector is in the list twice.
    folder, sha256 : str
        The saved bundle and its hash; empty when the fit failed.
    started, fit_seconds, score_seconds : float
        Start of the fit (epoch seconds), duration of the fit, duration of scoring the judged rows.
    error : str
        Why there is no bundle, or "".
    recalibrated : bool
        True for the champion itself with p-values from newer rows: nothing was fitted.
    objections : tuple of str
        What speaks against these rows.
    """

    label: str
    detector: str
    params: dict[str, object]
    folder: str
    sha256: str
    started: float
    fit_seconds: float
    score_seconds: float
    error: str = ""
    recalibrated: bool = False
    objections: tuple[str, ...] = ()

    def scores(self) -> pd.DataFrame:
        """Read the scores of the judged rows: the columns of :meth:`Bundle.score`, in row order."""
        return pd.read_parquet(Path(self.folder).with_name("judged_scores.parquet"))

    def threshold(self) -> float:
        """Return the share of normal rows that the saved bundle's alert policy flags."""
        return Bundle.load(Path(self.folder), self.sha256).policy.threshold

    def cost(self) -> CandidateCost:
        """Return the seconds of the fit and of scoring, and the size of the saved bundle in MiB."""
        size = sum(file.stat().st_size for file in Path(self.folder).rglob("*") if file.is_file())
        return CandidateCost(self.fit_seconds, self.score_seconds, size / 2**20)

    def to_dict(self) -> dict[str, object]:
        """Return plain values, for logs and artifacts."""
        return asdict(self)


def fit_candidate(
    pipeline: Pipeline, prepared: PreparedReference, candidate: Candidate, label: str
) -> FittedCandidate:
    """Fit, calibrate and save one candidate where ``runner.kind`` says, then score the judged rows.

    The saved bundle is loaded again to score them, so the comparison uses exactly what would be promoted.
    """
    return next(run_parts(pipeline, _fit_in_worker, [(pipeline, prepared, candidate, label)]))


def _fit_in_worker(
    pipeline: Pipeline, prepared: PreparedReference, candidate: Candidate, label: str
) -> FittedCandidate:
    folder = prepared.path / "candidates" / label
    if (folder / "fitted.json").is_file():  # complete, from an interrupted run
        return _restore_candidate(folder)
    shutil.rmtree(folder, ignore_errors=True)
    rows = prepared.load_rows()
    facts = _build_provenance(pipeline, prepared, candidate.detector)
    started, clock = datetime.now(UTC).timestamp(), time.perf_counter()
    try:
        bundle = fit_bundle(pipeline, rows, candidate, facts)
        fit_seconds = time.perf_counter() - clock
        params = dict(bundle.detector.params)
        return _save_and_score(
            rows,
            folder,
            bundle,
            FittedCandidate(label, candidate.detector, params, "", "", started, fit_seconds, 0.0),
        )
    except (DetectorError, ModelError) as error:  # also: scores of judged rows not finite
        fit_seconds, params = time.perf_counter() - clock, dict(candidate.params)
        return FittedCandidate(
            label, candidate.detector, params, "", "", started, fit_seconds, 0.0, error=str(error)
        )


def recalibrate_champion(
    pipeline: Pipeline, prepared: PreparedReference, champion: Bundle, baseline: TrainedBaseline
) -> FittedCandidate:
    """Recalibrate the champion on the rows of `prepared`, save it, and score the judged rows.

    `baseline` is what the champion measured at its training.
    """
    folder = prepared.path / "candidates" / "recalibrated"
    shutil.rmtree(folder, ignore_errors=True)
    rows, detector = prepared.load_rows(), champion.detector
    started, clock = datetime.now(UTC).timestamp(), time.perf_counter()
    objections = find_objections(pipeline, rows, champion, baseline)
    facts = _build_provenance(pipeline, prepared, detector.name)
    bundle = recalibrate_bundle(pipeline, rows, champion, facts)
    fit_seconds = time.perf_counter() - clock
    params = dict(detector.params)
    draft = FittedCandidate(
        *(RECALIBRATED, detector.name, params, "", "", started, fit_seconds, 0.0, "", True, objections)
    )
    return _save_and_score(rows, folder, bundle, draft)


def _build_provenance(pipeline: Pipeline, prepared: PreparedReference, detector: str) -> dict[str, object]:
    """Return the provenance that is saved inside the bundle."""
    return {
        "pipeline": pipeline.name,
        "key": prepared.key,
        "window": prepared.window,
        "as_of": prepared.as_of,
        "data_hash": prepared.data_hash,
        "fit_rows": prepared.fit_rows,
        "incident_rows": prepared.incident_rows,
        "labelled_rows": prepared.labelled_rows,
        "alerted_rows": prepared.alerted_rows,
        "alerts_said": prepared.alerts_said,
        "held_from": prepared.held_from,
        "row_weight": prepared.row_weight,
        "sampled": prepared.sampled,
        "detector": detector,
        "seed": pipeline.training.seed,
        "code": pynomaly.__version__,
    }


def _save_and_score(
    rows: TrainingRows, folder: Path, bundle: Bundle, draft: FittedCandidate
) -> FittedCandidate:
    """Save the bundle, score the judged rows with the saved copy, and write ``fitted.json`` last."""
    sha256 = bundle.save(folder / "bundle")
    shipped = Bundle.load(folder / "bundle", sha256)
    clock = time.perf_counter()
    scored = shipped.score(rows.judged.frame)
    fitted = replace(
        draft,
        folder=str(folder / "bundle"),
        sha256=sha256,
        score_seconds=time.perf_counter() - clock,
    )
    scored.reset_index(drop=True).to_parquet(folder / "judged_scores.parquet", index=False)
    write_atomically(folder / "fitted.json", json.dumps(fitted.to_dict() | {"folder": "bundle"}).encode())
    return fitted


def _restore_candidate(folder: Path) -> FittedCandidate:
    """Returns the candidate of an earlier call; its bundle is beside the file, even if the home was moved."""
    content = json.loads((folder / "fitted.json").read_text())
    return FittedCandidate(**content | {"folder": str(folder / Path(content["folder"]).name)})
