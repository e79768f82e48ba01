"""Which rows are held back: by the direction and the size of the deviations that carry them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pynomaly.config import Alerts
from pynomaly.errors import ConfigError
from pynomaly.model.calibration.alert_limits import AlertLimits
from pynomaly.model.calibration.alert_policy import AlertPolicy
from tests.naive import find_held_back_naively

NAMES = ("temp", "power")


def limits(**alerts: object) -> AlertLimits:
    rules = AlertLimits.from_config(Alerts.model_validate(alerts), NAMES)
    assert rules is not None
    return rules


def hold(rules: AlertLimits, cells: list[list[float]]) -> list[str]:
    numbers = np.asarray(cells, dtype=float)
    return rules.find_held_back(numbers, np.full(numbers.shape, 10.0), np.array([1.0, 2.0]), NAMES)


@pytest.mark.parametrize(
    ("alerts", "cells", "kept"),
    [
        ({"direction": "high"}, [14.0, 10.0], True),
        ({"direction": "high"}, [6.0, 10.0], False),
        ({"direction": "high"}, [6.0, 18.0], True),  # one of two columns that carry it is high
        ({"direction": "low"}, [14.0, 10.0], False),
        ({"direction": {"temp": "low"}}, [14.0, 10.0], False),
        ({"direction": {"power": "low"}}, [14.0, 10.0], True),
        ({"direction": {"*": "high", "temp": "both"}}, [6.0, 10.0], True),
        ({"direction": {"*": "high", "temp": "both"}}, [10.0, 4.0], False),
        ({"minimum": {"temp": 5}}, [14.0, 10.0], False),
        ({"minimum": {"temp": 4}}, [14.0, 10.0], True),
        ({"minimum": "50%"}, [14.0, 10.0], False),
        ({"minimum": {"temp": "40%"}}, [14.0, 10.0], True),
        ({"minimum": 100}, [10.5, 10.0], True),  # nothing is one scale away: no number carries it
        ({"direction": "high"}, [np.nan, np.nan], True),
    ],
)
def test_a_row_is_held_back_if_no_column_that_carries_it_is_wanted(alerts, cells, kept) -> None:
    assert (hold(limits(**alerts), [cells]) == [""]) is kept


def test_the_reason_names_column_and_setting() -> None:
    assert hold(limits(direction="high"), [[6.0, 10.0]]) == ["temp is lower than expected, wanted: high"]
    assert hold(limits(minimum={"temp": 5}), [[14.0, 10.0]]) == ["temp deviates by 4, less than 5"]


def test_no_limits_are_none_and_unknown_columns_are_named() -> None:
    assert AlertLimits.from_config(Alerts(), NAMES) is None
    assert AlertLimits.from_config(Alerts(direction={"temp": "both"}), NAMES) is None
    with pytest.raises(ConfigError, match=r"alerts.direction names 'tmp'.*did you mean 'temp'"):
        AlertLimits.from_config(Alerts(direction={"tmp": "low"}), NAMES)
    for wrong in ("much", -1, "-5%", float("nan")):
        with pytest.raises(ValidationError):
            Alerts(minimum={"temp": wrong})


def test_a_policy_keeps_its_limits_and_older_ones_have_none() -> None:
    policy = AlertPolicy.from_config(Alerts(direction="low", minimum={"power": "5%"}), None, NAMES)
    assert AlertPolicy.from_dict(policy.to_dict()) == policy
    plain = AlertPolicy.from_config(Alerts(), None, NAMES)
    assert "limits" not in plain.to_dict()
    assert AlertPolicy.from_dict(plain.to_dict()) == plain


tables = st.lists(
    st.tuples(st.floats(-50, 50), st.one_of(st.floats(-50, 50), st.just(float("nan")))),
    min_size=1,
    max_size=8,
)


@settings(max_examples=100, deadline=None)
@given(tables, st.sampled_from(["high", "low", "both"]), st.floats(0, 30))
def test_it_agrees_with_the_naive_twin(cells, direction, least) -> None:
    rules = AlertLimits({"*": direction}, {"*": (least, False)})
    held = [reason != "" for reason in hold(rules, cells)]
    assert held == find_held_back_naively(cells, 10.0, (1.0, 2.0), direction, least)


@settings(max_examples=60, deadline=None)
@given(tables, st.floats(0, 20), st.floats(0, 20))
def test_a_larger_minimum_never_gives_more_alerts(cells, one, other) -> None:
    small, large = (AlertLimits({}, {"*": (least, False)}) for least in sorted((one, other)))
    assert sum(not reason for reason in hold(large, cells)) <= sum(
        not reason for reason in hold(small, cells)
    )
