"""Alerts on the command line: from scored windows to answers, files and an audit, as a person types it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pynomaly.config import load_pipeline
from pynomaly.data.window import Window
from pynomaly.records.ledger import Ledger
from pynomaly.steps.alerting.raise_alerts import raise_alerts
from pynomaly.steps.scoring.score_windows import score_window
from tests.machines import make_machines
from tests.steps.conftest import MOMENT, learn, plan

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)


def test_from_alert_to_answer_to_audit(command: Any, pipeline_file: Any, tmp_path: Path) -> None:
    file = pipeline_file(make_machines(21), training={"candidates": ["hbos"]})
    assert command("alerts", file).out.strip() == "machines: no alert (open)"
    assert command("audit", file).code == 2
    settings = load_pipeline(file)
    learn(settings, plan(settings))
    for day in range(2):
        score_window(settings, Window(MOMENT + day * DAY, MOMENT + (day + 1) * DAY))
    raise_alerts(settings)

    shown = command("alerts", file)
    assert shown.code == 0
    assert max(len(line.rstrip()) for line in shown.out.splitlines()) <= 80
    listed = command("alerts", file, "--limit", 100, "--json").json
    assert listed["total"] == len(listed["alerts"]) >= 3
    first = listed["alerts"][0]
    one = command("alerts", file, "--show", first["alert"][:10])
    assert "what carries it" in one.out
    assert max(len(line.rstrip()) for line in one.out.splitlines()) <= 80
    assert command("ack", file, first["alert"], "--by", "ann", "--json").json["alert"]["by"] == "ann"
    ended = command("resolve", file, first["alert"], "--as", "confirmed", "--by", "ann", "--json").json
    assert (ended["alert"]["state"], ended["labelled"]) == ("resolved", first["rows"])
    assert command("ack", file, first["alert"]).code == 2
    assert "did you mean 'confirmed'" in command("resolve", file, first["alert"], "--as", "confirm").err
    assert command("alerts", file, "--state", "opened").err.startswith("pynomaly: no state 'opened'; did you")

    for ending in ("csv", "json", "parquet", "xlsx"):
        output = tmp_path / f"alerts.{ending}"
        answer = command("alerts", file, "--state", "all", "--output", output, "--json").json
        assert answer == {"output": str(output), "format": ending, "alerts": listed["total"]}
        assert output.stat().st_size > 100
    documents = [json.loads(line) for line in (tmp_path / "alerts.json").read_text().splitlines()]
    assert {item["pynomaly"]["alert"] for item in documents} == {item["alert"] for item in listed["alerts"]}
    assert command("alerts", file, "--output", tmp_path / "alerts.xls").code == 2
    assert not (tmp_path / "alerts.xls").exists()

    assert command("preview", file, "--policy", "quantile:0.2", "--json").json["gained"] > 0
    assert "on record" in command("preview", file, "--policy", "budget:3/day", "--last", "9d").out
    assert command("preview", file, "--policy", "budget:3/day", "--last", "soon").code == 2

    table = tmp_path / "audit.csv"
    drawn = command("audit", file, "--rows", 20, "--output", table, "--json").json
    assert drawn["rows"] == 20
    assert command("audit", file, "--rows", 20, "--output", table).code == 2  # it may hold answers
    pd.read_csv(table).assign(label=0).to_csv(table, index=False)
    judged = command("audit", file, "--labels", table, "--by", "ann", "--json").json
    assert (judged["new"], judged["answered"], judged["precision"]["value"]) == (20, 20, 0.0)
    alerted = next(item for item in judged["strata"] if item["name"] == "alerted")
    assert judged["powered"]["reason"].startswith(
        f"0 true and {alerted['sampled']} false alerts are answered"
    )
    assert "precision by the answers alone" in command("audit", file).out
    with Ledger.open(settings.ledger_url) as ledger:
        rows = ledger.answers.list_audits("machines")[-1].content["rows"]
    ranks = [row["rank"] for row in rows if row["stratum"] == "alerted"]
    places = [rank * alerted["population"] - 0.5 for rank in ranks]
    assert places == pytest.approx([round(place) for place in places])
    assert sorted(rows, key=lambda row: -row["score"])[0]["rank"] == min(ranks)
    assert all(row["rank"] is None for row in rows if row["stratum"] != "alerted")
    counted = command("labels", file, "--json").json
    assert counted["labels"] == 20 + first["rows"]


@pytest.mark.parametrize(
    "arguments",
    [("--csv", "gone.csv"), ("--csv", "a.csv", "--sql", "select 1"), ("--sql", "select 1")],
)
def test_labels_that_cannot_be_read_are_one_message(
    command: Any, pipeline_file: Any, arguments: tuple[str, ...]
) -> None:
    answer = command("labels", pipeline_file(), *arguments)
    assert answer.code == 2
    assert len(answer.err.strip().splitlines()) == 1
