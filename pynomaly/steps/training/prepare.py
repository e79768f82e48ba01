"""Read a reference, validate it, and lay out the rows to fit, to calibrate and to judge on.

First step of every training. The parts never share a row: rows that set a model or a threshold never judge
it. Known anomalies older than the held-out rows are kept for detectors that learn from them, except those of
an incident that reaches into the held-out rows. Everything is written to a work folder named by its content,
so a second run reuses it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd

from pynomaly.config import Candidate, Pipeline
from pynomaly.data.frame import FrameContract
from pynomaly.data.quality import CheckedRows, validate
from pynomaly.data.window import Window
from pynomaly.errors import QualityError
from pynomaly.records.ledger import Decision, Ledger
from pynomaly.records.ledger.decision_evidence import QualityEvidence
from pynomaly.records.store import Store
from pynomaly.steps.alerting.feedback import read_feedback
from pynomaly.steps.keys import compute_work_key
from pynomaly.steps.training.exclusions import AlertingModel, find_reference_champion
from pynomaly.steps.training.reference import Reference, read_reference
from pynomaly.steps.training.training_rows import JudgedRows, TrainingRows

__all__ = ["PreparedReference", "label_candidates", "prepare_reference"]


@dataclass(frozen=True)
class PreparedReference:
    """A reference on disk, ready to fit on; small enough to hand from task to task.

    Attributes
    ----------
    key, asked : str
        Content key of the training, and of the request it answers.
    folder : str
        Work folder with ``fit``, ``calibration``, ``known`` and ``judged`` Parquet files, contract and
        report.
    window : str
        The reference window, or ``"all"`` for a table without time.
    data_hash : str
        SHA-256 of the rows as read; of the sample, where they were sampled.
    rows, fit_rows, calibration_rows, judged_rows, quarantined, known_anomalies : int
        How many rows went where; known anomalies were kept out of fitting and calibration.
    known_rows : int
        Known anomalies that lie before the held-out rows, to learn from.
    incident_rows : int
        Other rows of declared incidents before the held-out rows: neither fitted nor calibrated on.
    labelled_rows, alerted_rows : int
        The same of labelled anomalies, and of other rows that the champion alerts on.
    alerts_said, held_from : str
        A note on those alerts; the time of the first held-out row. Either may be "".
    seen_rows : int
        Rows of the window in the source; more than `rows` where these are a sample.
    sampled : str
        How they were sampled, or "".
    rung : str
        Evidence the judged rows carry: ``labels`` or ``injected``.
    """

    key: str
    asked: str
    folder: str
    window: str
    as_of: str
    data_hash: str
    rows: int
    fit_rows: int
    calibration_rows: int
    judged_rows: int
    quarantined: int
    known_anomalies: int
    rung: str
    quality: str
    candidates: tuple[Candidate, ...]
    known_rows: int = 0
    incident_rows: int = 0
    labelled_rows: int = 0
    alerted_rows: int = 0
    alerts_said: str = ""
    held_from: str = ""
    seen_rows: int = 0
    sampled: str = ""

    @property
    def row_weight(self) -> float:
        """Number of source rows that each row read represents: 1, unless the rows are a sample."""
        return max(1.0, self.seen_rows / max(1, self.rows))

    @property
    def reports(self) -> tuple[Path, ...]:
        """Paths of the validation and sampling reports; a report without content has no file."""
        return self.path / "quality.json", self.path / "sample.json"

    @property
    def path(self) -> Path:
        """The work folder."""
        return Path(self.folder)

    def load_rows(self) -> TrainingRows:
        """Read all rows of the training by their use."""
        return TrainingRows.load(self.path, self.rung, self.row_weight)

    def load_judged(self) -> JudgedRows:
        """Read the judged rows alone."""
        return JudgedRows.load(self.path, self.rung)

    def labelled(self) -> tuple[tuple[str, Candidate], ...]:
        """Returns candidates with unique labels: the detector's name, numbered where it occurs twice."""
        return label_candidates(self.candidates)


def label_candidates(candidates: Sequence[Candidate]) -> tuple[tuple[str, Candidate], ...]:
    """Returns candidates with unique labels: the detector's name, numbered where it occurs twice."""
    names = [candidate.detector for candidate in candidates]
    return tuple(
        (name if names.count(name) == 1 else f"{name}-{names[: i + 1].count(name)}", candidate)
        for i, (name, candidate) in enumerate(zip(names, candidates, strict=True))
    )


