"""What people answered teaches the next training, never judges it, and no one person decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pynomaly.config import Pipeline
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError, ConfigError, RecordError, SourceError
from pynomaly.records.ledger import Label, Ledger
from pynomaly.steps.alerting.audit_answers import find_audit, judge_audit, label_audit
from pynomaly.steps.alerting.audit_sample import draw_audit
from pynomaly.steps.alerting.feedback import read_feedback
from pynomaly.steps.alerting.labels import add_labels_from_csv, add_labels_from_query, count_labels
from pynomaly.steps.scoring.score_windows import score_window
from pynomaly.steps.training.prepare import prepare_reference
from tests.steps.conftest import MOMENT, learn, plan, start_with_champion

Make = Callable[..., Pipeline]
DAY = timedelta(days=1)


@pytest.fixture
def unlabelled(pipeline: Make) -> Callable[..., Pipeline]:
    """The same machines, whose source knows no labels."""

    def make(**blocks: object) -> Pipeline:
        return pipeline(data={"label": None, "ignore": ["anomaly"]}, **blocks)

    return make


def rows_of(settings: Pipeline) -> pd.DataFrame:
    frame = pd.read_csv(settings.data.path)
    return frame.assign(time=pd.to_datetime(frame["time"]))


def judge(settings: Pipeline, name: str = "") -> dict[str, Any]:
    return judge_audit(settings, find_audit(settings, name))


def answer(settings: Pipeline, rows: pd.DataFrame, truth: int, author: str = "ann") -> None:
    labels: Iterable[Label] = (
        Label(
            f"{author}:{number}:{truth}",
            settings.name,
            row.machine,
            row.time.isoformat(),
            truth,
            "csv",
            author,
        )
        for number, row in enumerate(rows.itertuples())
    )
    with Ledger.open(settings.ledger_url) as ledger:
        ledger.answers.add_facts(*labels)


def prepared(settings: Pipeline):
    planned = plan(settings)
    return planned, prepare_reference(settings, planned.window, MOMENT, planned.candidates, planned.asked)


def test_confirmed_rows_leave_the_fit_and_teach(unlabelled: Callable[..., Pipeline]) -> None:
    settings = unlabelled()
    before_plan, before = prepared(settings)
    assert before.known_rows == before.labelled_rows == 0
    frame = rows_of(settings)
    odd = frame[(frame["anomaly"] == 1) & (frame["time"] < MOMENT)]
    answer(settings, odd, 1)
    after_plan, after = prepared(settings)
    assert after.key != before.key
    assert after_plan.asked != before_plan.asked
    held = pd.Timestamp(after.held_from)
    early = odd[odd["time"] < held]
    assert after.labelled_rows == len(early)
    assert 20 <= after.known_rows <= len(early)
    assert after.fit_rows + after.calibration_rows == before.fit_rows + before.calibration_rows - len(early)
    assert after.judged_rows < before.judged_rows  # what was confirmed there is no normal row to judge by
    assert after.rung == "injected"
    assert "rows they confirmed are left out of the fit and teach" in after.alerts_said
    again_plan, again = prepared(settings)
    assert (again_plan.asked, again.key) == (after_plan.asked, after.key)


@pytest.mark.slow
def test_the_gain_of_learning_from_answers_is_reported(unlabelled: Callable[..., Pipeline]) -> None:
    settings = unlabelled()
    frame = rows_of(settings)
    answer(settings, frame[(frame["anomaly"] == 1) & (frame["time"] < MOMENT)], 1)
    registered, _ = learn(settings, plan(settings))
    (note,) = [item for item in registered.notes if "known anomalies" in item]
    assert "average precision" in note


@pytest.mark.slow
def test_false_alarms_are_learned_as_normal(unlabelled: Callable[..., Pipeline]) -> None:
    settings = unlabelled(
        training={"exclude_alerts": 0.02, "exclude_alerts_cap": 0.4}, feedback={"per_author": 9999}
    )
    start_with_champion(settings)
    later = MOMENT + 7 * DAY
    window = Window(later - 14 * DAY, later)
    before = prepare_reference(settings, window, later, asked="other")
    assert before.alerted_rows > 5
    frame = rows_of(settings)
    answer(settings, frame[(frame["time"] >= window.start) & (frame["time"] < window.end)], 0)
    after = prepare_reference(settings, window, later, asked="other")
    assert after.alerted_rows < before.alerted_rows
    assert f"{before.alerted_rows - after.alerted_rows} alerts they called false" in after.alerts_said


def test_one_author_counts_up_to_the_cap_and_the_newest_answer_stands(
    unlabelled: Callable[..., Pipeline],
) -> None:
    settings = unlabelled(feedback={"per_author": 10})
    frame = rows_of(settings)
    answer(settings, frame[:30], 1, "ann")
    answer(settings, frame[5:10], 0, "bob")
    feedback = read_feedback(settings, frame)
    assert (len(feedback.rows), feedback.authors, feedback.capped) == (15, 2, 15)
    truth = feedback.read_truth(settings, frame)
    assert (truth[5:10] == 0).all()
    assert (truth[20:30] == 1).all()
    assert pd.isna(truth[:5]).all()
    assert pd.isna(truth[10:20]).all()


def test_answers_about_other_rows_change_nothing(unlabelled: Callable[..., Pipeline]) -> None:
    settings = unlabelled()
    frame = rows_of(settings)
    key = plan(settings).asked
    answer(settings, frame[frame["time"] >= MOMENT + DAY], 1)
    assert plan(settings).asked == key
    assert read_feedback(settings, frame[frame["time"] < MOMENT]).digest == ""


def test_labels_of_a_table_and_of_a_query_are_added_once(
    unlabelled: Callable[..., Pipeline], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = unlabelled()
    table = rows_of(settings)[:6].assign(label=["1", "0", "", "anomaly", "false-alarm", "TRUE"])
    table = table[["time", "machine", "label"]].assign(author=["", "", "", "bob", "", ""])
    table.to_csv(tmp_path / "labels.csv", index=False)
    first = add_labels_from_csv(settings, tmp_path / "labels.csv", "ann")
    assert (first.rows, first.new, first.empty) == (6, 5, 1)
    assert add_labels_from_csv(settings, tmp_path / "labels.csv", "ann").new == 0
    from sqlalchemy import create_engine

    engine = create_engine(f"sqlite:///{tmp_path / 'plant.db'}")
    table.assign(label=[1, 1, 0, 0, 0, 0], time=table["time"].map(str)).to_sql(
        "verdicts", engine, index=False
    )
    engine.dispose()
    monkeypatch.setenv("PLANT_DB", f"sqlite:///{tmp_path / 'plant.db'}")
    assert add_labels_from_query(settings, "select * from verdicts", "PLANT_DB", "eve").new == 6
    counts = count_labels(settings)
    assert (counts["labels"], counts["rows"], counts["disputed"]) == (11, 6, 3)
    labels_of = {(item["source"], item["author"]): item["labels"] for item in counts["given"]}
    assert labels_of == {("csv", "ann"): 4, ("csv", "bob"): 1, ("sql", "eve"): 5, ("sql", "bob"): 1}


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("time,machine,label\n2026-01-05T00:00:00Z,a,maybe\n", SourceError, "row 1: label 'maybe'"),
        ("time,machine,label\n2026-01-05T00:00:00,a,1\n", SourceError, "has no offset"),
        ("time,machine,label\nnever,a,1\n", SourceError, "'never' is no time"),
        ("time,machine,label\n,a,1\n", SourceError, "the time is missing"),
        ("time,label\n2026-01-05T00:00:00Z,1\n", ColumnError, "no column 'machine'"),
        ("", SourceError, "is no table of labels"),
    ],
)
def test_bad_labels_are_one_message_and_add_nothing(
    unlabelled: Callable[..., Pipeline], tmp_path: Path, content: str, error: type[Exception], message: str
) -> None:
    settings = unlabelled()
    good = "2026-01-05T00:00:00Z,b,1\n" if "machine" in content else ""
    (tmp_path / "labels.csv").write_text(content + good)
    with pytest.raises(error, match=message):
        add_labels_from_csv(settings, tmp_path / "labels.csv", "ann")
    assert count_labels(settings)["labels"] == 0


def test_labels_without_a_row_are_shown_with_the_nearest(
    unlabelled: Callable[..., Pipeline], tmp_path: Path
) -> None:
    settings = unlabelled()
    rows = rows_of(settings)[["time", "machine"]]
    near = rows[:3].assign(time=rows["time"] + pd.Timedelta("3min"), label=1)
    far = rows[:1].assign(time=pd.Timestamp("2031-01-01", tz="UTC"), label=1)
    pd.concat([rows[:5].assign(label=0), near, far]).to_csv(tmp_path / "labels.csv", index=False)
    match = add_labels_from_csv(settings, tmp_path / "labels.csv", "ann").match
    assert (match.met, match.unmet, match.shift_hours, match.note) == (5, 4, None, "")
    assert [item["nearest"] for item in match.examples] == [time.isoformat() for time in rows["time"][:3]]
    far.to_csv(tmp_path / "far.csv", index=False)
    [example] = add_labels_from_csv(settings, tmp_path / "far.csv", "ann").match.examples
    assert example["nearest"] == rows["time"].max().isoformat()


def test_labels_of_another_zone_are_recognised(unlabelled: Callable[..., Pipeline], tmp_path: Path) -> None:
    settings = unlabelled()
    rows = rows_of(settings)
    early = rows[:8].assign(time=rows["time"] - pd.Timedelta("5h"), label=1)  # before the first row
    early[["time", "machine", "label"]].to_csv(tmp_path / "labels.csv", index=False)
    match = add_labels_from_csv(settings, tmp_path / "labels.csv", "ann").match
    assert (match.unmet, match.shift_hours) == (8, 5)


def test_labels_are_read_as_the_file_of_the_pipeline_and_by_line(
    unlabelled: Callable[..., Pipeline], tmp_path: Path
) -> None:
    settings = unlabelled()
    update = {"time_format": "%d.%m.%Y %H:%M", "timezone": "UTC", "encoding": "cp1252", "separator": ";"}
    table = rows_of(settings).drop(columns="anomaly", errors="ignore")[::4].reset_index(drop=True)
    table = table.assign(machine="S\u00e4ge")
    written = table.assign(time=table["time"].dt.strftime("%d.%m.%Y %H:%M"))
    written.to_csv(tmp_path / "own.csv", index=False, sep=";", encoding="cp1252")
    data = settings.data.model_copy(update={"path": str(tmp_path / "own.csv"), "source": "csv", **update})
    settings = settings.model_copy(update={"data": data})
    labels = written[["time", "machine"]][:3].assign(label=1)
    labels.to_csv(tmp_path / "same.csv", index=False, sep=";", encoding="cp1252")
    table[["time", "machine"]][3:6].assign(label=0).to_csv(tmp_path / "iso.csv", index=False)
    (tmp_path / "line.csv").write_text("line,label\n2,1\n9,0\n")
    for name, met in (("same", 3), ("iso", 3), ("line", 2)):
        result = add_labels_from_csv(settings, tmp_path / f"{name}.csv", "ann")
        assert (result.new, result.match.met, result.match.unmet) == (met, met, 0), name
    assert count_labels(settings)["rows"] == 7
    (tmp_path / "line.csv").write_text("line,label\n1,1\n")
    with pytest.raises(SourceError, match=r"no row with a time stands in line '1'; .* stand in 2 to"):
        add_labels_from_csv(settings, tmp_path / "line.csv", "ann")


def test_a_query_needs_the_name_of_a_variable(unlabelled: Callable[..., Pipeline]) -> None:
    with pytest.raises(ConfigError, match="names no environment variable"):
        add_labels_from_query(unlabelled(), "select 1", "postgresql://secret", "ann")


@pytest.mark.slow
def test_an_audit_is_drawn_labelled_and_judged(unlabelled: Callable[..., Pipeline], tmp_path: Path) -> None:
    settings = unlabelled()
    start_with_champion(settings)
    for day in range(3):
        score_window(settings, Window(MOMENT + day * DAY, MOMENT + (day + 1) * DAY))
    drawn = draw_audit(settings, 40, 60 * DAY, tmp_path / "audit.csv", "ann", seed=1)
    assert sum(item["population"] for item in drawn["strata"]) == 3 * 96
    table = pd.read_csv(tmp_path / "audit.csv")
    assert not {"score", "p_value", "is_anomaly", "stratum", "anomaly"} & set(table)
    assert table["power"].notna().all()
    assert judge(settings)["waiting"] == 40
    table["time"] = pd.to_datetime(table["time"])
    truth = table.merge(rows_of(settings), on=["time", "machine"], how="left")["anomaly"]
    table["label"] = truth.where(table.index < 30)
    table.to_csv(tmp_path / "audit.csv", index=False)
    assert label_audit(settings, tmp_path / "audit.csv", "ann") == 30
    assert label_audit(settings, tmp_path / "audit.csv", "ann") == 0
    part = judge(settings)
    assert (part["answered"], part["waiting"]) == (30, 10)
    table.assign(label=truth).to_csv(tmp_path / "audit.csv", index=False)
    assert label_audit(settings, tmp_path / "audit.csv", "bob") == 10
    whole = judge(settings, drawn["audit"])
    for name in ("precision", "recall"):
        assert part[name]["low"] <= whole[name]["low"] <= whole[name]["value"] <= whole[name]["high"]
        assert whole[name]["high"] <= part[name]["high"]
    flipped = table.assign(label=1 - truth)
    flipped[:1].to_csv(tmp_path / "again.csv", index=False)
    assert label_audit(settings, tmp_path / "again.csv", "bob") == 1
    table.assign(label=truth)[:1].to_csv(tmp_path / "again.csv", index=False)
    assert label_audit(settings, tmp_path / "again.csv", "bob") == 1
    assert judge(settings)["precision"] == whole["precision"]


def test_a_table_of_another_audit_is_refused(unlabelled: Callable[..., Pipeline], tmp_path: Path) -> None:
    settings = unlabelled()
    (tmp_path / "other.csv").write_text("audit,number,label\n12345678,0,1\n")
    with pytest.raises(RecordError, match="of an audit '12345678'"):
        label_audit(settings, tmp_path / "other.csv", "ann")
    with pytest.raises(RecordError, match="has no audit yet"):
        judge(settings)
    with pytest.raises(RecordError, match="no window was scored yet"):
        draw_audit(settings, 10, DAY, tmp_path / "a.csv", "ann")
    with pytest.raises(ConfigError, match="4 or more are needed"):
        draw_audit(settings, 3, DAY, tmp_path / "a.csv", "ann")


def test_a_table_of_labels_is_read_within_the_limits(
    unlabelled: Callable[..., Pipeline], tmp_path: Path
) -> None:
    settings = unlabelled()
    limited = settings.data.model_copy(
        update={"limits": settings.data.limits.model_copy(update={"line_kib": 1})}
    )
    table = tmp_path / "labels.csv"
    table.write_text("time,machine,label,note\n2026-01-05T00:00:00Z,a,1," + "x" * 2000 + "\n")
    with pytest.raises(SourceError, match="line_kib"):
        add_labels_from_csv(settings.model_copy(update={"data": limited}), table, "ann")
