"""Refit a version from what the registry and the ledger know of it, and hold its scores against the old ones.

What is known: the window and the hash of its rows, the settings file and the seed of that training, the
detector and its parameters, who was champion then and what people had answered by then. What is not there any
more, or is another now, is said. Writes nothing.
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
"""Settings that a fit rests on; where records lie, and who is told, is not among them."""

_COUNTED = ("fit_rows", "incident_rows", "labelled_rows", "alerted_rows")


def reproduce(pipeline: Pipeline, version: int) -> Reproduction:
    """Refit one version and compare.

    Raises
    ------
    RecordError
        If there is no such version, or its files are gone.
    IntegrityError
        If they are not what was registered.
    """
    registry = Registry.of(pipeline)
    ref = registry.version(pipeline.name, version)
    bundle = registry.load(ref)
    facts = bundle.facts
    with Ledger.open(pipeline.ledger_url) as ledger:
        training = ledger.training(str(facts["key"]))
    told = training.detail.get("registered", {}) if training is not None else {}
    if told.get("recalibrated"):
        return impossible(
            version,
            f"v{version} is an older version with p-values from newer rows: nothing was fitted; "
            "reproduce that version",
        )
    settings, changed = _settings(pipeline, registry, told)
    edges = bounds(str(facts["window"]))
    window = Window(*edges) if edges else None
    as_of = datetime.fromisoformat(str(facts["as_of"]))
    try:
        frame = reference_rows(settings, window, as_of).frame
    except DataError as error:
        return impossible(version, f"its rows cannot be read any more: {error}", *changed)
    if digest(frame) != facts["data_hash"]:
        return impossible(
            version,
            f"its rows are others now: {len(frame)} rows of {facts['window']} have hash "
            f"{digest(frame)[:12]}..., it was trained on {str(facts['data_hash'])[:12]}...",
            *changed,
        )
    try:
        again, held, apart = _refit(settings, bundle, frame, ref, training, registry)
    except (DetectorError, DataError) as error:
        return impossible(version, f"it cannot be fitted again: {error}", *changed)
    then, now = bundle.score(held), again.score(held)
    return reproduced(
        version,
        (bundle.golden_scores, again.raw_scores(bundle.golden)),
        (then["score"].to_numpy(), now["score"].to_numpy()),
        # Under the version's own policy: it may have been changed without a refit.
        (bundle.policy.alerts(then["p_value"]), bundle.policy.alerts(now["p_value"])),
        (*changed, *apart, *_machine(facts)),
    )


def _settings(
    pipeline: Pipeline, registry: Registry, told: Mapping[str, Any]
) -> tuple[Pipeline, tuple[str, ...]]:
    """The pipeline with the settings of the training, as its run keeps them, and what has changed since."""
    run = str(told.get("parent_run_id", ""))
    text = registry.kept(run, pipeline.origin.name) if run else None
    if text is None:
        return pipeline, ("its settings are not on record; those of today were used",)
    try:
        then = parse(plain_yaml(text), origin=pipeline.origin)
    except (ConfigError, ValueError) as error:
        return pipeline, (f"its settings are not valid any more, those of today were used: {error}",)
    if pipeline.environment:
        said = f"settings of the environment {pipeline.environment!r} are those of today"
        return pipeline, (said,)
    others = [name for name in _BLOCKS if getattr(then, name) != getattr(pipeline, name)]
    used = pipeline.model_copy(update={name: getattr(then, name) for name in _BLOCKS})
    return used, (
        (f"settings changed since, those of then were used: {', '.join(others)}",) if others else ()
    )


def _refit(
    settings: Pipeline,
    bundle: Bundle,
    frame: pd.DataFrame,
    ref: ModelRef,
    training: Training | None,
    registry: Registry,
) -> tuple[Bundle, pd.DataFrame, tuple[str, ...]]:
    """Bundle, held-out rows, and rows that went elsewhere than then."""
    facts = bundle.facts
    contract = FrameContract.infer(frame, settings.data)
    clean = validate(frame, contract, settings.quality, "train").clean
    until = training.at if training is not None else None
    by = None
    if settings.training.exclude_alerts is not None:
        with Ledger.open(settings.ledger_url) as ledger:
            taught = champion_at(ledger, settings.name, until, below=ref.version)
        by = registry.version(settings.name, taught) if taught is not None else None
    parts, out = split_reference(settings, contract, clean, by, feedback_of(settings, frame, until))
    counted = {
        "fit_rows": len(parts["fit"]),
        "incident_rows": int(out.declared.sum()),
        "labelled_rows": int(out.labelled.sum()),
        "alerted_rows": int(out.alerted.sum()),
    }
    apart = tuple(
        f"{name}: {facts[name]} then, {counted[name]} now"
        for name in _COUNTED
        if name in facts and facts[name] != counted[name]
    )
    known = Known(parts["known"].drop(columns=BLOCK), parts["known"][BLOCK].to_numpy(dtype="int64"))
    candidate = Candidate(detector=bundle.detector.name, params=dict(bundle.detector.params))
    again = Bundle.fit(parts["fit"], parts["calibration"], settings, candidate, contract, facts, known)
    return again, parts["holdout"], apart


def _machine(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Code and libraries that are others than then."""
    said = []
    if facts.get("code") != pynomaly.__version__:
        said.append(f"code: {facts.get('code')} then, {pynomaly.__version__} now")
    now = versions()
    then: Mapping[str, str] = facts.get("versions", {})
    said += [
        f"{name}: {then.get(name, 'none')} then, {now.get(name, 'none')} now"
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    ]
    return tuple(said)
