"""Tables of the command line fit a terminal of 80 columns, with values as large as they come."""

from __future__ import annotations

import pytest

from flows.display.operations import show_backfill
from flows.display.scoring import show_scored_windows
from flows.display.training import show_training_result

CANDIDATE = {
    "value": 0.97123,
    "low": 0.84812,
    "high": 1.0,
    "not_comparable": "",
    "fit_seconds": 1234.567,
    "score_seconds": 123.456,
    "megabytes": 123.456,
    "front": True,
}


def scored(window: str) -> dict[str, object]:
    return {
        "window": window,
        "version": 123,
        "rows": 12_345_678,
        "alerts": 123_456,
        "quarantined": 12_345,
        "new": True,
    }


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "80")

    def shown() -> list[str]:
        found = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
        assert max(map(len, found)) <= 80
        return found

    return shown


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ("20260119T000000Z--20260120T000000Z", "2026-01-19 to 2026-01-20"),
        ("20260119T040000Z--20260119T050000Z", "2026-01-19 04:00 to 05:00"),
        ("20260119T230000Z--20260120T010000Z", "2026-01-19 23:00 to 01-20 01:00"),
        ("all", "all"),
    ],
)
def test_a_window_is_one_line_of_a_table(lines, window: str, said: str) -> None:
    show_scored_windows({"windows": [scored(window)], "empty": [], "left_out": ""})
    assert [line for line in lines() if line.startswith(said)]
    judged = {"window": window, "version": 123, "state": "critical", "new": True}
    show_backfill({"windows": [], "judged": [judged], "empty": [], "left_out": ""})
    assert [line for line in lines() if line.startswith(said)]


def test_a_candidate_is_one_line_of_a_table(lines) -> None:
    table = [{"candidate": name, **CANDIDATE} for name in ("autoencoder", "iforest")]
    unusable = {
        "candidate": "hbos",
        **CANDIDATE,
        "value": float("nan"),
        "low": None,
        "high": None,
        "front": False,
    }
    decision = {"kind": "promote", "subject": "m v1", "outcome": "first", "reasons": []}
    registered = {"pipeline": "m", "version": 1, "detector": "iforest", "notes": []}
    choice = {"table": [*table, unusable], "reasons": []}
    show_training_result({"trained": True, "registered": registered, "choice": choice, "decision": decision})
    found = lines()
    assert [line for line in found if line.startswith("autoencoder") and "0.848 to 1.000" in line]
    assert [line for line in found if line.startswith("hbos") and " - " in line]
