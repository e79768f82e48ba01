"""What the user says of the times is used for the reading itself, and a state of two words is no feature."""

from __future__ import annotations

import pandas as pd
import pytest

from flows.intake import explain_column, list_questions
from pynomaly.config import Data
from pynomaly.data.intake import read_table, render_draft
from pynomaly.errors import ConfigError, WindowError

ROWS = 288


def write_table(folder, written, **columns):
    file = folder / "t.csv"
    pd.DataFrame({"when": written, "a": [f"{i * 37 % 101 / 7:.2f}" for i in range(len(written))], **columns}
                 ).to_csv(file, index=False)  # fmt: skip
    return file


def local(rows=ROWS):
    return pd.date_range("2026-03-01", periods=rows, freq="h")


def test_the_asked_format_is_read_where_another_would_be_guessed(tmp_path):
    file = write_table(tmp_path, local().strftime("%d/%m/%Y %H:%M"))
    guessed = read_table(file)
    asked = read_table(file, {"time_format": "%m/%d/%Y %H:%M"})
    assert guessed.time is not None
    assert guessed.time.format == "%d/%m/%Y %H:%M"
    assert asked.time is not None
    assert asked.time.last.startswith("2026-12-03T23:00")
    assert asked.data["time_format"] == "%m/%d/%Y %H:%M"


def test_a_format_that_none_would_guess_finds_its_column(tmp_path):
    reading = read_table(
        write_table(tmp_path, local().strftime("t%Y.%m.%d-%Hh")), {"time_format": "t%Y.%m.%d-%Hh"}
    )
    assert reading.time is not None
    assert reading.time.columns == ("when",)
    assert reading.time.first.startswith("2026-03-01T00:00")


def test_the_asked_format_joins_date_and_time_of_day(tmp_path):
    file = write_table(tmp_path, local().strftime("%d.%m.%Y"), Uhrzeit=local().strftime("%H:%M"))
    reading = read_table(file, {"time_format": "%d.%m.%Y %H:%M"})
    assert reading.time is not None
    assert reading.time.columns == ("when", "Uhrzeit")


def test_an_asked_epoch_is_the_unit(tmp_path):
    seconds = [str(1_772_323_200 + 60 * i) for i in range(ROWS)]
    reading = read_table(write_table(tmp_path, seconds), {"time": "when", "epoch": "ms"})
    assert reading.time is not None
    assert reading.time.first.startswith("1970-01-21")


def test_a_format_under_which_nothing_reads_is_refused(tmp_path):
    with pytest.raises(WindowError, match=r"no time can be read.*--time-format is '%Y at %H'"):
        read_table(write_table(tmp_path, local().strftime("%d/%m/%Y")), {"time_format": "%Y at %H"})


def test_the_zone_moves_the_windows_and_the_reason_says_so(tmp_path):
    file = write_table(tmp_path, local().strftime("%d.%m.%Y %H:%M"))
    reading = read_table(file, {"timezone": "Europe/Berlin"})
    assert reading.time is not None
    assert reading.time.first == "2026-02-28T23:00:00+00:00"
    text = render_draft(reading, None, tmp_path)
    assert 'start: "2026-02-28T23:00:00+00:00"' in text
    assert 'timezone: "Europe/Berlin"  # times have no offset; as asked' in text


def test_times_with_an_offset_keep_it_in_any_zone(tmp_path):
    file = write_table(tmp_path, local().strftime("%Y-%m-%dT%H:%M:%S+02:00"))
    reading = read_table(file, {"timezone": "America/Chicago"})
    assert reading.time is not None
    assert reading.time.first == "2026-02-28T22:00:00+00:00"


