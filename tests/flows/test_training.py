"""Known anomalies, a search and another alert policy, through the command line and real flows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from pynomaly.config import load_pipeline
from pynomaly.steps.training.planning import hold_training_lease
from tests.flows.conftest import Answer

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_api")]

FLAT = ("--detector", "iforest", "--params", "n_estimators=1 max_samples=2")  # no split tells rows apart
FIRST = ("--as-of", "2026-01-19T00:00:00+00:00")


def test_a_training_beside_another_one_does_nothing_and_says_so(
    command: Callable[..., Answer], pipeline_file: Callable[..., Path]
) -> None:
    config = pipeline_file(training={"candidates": ["hbos"]})
    with hold_training_lease(load_pipeline(config)):
        for words in (("train", *FIRST), ("search", *FIRST, "--wait", "1s", "--json")):
            held = command(words[0], config, *words[1:])
            assert (held.code, held.out, held.err.count("'train:machines' is held")) == (3, "", 1), held.err
    mistyped = command("train", config, *FIRST, "--wait", "soon")
    assert (mistyped.code, mistyped.out) == (2, "")
    assert "--wait: 'soon'" in mistyped.err


def test_what_a_pipeline_learns(command: Callable[..., Answer], pipeline_file: Callable[..., Path]) -> None:
    config = pipeline_file(
        training={"candidates": ["hbos"]}, search={"trials": 2, "detectors": ["hbos"], "budget": "1m"}
    )
    assert command("search", config, "--budget", "soon").code == 2
    trained = command("train", config, *FIRST, "--json").json
    assert trained["decision"]["kind"] == "promote"
    assert any("known anomalies" in note for note in trained["registered"]["notes"])

    nothing = command("search", config, *FIRST, "--budget", "2m", "--json").json
    assert nothing["trained"] is False
    assert nothing["search"]["better"] is False
    assert "no better than the default" in " ".join(nothing["decision"]["reasons"])
    assert "no better than the default" in command("search", config, *FIRST, "--budget", "2m").out
    recorded = command("history", config, "--kind", "search", "--json").json["decisions"]
    assert [item["outcome"] for item in recorded] == ["no better"]

    settings = yaml.safe_load(config.read_text())
    config.write_text(
        yaml.safe_dump(settings | {"training": settings["training"] | {"known_anomalies": "leave_out"}})
    )
    flat = command("retrain", config, *FIRST, *FLAT, "--json")
    assert flat.code == 0, flat.err
    assert (flat.json["decision"]["kind"], flat.json["decision"]["outcome"]) == ("refuse", "unusable")
    assert "scores are" in flat.json["decision"]["reasons"][1]

    config.write_text(yaml.safe_dump(settings | {"alerts": {"policy": "quantile", "quantile": 0.05}}))
    applied = command("policy", config, "--reason", "look closer", "--json").json
    assert applied["decision"]["kind"] == "promote", applied["decision"]["reasons"]
    assert command("status", config, "--json").json["champion"] == applied["version"] == 2
    again = command("policy", config)
    assert again.code == 0
    assert "v2 has this policy already" in again.out
    assert command("rollback", config, "--json").json["subject"] == "machines v1"
    config.write_text(yaml.safe_dump(settings | {"alerts": {"policy": "budget", "per_day": 9999}}))
    refused = command("policy", config)
    assert refused.code == 2
    assert "alerts.per_day" in refused.err