def prepare_reference(
    pipeline: Pipeline,
    window: Window | None,
    as_of: datetime,
    candidates: tuple[Candidate, ...] = (),
    asked: str = "",
    reference: Reference | None = None,
    recalibrates: bool = False,
) -> PreparedReference:
    """Read, validate and split the reference; a second call with the same content reads the work folder.

    Parameters
    ----------
    pipeline : Pipeline
    window : Window or None
        Reference window; None reads the whole table.
    as_of : datetime
        Labels that became known later are not used.
    candidates : tuple of Candidate, optional
        Detectors to train instead of the configured ones.
    asked : str
        Key of the request, kept with the training so that the same request is not answered twice.
    reference : Reference, optional
        The rows of `window` as known at `as_of`, if they were read already.
    recalibrates : bool
        The rows set new p-values for the champion: what it alerts on counts among them.

    Returns
    -------
    PreparedReference

    Raises
    ------
    DataError
        If the source cannot be read or validation blocks it; only the decision is recorded then.
    """
    reference = reference or read_reference(pipeline, window, as_of)
    frame, sample = reference.frame, reference.sample
    contract = FrameContract.infer(frame, pipeline.data)
    window_key = window.key if window else "all"
    training_candidates = candidates or pipeline.training.candidates
    champion_ref, feedback = find_reference_champion(pipeline, asked), read_feedback(pipeline, frame)
    key = compute_work_key(
        pipeline,
        "recalibrate" if recalibrates else "train",
        window_key,
        reference.data_hash,
        training_candidates,
        champion_ref.version if champion_ref else None,
        labels=feedback.digest,
    )
    folder = pipeline.home / "work" / pipeline.name / key
    if (folder / "prepared.json").is_file():
        stored = json.loads((folder / "prepared.json").read_text())
        return PreparedReference(
            **{
                **stored,
                "folder": str(folder),
                "candidates": tuple(Candidate(**item) for item in stored["candidates"]),
            }
        )
    checked = validate(frame, contract, pipeline.quality, "train", reference.origin)
    _record_quality(pipeline, key, window_key, as_of, checked)
    champion = None if recalibrates else AlertingModel.of(pipeline, champion_ref)
    rows, exclusions = TrainingRows.split(pipeline, contract, checked.clean, champion, feedback)
    draft = folder.with_name(f"{key}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    rows.write(draft)
    judged = rows.judged
    prepared = PreparedReference(
        key=key,
        asked=asked,
        folder=str(folder),
        window=window_key,
        as_of=as_of.isoformat(),
        data_hash=reference.data_hash,
        rows=len(frame),
        fit_rows=len(rows.fit),
        calibration_rows=len(rows.calibration),
        judged_rows=len(judged.frame),
        quarantined=len(checked.quarantine),
        known_anomalies=_count_known_anomalies(contract, checked.clean),
        rung=str(judged.evidence.rung),
        quality=checked.report.outcome,
        candidates=training_candidates,
        known_rows=len(rows.known),
        incident_rows=int(exclusions.declared.sum()),
        labelled_rows=int(exclusions.labelled.sum()),
        alerted_rows=int(exclusions.alerted.sum()),
        alerts_said=exclusions.note,
        held_from=rows.held_from,
        seen_rows=sample.total_rows if sample else len(frame),
        sampled=sample.summary if sample else "",
    )
    if sample:
        (draft / "sample.json").write_text(json.dumps(sample.to_dict(), indent=2))
    (draft / "quality.json").write_text(json.dumps(checked.report.to_dict(), indent=2))
    content = asdict(prepared) | {
        "candidates": [candidate.model_dump(mode="json") for candidate in training_candidates]
    }
    content.pop("folder")  # where the file lies: the home may be moved
    (draft / "prepared.json").write_text(json.dumps(content, indent=2))
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)
    return prepared


def _record_quality(pipeline: Pipeline, key: str, window: str, as_of: datetime, checked: CheckedRows) -> None:
    """Store bad rows with their rule, and record the decision before a blocked reference raises."""
    report = checked.report
    if len(checked.quarantine):
        Store(pipeline.store_root).write_quarantine(pipeline.name, f"train-{key}", checked.quarantine)
    with Ledger.open(pipeline.ledger_url) as ledger:
        ledger.record_decision(
            Decision(
                key=f"quality:{pipeline.name}:{key}",
                pipeline=pipeline.name,
                kind="quality",
                subject=window,
                outcome=report.outcome,
                reasons=report.reasons,
                evidence=QualityEvidence(rows=report.rows, quarantined=report.quarantined),
                as_of=as_of,
            )
        )
    if report.outcome == "block":
        raise QualityError(f"{pipeline.name}: the reference {window} is blocked: {'; '.join(report.reasons)}")


def _count_known_anomalies(contract: FrameContract, frame: pd.DataFrame) -> int:
    return int((frame[contract.label] == 1).sum()) if contract.label else 0
