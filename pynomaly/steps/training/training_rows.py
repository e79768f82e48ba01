"""The rows of one training by their use, in memory or in a work folder: to fit, to calibrate, to judge on.

No row has two uses. Built from a validated reference by :meth:`TrainingRows.split`, for production and for a
replay alike; production writes them to its work folder and reads them back, a replay keeps them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.frame import FrameContract
from pynomaly.data.incidents import mark_incident_rows, read_incidents
from pynomaly.data.row_files import load_rows, save_rows
from pynomaly.errors import DataError
from pynomaly.judging.comparison.evidence import Evidence, Rung
from pynomaly.judging.comparison.injected.anomalies import InjectedAnomalies
from pynomaly.judging.comparison.injected.rows import InjectedRows, inject_rows
from pynomaly.model.dependence.dependence import INDEPENDENT, Dependence
from pynomaly.model.fitting.known_anomalies import KnownAnomalies
from pynomaly.steps.alerting.feedback import NO_FEEDBACK, RowFeedback
from pynomaly.steps.training.exclusions import AlertingModel, ExcludedRows
from pynomaly.steps.training.splits import BLOCK, number_rows, split_reference

__all__ = [
    "JudgedRows",
    "TrainingRows",
    "build_judged_rows",
    "load_contract",
    "require_two_classes",
    "separate_episodes",
]


@dataclass(frozen=True, eq=False)
class JudgedRows:
    """Held-out rows with their evidence: labels, or anomalies injected into the rows."""

    frame: pd.DataFrame
    evidence: Evidence

    @classmethod
    def load(cls, folder: Path, rung: str) -> JudgedRows:
        """Read the judged rows from a work folder."""
        with np.load(folder / "truth.npz", allow_pickle=False) as arrays:
            truth, blocks = arrays["truth"], arrays["blocks"]
            injected = None
            if rung == Rung.INJECTED and "kinds" in arrays:  # older folders have none
                injected = InjectedAnomalies.from_arrays(arrays)
        evidence = Evidence(truth, blocks, Rung(rung), injected)
        return cls(load_rows(folder, "judged"), evidence)

    @classmethod
    def of_injected(cls, rows: InjectedRows, contract: FrameContract, dependence: Dependence) -> JudgedRows:
        """Return rows with injected anomalies, numbered from 0; each episode is a block of its own."""
        blocks = number_rows(contract, rows.frame, dependence)
        evidence = Evidence(rows.truth, blocks, Rung.INJECTED, rows.injected)
        return cls(rows.frame.reset_index(drop=True), separate_episodes(evidence))

    def drop_injected(self, scored: pd.DataFrame) -> pd.DataFrame:
        """Return the scores of these rows, DataFrame of shape (n, k), without injected anomalies."""
        return scored if self.evidence.rung is Rung.LABELS else scored[self.evidence.truth == 0]

    @property
    def anomaly_share(self) -> float | None:
        """Share of the rows that are known anomalies; None without labels."""
        return float(np.mean(self.evidence.truth == 1)) if self.evidence.rung is Rung.LABELS else None

    def measure_usual_alerts(self, alerted: np.ndarray, time: str | None, expected: float) -> float | None:
        """Return the share of rows that alert with the anomalies that are usual; None if they are not.

        Known anomalies are usual where more than half of the days have some: an incident is not what every
        window is expected to hold.

        Parameters
        ----------
        alerted : bool array of shape (n,)
            Which of the rows alert.
        time : str or None
            Time column; rows without times have no incidents, and their anomalies are usual.
        expected : float
            Share of normal rows that alert.
        """
        if self.evidence.rung is not Rung.LABELS:
            return None
        anomalous = self.evidence.truth == 1
        if time is not None:
            days = self.frame[time].dt.floor("D")
            if 2 * days[anomalous].nunique() <= days.nunique():
                return None
        return float(expected * np.mean(~anomalous) + np.mean(alerted & anomalous))


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The rows of one training by their use.

    Attributes
    ----------
    contract : FrameContract
    fit, calibration : DataFrame
    known : DataFrame
        Known anomalies that detectors may learn from, with their incident in the column :data:`BLOCK`.
    judged : JudgedRows
    row_weight : float
        Number of source rows that each row represents: 1, unless the rows are a sample.
    held_from : str
        Time of the first held-out row, set by :meth:`split`; "" for a table without time.
    dependence : Dependence
        How the rows depend on the rows before.
    """

    contract: FrameContract
    fit: pd.DataFrame
    calibration: pd.DataFrame
    known: pd.DataFrame
    judged: JudgedRows
    row_weight: float = 1.0
    held_from: str = ""
    dependence: Dependence = INDEPENDENT

    @classmethod
    def split(
        cls,
        pipeline: Pipeline,
        contract: FrameContract,
        clean: pd.DataFrame,
        by: AlertingModel | None = None,
        feedback: RowFeedback = NO_FEEDBACK,
    ) -> tuple[TrainingRows, ExcludedRows]:
        """Lay out validated rows by their use; also returns the rows that are not learned as normal.

        Raises
        ------
        DataError
            If all labels are equal, or declared incidents leave too few rows.
        """
        require_two_classes(pipeline, contract, clean)
        parts = split_reference(pipeline, contract, clean, by, feedback)
        fit, calibration, known = (
            getattr(parts, name).reset_index(drop=True) for name in ("fit", "calibration", "known")
        )
        learned = pd.concat([parts.fit, parts.calibration])
        judged = build_judged_rows(pipeline, contract, parts.held_out, learned, parts.dependence)
        judged = JudgedRows(judged.frame.reset_index(drop=True), judged.evidence)
        held_from = parts.held_out[contract.time].min().isoformat() if contract.time else ""
        rows = cls(
            contract, fit, calibration, known, judged, held_from=held_from, dependence=parts.dependence
        )
        return rows, parts.exclusions

    def write(self, folder: Path) -> None:
        """Write the rows, the truth and the contract to a work folder."""
        for name in ("fit", "calibration", "known"):
            save_rows(getattr(self, name), folder, name)
        save_rows(self.judged.frame, folder, "judged")
        evidence, injected = self.judged.evidence, self.judged.evidence.injected
        nothing = np.full(evidence.rows, "")
        kinds = {"kinds": nothing, "sizes": nothing} if injected is None else injected.to_arrays()
        blocks = evidence.number_units() if evidence.blocks is None else evidence.blocks
        np.savez(folder / "truth.npz", allow_pickle=False, truth=evidence.truth, blocks=blocks, **kinds)
        (folder / "contract.json").write_text(json.dumps(self.contract.to_dict()))
        (folder / "dependence.json").write_text(json.dumps(self.dependence.to_dict()))

    @classmethod
    def load(cls, folder: Path, rung: str, row_weight: float) -> TrainingRows:
        """Read the rows from a work folder."""
        fit, calibration, known = (load_rows(folder, name) for name in ("fit", "calibration", "known"))
        judged = JudgedRows.load(folder, rung)
        file = folder / "dependence.json"  # older folders have none
        dependence = Dependence.from_dict(json.loads(file.read_text()) if file.is_file() else None)
        return cls(load_contract(folder), fit, calibration, known, judged, row_weight, dependence=dependence)

    def collect_known_anomalies(self) -> KnownAnomalies:
        """Return the known anomalies that detectors may learn from."""
        return KnownAnomalies(self.known.drop(columns=BLOCK), self.known[BLOCK].to_numpy(dtype=np.int64))


