"""A promotion of ``pumps`` that waits for two people, over real models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pynomaly.config import Pipeline, load_pipeline
from pynomaly.steps import gate as gating
from pynomaly.steps.promotion.promote import promote
from tests.judging.comparison.test_promotion_rules import SUPERIOR
from tests.machines import make_machines, make_small_settings
from tests.steps.conftest import start_with_challenger
from tests.steps.promotion.test_approve import LATER, pass_at_once


def wait_for_two(folder: Path, patch: pytest.MonkeyPatch) -> Pipeline:
    """Leave v1 of ``pumps`` as champion and v2 waiting for two people; `folder` is that of its settings."""
    patch.setattr(gating, "run_isolated_check", pass_at_once)
    folder.mkdir()
    make_machines(28).to_csv(folder / "machines.csv", index=False)
    policy = {"mode": "approval", "approvals": 2, "by_hand": "refuse", "diff_days": 3}
    file = folder / "pumps.yaml"
    file.write_text(yaml.safe_dump(make_small_settings(name="pumps", promotion=policy)))
    settings = load_pipeline(file)
    registered, _ = start_with_challenger(settings, LATER)
    verdict = replace(SUPERIOR, champion="pumps v1", challenger="challenger")
    assert promote(settings, registered, verdict, LATER).kind == "pending"
    return settings