@pytest.mark.parametrize(
    ("setting", "value"),
    [("timezone", "Berlin"), ("time_format", "%H hours"), ("epoch", "days"), ("encoding", "utf-9"),
     ("separator", ";;"), ("decimal", ";"), ("thousands", "x"), ("skip_rows", -1)],
)  # fmt: skip
def test_a_value_that_no_configuration_may_have_is_refused_by_name(tmp_path, setting, value):
    file = write_table(tmp_path, local().strftime("%d.%m.%Y %H:%M"))
    with pytest.raises(ConfigError) as refused:
        read_table(file, {setting: value})
    assert f"data.{setting} (--{setting.replace('_', '-')})" in str(refused.value)
    assert repr(value) in str(refused.value)


@pytest.mark.parametrize("name", ["state", "status", "condition"])
def test_a_state_of_ok_and_fault_is_the_label(tmp_path, name):
    words = ["fault" if i % 50 == 7 else "ok" for i in range(ROWS)]
    reading = read_table(write_table(tmp_path, local().astype(str), **{name: words}))
    assert reading.label == name
    assert reading.data["label_values"] == {"ok": 0, "fault": 1}


def test_the_example_is_the_first_cell(tmp_path):
    reading = read_table(write_table(tmp_path, local().astype(str), kind=["b", *["a"] * (ROWS - 1)]))
    assert {column.name: column.example for column in reading.columns}["kind"] == "b"


def test_the_names_of_a_long_table_are_no_entities(tmp_path):
    file = tmp_path / "long.csv"
    moments = local().repeat(2).strftime("%Y-%m-%d %H:%M")
    numbers = [f"{(200 if i % 2 else 20) + i * 37 % 101 / 7:.2f}" for i in range(2 * ROWS)]
    pd.DataFrame({"time": moments, "tag": ["heat", "flow"] * ROWS, "value": numbers}).to_csv(
        file, index=False
    )
    reading = read_table(file)
    assert any("data.long: {name: tag, value: value} and leave data.id out" in note for note in reading.notes)
    long = {"source": "csv", "path": "x", "time": "time", "long": {"name": "tag", "value": "value"}}
    with pytest.raises(ValueError, match=r"data\.id is 'tag', which data.long makes columns of"):
        Data.model_validate({**long, "id": "tag"})
    assert Data.model_validate({**long, "id": "machine"}).id == "machine"


def test_the_question_on_a_doubtful_format_offers_the_other(tmp_path):
    file = write_table(tmp_path, local().strftime("%d/%m/%Y %H:%M"))
    question = next(item for item in list_questions(file, {}) if item["setting"] == "time_format")
    assert question["choices"] == ["%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"]
    explained = explain_column(file, "when")["column"]
    assert explained["otherwise"] == "--time-format '%m/%d/%Y %H:%M'"


def write_labelled(folder):
    marks = ["1" if i % 29 == 0 else "0" for i in range(ROWS)]
    machine = ["ab"[i % 2] for i in range(ROWS)]
    when = pd.date_range("2026-03-01", periods=ROWS // 2, freq="h").repeat(2).strftime("%Y-%m-%d %H:%M")
    return write_table(folder, when, anomaly=marks, machine=machine)


@pytest.mark.parametrize(
    ("given", "column", "role"),
    [
        ({}, "anomaly", "label"),
        ({"columns": ["a", "anomaly"]}, "anomaly", "number"),
        ({"categorical": ["anomaly"]}, "anomaly", "category"),
        ({"ignore": ["anomaly"]}, "anomaly", "text"),
        ({}, "machine", "entity"),
        ({"categorical": ["machine"]}, "machine", "category"),
        ({"ignore": ["machine"]}, "machine", "text"),
    ],
)
def test_a_column_with_a_given_role_is_not_guessed_to_be_the_label_or_the_entity(
    tmp_path, given, column, role
):
    reading = read_table(write_labelled(tmp_path), given)
    assert {item.name: item.role for item in reading.columns}[column] == role
    assert (reading.data.get("label") == "anomaly") == (role == "label" or column != "anomaly")
    assert (reading.data.get("id") == "machine") == (role == "entity" or column != "machine")
    assert (column in reading.data.get("ignore", ())) == (role == "text")
