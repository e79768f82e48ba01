"""A promotion that waits, answered on the command line, against a real Prefect server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flows.conftest import Answer
from tests.machines import make_machines

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_api")]


def test_a_promotion_waits_and_is_approved(
    command: Callable[..., Answer], pipeline_file: Callable[..., Path]
) -> None:
    config = pipeline_file(
        make_machines(56, shift_day=28),
        promotion={"mode": "approval", "diff_days": 2},
    )
    none = command("approve", config, "--reason", "why not")
    assert none.code == 2
    assert "no promotion waits for an answer" in none.err
    assert command("train", config, "--as-of", "2026-01-19T00:00:00+00:00").code == 0
    asked = command("retrain", config, "--as-of", "2026-02-24T00:00:00+00:00", "--json").json
    assert asked["decision"]["kind"] == "pending", asked["decision"]["reasons"]

    waiting = command("pending", config, "--json").json["pending"]
    assert [item["evidence"]["version"] for item in waiting] == [2]
    diff = waiting[0]["evidence"]["diff"]
    assert diff["rows"] == 2 * 96
    assert diff["gained"] + diff["lost"] > 0
    shown = command("pending", config).out
    assert "what would change, v1 -> v2" in shown
    assert "rows on which they disagree" in shown
    assert "v2 waits for an answer" in command("status", config).out

    odd = command("approve", config, "--version", "two")
    assert odd.code == 2
    assert "'two' is not a version number" in odd.err
    assert command("status", config, "--json").json["champion"] == 1

    first = command("approve", config, "--version", "2", "--reason", "read the diff", "--json")
    assert first.code == 0, first.err
    assert first.json["outcome"] == "approved"
    assert first.json["actor"]
    assert "read the diff" in first.json["reasons"][0]
    assert command("approve", config, "--json").json["seq"] == first.json["seq"]
    late = command("reject", config)
    assert late.code == 2
    assert "waits no longer: approved" in late.err
    after = command("status", config, "--json").json
    assert (after["champion"], after["baking"]["seen"], after["pending"]) == (2, 0, [])
