"""Read a reference, validate it, and lay out the rows to fit, to calibrate and to judge on.

First step of every training. The parts never share a row: rows that set a model or a threshold never judge
it. Known anomalies older than the held-out rows are kept for detectors that learn from them, except those of
an incident that reaches into the held-out rows. Everything is written to a work folder named by its content,
so a second run reuses it.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from pynomaly.config import Candidate, Pipeline
from pynomaly.data.frame import FrameContract, hash_frame
from pynomaly.data.incidents import mark_incident_rows, read_incidents
from pynomaly.data.quality import CheckedRows, validate
from pynomaly.data.window import Window
from pynomaly.errors import DataError, QualityError
from pynomaly.judging.comparison.evidence import Evidence, Rung
from pynomaly.judging.comparison.injection import InjectedAnomalies, inject_anomalies
from pynomaly.model.fitting.known_anomalies import KnownAnomalies
from pynomaly.records.ledger import Decision, Ledger
from pynomaly.records.store import Store
from pynomaly.steps.alerting.feedback import read_feedback
from pynomaly.steps.keys import compute_work_key
from pynomaly.steps.training.exclusions import find_reference_champion
from pynomaly.steps.training.reference import read_reference
from pynomaly.steps.training.splits import BLOCK, number_dependent_rows, split_reference

__all__ = [
    "BLOCK",
    "JudgedRows",
    "PreparedReference",
    "build_judged_rows",
    "number_dependent_rows",
    "prepare_reference",
    "read_known_anomalies",
]
__all__ += ["require_two_classes", "split_reference"]


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

    def label_candidates(self) -> tuple[tuple[str, Candidate], ...]:
        """Returns candidates with unique labels: the detector's name, numbered where it occurs twice."""
        names = [candidate.detector for candidate in self.candidates]
        return tuple(
            (name if names.count(name) == 1 else f"{name}-{names[: i + 1].count(name)}", candidate)
            for i, (name, candidate) in enumerate(zip(names, self.candidates, strict=True))
        )


@dataclass(frozen=True, eq=False)
class JudgedRows:
    """Held-out rows with their evidence: labels, or anomalies injected into the rows."""

    frame: pd.DataFrame
    evidence: Evidence

    @classmethod
    def load(cls, prepared: PreparedReference) -> JudgedRows:
        """Read the judged rows of `prepared`."""
        with np.load(prepared.path / "truth.npz", allow_pickle=False) as arrays:
            truth, blocks = arrays["truth"], arrays["blocks"]
            rung, injected = Rung(prepared.rung), None
            if rung is Rung.INJECTED and "kinds" in arrays:  # older folders have none
                injected = InjectedAnomalies(*(arrays[name].astype(object) for name in ("kinds", "sizes")))
        frame = pd.read_parquet(prepared.path / "judged.parquet")
        return cls(frame, Evidence(truth, blocks, rung, injected))


def read_known_anomalies(prepared: PreparedReference) -> KnownAnomalies:
    """Returns the known anomalies of `prepared` that detectors may learn from."""
    rows = pd.read_parquet(prepared.path / "known.parquet")
    return KnownAnomalies(rows.drop(columns=BLOCK), rows[BLOCK].to_numpy(dtype=np.int64))


