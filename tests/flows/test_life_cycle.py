"""The life of a small pipeline through the command line, against a real Prefect server and MLflow store."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from tests.flows.conftest import Answer
from tests.machines import make_machines

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_api")]

FIRST = "2026-01-19T00:00:00+00:00"


def test_a_life(command: Callable[..., Answer], pipeline_file: Callable[..., Path]) -> None:
    # Known anomalies of the new regime would let even the worse challenger below beat the old champion.
    config = pipeline_file(make_machines(56, shift_day=28), training={"known_anomalies": "leave_out"})

    trained = command("train", config, "--as-of", FIRST, "--json")
    assert trained.code == 0, trained.err
    assert trained.json["decision"]["kind"] == "promote"
    assert trained.json["registered"]["rung"] == "labels"

    again = command("train", config, "--as-of", FIRST, "--json")
    assert again.json["trained"] is False
    assert "data are those of the last training" in " ".join(again.json["decision"]["reasons"])

    week = ("--start", FIRST, "--end", "2026-01-26T00:00:00+00:00")
    scored = command("score", config, *week, "--json").json["windows"]
    assert [item["rows"] for item in scored] == [96] * 7
    bytes_before = [Path(item["path"]).read_bytes() for item in scored]
    repeated = command("score", config, *week, "--json").json["windows"]
    assert [item["new"] for item in repeated] == [False] * 7
    assert [Path(item["path"]).read_bytes() for item in repeated] == bytes_before
    table = pd.read_parquet(io.BytesIO(bytes_before[0]))
    assert {"time", "machine", "score", "p_value", "severity", "is_anomaly", "model_version"} <= set(table)

    calm = command("monitor", config, "--as-of", "2026-01-26T00:00:00+00:00", "--json").json
    assert calm["degradation"]["state"] == "normal"
    assert calm["report_error"] == ""
    assert Path(calm["report"]).stat().st_size < 6_000_000

    for end in ("2026-02-09", "2026-02-16"):
        upset = command("monitor", config, "--as-of", f"{end}T00:00:00+00:00", "--json").json
    assert upset["degradation"]["state"] in ("degraded", "critical")
    assert upset["degradation"]["reasons"]

    worse = command(
        *("retrain", config, "--as-of", "2026-02-17T00:00:00+00:00", "--detector", "iforest"),
        *("--params", "n_estimators=2 max_samples=8", "--json"),
    ).json
    assert worse["decision"]["kind"] == "refuse"
    assert command("status", config, "--json").json["champion"] == 1

    better = command(
        "retrain", config, "--as-of", "2026-02-24T00:00:00+00:00", "--reason", "shift", "--json"
    ).json
    assert better["decision"]["kind"] == "promote", better["decision"]["reasons"]
    version = better["registered"]["version"]
    assert command("status", config, "--json").json["champion"] == version

    back = command("rollback", config, "--reason", "try", "--json").json
    assert back["kind"] == "rollback"
    assert command("status", config, "--json").json["champion"] == 1
    forth = command("rollback", config, "--json").json
    assert forth["subject"].endswith(f"v{version}")

    proof = command("history", config, "--verify", "--json").json
    assert proof["intact"]
    now = datetime.now(UTC).isoformat()
    assert command("history", config, "--at", now, "--json").json["champion"] == version
    assert command("history", config, "--at", FIRST, "--json").json["champion"] is None
    kinds = {item["kind"] for item in command("history", config, "--json").json["decisions"]}
    assert {"quality", "retrain", "register", "promote", "degradation", "refuse", "rollback"} <= kinds


def test_a_table_without_time(command: Callable[..., Answer], pipeline_file: Callable[..., Path]) -> None:
    frame = make_machines(14).drop(columns=["time", "machine"])
    config = pipeline_file(frame, data={"time": None, "id": None})
    assert command("train", config, "--json").json["decision"]["kind"] == "promote"
    first = command("score", config, "--json").json["windows"]
    assert first[0]["window"] == "all"
    assert first[0]["rows"] == len(frame)
    assert command("score", config, "--json").json["windows"][0]["new"] is False


def test_a_file_is_scored_where_it_is_asked(
    command: Callable[..., Answer], pipeline_file: Callable[..., Path], tmp_path: Path
) -> None:
    config = pipeline_file()
    command("train", config, "--as-of", FIRST)
    fresh = make_machines(2, start="2026-03-02", seed=5).drop(columns="anomaly")
    fresh["heat"] = fresh["heat"].astype(object)
    fresh.loc[3, "heat"] = "broken"
    fresh.to_csv(tmp_path / "fresh.csv", index=False)
    done = command(
        "score", config, "--input", tmp_path / "fresh.csv", "--output", tmp_path / "out.csv", "--json"
    )
    assert done.code == 0, done.err
    assert done.json["rows"] == len(fresh) - 1
    assert done.json["quarantined"] == 1
    kept = pd.read_csv(tmp_path / "out.csv.quarantine.csv")
    assert kept["rule"].tolist() == ["not_a_number"]
    scores = pd.read_csv(tmp_path / "out.csv")
    assert scores["row"].tolist() == list(range(2, len(fresh) + 2))
    assert scores.index[scores["score"].isna()].tolist() == [3]
    assert scores["quarantine"][3] == "not_a_number: column 'heat' holds 'broken' in line 5"
    assert scores["power"].tolist() == pd.read_csv(tmp_path / "fresh.csv")["power"].tolist()
