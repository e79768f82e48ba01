"""Names and categories that are formulas, markup, links or commands of a terminal: shown, never acted on."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynomaly.config import Data, Drift, Target
from pynomaly.data.frame import FrameContract
from pynomaly.records.evidently_report import render_drift_page
from pynomaly.records.ledger import QueuedNotice
from pynomaly.records.markdown import escape_markdown, format_bullets
from pynomaly.records.notices import send_notice
from pynomaly.records.sheet import render_csv
from pynomaly.steps.scoring.join_parts import join_scored_parts
from tests.flows.conftest import Answer
from tests.security.hooks import listening

SCRIPT = "</script><script>pwned()</script><img src=x onerror=pwned()>"
FORMULAS = (
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    '=HYPERLINK("http://x","y")',
    "＝1",
)
HARMLESS = ("-5", "+3.2e5", "a=b", "", "x", "1-1", "'=1", "-inf")


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_cell_that_begins_like_a_formula_is_text(cell: str) -> None:
    rows = list(csv.reader(io.StringIO(render_csv(pd.DataFrame({cell: [cell], "n": [-1.5]})), newline="")))
    shown = "'" + cell.replace("\r", "\n")
    assert rows == [[shown, "n"], [shown, "-1.5"]]


@pytest.mark.parametrize("cell", HARMLESS)
def test_a_cell_that_is_none_stays_as_it_is(cell: str) -> None:
    rows = list(
        csv.reader(io.StringIO(render_csv(pd.DataFrame({"a": [cell, "z"], "b": [1, 2]})), newline=""))
    )
    assert rows[1] == [cell, "1"]


def test_the_table_is_otherwise_what_pandas_writes() -> None:
    frame = pd.DataFrame(
        {
            "at": pd.date_range("2026-01-05", periods=3, freq="h", tz="UTC"),
            "x": [0.1, np.nan, -2.0],
            "n": [1, 2, 3],
            "flag": [True, False, True],
            "text": ["a", None, 'b,"c"'],
            "kind": pd.Categorical(["u", "v", None]),
        }
    )
    assert render_csv(frame) == frame.to_csv(index=False)
    assert render_csv(frame, header=False) == frame.to_csv(index=False, header=False)
    twice = frame[["x", "x"]]
    assert render_csv(twice) == twice.to_csv(index=False)


def test_scores_joined_from_parts_are_guarded_too(tmp_path: Path) -> None:
    for number in (0, 1):
        pq.write_table(
            pa_table({"id": [f"=cmd|{number}"], "score": [-1.0]}), tmp_path / f"part-{number}.parquet"
        )
    join_scored_parts(sorted(tmp_path.glob("part-*.parquet")), tmp_path / "out.csv")
    rows = list(csv.reader((tmp_path / "out.csv").read_text().splitlines()))
    assert rows == [["id", "score"], ["'=cmd|0", "-1.0"], ["'=cmd|1", "-1.0"]]


def pa_table(columns: dict[str, list[Any]]) -> Any:
    import pyarrow as pa

    return pa.table(columns)


class Tags(HTMLParser):
    """Every tag of a page, with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.scripts += data


def test_evidently_s_page_runs_no_script_but_its_own() -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            f"{SCRIPT}number": rng.normal(size=200),
            f"{SCRIPT}kind": rng.choice([f"{SCRIPT}a", "‹/script›", "b"], size=200),
            f"{SCRIPT}kind'": rng.normal(size=200),
        }
    )
    contract = FrameContract.infer(rows, Data(source="csv", path="t.csv"))
    page = render_drift_page(rows, rows, contract, Drift(), seed=1, verdict=SCRIPT)[0].decode()
    tags = Tags(page)
    assert not [attributes for tag, attributes in tags.elements if tag == "img"]
    assert "<script>pwned" not in page
    assert "‹script›pwned()" in page or r"\u2039script\u203apwned()" in page  # the columns are shown
    plain_names = rows.set_axis(["number", "kind", "more"], axis=1)
    plain_contract = FrameContract.infer(plain_names, Data(source="csv", path="t.csv"))
    honest = Tags(
        render_drift_page(plain_names, plain_names, plain_contract, Drift(), seed=1, verdict="v")[0].decode()
    )
    assert [tag for tag, _ in tags.elements] == [tag for tag, _ in honest.elements]


@given(st.text(max_size=60))
def test_nothing_in_markdown_is_markup(text: str) -> None:
    shown = escape_markdown(text)
    assert "\n" not in shown
    assert not re.search(r"[<>`]", shown)
    assert not re.search(r"(?<!\\)(?:\\\\)*[\[\]|]", shown)


def test_a_picture_in_a_reason_is_not_fetched() -> None:
    shown = format_bullets(["column '![x](http://evil/track.png)'\n# title", "<img src=http://evil>"])
    assert shown == ("- column '!\\[x\\](http://evil/track.png)' # title\n- &lt;img src=http://evil&gt;")


def test_a_notification_that_is_read_as_html_holds_no_markup() -> None:
    target = Target(name="ops", kind="apprise", url_env="OPS")
    message = QueuedNotice("k", "ops", "p", "alert", "title", f"column {SCRIPT}", datetime.now(UTC))
    with listening() as (address, messages):
        send_notice(target, f"json://{address}/?format=html", message)
        send_notice(target, f"json://{address}/", message)
    assert "<" not in messages[0]["message"].replace("<br", "").replace("<p>", "").replace("</p>", "")
    assert "&lt;script&gt;" in messages[0]["message"]
    assert messages[1]["message"] == f"column {SCRIPT}"


def test_a_message_moves_no_cursor(
    command: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = command("init", "no\x1b[2J\x1b]0;owned\x07\u202esuch.csv\nfile")
    assert answer.code == 2
    assert answer.err.strip().isprintable()
    assert "\\x1b[2J" in answer.err


def test_a_table_shows_brackets_and_spells_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    from flows.display import installation, scoring

    hostile = "[/red][link=http://evil]x\x1b[31m\u202e"
    scoring.show_file_scores(
        {
            "rows": 1,
            "version": 1,
            "alerts": 0,
            "output": hostile,
            "touched": 0,
            "quarantined": 1,
            "quarantine": hostile,
            "warnings": [hostile],
            "drift": "drift",
            "renamed": {hostile: hostile},
        }
    )
    installation.show_health_checks(
        {"checks": [{"check": hostile, "state": "wrong", "found": hostile, "mend": hostile}]}
    )
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\u202e" not in printed
    assert "[/red]" in printed
    assert "\\x1b[31m" in printed.replace("\n", "")
