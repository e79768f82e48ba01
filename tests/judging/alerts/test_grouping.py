"""Rows of one entity, near in time and carried alike are one alert, whatever pieces they come in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynomaly.judging.alerts.grouping import AlertGroup, AlertRow, confirm_rows, group_rows, have_same_cause
from tests import naive

NOON = datetime(2026, 1, 19, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def flag(
    hour: float, entity: str = "a", causes: tuple[str, ...] = (), p: float = 0.01, place: int = 0
) -> AlertRow:
    return AlertRow(entity, NOON + hour * HOUR, place, p, causes)


def spans_of(groups: tuple[AlertGroup, ...]) -> list[tuple[str, int]]:
    return [(item.entity, len(item.flags)) for item in groups]


def test_a_gap_another_entity_and_another_cause_part_alerts() -> None:
    rows = [flag(0), flag(2), flag(5), flag(1, "b")]
    assert sorted(spans_of(group_rows("p", rows, 2 * HOUR))) == [("a", 1), ("a", 2), ("b", 1)]
    assert sorted(spans_of(group_rows("p", rows, 3 * HOUR))) == [("a", 3), ("b", 1)]
    two = [flag(0, causes=("heat",)), flag(1, causes=("power",)), flag(2, causes=("heat", "power"))]
    assert sorted(spans_of(group_rows("p", two, HOUR * 3))) == [("a", 1), ("a", 2)]
    assert spans_of(group_rows("p", two, HOUR * 3, by_cause=False)) == [("a", 3)]


def test_an_alert_keeps_the_cause_it_began_with_and_a_row_without_one_joins() -> None:
    rows = [flag(0, causes=("heat",)), flag(1), flag(2, causes=("heat", "noise")), flag(3, causes=("noise",))]
    groups = group_rows("p", rows, HOUR * 2)
    assert [(item.causes, len(item.flags)) for item in groups] == [(("heat",), 3), (("noise",), 1)]


@pytest.mark.parametrize(
    ("left", "right", "alike"),
    [
        ((), ("heat",), True),
        (("heat",), ("heat", "power"), True),
        (("power",), ("heat", "power"), True),
        (("noise", "power"), ("heat", "power"), False),
    ],
)
def test_what_is_the_same_cause(left: tuple[str, ...], right: tuple[str, ...], alike: bool) -> None:
    assert have_same_cause(left, right) == have_same_cause(right, left) == alike


def test_its_peak_is_its_rarest_row_and_its_name_its_first() -> None:
    rows = [flag(0, p=0.01, place=0), flag(1, p=0.001, place=1), flag(2, p=0.001, place=2)]
    (group,) = group_rows("p", rows, HOUR)
    assert group.peak.place == 1
    (shorter,) = group_rows("p", rows[:1], HOUR)
    assert shorter.name == group.name
    assert group_rows("other", rows, HOUR)[0].name != group.name


def test_without_time_every_row_is_an_alert_of_its_own() -> None:
    rows = [AlertRow("", None, place, 0.01) for place in range(3)]
    groups = group_rows("p", rows, HOUR)
    assert len({item.name for item in groups}) == 3


ROWS = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from("ab"), st.sampled_from(["", "heat", "power"])), max_size=25
)


@given(rows=ROWS, cut=st.integers(0, 60), gap=st.integers(1, 8))
def test_pieces_of_time_give_what_the_whole_gives(
    rows: list[tuple[int, str, str]], cut: int, gap: int
) -> None:
    flags = [
        flag(hour, who, (cause,) if cause else (), place=place)
        for place, (hour, who, cause) in enumerate(rows)
    ]
    whole = group_rows("p", flags, gap * HOUR)
    early = group_rows("p", [item for item in flags if item.time < NOON + cut * HOUR], gap * HOUR)
    late = group_rows(
        "p", [item for item in flags if item.time >= NOON + cut * HOUR], gap * HOUR, before=early
    )
    pieces: dict[str, set[int]] = {}
    for item in (*early, *late):
        pieces.setdefault(item.name, set()).update(one.place for one in item.flags)
    assert pieces == {item.name: {one.place for one in item.flags} for item in whole}
    assert sum(len(item.flags) for item in whole) == len(flags)


@given(
    rows=st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=40),
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 8)),
)
def test_k_of_n_counts_the_newest_rows_of_the_entity(
    rows: list[tuple[str, bool]], sizes: tuple[int, int]
) -> None:
    needed, of = min(sizes), max(sizes)
    entity, alerted = [who for who, _ in rows], [hit for _, hit in rows]
    assert confirm_rows(entity, alerted, needed, of).tolist() == naive.flag_confirmed_rows(
        entity, alerted, needed, of
    )


def test_k_of_n_counts_rows_in_their_order_in_a_long_table() -> None:
    """A sort that is not stable leaves few rows in place and many not."""
    rng = np.random.default_rng(0)
    entity, alerted = rng.choice(list("abc"), 1000).tolist(), (rng.random(1000) < 0.4).tolist()
    assert confirm_rows(entity, alerted, 2, 3).tolist() == naive.flag_confirmed_rows(entity, alerted, 2, 3)


def test_a_row_that_two_alerts_could_have_joins_the_one_of_its_strongest_column_then_the_newest() -> None:
    heat, power = flag(0, causes=("heat",)), flag(1, causes=("power",), place=1)
    both = flag(2, causes=("heat", "power"), place=2)
    joined = {item.causes: len(item.flags) for item in group_rows("p", [heat, power, both], 3 * HOUR)}
    assert joined == {("heat",): 2, ("power",): 1}
    unknown = flag(2, place=2)
    joined = {item.causes: len(item.flags) for item in group_rows("p", [heat, power, unknown], 3 * HOUR)}
    assert joined == {("heat",): 1, ("power",): 2}
