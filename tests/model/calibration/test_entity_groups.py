import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pynomaly.errors import ColumnError
from pynomaly.model.calibration.calibration import Calibration
from pynomaly.model.calibration.entity_groups import EntityGroups, group_entities
from tests.naive import conformal_p


def draw(sizes: dict[str, int], widths: dict[str, float], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores and entities, shuffled; the scores of an entity are as wide as it is."""
    rng = np.random.default_rng(seed)
    entities = np.repeat(list(sizes), list(sizes.values())).astype(object)
    scores = np.abs(rng.normal(0, [widths[name] for name in entities]))
    order = rng.permutation(len(scores))
    return scores[order], entities[order]


SIZES = {"a": 400, "b": 350, "c": 60, "d": 50, "e": 40, "f": 30, "rare": 3}
WIDTHS = {"a": 1.0, "b": 5.0, "c": 1.0, "d": 1.1, "e": 8.0, "f": 9.0, "rare": 1.0}


def members(groups: EntityGroups) -> list[set[str]]:
    return [
        {name for name, group in zip(groups.names, groups.groups, strict=True) if group == place}
        for place in range(len(groups.ends))
    ]


def test_entities_with_enough_rows_stand_alone_and_others_with_those_of_similar_scale() -> None:
    scores, entities = draw(SIZES, WIDTHS)
    known = {name: width for name, width in WIDTHS.items() if name != "rare"}
    groups = group_entities(scores, entities, known, 70, tail=False)
    assert groups is not None
    assert members(groups) == [{"a"}, {"b"}, {"c", "d"}, {"e", "f"}]
    assert groups.own == 2
    assert groups.describe().startswith("p-values by entity: 2 by their own held-out rows, 4 in 2 groups")


def test_what_is_left_joins_the_widest_group() -> None:
    scores, entities = draw(SIZES, WIDTHS)
    groups = group_entities(scores, entities, WIDTHS, 100, tail=False)
    assert groups is not None
    assert members(groups) == [{"a"}, {"b"}, {"c", "d", "e", "f", "rare"}]


def test_entities_that_are_alike_are_one_group() -> None:
    scores, entities = draw(SIZES, WIDTHS)
    groups = group_entities(scores, entities, None, 70, tail=False)
    assert groups is not None
    assert members(groups) == [{"a"}, {"b"}, {"c", "d", "e", "f", "rare"}]
    assert group_entities(scores, entities, None, 500, tail=False) is None  # one group of all


def test_too_few_rows_make_no_group() -> None:
    scores, entities = draw({"a": 30, "b": 30}, WIDTHS)
    assert group_entities(scores, entities, WIDTHS, 70, tail=True) is None
    assert group_entities(np.ones(60), entities, WIDTHS, 20, tail=True) is None  # all scores are equal


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 999))
def test_p_values_are_counted_in_the_own_group(seed: int) -> None:
    scores, entities = draw(SIZES, WIDTHS)
    calibration = Calibration.fit(scores, tail=False).by_entity(scores, entities, WIDTHS, 30)
    rng = np.random.default_rng(seed)
    names = rng.choice(np.array([*SIZES, "never met", None], dtype=object), 40)
    new = np.where(rng.random(40) < 0.3, rng.choice(scores, 40), rng.exponential(3, 40))
    p_values = calibration.p_values(new, names)
    assert calibration.groups is not None
    peers = {name: group for group in members(calibration.groups) for name in group}
    for score, name, p_value in zip(new.tolist(), names, p_values.tolist(), strict=True):
        of = peers.get(name)
        held_out = scores if of is None else scores[[entity in of for entity in entities]]
        assert p_value == pytest.approx(conformal_p(held_out.tolist(), score), rel=1e-12)
    alone = [calibration.p_values(new[[at]], names[[at]])[0] for at in range(40)]
    np.testing.assert_array_equal(alone, p_values)


@pytest.mark.parametrize("tail", [True, False])
def test_each_entity_alerts_at_the_rate_of_the_threshold(tail: bool) -> None:
    sizes = {"narrow": 4000, "wide": 4000}
    widths = {"narrow": 1.0, "wide": 6.0}
    scores, entities = draw(sizes, widths)
    pooled = Calibration.fit(scores, tail=tail)
    calibration = pooled.by_entity(scores, entities, widths, 99)
    new, names = draw({"narrow": 40_000, "wide": 40_000}, widths, seed=1)
    rates = {name: (calibration.p_values(new, names)[names == name] <= 0.01).mean() for name in widths}
    assert all(0.005 < rate < 0.015 for rate in rates.values())
    assert (pooled.p_values(new)[names == "narrow"] <= 0.01).sum() == 0


def test_a_higher_score_has_no_higher_p_value_and_goes_below_counting_with_a_tail() -> None:
    scores, entities = draw({"a": 1000, "b": 1000}, WIDTHS)
    calibration = Calibration.fit(scores).by_entity(scores, entities, WIDTHS, 99)
    ladder, names = np.linspace(0, 30, 500), np.full(500, "a", dtype=object)
    p_values = calibration.p_values(ladder, names)
    assert (np.diff(p_values) <= 0).all()
    assert p_values[-1] < 1 / 1001
    resolutions = calibration.resolutions(np.array(["a", "never met"], dtype=object))
    assert np.asarray(resolutions).tolist() == [1 / 1001, 1 / 2001]
    assert calibration.mark_extrapolated(p_values, names)[-1]


def test_groups_are_restored_exactly() -> None:
    scores, entities = draw(SIZES, WIDTHS)
    calibration = Calibration.fit(scores).by_entity(scores, entities, WIDTHS, 30)
    content = json.loads(json.dumps(calibration.to_dict()))
    again = Calibration.restore(calibration.to_arrays(), content)
    new, names = draw(SIZES, WIDTHS, seed=5)
    np.testing.assert_array_equal(again.p_values(new * 3, names), calibration.p_values(new * 3, names))
    with pytest.raises(ValueError, match="do not fit"):
        Calibration.restore(calibration.to_arrays() | {"group_ends": np.array([3])}, content)


def test_newer_rows_keep_the_groups_that_still_have_enough() -> None:
    scores, entities = draw(SIZES, WIDTHS)
    older = Calibration.fit(scores).by_entity(scores, entities, WIDTHS, 30)
    newer, names = draw({"a": 200, "b": 4, "c": 30}, WIDTHS, seed=2)
    renewed = Calibration.fit(newer).renew_groups(older, newer, names, 30)
    assert renewed.groups is not None
    assert members(renewed.groups) == [{"a"}]


def test_entities_are_needed_where_p_values_are_theirs() -> None:
    scores, entities = draw(SIZES, WIDTHS)
    calibration = Calibration.fit(scores).by_entity(scores, entities, WIDTHS, 30)
    with pytest.raises(ColumnError, match=r"training\.calibrate_by: entity"):
        calibration.p_values(scores)
