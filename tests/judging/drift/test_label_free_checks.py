"""Checks without labels: held against training, never normal where they cannot be made."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pynomaly import config
from pynomaly.judging.drift.label_free_checks import UnlabelledProbe, UnlabelledVerdict, judge_probe
from pynomaly.judging.drift.window_drift import ColumnDrift, DriftReport
from pynomaly.judging.drift.window_summary import summarize_window
from tests.judging.drift.test_degradation import observe

SETTINGS = config.Degradation()
GOOD = UnlabelledProbe(1000, 0.9, (0.9, 0.88, 0.92), (0.7, 0.62, 0.78))


def probed(**changes: Any) -> UnlabelledProbe:
    return UnlabelledProbe.from_dict(GOOD.to_dict() | changes)


@pytest.mark.parametrize(
    ("changes", "agreement", "injected"),
    [
        ({}, "ok", "none"),
        ({"agreement": 0.78}, "warning", "none"),
        ({"agreement": 0.5}, "drift", "none"),
        ({"agreement": 0.97}, "ok", "none"),
        ({"agreement": 0.5, "rows": 20}, "ok", "none"),  # 10 ranks say little
        ({"agreement": None}, "not_computable", "none"),
        ({"roc_auc": [0.84, 0.80, 0.87], "average_precision": [0.5, 0.4, 0.6]}, "ok", "minor"),
        ({"roc_auc": [0.60, 0.50, 0.70], "average_precision": [0.5, 0.4, 0.6]}, "ok", "critical"),
        # Intervals overlap: nothing is shown.
        ({"roc_auc": [0.60, 0.30, 0.89], "average_precision": [0.5, 0.4, 0.7]}, "ok", "none"),
        ({"average_precision": None}, "ok", "not_computable"),
    ],
)
def test_a_window_is_held_against_training(changes: dict[str, Any], agreement: str, injected: str) -> None:
    checked = judge_probe(probed(**changes), GOOD, SETTINGS)
    assert (checked.agreement_status, checked.injected_status) == (agreement, injected)
    assert bool(checked.reasons) == ((agreement, injected) != ("ok", "none"))


@pytest.mark.parametrize(
    "one", [{"average_precision": [0.3, 0.2, 0.4]}, {"roc_auc": [0.60, 0.50, 0.70]}], ids=["ap", "auc"]
)
def test_a_drop_of_one_metric_alone_is_said_and_does_not_count(one: dict[str, Any]) -> None:
    checked = judge_probe(probed(**one), GOOD, SETTINGS)
    assert checked.injected_status == "none"
    assert "only one of the two" in checked.reasons[-1]


@pytest.mark.parametrize(
    ("now", "then"),
    [
        (GOOD, None),
        (GOOD, UnlabelledProbe(10, None, None, None, ("too few",))),
        (UnlabelledProbe(10, None, None, None), GOOD),
    ],
)
def test_what_is_not_computable_is_bad_and_never_normal(
    now: UnlabelledProbe, then: UnlabelledProbe | None
) -> None:
    checked = judge_probe(now, then, SETTINGS)
    assert (checked.agreement_status, checked.injected_status) == ("not_computable", "not_computable")
    assert checked.reasons
    assert observe(unlabelled=checked).violated


@pytest.mark.parametrize(
    ("status", "level"),
    [
        ({"agreement_status": "warning"}, "none"),
        ({"agreement_status": "drift"}, "moderate"),
        ({"injected_status": "minor"}, "minor"),
        ({"injected_status": "major"}, "major"),
        ({}, "none"),
    ],
)
def test_checks_count_in_the_level_of_a_window(status: dict[str, str], level: str) -> None:
    assert observe(unlabelled=UnlabelledVerdict(**status), positives=0).level == level


def test_labels_outrank_injected_anomalies() -> None:
    bad = UnlabelledVerdict(injected_status="critical")
    judged = {"performance": 0.9, "performance_high": 0.95, "baseline": 0.9, "positives": 50}
    assert observe(unlabelled=bad, **judged).level == "none"
    assert observe(unlabelled=bad, positives=0).level == "critical"


def test_a_probe_survives_json() -> None:
    assert UnlabelledProbe.from_dict(json.loads(json.dumps(GOOD.to_dict()))) == GOOD


def test_every_aspect_has_one_of_four_words() -> None:
    score = ColumnDrift("score", "score", "warning", 0.12, 0.0, 0.0, "score moved")
    report = DriftReport("ok", (), score, 0.0, (), columns_status="ok")
    checked = UnlabelledVerdict("not_computable", "major", None, 0.2)
    aspects = {
        item.name: item for item in summarize_window(observe(alerts=60, unlabelled=checked), report, checked)
    }
    assert {name: item.status for name, item in aspects.items()} == {
        "data": "ok",
        "features": "insufficient_data",
        "scores": "warning",
        "alert_rate": "drift",
        "performance": "ok",
        "agreement": "insufficient_data",
        "injected": "drift",
    }
    assert aspects["alert_rate"].effect == pytest.approx(1 - 0.01 / 0.06)
    json.dumps([item.to_dict() for item in aspects.values()], allow_nan=False)