def load_contract(folder: Path) -> FrameContract:
    """Return the frame contract of a work folder."""
    return FrameContract.from_dict(json.loads((folder / "contract.json").read_text()))


def require_two_classes(pipeline: Pipeline, contract: FrameContract, frame: pd.DataFrame) -> None:
    """Raise DataError if all labels are equal: they cannot judge, and usually the wrong column is named.

    The rows since a change, fewer than a reference, may hold no anomaly.
    """
    if contract.label is None or pipeline.comparison.one_class == "inject":
        return
    classes = frame[contract.label].dropna().unique()
    times = frame[contract.time] if contract.time else None
    shortened = times is not None and times.max() - times.min() < pipeline.windows.reference / 2
    if len(classes) == 1 and not (shortened and classes[0] == 0):
        raise DataError(
            f"{pipeline.name}: label column {contract.label!r} (data.label) is {classes[0]:g} in every "
            "labelled row; needed: both 0 and 1, or no data.label, or comparison.one_class: inject"
        )


def build_judged_rows(
    pipeline: Pipeline,
    contract: FrameContract,
    held: pd.DataFrame,
    learned: pd.DataFrame,
    dependence: Dependence = INDEPENDENT,
) -> JudgedRows:
    """Returns held-out rows with their truth: labels where there are enough, else injected anomalies.

    What `learned` rows show of hours and entities decides which kinds are injected.
    """
    labels = held[contract.label] if contract.label else pd.Series(np.nan, index=held.index)
    has_label, settings = labels.notna().to_numpy(), pipeline.comparison
    if int((labels == 1).sum()) >= settings.min_positives and (labels == 0).any():
        known = held[has_label]
        known_truth = np.asarray(labels[has_label], dtype=np.int64)
        return JudgedRows(
            known, Evidence(known_truth, number_rows(contract, known, dependence, known_truth == 1))
        )
    # Rows of declared incidents are not normal, so injected anomalies are not compared with them.
    normal = held[
        (labels != 1).to_numpy() & ~mark_incident_rows(pipeline.data, held, read_incidents(pipeline.data))
    ]
    return JudgedRows.of_injected(inject_rows(pipeline, contract, normal, learned), contract, dependence)


def separate_episodes(evidence: Evidence) -> Evidence:
    """Return the evidence with a block of its own for each injected episode: each is drawn by itself."""
    episodes = evidence.injected.episodes if evidence.injected else None
    if episodes is None or evidence.blocks is None:
        return evidence
    blocks = np.where(episodes >= 0, evidence.blocks.max() + 1 + episodes, evidence.blocks)
    return replace(evidence, blocks=blocks)
