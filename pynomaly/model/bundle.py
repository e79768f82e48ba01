"""The bundle: contract, features, detector, calibration, policy, sketch and golden rows of one model.

Promises: the score of a row depends on that row alone (in any batch, in any order, after save and load, in
another process); loading never runs stored code; golden rows, stored with their scores, show whether this
machine gives the same scores as the training machine.

Scores are in the detector's own unit, higher is more anomalous. Called by the steps, the registry,
:mod:`pynomaly.model.serving` and :mod:`pynomaly.model.isolated_check`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly import config
from pynomaly.data.frame import FrameContract
from pynomaly.detectors.base import Detector
from pynomaly.detectors.methods.reranking import Reranking
from pynomaly.errors import DataError, IntegrityError, ModelError, PynomalyError
from pynomaly.model.bundle_files import read_parts, write_parts
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.calibration.alert_stream import StreamShare
from pynomaly.model.calibration.calibration import NO_TAIL, Calibration
from pynomaly.model.dependence.dependence import INDEPENDENT, Dependence
from pynomaly.model.dependence.measure import measure_rows
from pynomaly.model.explanation.explain import ExplainMethod, explain_rows
from pynomaly.model.explanation.held_back import hold_back_rows
from pynomaly.model.explanation.reasons import Explanation
from pynomaly.model.features import FeatureEncoder
from pynomaly.model.fitting.fitting import fit_model
from pynomaly.model.fitting.golden import (
    compare_golden_scores,
    pick_positions,
    take_golden_rows,
)
from pynomaly.model.fitting.importance import measure_importance
from pynomaly.model.fitting.known_anomalies import KnownAnomalies, describe_known
from pynomaly.model.past_input import add_past
from pynomaly.model.provenance import collect_notes, read_events, read_versions, record_past_settings
from pynomaly.model.row_times import read_row_keys, rows_per_day
from pynomaly.model.scoring import (
    SCORE_COLUMNS,
    PreparedRows,
    assess_scores,
    make_scorer,
    prepare_rows,
    score_prepared,
)
from pynomaly.model.seal import seal_folder, verify_seal
from pynomaly.model.sketch.reference import HeldOutRows, renew_reference_sketch, sketch_reference
from pynomaly.model.sketch.sketch import Sketch

__all__ = ["SCORE_COLUMNS", "Bundle"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bundle:
    """A fitted model and everything needed to use and to check it.

    Attributes
    ----------
    golden : DataFrame of shape (<= 20, d)
        Rows of the calibration part, from the lowest score to the highest: the features and, if the model
        needs them, times as ISO 8601 text. They also serve as examples of input to `score`.
    golden_scores : ndarray of shape (<= 20,)
        Their scores on the machine that fitted the model.
    facts : dict
        Provenance of the model; JSON-able.
    reranking : Reranking or None, learned from known anomalies; applied to every score.
    dependence : Dependence
        How scores of held-out rows depend on the rows before; older bundles have none.
    """

    contract: FrameContract
    features: FeatureEncoder
    detector: Detector
    calibration: Calibration
    policy: AlertPolicy
    sketch: Sketch
    golden: pd.DataFrame
    golden_scores: Floats
    facts: dict[str, Any]
    reranking: Reranking | None = None
    dependence: Dependence = INDEPENDENT

    @classmethod
    def fit(
        cls,
        fit_frame: pd.DataFrame,
        calibration_frame: pd.DataFrame,
        pipeline: config.Pipeline,
        candidate: config.Candidate,
        contract: FrameContract,
        facts: Mapping[str, Any],
        known: KnownAnomalies | None = None,
        dependence: Dependence = INDEPENDENT,
    ) -> Bundle:
        """Fit features and detector on one part of the rows, and calibrate on the other.

        Or do both on all rows with out-of-fold scores (:mod:`pynomaly.model.fitting.fitting`). More rows than
        ``training.max_rows`` are sampled by seed, which ``facts`` records.

        Parameters
        ----------
        fit_frame, calibration_frame : DataFrame of shape (n, >= d)
            Rows as read and validated; no row should be in both.
        pipeline : config.Pipeline
            Feature, training and alert settings.
        candidate : config.Candidate
            Detector and parameters.
        contract : FrameContract
            Which columns are features.
        facts : mapping
            Provenance to keep in the bundle; JSON-able.
        known : KnownAnomalies, optional
            Known anomalies, in neither part; a reranking learned from them is used if it ranks better.
        dependence : Dependence, optional
            Of all rows of the training; scores of held-out rows can only make it wider.

        Raises
        ------
        ColumnError, DataError
            If the rows do not fit the contract or cannot be turned into numbers.
        DetectorError
            If the detector or its parameters are unknown, or it refuses the rows; FitTimeoutError if the fit
            does not end within ``training.timeout``.
        ConfigError
            If policy or calendar needs times and there are none.
        """
        frames = (fit_frame, calibration_frame)
        stream = pd.concat(frames, ignore_index=True)  # one part is too thin
        weight = float(facts.get("row_weight", 1.0))
        daily = rows_per_day(stream, contract, weight)
        policy = AlertPolicy.from_config(pipeline.alerts, daily, contract.numeric)
        fit_result = fit_model(*frames, pipeline, candidate, contract, known, policy, dependence)
        features, detector, calibration = fit_result.features, fit_result.detector, fit_result.calibration
        by_entity = features.by_entity or calibration.groups is not None
        rows = prepare_rows(fit_result.held_out, contract, calendar=features.calendar, entities=by_entity)
        golden = take_golden_rows(rows, pick_positions(fit_result.scores), contract.id)
        score = make_scorer(features, detector, contract, fit_result.reranking)
        events = fit_result.events
        policy = AlertPolicy.from_config(pipeline.alerts, daily, contract.numeric, events)
        state = (policy, calibration, features, events)
        note_texts = collect_notes(fit_result.total_rows, detector.rows_used, *state)
        dependence = measure_rows(fit_result.held_out, fit_result.scores, contract).widen(dependence)
        note_texts += filter(None, (fit_result.note, describe_known(fit_result.known), dependence.describe()))
        facts = {
            **facts,
            "rows": {
                "given": fit_result.total_rows,
                "fitted": detector.rows_used,  # detectors of quadratic cost sample once more
                "calibration": len(fit_result.held_out),
            },
            "known_anomalies": fit_result.known,
            "events": None if events is None else events.to_dict(),
            **({"entities": features.baselines.to_facts()} if features.baselines is not None else {}),
            "notes": note_texts,
            "versions": read_versions(),
        }
        facts |= record_past_settings(pipeline.data, looks_back=detector.looks_back)
        shares = measure_importance(score, fit_result.held_out, contract.features, pipeline.training.seed)
        held_out = HeldOutRows(fit_result.held_out, fit_result.scores)
        length, seasons = pd.Timedelta(pipeline.windows.monitor), pipeline.drift.seasons
        return cls(
            contract,
            features,
            detector,
            calibration,
            policy,
            sketch_reference(stream, held_out, contract, length, seasons, shares, weight),
            golden=golden,
            golden_scores=score(golden),
            facts=facts,
            reranking=fit_result.reranking,
            dependence=dependence,
        )

    @property
    def needs_entities(self) -> bool:
        """Whether a row's score or p-value depends on its entity."""
        return self.features.by_entity or self.calibration.groups is not None

    def prepare(self, frame: pd.DataFrame) -> PreparedRows:
        """Return rows as the model takes them, with what it needs to know of each."""
        return prepare_rows(
            frame, self.contract, calendar=self.features.calendar, entities=self.needs_entities
        )

    def raw_scores(self, frame: pd.DataFrame) -> Floats:
        """Scores of `frame`, as an array of shape (n,); see `score`."""
        if not len(frame):
            raise DataError("no rows to score; at least one is needed")
        return make_scorer(self.features, self.detector, self.contract, self.reranking)(frame)

    def score(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Score rows, each judged alone; `score_window` applies ``fdr`` to all rows of a window.

        Parameters
        ----------
        frame : DataFrame of shape (n, >= d)
            Columns are found by name. Times are needed only if it was fitted with ``features.calendar``.

        Returns
        -------
        DataFrame of shape (n, 6)
            ``score``, ``p_value``, ``severity``, ``is_anomaly``, ``extrapolated`` (the p-value is below what
            counting resolves), ``rarity`` ("one a week", in normal operation); same index as `frame`. With
            limits on alerts also ``held_back``: why a row that would alert does not, "" for all others.

        Raises
        ------
        ColumnError
            If a column is missing, duplicated or holds text where numbers belong.
        DataError
            If there are no rows, or a cell cannot be used.
        ModelError
            If the detector gives a score that is not finite.
        """
        return self._assess(frame, together=False)

    def score_window(self, frame: pd.DataFrame, share: StreamShare | None = None) -> pd.DataFrame:
        """Score rows as `score` does, but apply ``fdr`` to all together, within the `share` of a stream."""
        return self._assess(frame, together=True, share=share)

    def _assess(
        self, frame: pd.DataFrame, *, together: bool, share: StreamShare | None = None
    ) -> pd.DataFrame:
        if not len(frame):
            raise DataError("no rows to score; at least one is needed")
        rows = self.prepare(frame)
        scores = score_prepared(rows, self.features, self.detector, self.reranking)
        columns = assess_scores(scores, self.calibration, self.policy, rows.entities)
        if together:
            least = self.calibration.resolutions(rows.entities)
            keys = read_row_keys(frame, self.contract) if self.policy.events else None
            columns["is_anomaly"] = self.policy.flag_window(columns["p_value"], least, keys, share)
        scored = pd.DataFrame(columns, index=frame.index)
        return hold_back_rows(rows, scored, self.features, self.sketch, self.policy.limits)

    def add_past(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return rows that a program has, with their past if the model looks back on it.

        See :func:`pynomaly.model.past_input.add_past` for the errors.
        """
        return add_past(frame, self.contract, self.facts["series"]) if self.detector.looks_back else frame

    def explain(
        self, frame: pd.DataFrame, top: int = 3, method: ExplainMethod = "own"
    ) -> tuple[Explanation, ...]:
        """Return, for each row, the columns that raise its score, the strongest first; at most `top`.

        Parameters and errors are those of `score`. Much slower than `score` (0.1 to 25 ms a row), so callers
        keep to a budget. `method` is ``own`` (the detector's), or ``occlusion``, ``shap``, ``lime`` for any.
        """
        if not len(frame):
            raise DataError("no rows to explain; at least one is needed")
        rows = self.prepare(frame)
        return explain_rows(self.features, self.detector, self.sketch, self.reranking, rows, top, method)

    def recalibrate(self, frame: pd.DataFrame, facts: Mapping[str, Any]) -> Bundle:
        """Return the bundle calibrated on newer rows; features, detector and policy do not change."""
        scores = self.raw_scores(frame)
        calibration = Calibration.fit(scores, tail=self.calibration.tail != NO_TAIL)
        if self.calibration.groups is not None:
            names, least = self.prepare(frame).entities, self.policy.needed_scores
            calibration = calibration.renew_groups(self.calibration, scores, names, least)
        rows = {**self.facts["rows"], "calibration": len(frame)}
        note_texts = collect_notes(rows["given"], rows["fitted"], self.policy, calibration, self.features)
        note_texts += filter(None, (describe_known(self.facts.get("known_anomalies")),))
        weight = facts.get("row_weight", 1.0)
        sketch = renew_reference_sketch(self.sketch, HeldOutRows(frame, scores), self.contract, weight)
        facts = {**self.facts, "events": None, **facts, "rows": rows, "notes": note_texts}
        dependence = measure_rows(frame, scores, self.contract).widen(self.dependence)
        return replace(self, calibration=calibration, sketch=sketch, facts=facts, dependence=dependence)

    def with_policy(self, policy: AlertPolicy) -> Bundle:
        """Return the same model with another alert policy; no refit."""
        given, fitted = (self.facts["rows"][name] for name in ("given", "fitted"))
        state = (self.calibration, self.features, read_events(self.facts))
        old, new = (collect_notes(given, fitted, each, *state) for each in (self.policy, policy))
        # Notes that do not depend on the policy stay.
        note_texts = [*new, *(note for note in self.facts["notes"] if note not in old + new)]
        return replace(self, policy=policy, facts={**self.facts, "notes": note_texts})

    def verify_golden(self) -> float:
        """Score the golden rows again.

        Returns
        -------
        float
            Largest difference from the recorded scores, relative to those above 1.

        Raises
        ------
        ModelError
            If it exceeds ``GOLDEN_TOLERANCE``, or there is no golden row.
        """
        if not len(self.golden):
            raise ModelError("the bundle has no golden rows, so nothing shows that it scores as it did")
        origin = f"Fitted with {self.facts.get('versions')}, here {read_versions()}"
        return compare_golden_scores(self.raw_scores(self.golden), self.golden_scores, origin)

    def save(self, folder: Path) -> str:
        """Write the bundle into `folder`, which must be new or empty.

        Returns
        -------
        str
            SHA-256 (hex) of the whole content; pass it to `load`.
        """
        if folder.exists() and any(folder.iterdir()):
            raise ModelError(f"{folder} is not empty; a bundle is saved into a new folder")
        folder.mkdir(parents=True, exist_ok=True)
        write_parts(self, folder)
        return seal_folder(folder)

    @classmethod
    def load(cls, folder: Path, sha256: str | None) -> Bundle:
        """Read a bundle after checking every file in `folder` against `sha256`.

        Parameters
        ----------
        folder : Path
        sha256 : str or None
            What `save` returned, from the registry. With None, damage is detected but tampering is not.

        Raises
        ------
        IntegrityError
            If a file was changed, is missing, extra or a link, or cannot be read without unpickling.
        UnknownDetectorError
            If the detector is not in this version's catalogue.
        """
        verify_seal(folder, sha256)
        try:
            return cls(**read_parts(folder))
        except PynomalyError:
            raise
        except (ValueError, TypeError, LookupError, AttributeError, OSError, RecursionError) as error:
            raise IntegrityError(f"{folder} holds what no bundle holds: {error!r}") from error
