"""A draft is tried on its own file: what blocks it is mended, and what stays is said with a setting."""

from __future__ import annotations

from pathlib import Path

from pynomaly.data.intake import read_table, try_reading
from tests.data.intake.kinds import draw, list_hours, write_rows


def try_text(folder: Path, text: str):
    (folder / "table.csv").write_text(text)
    reading = read_table(folder / "table.csv")
    return reading, try_reading(reading)


def test_what_trains_stays_as_it_was_read(tmp_path: Path) -> None:
    reading, tried = try_text(tmp_path, write_rows("time,a,b", list_hours(), draw(1), draw(2)))
    assert tried.problems == ()
    assert tried.data == reading.data


def test_many_rows_without_a_time_raise_the_limit_of_quarantine(tmp_path: Path) -> None:
    times = ["" if row % 12 == 5 else str(moment) for row, moment in enumerate(list_hours())]
    _, tried = try_text(tmp_path, write_rows("time,a,b", times, draw(1), draw(2)))
    assert tried.problems == ()
    assert 0.08 < tried.blocks["quality"]["max_quarantine"][0] < 0.2
    assert any("max_quarantine" in note for note in tried.notes)


def test_a_row_with_a_surplus_cell_is_said_with_its_line(tmp_path: Path) -> None:
    lines = write_rows("time,a,b", list_hours(), draw(1), draw(2)).splitlines()
    lines[100] += ",7"
    _, tried = try_text(tmp_path, "\n".join(lines))
    assert any("line 101" in problem for problem in tried.problems)


def test_too_few_rows_are_said_with_the_setting(tmp_path: Path) -> None:
    _, tried = try_text(tmp_path, write_rows("time,a", list_hours()[:6], draw(1)))
    assert any("quality.min_train_rows" in problem for problem in tried.problems)


def test_a_large_file_is_not_read_whole_and_says_so(tmp_path: Path) -> None:
    rows = "".join(
        f"2026-01-{day:02d} {hour:02d}:00,{day + hour}\n" for day in range(1, 29) for hour in range(24)
    )
    (tmp_path / "t.csv").write_text("time,heat\n" + rows)
    reading = read_table(tmp_path / "t.csv")
    size = (tmp_path / "t.csv").stat().st_size
    assert try_reading(reading, limit=size).notes == reading.notes
    assert "was not tried" in try_reading(reading, limit=size - 1).notes[-1]


def test_a_folder_is_tried_like_a_file(tmp_path: Path) -> None:
    for day in (5, 6, 7, 8, 9):
        rows = "".join(
            f"2026-01-{day:02d} {hour:02d}:{minute:02d},{hour},\n" for hour in range(24) for minute in (0, 30)
        )
        (tmp_path / f"{day}.csv").write_text(
            "time,heat,noise\n" + rows.replace(",\n", ",1\n" if day == 9 else ",\n")
        )
    quality = try_reading(read_table(tmp_path)).blocks["quality"]
    assert quality["may_be_empty"][0] == ["noise"]
