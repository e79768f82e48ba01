"""The words that are ours: each explained once, in few words, and reached from where people meet it first."""

from __future__ import annotations

import re

import pytest

from tests.docs.loaded import ROOT
from tests.docs.written import READ

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ENTRIES = dict(re.findall(r"^### (.+)\n\n((?:(?!#).+\n)+)", GLOSSARY, re.M))


@pytest.mark.parametrize("word", ENTRIES)
def test_a_word_is_explained_in_few_words(word: str) -> None:
    meaning = " ".join(ENTRIES[word].split())
    assert meaning.endswith(".")
    assert len(meaning.split()) <= 45


def test_every_heading_has_its_meaning_and_none_comes_twice() -> None:
    headings = re.findall(r"^### (.+)$", GLOSSARY, re.M)
    assert sorted(headings) == sorted(ENTRIES)


def test_words_a_reader_meets_are_there() -> None:
    met = "rung bake remedy reference window champion challenger shadow evidence verdict severity rarity"
    also = "quarantine drill replay gate lease partition ledger"
    table = "role entity label truth counter draft"
    assert {*met.split(), *also.split(), *table.split(), "golden rows", "long table"} <= set(ENTRIES)


def test_the_readme_and_most_guides_lead_to_it() -> None:
    pages = {path.name for path in READ if "glossary.md" in path.read_text(encoding="utf-8")}
    assert {"README.md", "index.md", "quickstart.md", "own-data.md", "operating.md", "alerts.md"} <= pages
