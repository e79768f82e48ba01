"""What errors list, and what they leave out."""

from __future__ import annotations

from pynomaly.errors import list_allowed


def test_the_nearest_is_suggested_and_few_options_are_all_listed() -> None:
    text = list_allowed("iforst", ["iforest", "hbos"])
    assert text == "did you mean 'iforest'? allowed: 'hbos', 'iforest'"
    assert list_allowed("x", []) == "allowed: nothing"


def test_of_very_many_options_some_are_listed_and_the_others_counted() -> None:
    text = list_allowed("a3", [f"a{number:03}" for number in range(600)])
    assert text.startswith("did you mean 'a")
    assert text.endswith(" and 580 more")
    assert text.count("'a") == 21
