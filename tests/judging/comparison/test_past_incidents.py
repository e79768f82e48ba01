"""Past incidents as a regression suite: what is caught, what is missed, and what makes an episode."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynomaly.judging.comparison.past_incidents import (
    IncidentRegression,
    PastIncident,
    compare_on_incidents,
    find_labelled_episodes,
    report_not_computable,
)

PUMP = PastIncident("pump", (0, 1, 2))
VALVE = PastIncident("valve", (4, 5))


@pytest.mark.parametrize(
    ("champion", "challenger", "missed", "counts"),
    [
        ([0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], (), (0, 0)),
        ([1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0], (), (1, 1)),
        ([1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 0, 0], ("pump",), (1, 0)),
        ([0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0], (), (0, 0)),
        ([1, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0], ("pump", "valve"), (2, 0)),
        ([0, 0, 0, 0, 1, 0], [1, 1, 1, 1, 0, 0], ("valve",), (1, 1)),
    ],
    ids=["neither", "another row", "missed", "outside", "both missed", "one for another"],
)
def test_one_alert_inside_is_a_catch(
    champion: list[int], challenger: list[int], missed: tuple[str, ...], counts: tuple[int, int]
) -> None:
    comparison = compare_on_incidents(champion, challenger, [PUMP, VALVE])
    assert comparison.missed == missed
    assert (len(comparison.champion), len(comparison.challenger)) == counts
    assert comparison.incidents == 2
    for name in missed:
        assert name in comparison.outcome
        assert name in comparison.reasons[0]


def test_an_incident_without_rows_is_not_counted() -> None:
    assert compare_on_incidents([1], [0], [PastIncident("gone", ())]).incidents == 0


def test_a_champion_that_alerts_on_everything_binds_nobody_and_that_is_said() -> None:
    usual = compare_on_incidents([1] * 6, [0] * 6, [PUMP], elsewhere=0.03, most=0.03)
    assert usual.missed == ("pump",)
    crying = compare_on_incidents([1] * 6, [0] * 6, [PUMP], elsewhere=0.031, most=0.03)
    assert crying.missed == ()
    assert "that it caught pump says nothing" in crying.reasons[-1]


def test_what_the_challenger_learned_from_is_named() -> None:
    comparison = compare_on_incidents([1], [1], [PastIncident("pump", (0,), taught=True)])
    assert comparison.taught == ("pump",)
    assert "learned from labelled rows of pump" in comparison.reasons[-1]


@pytest.mark.parametrize(
    ("labels", "entities", "expected"),
    [
        ([], None, ()),
        ([0, np.nan, 0], None, ()),
        ([1, 1, 0, 1], None, ((0, 1), (3,))),
        ([1, np.nan, 1], None, ((0,), (2,))),
        ([1, 0, 1, 0], ["a", "b", "a", "b"], ((0, 2),)),
        ([1, 1, 0, 1], ["a", "b", "a", "b"], ((0,), (1, 3))),
    ],
)
def test_episodes_are_runs_of_one_entity(
    labels: list[float], entities: list[str] | None, expected: tuple[tuple[int, ...], ...]
) -> None:
    assert find_labelled_episodes(labels, entities) == expected


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([0.0, 1.0, np.nan])), max_size=40))
def test_every_labelled_anomaly_is_in_one_episode(rows: list[tuple[str, float]]) -> None:
    episodes = find_labelled_episodes([label for _, label in rows], [name for name, _ in rows])
    assert sorted(place for run in episodes for place in run) == [
        place for place, (_, label) in enumerate(rows) if label == 1
    ]
    # By hand: entity by entity, runs of equal "is labelled 1".
    runs = 0
    for name in "abc":
        own = [label == 1 for other, label in rows if other == name]
        runs += sum(1 for odd, _ in groupby(own) if odd)
    assert len(episodes) == runs


@given(st.data())
def test_missed_is_caught_by_one_and_not_by_the_other(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 20))
    alerts = st.lists(st.booleans(), min_size=n, max_size=n)
    places = st.lists(st.integers(0, n - 1), max_size=5, unique=True)
    old, new = data.draw(alerts), data.draw(alerts)
    past = [
        PastIncident(f"i{k}", tuple(rows)) for k, rows in enumerate(data.draw(st.lists(places, max_size=6)))
    ]
    comparison = compare_on_incidents(old, new, past)
    assert set(comparison.missed) == set(comparison.champion) - set(comparison.challenger)
    assert compare_on_incidents(old, old, past).missed == ()
    more = [a or b for a, b in zip(old, new, strict=True)]
    assert compare_on_incidents(old, more, past).missed == ()


def test_episodes_come_in_the_order_of_their_last_rows() -> None:
    entities = ["a", "b", "b", "a", "c"]
    assert find_labelled_episodes([1, 1, 1, 1, 1], entities) == ((1, 2), (0, 3), (4,))


def test_all_missed_incidents_are_named() -> None:
    both = compare_on_incidents([1, 0, 0, 0, 0, 1], [0] * 6, [PUMP, VALVE])
    assert both.outcome == "misses pump, valve"
    longer = replace(both, missed=tuple(f"labelled anomaly of pump {number}" for number in range(9)))
    assert len(longer.outcome) == 64
    assert longer.outcome.startswith("misses labelled anomaly of pump 0, ")
    assert both.reasons == (
        "It misses what the champion caught: pump, valve.",
        "Past incidents: 2; the champion caught 2, the challenger 0.",
    )
    crying = compare_on_incidents([1] * 6, [0] * 6, [PUMP, VALVE], elsewhere=0.5)
    assert crying.missed == ("pump", "valve")  # without a limit every champion binds
    crying = compare_on_incidents([1] * 6, [0] * 6, [PUMP, VALVE], elsewhere=0.5, most=0.02)
    assert crying.reasons[-1] == (
        "The champion alerts on 50.0% of the rows outside incidents, more than 2.0%: "
        "that it caught pump, valve says nothing."
    )


def test_what_could_not_be_scored_prevents_a_promotion_and_says_why() -> None:
    report = report_not_computable("no table")
    assert report == IncidentRegression(
        incidents=0,
        champion=(),
        challenger=(),
        missed=("not computable",),
        taught=(),
        reasons=("What past incidents say of it is not computable: no table",),
        computable=False,
    )
    assert report.outcome == "past incidents not computable"
    assert report.to_dict()["missed"] == ["not computable"]
