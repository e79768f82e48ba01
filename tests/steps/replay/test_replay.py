"""A replay: the same rows under several policies, with the decisions of production and without a trace."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from flows.cli import app
from pynomaly.config import Pipeline
from pynomaly.data.window import Window
from pynomaly.errors import ConfigError, PynomalyError, WindowError
from pynomaly.records.figures import draw_policies
from pynomaly.steps.replay.history import ReplayHistory
from pynomaly.steps.replay.replay import replay
from pynomaly.steps.replay.replay_training import compare_challenger, rule_on_challenger, train_on_reference

pytestmark = pytest.mark.slow

START, END = datetime(2026, 1, 19, tzinfo=UTC), datetime(2026, 2, 16, tzinfo=UTC)
Make = Callable[..., Pipeline]


def walked(settings: Pipeline, policies: tuple[str, ...] = ("never", "weekly", "drift", "ours")) -> Any:
    return replay(settings, START, END, policies)


def without_seconds(result: dict[str, Any]) -> dict[str, Any]:
    policies = {name: {**figures, "seconds": 0} for name, figures in result["policies"].items()}
    return {**result, "policies": policies}


@pytest.mark.slow
def test_a_shift_is_told_apart_by_policy_and_nothing_is_written(pipeline: Make, tmp_path: Path) -> None:
    settings = pipeline(days=42, shift_day=21)
    before = sorted(tmp_path.rglob("*"))
    result = walked(settings)
    assert sorted(tmp_path.rglob("*")) == before
    assert not settings.home.exists()
    again = without_seconds(walked(settings, ("ours",)))
    assert again["policies"]["ours"] == without_seconds(result)["policies"]["ours"]
    assert again["episodes"] == result["episodes"]
    never, weekly, drift, ours = (result["policies"][name] for name in ("never", "weekly", "drift", "ours"))
    assert (never["trainings"], never["promotions"], never["decisions"]) == (1, 1, [])
    # Four windows: the first model, and one refit after each window but the last.
    assert weekly["trainings"] == weekly["promotions"] == 4
    assert 1 < drift["trainings"] <= 4
    assert 1 < ours["promotions"] <= ours["trainings"]
    assert ours["alerts_per_day"] < never["alerts_per_day"]
    shared = [figures["windows"][0] for figures in result["policies"].values()]
    assert all(window == shared[0] for window in shared)
    assert len({figures["episodes"] for figures in result["policies"].values()}) == 1
    picture = draw_policies(result)
    assert picture.startswith(b"\x89PNG")
    assert picture == draw_policies(result)


def test_a_tie_promotes_nobody(pipeline: Make) -> None:
    past = ReplayHistory.read(pipeline(), START, datetime(2026, 2, 2, tzinfo=UTC), every=False)
    student = train_on_reference(past, START)
    ruling = rule_on_challenger(past, student, compare_challenger(past, student, student))
    assert ruling.kind == "refuse"
    assert "only superior promotes" in ruling.reasons[0]


@pytest.mark.slow
def test_a_period_of_ones_own_is_a_policy(pipeline: Make) -> None:
    policies = walked(pipeline(days=42), ("every:14d", "weekly"))["policies"]
    assert [at[:10] for at in policies["every:14d"]["trained_at"]] == ["2026-01-19", "2026-02-02"]
    assert policies["weekly"]["trainings"] == 4
    assert policies["every:14d"]["decisions"][0]["reasons"] == ["14d since the last training"]


def test_higher_promotes_what_has_a_higher_metric_alone(pipeline: Make) -> None:
    result = walked(pipeline(days=42, shift_day=21), ("higher", "weekly"))["policies"]
    decisions = result["higher"]["decisions"]
    assert len(decisions) == 3
    assert result["higher"]["promotions"] == 1 + sum(item["decision"] == "promote" for item in decisions)
    for item in decisions:
        metric, challenger, _, champion = item["reasons"][1].split()
        assert metric == "average_precision"
        assert (float(challenger) > float(champion)) == (item["decision"] == "promote")
    assert {item["decision"] for item in decisions} == {"promote", "refuse"}
    assert result["weekly"]["promotions"] == 4


def test_the_report_judges_by_a_truth_that_decisions_do_not_see(pipeline: Make, tmp_path: Path) -> None:
    settings = pipeline(days=42)
    path = Path(settings.data.path)
    table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    label = str(settings.data.label)
    table["truth"] = table[label]
    table[label] = None
    hidden = tmp_path / f"hidden{path.suffix}"
    write = table.to_csv if path.suffix == ".csv" else table.to_parquet
    write(hidden, index=False)
    data = settings.data.model_copy(update={"path": str(hidden), "ignore": (*settings.data.ignore, "truth")})
    settings = settings.model_copy(update={"data": data})
    figures = replay(settings, START, END, ("never",), truth="truth")["policies"]["never"]
    known = replay(pipeline(days=42), START, END, ("never",))["policies"]["never"]
    assert figures["judged_windows"] == known["judged_windows"] > 0
    assert figures["average_precision"] > 2 * table["truth"].mean()
    assert replay(settings, START, END, ("never",))["policies"]["never"]["judged_windows"] == 0
    with pytest.raises(ConfigError, match="no column 'truht'"):
        replay(settings, START, END, ("never",), truth="truht")


def test_nothing_is_promoted_where_only_a_person_may(pipeline: Make) -> None:
    settings = pipeline(days=42, shift_day=21, promotion={"mode": "never"})
    ours = walked(settings, ("ours",))["policies"]["ours"]
    assert ours["trainings"] > 1
    assert ours["promotions"] == 1
    assert any("promotion.mode is never" in why for item in ours["decisions"] for why in item["reasons"])


def test_late_labels_are_seen_by_nothing_that_decides(pipeline: Make) -> None:
    past = ReplayHistory.read(
        pipeline(data={"label_delay": "3d"}), START, datetime(2026, 2, 2, tzinfo=UTC), every=False
    )
    rows = past.slice(Window(START, datetime(2026, 1, 26, tzinfo=UTC)), datetime(2026, 1, 26, tzinfo=UTC))
    late = rows["time"] > datetime(2026, 1, 23, tzinfo=UTC)
    assert rows.loc[late, "anomaly"].isna().all()
    assert rows.loc[~late, "anomaly"].notna().all()
    assert rows["pynomaly.truth"].notna().all()


def test_without_labels_quality_is_said_not_to_be_computable(pipeline: Make) -> None:
    settings = pipeline(days=42, data={"label": None, "ignore": ["anomaly"]})
    figures = walked(settings, ("never",))["policies"]["never"]
    assert figures["average_precision"] is None
    assert figures["caught_share"] is None
    assert all(window["not_computable"] for window in figures["windows"])
    assert 0 < figures["events_per_day"] <= figures["alerts_per_day"]


@pytest.mark.parametrize(
    ("start", "end", "policies", "error", "message"),
    [
        (START, END, ("sometimes",), ConfigError, "sometimes"),
        (START, END, ("every:",), ConfigError, "not a duration"),
        (START, END, ("every:0d",), ConfigError, "never stop refitting"),
        (START, END, (), ConfigError, "never"),
        (END, START, ("never",), WindowError, "reversed"),
        (START, datetime(2026, 1, 21, tzinfo=UTC), ("never",), WindowError, "no window of"),
        (datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 2, 1, tzinfo=UTC), ("never",), WindowError, "row"),
        (datetime(2026, 1, 5, tzinfo=UTC), END, ("never",), PynomalyError, "no row lies in the reference"),
    ],
)
def test_bad_questions_are_refused(
    pipeline: Make, start: datetime, end: datetime, policies: tuple[str, ...], error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        replay(pipeline(), start, end, policies)


def test_a_table_without_time_has_no_past(pipeline: Make) -> None:
    settings = pipeline(data={"time": None, "ignore": ["time"]})
    with pytest.raises(ConfigError, match=r"data\.time"):
        replay(settings, START, END)


def asked(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["replay", *arguments])


def test_the_command_prints_draws_and_refuses(pipeline: Make, tmp_path: Path) -> None:
    config, output = str(pipeline().origin), tmp_path / "out"
    span = ("--from", "2026-01-19", "--to", "2026-02-02")
    answer = asked(config, *span, "--policy", "never", "--json", "--output", str(output))
    assert answer.exit_code == 0, answer.output
    printed = json.loads(answer.stdout)
    assert list(printed["policies"]) == ["never"]
    assert json.loads((output / "replay.json").read_text()) == printed
    assert (output / "replay.png").read_bytes().startswith(b"\x89PNG")
    shown = asked(config, *span, "--policy", "never").stdout
    assert max(map(len, shown.splitlines())) <= 80
    with pytest.raises(ConfigError, match="sometimes"):
        raise asked(config, *span, "--policy", "sometimes").exception or AssertionError("not refused")
