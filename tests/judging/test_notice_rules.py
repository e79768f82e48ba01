"""The first rule that fits names the receivers; what fits none is told to all who listen."""

from __future__ import annotations

from datetime import datetime
from fnmatch import fnmatchcase
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynomaly.config import EVENTS, SEVERITIES, Notify
from pynomaly.config.notices import Route
from pynomaly.judging.notice_rules import EVENT_SEVERITIES, choose_receivers, is_at_least
from tests import naive

MONDAY = datetime(2026, 1, 19, 12)

TARGETS = [
    {"name": "ops", "url_env": "A", "roles": ["analyst"]},
    {"name": "lead", "url_env": "B", "roles": ["analyst", "boss"]},
    {"name": "news", "url_env": "C", "on": ["promote", "report"]},
]


def choose(routes: list[dict], event: str = "alert", severity: str = "high", entity: str = "m1") -> list[str]:
    notify = Notify.model_validate({"targets": TARGETS, "routes": routes})
    return [item.name for item in choose_receivers(notify, event, severity, entity, MONDAY)]


@pytest.mark.parametrize(
    ("routes", "receivers"),
    [
        ([], ["ops", "lead"]),
        ([{"to": ["lead"]}], ["lead"]),
        ([{"to": []}], []),
        ([{"to": ["analyst"]}], ["ops", "lead"]),
        ([{"to": ["boss", "lead"]}], ["lead"]),
        ([{"to": ["news"]}], []),
        ([{"to": ["lead"], "severity": "critical"}, {"to": ["ops"]}], ["ops"]),
        ([{"to": ["lead"], "severity": "medium"}, {"to": ["ops"]}], ["lead"]),
        ([{"to": ["lead"], "entity": "pump-*"}], ["ops", "lead"]),
        ([{"to": ["lead"], "entity": "m?"}], ["lead"]),
        ([{"to": ["lead"], "kinds": ["degraded"]}], ["ops", "lead"]),
        ([{"to": ["lead"], "hours": "08:00-18:00", "days": ["mon-fri"]}], ["lead"]),
        ([{"to": ["lead"], "hours": "18:00-08:00"}, {"to": ["ops"]}], ["ops"]),
        ([{"to": ["lead"], "days": ["sat", "sun"]}, {"to": ["ops"]}], ["ops"]),
    ],
)
def test_who_is_told_of_an_alert(routes: list[dict], receivers: list[str]) -> None:
    assert choose(routes) == receivers


def test_a_rule_by_entity_is_no_rule_for_what_is_about_none() -> None:
    assert choose([{"to": ["lead"], "entity": "m*"}], "promote", "low", "") == ["ops", "lead", "news"]


routes = st.fixed_dictionaries(
    {"to": st.lists(st.sampled_from(["ops", "lead", "analyst", "boss"]), max_size=2, unique=True)},
    optional={
        "kinds": st.lists(
            st.sampled_from(["alert", "promote", "drill"]), min_size=1, max_size=2, unique=True
        ),
        "severity": st.sampled_from(SEVERITIES),
        "entity": st.sampled_from(["*", "m*", "m2", "[mp]?"]),
        "hours": st.sampled_from(["", "08:00-18:00", "22:00-07:00"]),
        "days": st.lists(st.sampled_from(["mon", "sat", "sun"]), max_size=2, unique=True),
    },
)


@given(
    st.lists(routes, max_size=4),
    st.sampled_from(["alert", "promote", "drill", "report"]),
    st.sampled_from(SEVERITIES),
    st.sampled_from(["", "m1", "m2", "p1"]),
)
def test_the_first_rule_that_fits_decides(rules: list[dict], event: str, severity: str, entity: str) -> None:
    expected = {item["name"] for item in TARGETS if event in item.get("on", EVENTS)}
    for rule in rules:
        if (
            event in rule.get("kinds", EVENTS)
            and SEVERITIES.index(severity) <= SEVERITIES.index(rule.get("severity", "low"))
            and fnmatchcase(entity, rule.get("entity", "*"))
            and naive.covers_minute(rule.get("hours", ""), rule.get("days", ()), MONDAY)
        ):
            named = {
                item["name"] for item in TARGETS if {item["name"], *item.get("roles", ())} & set(rule["to"])
            }
            expected &= named
            break
    assert set(choose(rules, event, severity, entity)) == expected


def test_every_event_that_is_no_alert_has_a_severity() -> None:
    assert set(EVENT_SEVERITIES) == set(EVENTS) - {"alert"}


def test_a_severity_is_at_least_itself_and_what_is_less_grave() -> None:
    assert [is_at_least("high", item) for item in SEVERITIES] == [False, True, True, True]
    assert set(get_args(Route.model_fields["severity"].annotation)) == set(SEVERITIES)
