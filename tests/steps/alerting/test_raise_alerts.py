"""Scored windows become alerts once, go on over the edge of a window, and are told of one by one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pynomaly.config import Alerts, Pipeline, load_pipeline
from pynomaly.data.window import Window
from pynomaly.errors import ConfigError, SourceError
from pynomaly.judging.alerts.alert import Alert
from pynomaly.records.ledger import Answers, Ledger
from pynomaly.steps.alerting.raise_alerts import raise_alerts, read_alerts
from pynomaly.steps.alerting.resolve_alerts import acknowledge_alert, list_alerts, resolve_alert
from pynomaly.steps.promotion.preview_policy import parse_policy, preview_policy
from pynomaly.steps.reporting.overview import describe_status
from pynomaly.steps.scoring.score_windows import score_window
from tests.machines import make_machines, make_small_settings
from tests.steps.conftest import MOMENT, start_with_champion

pytestmark = pytest.mark.slow

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def score_days(settings: Pipeline, first: int, last: int) -> None:
    for day in range(first, last):
        score_window(settings, Window(MOMENT + day * DAY, MOMENT + (day + 1) * DAY))


def standing_of(settings: Pipeline) -> dict[str, Alert]:
    with Ledger.open(settings.ledger_url) as ledger:
        return read_alerts(ledger.answers, settings.name)


def messages_of(settings: Pipeline) -> list[str]:
    with Ledger.open(settings.ledger_url) as ledger:
        return [item.key for item in ledger.outbox.list_undelivered(settings.name)]


def quiet_table(settings: Pipeline) -> pd.DataFrame:
    """The source's table with no spike after the reference, to write incidents into."""
    frame = pd.read_csv(settings.data.path)
    late = pd.to_datetime(frame["time"]) >= MOMENT
    frame.loc[late, ["heat", "power", "noise", "anomaly"]] = [20.0, 5.0, 0.0, 0]
    return frame


