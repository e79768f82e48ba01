"""Decisions on record are whole, short, and numbered without a gap."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.loaded import ROOT

RECORDS = sorted((ROOT / "docs" / "adr").glob("*.md"))


def test_numbers_have_no_gap_and_stand_in_the_title() -> None:
    assert [int(path.name[:4]) for path in RECORDS] == list(range(1, len(RECORDS) + 1))
    for path in RECORDS:
        assert path.read_text(encoding="utf-8").startswith(f"# {int(path.name[:4])}. ")


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_each_says_what_was_decided_and_what_it_costs(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    parts = re.findall(r"^(?:## |\*\*)([A-Z][a-z ]+)", text, re.M)
    assert {"Decision", "Consequences"} <= set(parts)
    if int(path.name[:4]) >= 5:
        assert parts == ["Context", "Decision", "Consequences", "What was refused"]
