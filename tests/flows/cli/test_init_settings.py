"""Settings that are given to ``init`` as ``--set KEY=VALUE``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.intake import parse_settings, write_draft
from pynomaly.errors import ConfigError


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(2)
    times = pd.date_range("2026-01-05", periods=400, freq="h")
    frame = pd.DataFrame({"time": times, "heat": rng.normal(size=400), "kwh": rng.random(400).cumsum()})
    frame.assign(alarm=(rng.random(400) < 0.05).astype(int)).to_csv(tmp_path / "hall.csv", index=False)
    return tmp_path / "hall.csv"


def test_values_are_yaml() -> None:
    assert parse_settings(["counters=[kwh]", "data.label_values={BAD: 1, OK: 0}", "skip_rows=2"]) == {
        "counters": ["kwh"],
        "label_values": {"BAD": 1, "OK": 0},
        "skip_rows": 2,
    }


@pytest.mark.parametrize(
    ("setting", "message"),
    [("counters", "write KEY=VALUE"), ("countrs=[a]", "did you mean 'counters'"), ("names=[a", "no YAML")],
)
def test_what_is_no_setting_is_named(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_settings([setting])


def test_given_settings_count_and_a_truth_stays_left_out(table: Path) -> None:
    draft = write_draft(table, {"counters": [], "ignore": ["heat"]})
    settings = draft["settings"]["data"]
    assert settings["counters"] == []
    assert settings["ignore"] == ["heat"]
    assert settings["label"] == "alarm"
    roles = {column["name"]: column["role"] for column in draft["columns"]}
    assert (roles["heat"], roles["kwh"], roles["alarm"]) == ("text", "number", "label")


def test_a_long_table_is_read_as_wide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    times = np.repeat(pd.date_range("2026-01-05", periods=300, freq="h"), 2)
    values = np.random.default_rng(1).normal(size=600)
    frame = pd.DataFrame({"time": times, "sensor": ["heat", "noise"] * 300, "value": values})
    frame.to_csv(tmp_path / "long.csv", index=False)
    draft = write_draft(tmp_path / "long.csv", {"long": {"name": "sensor", "value": "value"}})
    assert draft["problems"] == []
    assert "id" not in draft["settings"]["data"]


def test_settings_that_cannot_be_together_are_one_message(table: Path) -> None:
    with pytest.raises(ConfigError, match=r"data.*epoch"):
        write_draft(table, {"epoch": "s", "time_format": "%Y"})