def spike(frame: pd.DataFrame, machine: str, hours: list[float], **values: float) -> None:
    for hour in hours:
        at = (pd.to_datetime(frame["time"]) == MOMENT + hour * HOUR) & (frame["machine"] == machine)
        assert at.sum() == 1
        for name, value in values.items():
            frame.loc[at, name] = value


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained pipeline; each test takes its own ledger, store and table from it."""
    folder = tmp_path_factory.mktemp("trained")
    make_machines(28).to_csv(folder / "machines.csv", index=False)
    file = folder / "machines.yaml"
    file.write_text(
        yaml.safe_dump(make_small_settings(alerts={"quantile": 0.05}, training={"candidates": ["gmm"]}))
    )
    settings = load_pipeline(file)
    start_with_champion(settings)
    return folder


@pytest.fixture
def watched(trained: Path, tmp_path: Path) -> Callable[..., Pipeline]:
    """The trained pipeline, its windows quiet but for two incidents, one over the edge of a day."""

    def make(**grouping: object) -> Pipeline:
        kept = load_pipeline(trained / "machines.yaml").model_copy(update={"home": trained / ".pynomaly"})
        shutil.copy(trained / ".pynomaly" / "ledger.db", tmp_path / "ledger.db")
        frame = quiet_table(kept)
        spike(frame, "a", [22, 23, 24, 25], power=60.0)
        spike(frame, "b", [30], heat=200.0, noise=50.0)
        frame.to_csv(tmp_path / "machines.csv", index=False)
        records = {
            "tracking": kept.tracking_uri,
            "ledger": f"sqlite:///{tmp_path / 'ledger.db'}",
            "store": str(tmp_path / "store"),
        }
        target = {"name": "ops", "url_env": "OPS_URL", "on": ["alert"]}
        file = tmp_path / "machines.yaml"
        file.write_text(
            yaml.safe_dump(
                make_small_settings(
                    alerts={"quantile": 0.05},
                    training={"candidates": ["gmm"]},
                    records=records,
                    notify={"targets": [target]},
                    grouping=grouping,
                )
            )
        )
        return load_pipeline(file)

    return make


@pytest.mark.slow
def test_an_alert_is_opened_once_goes_on_and_is_told_once(watched: Callable[..., Pipeline]) -> None:
    settings = watched()
    score_days(settings, 0, 1)
    (first,) = raise_alerts(settings)
    assert (first.opened, first.grown, first.messages) == (1, 0, 1)
    assert (first.to_dict()["told"], first.to_dict()["said"]) == (1, first.note)  # keys in artifacts
    score_days(settings, 1, 2)
    (second,) = raise_alerts(settings)
    assert (second.opened, second.grown, second.messages) == (1, 1, 1)
    assert raise_alerts(settings) == ()
    a, b = sorted(standing_of(settings).values(), key=lambda item: item.entity)
    assert (a.entity, a.rows, a.cause, a.category) == ("a", 4, "power", "collective")
    assert (a.first, a.last) == (MOMENT + 22 * HOUR, MOMENT + 25 * HOUR)
    assert (b.entity, b.rows, b.category) == ("b", 1, "point")
    heat = next(item for item in b.carriers if item.feature == "heat")
    assert heat.actual == 200.0
    assert heat.expected == pytest.approx(20, abs=1)
    assert sum(item.share for item in b.carriers) == pytest.approx(1)
    assert len(messages_of(settings)) == 2


def test_windows_at_once_and_one_by_one_are_the_same_alerts(watched: Callable[..., Pipeline]) -> None:
    settings = watched()
    score_days(settings, 0, 3)
    assert len(raise_alerts(settings)) == 3
    assert sorted(item.rows for item in standing_of(settings).values()) == [1, 4]


@pytest.mark.parametrize("grouping", [{}, {"needed": 2, "of": 3}])
def test_windows_grouped_from_a_moment_on_have_the_alerts_of_all(
    watched: Callable[..., Pipeline], grouping: dict[str, int]
) -> None:
    settings = watched(**grouping)
    score_days(settings, 0, 3)
    raise_alerts(settings)
    expected = {name: (item.row_keys, item.carriers) for name, item in standing_of(settings).items()}
    settings = watched(**grouping)
    for day in range(3):
        score_days(settings, day, day + 1)
        (grouped,) = raise_alerts(settings, since=MOMENT + day * DAY)
        assert grouped.window.startswith(f"{MOMENT + day * DAY:%Y%m%dT}")
    assert expected == {name: (item.row_keys, item.carriers) for name, item in standing_of(settings).items()}
    assert any(len(keys) > 1 for keys, _ in expected.values())


def test_windows_before_the_moment_wait_for_who_groups_all(watched: Callable[..., Pipeline]) -> None:
    settings = watched()
    score_days(settings, 0, 2)
    assert len(raise_alerts(settings, since=MOMENT + DAY)) == 1
    (left,) = raise_alerts(settings)
    assert left.window.startswith(f"{MOMENT:%Y%m%dT}")


def test_a_window_scored_again_gives_the_same_alert_and_no_message(
    watched: Callable[..., Pipeline],
) -> None:
    settings = watched()
    score_days(settings, 0, 2)
    raise_alerts(settings)
    before = standing_of(settings)
    frame = pd.read_csv(settings.data.path)
    spike(frame, "a", [26], power=60.0)
    frame.to_csv(settings.data.path, index=False)
    score_days(settings, 1, 2)
    (again,) = raise_alerts(settings)
    assert (again.opened, again.messages, again.withdrawn) == (0, 0, 0)
    after = standing_of(settings)
    assert set(after) == set(before)
    assert sorted(item.rows for item in after.values()) == [1, 5]
    assert len(messages_of(settings)) == 2


def test_rows_that_alert_no_more_withdraw_their_alert(watched: Callable[..., Pipeline]) -> None:
    settings = watched()
    score_days(settings, 0, 2)
    raise_alerts(settings)
    frame = pd.read_csv(settings.data.path)
    spike(frame, "b", [30], heat=20.0, noise=0.0)
    frame.to_csv(settings.data.path, index=False)
    score_days(settings, 1, 2)
    (again,) = raise_alerts(settings)
    assert again.withdrawn == 1
    assert {item.entity: item.state for item in standing_of(settings).values()} == {
        "a": "open",
        "b": "withdrawn",
    }
    assert [item.entity for item in list_alerts(settings)] == ["a"]


def test_a_process_that_dies_before_the_window_is_marked_leaves_one_record(
    watched: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = watched()
    score_days(settings, 0, 1)
    with monkeypatch.context() as patch:
        patch.setattr(Answers, "add_facts", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            raise_alerts(settings)
    assert standing_of(settings) == {}
    (done,) = raise_alerts(settings)
    assert done.opened == 1
    assert len(messages_of(settings)) == 1


def test_k_of_n_waits_for_enough_rows_also_over_the_edge(watched: Callable[..., Pipeline]) -> None:
    settings = watched(needed=3, of=4)
    score_days(settings, 0, 2)
    raise_alerts(settings)
    (alert,) = standing_of(settings).values()
    assert alert.entity == "a"
    assert alert.first == MOMENT + 22 * HOUR  # the oldest of the rows that confirmed it
    assert alert.rows == 2
    assert alert.windows == (Window(MOMENT + DAY, MOMENT + 2 * DAY).key,)


CALENDAR = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//plant//EN
BEGIN:VEVENT
UID:1
DTSTART:20260119T200000Z
DTEND:20260119T233000Z
SUMMARY:belt change
LOCATION:a
END:VEVENT
END:VCALENDAR
"""


