"""Episodes of labelled anomalies, and which of them an alert caught, against counting one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pynomaly.judging.alerts.episodes import find_episodes
from tests.naive import list_episodes

Rows = list[tuple[str, float, bool]]


def compare_with_counting(rows: Rows) -> None:
    entity, truth, alerts = ([row[i] for row in rows] for i in range(3))
    episodes = find_episodes(entity, truth, alerts)
    counted = zip(episodes.first.tolist(), episodes.last.tolist(), episodes.caught.tolist(), strict=True)
    assert sorted(counted) == list_episodes(entity, truth, alerts)
    shares = [caught for _, _, caught in list_episodes(entity, truth, alerts)]
    assert episodes.share == (sum(shares) / len(shares) if shares else None)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from([0.0, 1.0, np.nan]), st.booleans()), max_size=30
    )
)
def test_episodes_agree_with_counting_one_by_one(rows: Rows) -> None:
    compare_with_counting(rows)


def test_rows_keep_their_order_in_a_long_table() -> None:
    """A sort that is not stable leaves few rows in place and many not."""
    rng = np.random.default_rng(0)
    rows = zip(
        rng.choice(list("abc"), 2000), rng.choice([0.0, 1.0], 2000), rng.random(2000) < 0.3, strict=True
    )
    compare_with_counting([(str(who), float(label), bool(alert)) for who, label, alert in rows])


def test_rows_of_different_entities_are_different_episodes_in_the_order_of_entities() -> None:
    episodes = find_episodes(["b", "a", "b", "a"], [1, 1, 1, 0], [0, 0, 1, 1])
    assert (episodes.first.tolist(), episodes.last.tolist(), episodes.caught.tolist()) == (
        [0, 1],
        [2, 1],
        [True, False],
    )
    assert episodes.share == 0.5
