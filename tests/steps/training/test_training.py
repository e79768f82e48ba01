"""The training steps: run twice, cut off half way, tampered with, recalibrated."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pynomaly.config import Candidate, Degradation, Pipeline
from pynomaly.data.window import Window
from pynomaly.detectors.deadline import fit_within
from pynomaly.errors import ConfigError, LeaseHeldError, NoChampionError
from pynomaly.judging.drift.degradation import Observation
from pynomaly.judging.normal_alerts import NormalAlerts
from pynomaly.model.bundle import Bundle
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry import Registry
from pynomaly.steps.changes import (
    explain_request,
    find_cause,
    find_drift_start,
    find_learned_start,
    find_training_start,
    has_grown,
    has_outlasted,
    has_rare_alerts,
    learned_more,
    recalibrates_again,
)
from pynomaly.steps.gate import check_gate
from pynomaly.steps.promotion.promote import rollback
from pynomaly.steps.training.compare_models import choose_winner
from pynomaly.steps.training.fit_candidates import fit_candidate
from pynomaly.steps.training.planning import hold_training_lease, parse_candidate
from pynomaly.steps.training.prepare import prepare_reference
from pynomaly.steps.training.reference import holds_change
from pynomaly.steps.training.register import register_training
from tests.steps.conftest import MOMENT, learn, plan, start_with_champion

pytestmark = pytest.mark.slow

Make = Callable[..., Pipeline]


def test_parts_share_no_row_and_keep_known_anomalies_out(pipeline: Make) -> None:
    settings = pipeline()
    prepared = prepare_reference(settings, plan(settings).window, MOMENT, settings.training.candidates)
    parts = [pd.read_parquet(prepared.path / f"{name}.parquet") for name in ("fit", "calibration")]
    judged = prepared.load_judged().frame
    keys = [set(zip(part["time"], part["machine"], strict=True)) for part in (*parts, judged)]
    assert not keys[0] & keys[1]
    assert not (keys[0] | keys[1]) & keys[2]
    assert all((part["anomaly"] != 1).all() for part in parts)
    assert judged["time"].min() > max(part["time"].max() for part in parts)


@pytest.mark.slow
def test_the_same_training_leaves_one_version(pipeline: Make) -> None:
    settings = pipeline()
    first, decision = learn(settings, plan(settings))
    assert decision.kind == "promote", decision.reasons
    assert not plan(settings).should_train
    again, _ = learn(settings, plan_as_if_new(settings))
    assert (again.version, again.new) == (first.version, False)
    assert len(Registry.open(settings.tracking_uri, settings.home).list_versions("machines")) == 1


def plan_as_if_new(settings: Pipeline) -> object:
    """The plan of a run that was cut off after it had registered: it decides to finish, not to stop."""
    from dataclasses import replace

    from pynomaly.judging.drift.retraining import RetrainDecision

    return replace(
        plan(settings), decision=RetrainDecision("search", ()), candidates=settings.training.candidates
    )


@pytest.mark.slow
def test_a_training_cut_off_before_its_verdict_is_finished(pipeline: Make) -> None:
    settings = pipeline()
    planned = plan(settings)
    prepared = prepare_reference(settings, planned.window, MOMENT, planned.candidates, planned.asked)
    from pynomaly.steps.training.fit_candidates import fit_candidate

    fitted = [fit_candidate(settings, prepared, item, label) for label, item in prepared.labelled()]
    left = register_training(settings, prepared, fitted, choose_winner(settings, prepared, fitted))
    resumed = plan(settings)
    assert resumed.should_train
    finished, decision = learn(settings, resumed)
    assert finished.version == left.version
    assert decision.kind == "promote", decision.reasons


def test_a_candidate_that_fails_does_not_stop_the_others(
    pipeline: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pynomaly.model.fitting.fitting.fit_within", fit_within)  # the child with its limit
    settings = pipeline(training={"candidates": ["ocsvm", "hbos"], "timeout": "1s"})
    prepared = prepare_reference(settings, plan(settings).window, MOMENT, settings.training.candidates)
    from pynomaly.steps.training.fit_candidates import fit_candidate

    slow = settings.model_copy(
        update={"training": settings.training.model_copy(update={"timeout": timedelta(milliseconds=1)})}
    )
    failed = fit_candidate(slow, prepared, Candidate(detector="ocsvm"), "ocsvm")
    assert "within" in failed.error or "limit" in failed.error or "end" in failed.error
    normal = settings.model_copy(
        update={"training": settings.training.model_copy(update={"timeout": timedelta(minutes=5)})}
    )
    fine = fit_candidate(normal, prepared, Candidate(detector="hbos"), "hbos")
    assert choose_winner(settings, prepared, [failed, fine]).winner == "hbos"


def test_a_changed_byte_closes_the_gate(pipeline: Make) -> None:
    settings = pipeline()
    registered, _ = start_with_champion(settings)
    registry = Registry.open(settings.tracking_uri, settings.home)
    ref = registry.find_version("machines", registered.version)
    assert check_gate(settings, registry, ref).passed
    arrays = next(path for path in registry.fetch_bundle(ref).rglob("*.npz"))
    content = bytearray(arrays.read_bytes())
    content[len(content) // 2] ^= 1
    arrays.write_bytes(bytes(content))
    gate = check_gate(settings, registry, ref)
    assert not gate.passed
    assert "clean process" in gate.reasons[0]


@pytest.mark.slow
def test_a_slow_and_heavy_version_closes_the_gate(pipeline: Make) -> None:
    settings = pipeline(promotion={"max_latency_ms": 1e-6, "max_memory_mb": 1})
    _, decision = learn(settings, plan(settings))
    assert decision.kind == "refuse"
    assert any("one row takes" in r and "set promotion.max_latency_ms" in r for r in decision.reasons)
    assert any("limit 1 MB): set promotion.max_memory_mb" in reason for reason in decision.reasons)
    assert decision.evidence["gate"]["rss_mb"] > 1
    with pytest.raises(NoChampionError):
        Registry.open(settings.tracking_uri, settings.home).resolve_alias("machines", "champion")


def test_rollback_needs_something_to_roll_back_to(pipeline: Make) -> None:
    settings = pipeline()
    start_with_champion(settings)
    with pytest.raises(NoChampionError, match="only champion so far"):
        rollback(settings, MOMENT, "try")


def test_one_training_at_a_time(pipeline: Make) -> None:
    settings = pipeline()
    with (
        hold_training_lease(settings),
        pytest.raises(LeaseHeldError, match="train:machines"),
        hold_training_lease(settings),
    ):
        raise AssertionError("two trainings at once")


@pytest.mark.slow
def test_fifty_events_give_one_training(pipeline: Make) -> None:
    settings = pipeline()
    start_with_champion(settings)
    at = MOMENT + timedelta(minutes=1)
    answers = [plan(settings, at, "event", f"event {number}").decision.remedy for number in range(50)]
    assert set(answers) == {"none"}
    with Ledger.open(settings.ledger_url) as ledger:
        assert len(ledger.list_trainings("machines")) == 1


@pytest.mark.parametrize(
    ("detector", "params", "expected"),
    [
        ("", "", ()),
        ("knn", "", ({},)),
        ("knn", "n_neighbors=5", ({"n_neighbors": 5},)),
        ("iforest", "max_samples=0.5, n_estimators=10", ({"max_samples": 0.5, "n_estimators": 10},)),
    ],
)
def test_a_form_names_a_candidate(
    detector: str, params: str, expected: tuple[dict[str, object], ...]
) -> None:
    assert tuple(item.params for item in parse_candidate(detector, params)) == expected


@pytest.mark.parametrize(("detector", "params"), [("", "a=1"), ("knn", "a"), ("knn", "=1"), ("knn", "a=")])
def test_a_form_that_makes_no_sense(detector: str, params: str) -> None:
    with pytest.raises(ConfigError):
        parse_candidate(detector, params)


def observation(day: int, **changes: object) -> Observation:
    observed = {
        "window": f"202601{day:02d}T000000Z--202601{day + 1:02d}T000000Z",
        "rows": 1000,
        "data": "ok",
        "score": "ok",
        "alert_rate": 0.01,
        "expected_rate": 0.01,
        "alert_status": "ok",
        "performance": None,
        "baseline": None,
        "performance_status": "insufficient_data",
        "reasons": (),
        "positives": 0,
    }
    return Observation(**{**observed, **changes})  # type: ignore[arg-type]


def test_a_change_starts_with_the_unbroken_run_of_bad_windows() -> None:
    good, bad = observation(1), {"data": "drift"}
    assert find_training_start("alert_rate", [good], LEARNED) is None
    assert find_training_start("alert_rate", [observation(1, **bad), observation(2)], LEARNED) is None
    since = find_training_start(
        "alert_rate",
        [observation(1, **bad), observation(2), observation(3, **bad), observation(4, **bad)],
        LEARNED,
    )
    assert since is not None
    assert since.day == 3
    alerts = {"alert_status": "violated"}  # bad before the columns changed, for another cause
    since = find_training_start(
        "alert_rate", [observation(1, **alerts), observation(2, **bad), observation(3, **bad)], LEARNED
    )
    assert since is not None
    assert since.day == 2
    since = find_training_start("alert_rate", [observation(1, **bad), observation(2, **alerts)], LEARNED)
    assert since is not None
    assert since.day == 1


@pytest.mark.parametrize(
    ("newest", "start"), [({"heat": 0.9}, 3), ({"heat": 0.7}, 3), ({"heat": 0.6}, None), ({}, 3)]
)
def test_a_change_that_is_drift_by_what_adds_up_alone_is_over(
    newest: dict[str, float], start: int | None
) -> None:
    """The sensor is back, and its windows together still say that it was away."""
    usual = [observation(day, levels={"heat": 0.4, "power": 0.5, "(score)": 0.5}) for day in (1, 2)]
    away = {"heat": 0.9, "power": 0.45, "(score)": 0.9}
    run = [observation(day, data="drift", levels=away) for day in (3, 4)]
    last = observation(5, data="drift", levels=newest | {"power": 0.5, "(score)": 0.5})
    since = find_drift_start([*usual, *run, last])
    assert (since and since.day) == start


@pytest.mark.parametrize(
    ("days", "window", "lasts"),
    [
        (5, "2026-01-01/2026-01-06", True),
        (4, "2026-01-01/2026-01-05", False),  # it began four days ago
        (5, "2025-12-31/2026-01-06", False),  # rows of before the change, too
    ],
)
def test_a_change_lasts_where_the_reference_holds_nothing_else(days: int, window: str, lasts: bool) -> None:
    start, end = (datetime.fromisoformat(f"{part}T00:00:00+00:00") for part in window.split("/"))
    run = [observation(day, data="drift") for day in range(1, days + 1)]
    key = Window(start, end).key
    assert has_outlasted(run, key, timedelta(days=5)) == lasts
    assert not has_outlasted([*run, observation(days + 1)], key, timedelta(days=5))
    assert not has_outlasted(run, "all", timedelta(days=5))


@pytest.mark.parametrize(
    ("rejected", "alerts", "again"), [(0, "violated", True), (1, "ok", True), (1, "violated", False)]
)
def test_a_refused_recalibration_is_tried_again_unless_alerts_are_far_too_many(
    rejected: int, alerts: str, again: bool
) -> None:
    assert recalibrates_again([observation(1, score="drift", alert_status=alerts)], rejected) == again


def test_no_reference_reaches_behind_what_the_champion_learned() -> None:
    start, end = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 15))
    key = Window(start, end).key
    assert find_learned_start(key) == start
    assert find_learned_start("all") is None


LEARNED = "20260101T000000Z--20260108T000000Z"


@pytest.mark.parametrize(
    ("days", "learned", "reference", "changes", "grown"),
    [
        (14, LEARNED, 28, {}, True),  # twice as long
        (13, LEARNED, 28, {}, False),
        (10, LEARNED, 10, {}, True),  # a whole reference
        (14, LEARNED, 7, {}, False),  # it learned a whole one
        (14, LEARNED, 28, {"data": "drift"}, False),  # another change
        (14, LEARNED, 28, {"alert_status": "violated"}, True),
        (14, "all", 28, {}, False),
    ],
)
def test_a_champion_of_few_rows_has_grown_when_there_are_twice_as_many(
    days: int, learned: str, reference: int, changes: dict[str, object], grown: bool
) -> None:
    windows = [observation(10, **changes), observation(11)]
    until, whole = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days), timedelta(days=reference)
    assert has_grown(windows, learned, until, whole) == grown
    start = max(datetime(2026, 1, 1, tzinfo=UTC), until - whole)
    assert learned_more(windows, learned, Window(start, until).key, whole) == grown
    later = Window(start + timedelta(days=1), until).key  # without the first of its rows
    assert not learned_more(windows, learned, later, whole)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({}, "growth"),
        ({"alert_status": "violated"}, "growth"),
        ({"alert_status": "violated", "performance_status": "none"}, "growth"),
        ({"data": "drift"}, "data_drift"),
        ({"performance_status": "critical"}, "performance"),
    ],
)
def test_more_rows_are_the_cause_unless_performance_or_columns_ask(
    changes: dict[str, object], cause: str
) -> None:
    assert find_cause([observation(1, **changes)], Degradation(), (), grown=True) == cause
    rare = find_cause([observation(1, **changes)], Degradation(), (), grown=True, rare_alerts=True)
    assert rare == ("rare_alerts" if cause == "growth" else cause)


def test_rare_alerts_ask_for_the_rows_since_those_that_the_champion_learned(pipeline: Make) -> None:
    silent = [observation(day, normal=NormalAlerts(300, 0, 3.0)) for day in (1, 2, 3)]
    learned_end = datetime(2026, 1, 8, tzinfo=UTC)
    until = learned_end + timedelta(days=1)
    assert not has_rare_alerts(silent[:2], pipeline())
    assert has_rare_alerts(silent[:2], pipeline(), ("exchangeability",))
    assert has_rare_alerts(silent, pipeline())
    assert "0 of 900 normal rows" in explain_request(silent, LEARNED, until, pipeline())
    assert find_training_start("rare_alerts", silent, LEARNED) == learned_end
    assert find_training_start("rare_alerts", silent, "all") is None


@pytest.mark.parametrize(
    ("days", "labelled", "recalibrates", "enough"),
    [
        (14, 300, False, True),  # people say what is normal
        (13, 299, False, False),  # an incident of two weeks looks the same
        (14, 100, False, True),  # some labels tell one that has lasted from an incident
        (14, 99, False, False),
        (28, 0, False, True),
        (14, 0, True, True),
        (2, 100, True, False),  # too few rows in any case
    ],
)
def test_rows_since_a_change_are_learned_alone_once_labelled_or_lasting(
    pipeline: Make, days: int, labelled: int, recalibrates: bool, enough: bool
) -> None:
    window = Window(MOMENT, MOMENT + timedelta(days=days))
    frame = pd.DataFrame({"anomaly": np.where(np.arange(days * 24) < labelled, 0.0, np.nan)})
    assert holds_change(pipeline(), window, frame, 0, recalibrates) == enough


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({}, "schedule"),
        ({"alert_status": "violated"}, "alert_rate"),
        ({"score": "drift"}, "score_drift"),
        ({"data": "drift", "alert_status": "violated"}, "data_drift"),
        ({"alert_status": "violated", "performance_status": "none"}, "thresholds"),
        ({"score": "drift", "agreement_status": "ok", "injected_status": "none"}, "thresholds"),
        ({"score": "drift", "agreement_status": "ok"}, "score_drift"),
        ({"score": "drift", "agreement_status": "warning", "injected_status": "none"}, "score_drift"),
        ({"data": "drift", "performance_status": "critical"}, "performance"),
    ],
)
def test_what_a_window_suffers_from(changes: dict[str, object], cause: str) -> None:
    assert find_cause([observation(1, **changes)], Degradation()) == cause


def test_known_anomalies_teach_before_the_rows_that_judge_and_of_no_incident_in_them(pipeline: Make) -> None:
    from pynomaly.steps.training.fit_candidates import fit_candidate

    settings = pipeline(training={"holdout": 0.2946})  # the held-out rows begin inside a block
    rows = pd.read_csv(settings.data.path)
    before = rows["time"].str.startswith("2026-01-14 20")
    rows.loc[before, "anomaly"] = 1
    rows.to_csv(settings.data.path, index=False)
    prepared = prepare_reference(settings, plan(settings).window, MOMENT)
    known, judged = prepared.load_rows().collect_known_anomalies().frame, prepared.load_judged().frame
    assert len(known) == prepared.known_rows >= 20
    assert (known["anomaly"] == 1).all()
    assert judged["time"].min() == pd.Timestamp("2026-01-14 21:00", tz="UTC")
    # The hour before was there to be learned from, and is not: it may be the same incident.
    assert before.sum() == 4
    assert known["time"].max() < pd.Timestamp("2026-01-14 20:00", tz="UTC")
    fitted = fit_candidate(settings, prepared, settings.training.candidates[0], "hbos")
    facts = Bundle.load(Path(fitted.folder), fitted.sha256).facts["known_anomalies"]
    assert facts["used"]
    assert facts["known"] == prepared.known_rows


def test_declared_incidents_stay_out_of_training_and_are_counted(pipeline: Make, tmp_path: Path) -> None:
    entry = "- {start: 2026-01-06, end: 2026-01-08, entity: a, name: pump}\n"
    (tmp_path / "incidents.yaml").write_text(entry)
    settings = pipeline(data={"incidents": "incidents.yaml"})
    planned = plan(settings)
    prepared = prepare_reference(settings, planned.window, MOMENT, planned.candidates)
    parts = [pd.read_parquet(prepared.path / f"{name}.parquet") for name in ("fit", "calibration")]
    learned = pd.concat(parts)
    inside = learned["time"].between(pd.Timestamp("2026-01-06T00Z"), pd.Timestamp("2026-01-07T23Z"))
    assert not (inside & (learned["machine"] == "a")).any()
    assert (inside & (learned["machine"] == "b")).any()
    assert 0 < prepared.incident_rows <= 48
    assert any("left out of the reference: 48" in reason for reason in planned.decision.reasons)
    fitted = fit_candidate(settings, prepared, planned.candidates[0], "hbos")
    facts = Bundle.load(Path(fitted.folder), fitted.sha256).facts
    assert facts["incident_rows"] == prepared.incident_rows
    (tmp_path / "incidents.yaml").write_text(entry.replace("entity: a", "entity: b"))
    assert prepare_reference(settings, planned.window, MOMENT, planned.candidates).key != prepared.key