def test_planned_work_is_recorded_and_nobody_is_told(
    watched: Callable[..., Pipeline], tmp_path: Path
) -> None:
    (tmp_path / "work.ics").write_text(CALENDAR.replace("\n", "\r\n"))
    settings = watched(planned="work.ics")
    score_days(settings, 0, 2)
    raise_alerts(settings)
    assert [item.entity for item in list_alerts(settings)] == ["b"]
    (quiet,) = [item for item in list_alerts(settings, quiet=True) if item.quiet]
    assert quiet.quiet.startswith("planned work: belt change")
    assert len(messages_of(settings)) == 1


def test_public_holidays_count_as_planned_work(watched: Callable[..., Pipeline]) -> None:
    settings = watched(holidays="US")  # 19 January 2026 is Martin Luther King Jr. Day
    score_days(settings, 0, 2)
    raise_alerts(settings)
    assert [item.entity for item in list_alerts(settings)] == ["b"]
    (quiet,) = [item for item in list_alerts(settings, quiet=True) if item.quiet]
    assert quiet.quiet.startswith("planned work: Martin Luther King Jr. Day")


def test_a_calendar_that_cannot_be_read_is_said(watched: Callable[..., Pipeline]) -> None:
    settings = watched(planned="gone.ics")
    score_days(settings, 0, 1)
    with pytest.raises(SourceError, match=r"grouping\.planned: .*gone\.ics cannot be read"):
        raise_alerts(settings)


def test_a_past_that_is_filled_in_tells_nobody(watched: Callable[..., Pipeline]) -> None:
    settings = watched()
    score_days(settings, 0, 2)
    score_days(settings, 11, 12)
    raise_alerts(settings)
    assert len(standing_of(settings)) == 2
    assert messages_of(settings) == []


def test_answers_label_the_rows_and_can_be_taken_back(watched: Callable[..., Pipeline]) -> None:
    settings = watched()
    score_days(settings, 0, 2)
    raise_alerts(settings)
    name = next(item.alert for item in list_alerts(settings) if item.entity == "a")
    assert acknowledge_alert(settings, name[:5], "ann", "on it").new
    assert not acknowledge_alert(settings, name, "bob").new
    first = resolve_alert(settings, name, "false-alarm", "ann", "sensor")
    assert (first.labelled, first.alert.state, first.alert.by) == (4, "resolved", "ann")
    assert not resolve_alert(settings, name, "false-alarm", "bob").new
    assert resolve_alert(settings, name, "confirmed", "bob").labelled == 4
    with Ledger.open(settings.ledger_url) as ledger:
        labels = ledger.answers.list_labels(settings.name)
    assert [(label.author, label.truth) for label in labels] == [("ann", 0)] * 4 + [("bob", 1)] * 4
    with pytest.raises(ConfigError, match="was resolved as confirmed by bob already"):
        acknowledge_alert(settings, name, "ann")
    with pytest.raises(ConfigError, match="no alert 'zzz'"):
        acknowledge_alert(settings, "zzz", "ann")


