"""Which windows are due, and what scoring and judging them leaves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from pynomaly.config import Pipeline
from pynomaly.data.sources import read_source
from pynomaly.data.window import Window
from pynomaly.errors import ConfigError, QualityError, WindowError
from pynomaly.records.ledger import Ledger
from pynomaly.records.ledger.decision_evidence import DegradationEvidence
from pynomaly.records.registry import Registry
from pynomaly.steps.monitoring.monitor_window import MonitoredWindow, monitor_window
from pynomaly.steps.scoring.due_windows import MAX_WINDOWS_AT_ONCE, find_due_windows, resolve_moment
from pynomaly.steps.scoring.score_windows import score_window
from tests.steps.conftest import MOMENT, start_with_champion

Make = Callable[..., Pipeline]
DAY = timedelta(days=1)


@pytest.mark.slow
def test_due_since_the_reference_then_since_the_last_partition(pipeline: Make) -> None:
    settings = pipeline()
    start_with_champion(settings)
    due = find_due_windows(settings, MOMENT + 3 * DAY)
    assert [window.start for window in due.windows if window] == [MOMENT, MOMENT + DAY, MOMENT + 2 * DAY]
    for window in due.windows:
        score_window(settings, window)
    assert find_due_windows(settings, MOMENT + 4 * DAY).windows == (
        Window(MOMENT + 3 * DAY, MOMENT + 4 * DAY),
    )


def test_after_a_long_stop_one_run_catches_up_and_says_what_waits(pipeline: Make) -> None:
    settings = pipeline()
    start_with_champion(settings)
    due = find_due_windows(settings, MOMENT + 200 * DAY)
    assert len(due.windows) == MAX_WINDOWS_AT_ONCE
    assert due.windows[-1] == Window(MOMENT + 199 * DAY, MOMENT + 200 * DAY)
    assert "140 older windows" in due.left_out


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        ("", MOMENT + 300 * DAY),
        ("latest", datetime(2026, 2, 1, 23, tzinfo=UTC)),
        ("2026-01-20T02:00:00+02:00", datetime(2026, 1, 20, tzinfo=UTC)),
    ],
)
def test_what_a_run_stands_for(pipeline: Make, as_of: str, expected: datetime) -> None:
    moment = resolve_moment(pipeline(), as_of, MOMENT + 300 * DAY)
    assert expected <= moment <= expected + timedelta(seconds=1)


def test_a_scored_window_says_how_many_rows_were_mended(pipeline: Make, tmp_path: Path) -> None:
    settings = pipeline()
    start_with_champion(settings)
    table = pd.read_csv(tmp_path / "machines.csv")
    table.loc[table.index[table["time"].str.startswith("2026-01-19")][:3], "heat"] = None
    table.to_csv(tmp_path / "machines.csv", index=False)
    window = Window(MOMENT, MOMENT + DAY)
    assert score_window(settings, window).touched == 3
    assert score_window(settings, window).touched is None


def test_a_range_needs_both_ends_time_and_a_complete_window(pipeline: Make) -> None:
    settings = pipeline()
    with pytest.raises(ConfigError, match="both"):
        find_due_windows(settings, MOMENT, start="2026-01-19T00:00:00Z")
    with pytest.raises(WindowError, match="no complete window"):
        find_due_windows(settings, MOMENT, start="2026-01-19T01:00:00Z", end="2026-01-19T23:00:00Z")
    timeless = pipeline(data={"time": None, "id": None})
    with pytest.raises(ConfigError, match="no time column"):
        find_due_windows(timeless, MOMENT, start="2026-01-19T00:00:00Z", end="2026-01-20T00:00:00Z")


def test_late_data_are_scored_again_and_said(pipeline: Make, tmp_path: Path) -> None:
    settings = pipeline()
    start_with_champion(settings)
    window = Window(MOMENT, MOMENT + DAY)
    first = score_window(settings, window)
    table = pd.read_csv(tmp_path / "machines.csv")
    table.loc[table["time"].str.startswith("2026-01-19 05"), "heat"] += 1
    table.to_csv(tmp_path / "machines.csv", index=False)
    second = score_window(settings, window)
    assert second.new
    assert second.sha256 != first.sha256
    assert second.path == first.path
    with Ledger.open(settings.ledger_url) as ledger:
        assert len(ledger.list_partitions("machines")) == 1
        assert ledger.find_last_decision("machines", "score", "again") is not None


def test_a_lost_partition_is_written_again_byte_for_byte(pipeline: Make) -> None:
    settings = pipeline()
    start_with_champion(settings)
    window = Window(MOMENT, MOMENT + DAY)
    first = score_window(settings, window)
    Path(first.path).unlink()
    assert score_window(settings, window).sha256 == first.sha256


def test_a_blocked_window_leaves_a_decision_and_no_scores(pipeline: Make, tmp_path: Path) -> None:
    settings = pipeline()
    start_with_champion(settings)
    table = pd.read_csv(tmp_path / "machines.csv")
    table.loc[table["time"].str.startswith("2026-01-19"), "heat"] = float("inf")
    table.to_csv(tmp_path / "machines.csv", index=False)
    window = Window(MOMENT, MOMENT + DAY)
    with pytest.raises(QualityError, match="heat"):
        score_window(settings, window)
    with Ledger.open(settings.ledger_url) as ledger:
        assert ledger.find_partition("machines", window) is None
        blocked = ledger.find_last_decision("machines", "quality", "block")
    assert blocked is not None
    assert list((Path(settings.store_root) / "machines" / "quarantine").glob(f"{window.key}*"))


def test_a_page_that_fails_does_not_stop_the_verdict(pipeline: Make) -> None:
    settings = pipeline()
    start_with_champion(settings)
    for page in (Path(settings.store_root) / "machines" / "references").iterdir():
        page.unlink()
    verdict = monitor_window(settings, Window(MOMENT, MOMENT + 7 * DAY), MOMENT + 7 * DAY)
    assert verdict.degradation.state == "normal"
    assert verdict.report == ""
    assert "reference" in verdict.report_error


@pytest.mark.slow
def test_labels_that_are_not_in_yet_are_not_seen(pipeline: Make) -> None:
    settings = pipeline(data={"label_delay": "30d"}, degradation={"min_positives": 5})
    start_with_champion(settings)
    window, end = Window(MOMENT, MOMENT + 7 * DAY), MOMENT + 7 * DAY
    assert monitor_window(settings, window, end).observation.positives == 0


@pytest.mark.slow
def test_a_window_is_one_set_to_the_fdr_policy(pipeline: Make) -> None:
    settings = pipeline(alerts={"policy": "fdr", "fdr": 0.2})
    start_with_champion(settings)
    window = Window(MOMENT, MOMENT + DAY)
    table = pd.read_parquet(score_window(settings, window).path)
    registry = Registry.open(settings.tracking_uri, settings.home)
    bundle = registry.load_bundle(registry.resolve_alias("machines", "champion"))
    assert bundle.policy.kind == "fdr"
    decided = bundle.policy.flag_window(table["p_value"], bundle.calibration.resolution)
    assert table["is_anomaly"].tolist() == decided.tolist()
    rows = read_source(settings.data, window)
    assert table["p_value"].tolist() == bundle.score(rows)["p_value"].tolist()


@pytest.mark.slow
@pytest.mark.parametrize(("shift_day", "state"), [(15, "withdrawn"), (None, "kept")])
def test_a_verdict_says_whether_the_guarantee_stands(
    pipeline: Make, shift_day: int | None, state: str
) -> None:
    settings = pipeline(shift_day=shift_day)
    start_with_champion(settings)
    judged = monitor_window(settings, Window(MOMENT, MOMENT + 7 * DAY), MOMENT + 7 * DAY)
    assert judged.exchangeability.state == state, judged.exchangeability
    anomalies = int(read_source(settings.data, Window(MOMENT, MOMENT + 7 * DAY))["anomaly"].sum())
    assert 0 < judged.to_dict()["exchangeability"]["rows"] <= judged.observation.rows - anomalies
    with Ledger.open(settings.ledger_url) as ledger:
        verdict = ledger.find_last_decision("machines", "degradation")
    assert verdict is not None
    assert verdict.evidence["exchangeability"]["state"] == state


@pytest.mark.slow
def test_checks_without_labels_run_at_their_cadence_and_are_on_record(pipeline: Make) -> None:
    # 96 rows a day, some of them known anomalies: fewer than the 100 that a verdict needs by default.
    settings = pipeline(
        windows={"reference": "14d", "monitor": "1d"}, degradation={"check_every": "3d", "min_rows": 50}
    )
    registered, _ = start_with_champion(settings)
    assert registered.probe is not None
    assert registered.probe["agreement"] > 0.5
    observations = []
    for day in range(4):
        end = MOMENT + (day + 1) * DAY
        observations.append(monitor_window(settings, Window(end - DAY, end), end).observation)
    due = [item.injected_status != "not_due" for item in observations]
    assert due == [True, False, False, True]
    with Ledger.open(settings.ledger_url) as ledger:
        verdict = ledger.find_last_decision("machines", "degradation")
    assert verdict is not None
    assert {item["name"] for item in verdict.evidence["aspects"]} >= {
        "data",
        "features",
        "scores",
        "injected",
    }


def test_a_champion_without_a_measurement_at_training_is_never_normal(pipeline: Make) -> None:
    settings = pipeline()
    start_with_champion(settings)
    with Ledger.open(settings.ledger_url) as ledger:
        training = ledger.list_trainings("machines")[0]
        old = {name: value for name, value in training.detail["registered"].items() if name != "probe"}
        ledger.put_training(
            key=training.key,
            pipeline="machines",
            as_of=training.as_of,
            data_hash=training.data_hash,
            version=training.version,
            outcome=training.outcome,
            detail={**training.detail, "registered": old},
        )
    verdict = monitor_window(settings, Window(MOMENT, MOMENT + 7 * DAY), MOMENT + 7 * DAY)
    assert verdict.observation.injected_status == "not_computable"
    assert verdict.degradation.state == "warning"
    aspects = {item.name: item.status for item in verdict.aspects}
    assert aspects["injected"] == aspects["agreement"] == "insufficient_data"
    assert "no measurement at training" in " ".join(verdict.observation.reasons)


@pytest.mark.slow
def test_pages_that_take_no_report_stop_no_verdict(pipeline: Make, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = pipeline(records={"evidently": str(tmp_path / "file" / "pages")})
    start_with_champion(settings)
    score_window(settings, Window(MOMENT, MOMENT + DAY))
    judged = monitor_window(settings, Window(MOMENT, MOMENT + 7 * DAY), MOMENT + 7 * DAY)
    assert Path(judged.report).is_file()
    assert "Evidently's pages" in judged.report_error
    assert judged.degradation is not None


def judge_weeks(settings: Pipeline, weeks: int) -> list[MonitoredWindow]:
    ends = [MOMENT + (number + 1) * 7 * DAY for number in range(weeks)]
    return [monitor_window(settings, Window(end - 7 * DAY, end), end) for end in ends]


@pytest.mark.slow
def test_labels_that_come_late_are_judged_when_they_are_due_as_a_new_line(pipeline: Make) -> None:
    settings = pipeline(days=42, data={"label_delay": "8d"}, degradation={"min_positives": 3})
    registered, _ = start_with_champion(settings)
    assert registered.rung == "injected", "labels of the held-out rows were not in at the training"
    judged = judge_weeks(settings, 4)
    waits = judged[0].observation
    assert (waits.performance_status, waits.violated) == ("waiting", False)
    assert waits.labels_due == (MOMENT + 15 * DAY).isoformat()
    keys = [item.window for item in judged]
    assert [item.judged_again for item in judged] == [(), (), (keys[0],), (keys[1],)]
    with Ledger.open(settings.ledger_url) as ledger:
        verdicts = ledger.list_decisions("machines", "degradation")
        records = [ledger.find_observation("machines", key, 1) for key in keys]
    # No labels judged the version: the first week with labels is what the second is compared with.
    assert records[0] is not None
    assert records[0].observation["kept"]
    assert "what later windows are compared with" in " ".join(records[0].observation["reasons"])
    assert records[1] is not None
    assert records[1].observation["performance_status"] == "none"
    assert records[1].observation["labels_due"] is None
    late, before = (DegradationEvidence.of(item) for item in verdicts if item.subject == keys[1])
    assert (late.judged_late, before.judged_late) == (True, None)
    assert before.observation["performance_status"] == "waiting"
    assert late.observation["performance_status"] == "none"
    assert "kept" not in late.observation


@pytest.mark.slow
def test_late_labels_of_a_window_that_cannot_be_read_are_bad_and_say_why(
    pipeline: Make, tmp_path: Path
) -> None:
    settings = pipeline(data={"label_delay": "3d"}, degradation={"min_positives": 5})
    start_with_champion(settings)
    first = judge_weeks(settings, 1)[0].window
    table = pd.read_csv(tmp_path / "machines.csv")
    table[pd.to_datetime(table["time"]) >= pd.Timestamp(MOMENT + 7 * DAY)].to_csv(
        tmp_path / "machines.csv", index=False
    )
    end = MOMENT + 10 * DAY
    assert monitor_window(settings, Window(end - 3 * DAY, end), end).judged_again == (first,)
    with Ledger.open(settings.ledger_url) as ledger:
        record = ledger.find_observation("machines", first, 1)
    assert record is not None
    assert record.observation["performance_status"] == "not_computable"
    assert "labels are due, but" in record.observation["reasons"][-1]
