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
from pynomaly.config import Candidate, Pipeline, parse
from pynomaly.config.plain_yaml import plain_yaml
from pynomaly.data.frame import FrameContract, digest
from pynomaly.data.quality import validate
from pynomaly.data.window import Window
from pynomaly.errors import ConfigError, DataError, DetectorError
from pynomaly.judging.reproduction import Reproduction, impossible, reproduced
from pynomaly.model.bundle import Bundle
from pynomaly.model.known import Known
from pynomaly.model.provenance import versions
from pynomaly.records.ledger import Ledger, Training
from pynomaly.records.ledger.rows import bounds
from pynomaly.records.registry import ModelRef, Registry
from pynomaly.steps.champion import champion_at
from pynomaly.steps.feedback import feedback_of
from pynomaly.steps.reference import reference_rows
from pynomaly.steps.splitting import BLOCK, split_reference

__all__ = ["reproduce"]

_BLOCKS = ("data", "quality", "features", "training", "comparison", "alerts", "windows", "drift", "feedback")
"""Blocks of settings that a fit depends on; storage and notifications are not among them."""

_COUNTED = ("fit_rows", "incident_rows", "labelled_rows", "alerted_rows")


def reproduce(pipeline: Pipeline, version: int) -> Reproduction:
    """Refit one version and compare.

    Raises
    ------
    RecordError
        If there is no such version, or its files are gone.
    IntegrityError
        If the files differ from what was registered.
    """
    registry = Registry.of(pipeline)
    ref = registry.version(pipeline.name, version)
    bundle = registry.load(ref)
    facts = bundle.facts
    with Ledger.open(pipeline.ledger_url) as ledger:
        training = ledger.training(str(facts["key"]))
    registered = training.detail.get("registered", {}) if training is not None else {}
    if registered.get("recalibrated"):
        return impossible(
            version,
            f"v{version} is an older version with p-values from newer rows: nothing was fitted; "
            "reproduce that version",
        )
    settings, setting_changes = _settings(pipeline, registry, registered)
    window_bounds = bounds(str(facts["window"]))
    window = Window(*window_bounds) if window_bounds else None
    as_of = datetime.fromisoformat(str(facts["as_of"]))
    try:
        frame = reference_rows(settings, window, as_of).frame
    except DataError as error:
        return impossible(version, f"its rows cannot be read any more: {error}", *setting_changes)
    if digest(frame) != facts["data_hash"]:
        return impossible(
            version,
            f"its rows are others now: {len(frame)} rows of {facts['window']} have hash "
            f"{digest(frame)[:12]}..., it was trained on {str(facts['data_hash'])[:12]}...",
            *setting_changes,
        )
    try:
        refitted_bundle, held_out, count_changes = _refit(settings, bundle, frame, ref, training, registry)
    except (DetectorError, DataError) as error:
        return impossible(version, f"it cannot be fitted again: {error}", *setting_changes)
    old_scores, new_scores = bundle.score(held_out), refitted_bundle.score(held_out)
    return reproduced(
        version,
        (bundle.golden_scores, refitted_bundle.raw_scores(bundle.golden)),
        (old_scores["score"].to_numpy(), new_scores["score"].to_numpy()),
        # Under the version's own policy, which may have been changed without a refit.
        (bundle.policy.alerts(old_scores["p_value"]), bundle.policy.alerts(new_scores["p_value"])),
        (*setting_changes, *count_changes, *_machine(facts)),
    )


def _settings(
    pipeline: Pipeline, registry: Registry, registered: Mapping[str, Any]
) -> tuple[Pipeline, tuple[str, ...]]:
    """Returns the pipeline with the recorded settings of the training, and notes on what changed since."""
    run = str(registered.get("parent_run_id", ""))
    text = registry.kept(run, pipeline.origin.name) if run else None
    if text is None:
        return pipeline, ("its settings are not on record; those of today were used",)
    try:
        old_pipeline = parse(plain_yaml(text), origin=pipeline.origin)
    except (ConfigError, ValueError) as error:
        return pipeline, (f"its settings are not valid any more, those of today were used: {error}",)
    if pipeline.environment:
        note = f"settings of the environment {pipeline.environment!r} are those of today"
        return pipeline, (note,)
    changed_blocks = [name for name in _BLOCKS if getattr(old_pipeline, name) != getattr(pipeline, name)]
    restored = pipeline.model_copy(update={name: getattr(old_pipeline, name) for name in _BLOCKS})
    return restored, (
        (f"settings changed since, those of then were used: {', '.join(changed_blocks)}",)
        if changed_blocks
        else ()
    )


def _refit(
    settings: Pipeline,
    bundle: Bundle,
    frame: pd.DataFrame,
    ref: ModelRef,
    training: Training | None,
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
            champion_version = champion_at(ledger, settings.name, until, below=ref.version)
        teacher_ref = (
            registry.version(settings.name, champion_version) if champion_version is not None else None
        )
    parts, exclusions = split_reference(
        settings, contract, clean, teacher_ref, feedback_of(settings, frame, until)
    )
    counts = {
        "fit_rows": len(parts["fit"]),
        "incident_rows": int(exclusions.declared.sum()),
        "labelled_rows": int(exclusions.labelled.sum()),
        "alerted_rows": int(exclusions.alerted.sum()),
    }
    count_changes = tuple(
        f"{name}: {facts[name]} then, {counts[name]} now"
        for name in _COUNTED
        if name in facts and facts[name] != counts[name]
    )
    known_anomalies = Known(parts["known"].drop(columns=BLOCK), parts["known"][BLOCK].to_numpy(dtype="int64"))
    candidate = Candidate(detector=bundle.detector.name, params=dict(bundle.detector.params))
    refitted_bundle = Bundle.fit(
        parts["fit"], parts["calibration"], settings, candidate, contract, facts, known_anomalies
    )
    return refitted_bundle, parts["holdout"], count_changes


def _machine(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns notes on code and libraries whose version differs."""
    notes = []
    if facts.get("code") != pynomaly.__version__:
        notes.append(f"code: {facts.get('code')} then, {pynomaly.__version__} now")
    new_versions = versions()
    old_versions: Mapping[str, str] = facts.get("versions", {})
    notes += [
        f"{name}: {old_versions.get(name, 'none')} then, {new_versions.get(name, 'none')} now"
        for name in sorted({*old_versions, *new_versions})
        if old_versions.get(name) != new_versions.get(name)
    ]
    return tuple(notes)