def test_after_a_false_alarm_the_like_of_it_stays_quiet(watched: Callable[..., Pipeline]) -> None:
    settings = watched()
    frame = pd.read_csv(settings.data.path)
    spike(frame, "b", [50], heat=200.0, noise=50.0)
    frame.to_csv(settings.data.path, index=False)
    score_days(settings, 0, 2)
    raise_alerts(settings)
    name = next(item.alert for item in list_alerts(settings) if item.entity == "b")
    resolve_alert(settings, name, "false-alarm", "ann", "door open")
    score_days(settings, 2, 3)
    (third,) = raise_alerts(settings)
    assert (third.opened, third.quiet, third.messages) == (1, 1, 0)
    (later,) = [item for item in list_alerts(settings, quiet=True) if item.quiet]
    assert later.quiet == f"muted: {name}, the like of it, was a false alarm"
    assert later.alike[0]["ending"] == "false-alarm"


def test_a_preview_counts_what_a_policy_would_do_and_writes_nothing(
    watched: Callable[..., Pipeline], tmp_path: Path
) -> None:
    settings = watched()
    score_days(settings, 0, 3)
    raise_alerts(settings)
    before = (tmp_path / "ledger.db").read_bytes()
    same = preview_policy(settings, "quantile:0.05", 60 * DAY)
    assert same["now"]["rows"] == same["then"]["rows"] == 5
    assert same["now"]["events"] == same["then"]["events"] == 2
    assert same["gained"] == same["lost"] == 0
    strict = preview_policy(settings, "quantile:0.0001", DAY)
    assert strict["windows"] == 1
    assert strict["then"]["rows"] == 0
    with pytest.raises(ConfigError, match=r"alerts\.per_day: 5000 of"):
        preview_policy(settings, "budget:5000/day", DAY)
    rare = preview_policy(settings, "quantile:0.000000001", 60 * DAY)
    assert (rare["lost"], rare["gained"]) == (5 - rare["then"]["rows"], 0)
    assert rare["lost"] > 0
    assert (tmp_path / "ledger.db").read_bytes() == before


def test_status_counts_the_events_of_the_newest_window(watched: Callable[..., Pipeline]) -> None:
    settings = watched()
    score_days(settings, 0, 2)
    assert describe_status(settings)["last_events"] is None  # not grouped yet
    raise_alerts(settings)
    newest = preview_policy(settings, "quantile:0.05", DAY)["now"]
    status = describe_status(settings)
    assert (status["last_alerts"], status["last_events"]) == (newest["rows"], newest["events"])
    assert 0 < status["last_events"] < status["last_alerts"]


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("budgt:20/day", "did you mean 'budget'"),
        ("budget:x/day", "expected figures like budget:20/day"),
        ("quantile:0.01:3", "2 figures, but quantile takes 1"),
        ("quantile:0.9", "alerts.quantile 0.9 is not allowed"),
    ],
)
def test_a_policy_that_is_none_is_refused(policy: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_policy(policy, Alerts())


@pytest.mark.parametrize(
    ("policy", "changed"),
    [
        ("budget:7.5/day", {"policy": "budget", "per_day": 7.5}),
        ("cost:20:2", {"policy": "cost", "cost_missed": 20.0, "cost_false_alarm": 2.0}),
        ("cost:20", {"policy": "cost", "cost_missed": 20.0}),
        ("fdr", {"policy": "fdr"}),
    ],
)
def test_a_policy_as_it_is_typed(policy: str, changed: dict[str, object]) -> None:
    assert parse_policy(policy, Alerts()).model_dump() == Alerts().model_dump() | changed


def test_more_needed_than_there_are_is_refused(pipeline: Callable[..., Pipeline]) -> None:
    with pytest.raises(ConfigError, match=r"needed \(3\) must not be more than of \(2\)"):
        pipeline(grouping={"needed": 3, "of": 2})
