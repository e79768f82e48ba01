"""Refit a version from the registry and the ledger, and compare its scores with the recorded ones.

On record are the window and the hash of its rows, the settings file and the seed of that training, the
detector and its parameters, the champion at that time and the answers people had given by then. Anything that
is missing or has changed is reported. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd

import pynomaly
from pynomaly.config import Candidate, Pipeline, parse_pipeline
from pynomaly.config.spelling.plain_yaml import parse_plain_yaml
from pynomaly.data.frame import FrameContract, hash_frame
from pynomaly.data.quality import validate
from pynomaly.data.window import Window
from pynomaly.errors import ConfigError, DataError, DetectorError
from pynomaly.judging.reproduction import Reproduction, compare_refit, report_impossible
from pynomaly.model.bundle import Bundle
from pynomaly.model.fitting.known_anomalies import KnownAnomalies
from pynomaly.model.provenance import read_versions
from pynomaly.records.ledger import Ledger, RegistrationResult, TrainingRecord
from pynomaly.records.ledger.rows import parse_window_key
from pynomaly.records.registry import ModelRef, Registry
from pynomaly.steps.alerting.feedback import read_feedback
from pynomaly.steps.champion import find_champion_at
from pynomaly.steps.training.exclusions import AlertingModel
from pynomaly.steps.training.reference import read_reference
from pynomaly.steps.training.splits import BLOCK, split_reference

__all__ = ["reproduce"]

_FIT_SETTINGS = (
    "data",
    "quality",
    "features",
    "training",
    "comparison",
    "alerts",
    "windows",
    "drift",
    "feedback",
)
"""Blocks of settings that a fit depends on; storage and notifications are not among them."""

_COMPARED_COUNTS = ("fit_rows", "incident_rows", "labelled_rows", "alerted_rows")


def reproduce(pipeline: Pipeline, version: int) -> Reproduction:
    """Refit one version and compare.

    Raises
    ------
    RecordError
        If there is no such version, or its files are gone.
    IntegrityError
        If the files differ from what was registered.
    """
    registry = Registry.open_for(pipeline)
    ref = registry.find_version(pipeline.name, version)
    bundle = registry.load_bundle(ref)
    facts = bundle.facts
    with Ledger.open(pipeline.ledger_url) as ledger:
        training = ledger.find_training(str(facts["key"]))
    registered = training.registered if training is not None else None
    if registered is not None and registered.recalibrated:
        return report_impossible(
            version,
            f"v{version} is an older version with p-values from newer rows: nothing was fitted; "
            "reproduce that version",
        )
    settings, setting_changes = _restore_settings(pipeline, registry, registered)
    window_bounds = parse_window_key(str(facts["window"]))
    window = Window(*window_bounds) if window_bounds else None
    as_of = datetime.fromisoformat(str(facts["as_of"]))
    try:
        frame = read_reference(settings, window, as_of).frame
    except DataError as error:
        return report_impossible(version, f"its rows cannot be read any more: {error}", *setting_changes)
    if hash_frame(frame) != facts["data_hash"]:
        return report_impossible(
            version,
            f"its rows are others now: {len(frame)} rows of {facts['window']} have hash "
            f"{hash_frame(frame)[:12]}..., it was trained on {str(facts['data_hash'])[:12]}...",
            *setting_changes,
        )
    try:
        refitted_bundle, held_out, count_changes = _refit_version(
            settings, bundle, frame, ref, training, registry
        )
    except (DetectorError, DataError) as error:
        return report_impossible(version, f"it cannot be fitted again: {error}", *setting_changes)
    old_scores, new_scores = bundle.score(held_out), refitted_bundle.score(held_out)
    return compare_refit(
        version,
        (bundle.golden_scores, refitted_bundle.raw_scores(bundle.golden)),
        (old_scores["score"].to_numpy(), new_scores["score"].to_numpy()),
        # Under the version's own policy, which may have been changed without a refit.
        (bundle.policy.alerts(old_scores["p_value"]), bundle.policy.alerts(new_scores["p_value"])),
        (*setting_changes, *count_changes, *_list_code_changes(facts)),
    )


def _restore_settings(
    pipeline: Pipeline, registry: Registry, registered: RegistrationResult | None
) -> tuple[Pipeline, tuple[str, ...]]:
    """Returns the pipeline with the recorded settings of the training, and notes on what changed since."""
    run = registered.parent_run_id if registered else ""
    text = registry.read_run_file(run, pipeline.origin.name) if run else None
    if text is None:
        return pipeline, ("its settings are not on record; those of today were used",)
    try:
        old_pipeline = parse_pipeline(parse_plain_yaml(text), origin=pipeline.origin)
    except (ConfigError, ValueError) as error:
        return pipeline, (f"its settings are not valid any more, those of today were used: {error}",)
    if pipeline.environment:
        note = f"settings of the environment {pipeline.environment!r} are those of today"
        return pipeline, (note,)
    changed_blocks = [
        name for name in _FIT_SETTINGS if getattr(old_pipeline, name) != getattr(pipeline, name)
    ]
    restored = pipeline.model_copy(update={name: getattr(old_pipeline, name) for name in _FIT_SETTINGS})
    return restored, (
        (f"settings changed since, those of then were used: {', '.join(changed_blocks)}",)
        if changed_blocks
        else ()
    )


def _refit_version(
    settings: Pipeline,
    bundle: Bundle,
    frame: pd.DataFrame,
    ref: ModelRef,
    training: TrainingRecord | None,
    registry: Registry,
) -> tuple[Bundle, pd.DataFrame, tuple[str, ...]]:
    """Returns the refitted bundle, the held-out rows, and notes on row counts that differ."""
    facts = bundle.facts
    contract = FrameContract.infer(frame, settings.data)
    clean = validate(frame, contract, settings.quality, "train").clean
    until = training.at if training is not None else None
    teacher_ref = None
    if settings.training.exclude_alerts is not None:
        with Ledger.open(settings.ledger_url) as ledger:
            champion_version = find_champion_at(ledger, settings.name, until, below=ref.version)
        teacher_ref = (
            registry.find_version(settings.name, champion_version) if champion_version is not None else None
        )
    parts = split_reference(
        settings,
        contract,
        clean,
        AlertingModel.of(settings, teacher_ref),
        read_feedback(settings, frame, until),
    )
    counts = {
        "fit_rows": len(parts.fit),
        "incident_rows": int(parts.exclusions.declared.sum()),
        "labelled_rows": int(parts.exclusions.labelled.sum()),
        "alerted_rows": int(parts.exclusions.alerted.sum()),
    }
    count_changes = tuple(
        f"{name}: {facts[name]} then, {counts[name]} now"
        for name in _COMPARED_COUNTS
        if name in facts and facts[name] != counts[name]
    )
    known_anomalies = KnownAnomalies(
        parts.known.drop(columns=BLOCK), parts.known[BLOCK].to_numpy(dtype="int64")
    )
    candidate = Candidate(detector=bundle.detector.name, params=dict(bundle.detector.params))
    refitted_bundle = Bundle.fit(
        parts.fit,
        parts.calibration,
        settings,
        candidate,
        contract,
        facts,
        known_anomalies,
        parts.dependence,
    )
    return refitted_bundle, parts.held_out, count_changes


def _list_code_changes(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns notes on code and libraries whose version differs."""
    notes = []
    if facts.get("code") != pynomaly.__version__:
        notes.append(f"code: {facts.get('code')} then, {pynomaly.__version__} now")
    new_versions = read_versions()
    old_versions: Mapping[str, str] = facts.get("versions", {})
    notes += [
        f"{name}: {old_versions.get(name, 'none')} then, {new_versions.get(name, 'none')} now"
        for name in sorted({*old_versions, *new_versions})
        if old_versions.get(name) != new_versions.get(name)
    ]
    return tuple(notes)