def prepare_reference(
    pipeline: Pipeline,
    window: Window | None,
    as_of: datetime,
    candidates: tuple[Candidate, ...] = (),
    asked: str = "",
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

    Returns
    -------
    PreparedReference

    Raises
    ------
    DataError
        If the source cannot be read or validation blocks it; only the decision is recorded then.
    """
    reference = read_reference(pipeline, window, as_of)
    frame, sample = reference.frame, reference.sample
    contract = FrameContract.infer(frame, pipeline.data)
    data_hash = hash_frame(frame)
    window_key = window.key if window else "all"
    training_candidates = candidates or pipeline.training.candidates
    teacher_ref, feedback = find_reference_champion(pipeline, asked), read_feedback(pipeline, frame)
    key = compute_work_key(
        pipeline,
        "train",
        window_key,
        data_hash,
        training_candidates,
        teacher_ref.version if teacher_ref else None,
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
    checked = validate(frame, contract, pipeline.quality, "train")
    _record_quality(pipeline, key, window_key, as_of, checked)
    require_two_classes(pipeline, contract, checked.clean)
    parts, exclusions = split_reference(pipeline, contract, checked.clean, teacher_ref, feedback)
    draft = folder.with_name(f"{key}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    judged_rows, rung = _write_parts(pipeline, contract, draft, parts)
    prepared = PreparedReference(
        key=key,
        asked=asked,
        folder=str(folder),
        window=window_key,
        as_of=as_of.isoformat(),
        data_hash=data_hash,
        rows=len(frame),
        fit_rows=len(parts["fit"]),
        calibration_rows=len(parts["calibration"]),
        judged_rows=judged_rows,
        quarantined=len(checked.quarantine),
        known_anomalies=_count_known_anomalies(contract, checked.clean),
        rung=rung,
        quality=checked.report.outcome,
        candidates=training_candidates,
        known_rows=len(parts["known"]),
        incident_rows=int(exclusions.declared.sum()),
        labelled_rows=int(exclusions.labelled.sum()),
        alerted_rows=int(exclusions.alerted.sum()),
        alerts_said=exclusions.said,
        held_from=parts["holdout"][contract.time].min().isoformat() if contract.time else "",
        seen_rows=sample.seen if sample else len(frame),
        sampled=sample.said if sample else "",
    )
    if sample:
        (draft / "sample.json").write_text(json.dumps(sample.to_dict(), indent=2))
    (draft / "contract.json").write_text(json.dumps(contract.to_dict()))
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
                evidence={"rows": report.rows, "quarantined": report.quarantined},
                as_of=as_of,
            )
        )
    if report.outcome == "block":
        raise QualityError(f"{pipeline.name}: the reference {window} is blocked: {'; '.join(report.reasons)}")


def require_two_classes(pipeline: Pipeline, contract: FrameContract, frame: pd.DataFrame) -> None:
    """Raise DataError if all labels are equal: they cannot judge, and usually the wrong column is named."""
    if contract.label is None or pipeline.comparison.one_class == "inject":
        return
    classes = frame[contract.label].dropna().unique()
    if len(classes) == 1:
        raise DataError(
            f"{pipeline.name}: label column {contract.label!r} (data.label) is {classes[0]:g} in every "
            "labelled row; needed: both 0 and 1, or no data.label, or comparison.one_class: inject"
        )


def _count_known_anomalies(contract: FrameContract, frame: pd.DataFrame) -> int:
    return int((frame[contract.label] == 1).sum()) if contract.label else 0


def build_judged_rows(pipeline: Pipeline, contract: FrameContract, held: pd.DataFrame) -> JudgedRows:
    """Returns held-out rows with their truth: labels where there are enough, else injected anomalies."""
    labels = held[contract.label] if contract.label else pd.Series(np.nan, index=held.index)
    has_label, settings = labels.notna().to_numpy(), pipeline.comparison
    if int((labels == 1).sum()) >= settings.min_positives and (labels == 0).any():
        known = held[has_label]
        known_truth = np.asarray(labels[has_label], dtype=np.int64)
        return JudgedRows(known, Evidence(known_truth, number_dependent_rows(contract, known)))
    # Rows of declared incidents are not normal, so injected anomalies are not compared with them.
    normal = held[
        (labels != 1).to_numpy() & ~mark_incident_rows(pipeline.data, held, read_incidents(pipeline.data))
    ]
    injection = (settings.injected_share, pipeline.training.seed, settings.injected_sizes)
    changed, truth, injected = inject_anomalies(contract.conform(normal), contract, *injection)
    judged = normal.assign(**{name: changed[name] for name in contract.features})
    blocks = number_dependent_rows(contract, judged)
    return JudgedRows(judged, Evidence(truth.astype(np.int64), blocks, Rung.INJECTED, injected))


def _write_parts(
    pipeline: Pipeline, contract: FrameContract, folder: Path, parts: dict[str, pd.DataFrame]
) -> tuple[int, str]:
    """Write the parts and the truth; returns the number of judged rows and their rung."""
    for name in ("fit", "calibration", "known"):
        parts[name].to_parquet(folder / f"{name}.parquet", index=False)
    judged = build_judged_rows(pipeline, contract, parts["holdout"])
    evidence, no_injection = judged.evidence, np.full(len(judged.frame), "", dtype=object)
    judged.frame.to_parquet(folder / "judged.parquet", index=False)
    np.savez(
        folder / "truth.npz",
        truth=evidence.truth,
        blocks=evidence.number_units() if evidence.blocks is None else evidence.blocks,
        kinds=(evidence.injected.kinds if evidence.injected else no_injection).astype(str),
        sizes=(evidence.injected.sizes if evidence.injected else no_injection).astype(str),
    )
    return len(judged.frame), str(evidence.rung)
