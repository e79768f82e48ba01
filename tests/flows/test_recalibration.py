"""Thresholds that moved, through the command line and real flows: asked for, rehearsed, done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.flows.conftest import Answer
from tests.steps.training.test_recalibration import AFTER, FIRST, SETTINGS, draw_table, widen

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_api")]


def test_a_recalibration(command: Callable[..., Answer], pipeline_file: Callable[..., Path]) -> None:
    config = pipeline_file(widen(draw_table()), **SETTINGS)
    missing = command("recalibrate", config, "--dry-run")
    assert missing.code == 2
    assert "no champion to recalibrate" in missing.err
    assert command("train", config, "--as-of", FIRST.isoformat()).code == 0
    for at in (AFTER - timedelta(days=7), AFTER):
        monitored = command("monitor", config, "--as-of", at.isoformat(), "--json").json
    assert monitored["degradation"]["action"] == "recalibrate"

    rehearsed = command("recalibrate", config, "--as-of", AFTER.isoformat(), "--dry-run")
    assert rehearsed.code == 0, rehearsed.err
    assert "would promote, if the gate passes: recalibrated; nothing was written" in rehearsed.out
    assert command("status", config, "--json").json["champion"] == 1

    done = command("recalibrate", config, "--as-of", AFTER.isoformat(), "--reason", "wider", "--json")
    assert done.code == 0, done.err
    assert (done.json["decision"]["kind"], done.json["decision"]["outcome"]) == ("promote", "recalibrated")
    assert done.json["registered"]["recalibrated"]
    assert command("status", config, "--json").json["champion"] == 2
    again = command("recalibrate", config, "--as-of", AFTER.isoformat())
    assert again.code == 0
    assert "not trained: none" in again.out
    assert "recalibrate" in {item["outcome"] for item in command(
        "history", config, "--kind", "retrain", "--json"
    ).json["decisions"]}  # fmt: skip
