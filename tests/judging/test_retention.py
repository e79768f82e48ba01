"""What may be removed: past its retention and referred to by nothing that matters, whatever the history."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pynomaly.config import Retention
from pynomaly.judging.retention import (
    RETENTION_BY_KIND,
    PastDecision,
    RetentionFacts,
    StoredItem,
    plan_pruning,
)
from tests.naive import list_protected_things

NOW = datetime(2030, 1, 1, tzinfo=UTC)
OLD = NOW - timedelta(days=1000)
RETENTION = Retention(newest=1)


def day(number: int) -> datetime:
    return OLD + timedelta(days=number)


def names(history: RetentionFacts, retention: Retention = RETENTION) -> set[str]:
    return {item.name for item in plan_pruning(history, retention, NOW).removals}


def version(number: int, **facts: object) -> StoredItem:
    facts_given = {"version": number, "run": f"r{number}", "family": f"p{number}", "sha256": f"h{number}"}
    return StoredItem("version", f"v{number}", day(number), 10, **facts_given | facts)  # type: ignore[arg-type]


def test_only_what_nothing_refers_to_goes() -> None:
    things = (
        *(version(number) for number in range(1, 7)),
        *(
            StoredItem("run", f"r{number}", OLD, run=f"r{number}", family=f"p{number}")
            for number in range(1, 7)
        ),
        *(
            StoredItem("run", f"p{number}", OLD, run=f"p{number}", family=f"p{number}")
            for number in range(1, 7)
        ),
        StoredItem("run", "monitor", OLD, run="monitor", family="monitor"),
        *(StoredItem("rows", f"rows {number}", OLD, sha256=f"h{number}") for number in range(1, 7)),
        StoredItem("scores", "named", OLD, span=(day(3), day(4))),
        StoredItem("scores", "free", OLD, span=(day(8), day(9))),
        StoredItem("scores", "newest", OLD, span=(day(20), day(21))),
        StoredItem("shadow", "shadow of v5", OLD, version=5, span=(day(30), day(31))),
        StoredItem("shadow", "shadow of v1", OLD, version=1, span=(day(30), day(31))),
        StoredItem("leftover", "m-1", OLD),
        *(StoredItem("report", f"page of v{number}", OLD, version=number) for number in (1, 2, 3)),
        *(
            StoredItem("report", f"last of v{number}", day(5), version=number, span=(day(9), day(10)))
            for number in (1, 2)
        ),
    )
    decisions = (
        PastDecision("promote", "superior", day(1), frozenset({2, 1})),
        PastDecision("register", "hbos", day(2), frozenset({3}), ((day(3), day(5)),)),
        PastDecision("degradation", "normal", day(3), frozenset({3}), ((day(8), day(9)),)),
        PastDecision("promote", "superior", day(4), frozenset({3, 2})),
        PastDecision("pending", "pending", day(5), frozenset({5}), waits=True),
    )
    history = RetentionFacts(things, decisions, {"champion": 3, "previous": 2}, frozenset())
    gone = {"v1", "v4", "r1", "p1", "r4", "p4", "rows 1", "rows 4", "monitor", "free", "shadow of v1", "m-1"}
    gone |= {"page of v1"}
    assert names(history) == gone
    plan = plan_pruning(history, RETENTION, NOW)
    assert plan.counts["version"] == {"count": 2, "bytes": 20}
    assert {item.name: item.reason for item in plan.kept}["v3"] == "it is champion"
    # Another plan has another name; the same one, in any order, the same.
    assert plan.digest == plan_pruning(replace(history, things=things[::-1]), RETENTION, NOW).digest
    assert plan.digest != plan_pruning(RetentionFacts(things), RETENTION, NOW).digest


@pytest.mark.parametrize("kind", RETENTION_BY_KIND)
def test_a_thing_stays_until_its_own_retention_is_over(kind: str) -> None:
    retention = Retention(**{RETENTION_BY_KIND[kind]: "30d"})  # type: ignore[index,arg-type]
    newer = StoredItem(kind, "newer", OLD, version=99, span=(day(50), day(51)))  # type: ignore[arg-type]
    filler = tuple(version(number) for number in (97, 98, 99))  # so that nothing is the newest of its kind
    for age, gone in ((timedelta(days=30), False), (timedelta(days=30, seconds=1), True)):
        thing = StoredItem(kind, "it", NOW - age, version=99, span=(day(1), day(2)))  # type: ignore[arg-type]
        if kind == "version":
            thing = replace(thing, version=1)
        if kind in ("shadow", "quarantine"):
            thing = replace(thing, version=None)
        history = RetentionFacts((thing, newer, *filler))
        assert ("it" in names(history, retention)) == gone


def test_what_may_be_in_use_stays() -> None:
    busy = StoredItem("run", "child", OLD, run="child", family="parent", busy=True)
    parent = StoredItem("run", "parent", OLD, run="parent", family="parent")
    assert names(RetentionFacts((busy, parent))) == set()


moments = st.integers(0, 1000).map(day)
versions = st.integers(1, 8)
spans = st.tuples(st.integers(0, 60), st.integers(1, 9)).map(lambda at: (day(at[0]), day(at[0] + at[1])))
runs = st.sampled_from([f"{letter}{number}" for letter in "rp" for number in range(1, 9)])
others = st.builds(
    StoredItem,
    kind=st.sampled_from([kind for kind in RETENTION_BY_KIND if kind not in ("version", "run")]),
    name=st.integers(0, 10**9).map(str),
    at=moments,
    version=st.none() | versions,
    span=st.none() | spans,
    sha256=st.sampled_from(["", *(f"h{number}" for number in range(1, 9))]),
)
lines = st.builds(
    PastDecision,
    kind=st.sampled_from(["promote", "rollback", "pending", "register", "degradation", "bake", "retrain"]),
    outcome=st.sampled_from(["superior", "normal", "ok", "none", "breach", "critical"]),
    at=moments,
    versions=st.frozensets(versions, max_size=2),
    spans=st.lists(spans, max_size=2).map(tuple),
    runs=st.frozensets(runs, max_size=2),
    waits=st.booleans(),
)


@st.composite
def histories(draw: st.DrawFn) -> RetentionFacts:
    there = draw(st.sets(versions))
    models = [
        replace(version(number), at=draw(moments), sha256=draw(st.sampled_from([f"h{number}", "h1"])))
        for number in sorted(there)
    ]
    made = [
        StoredItem("run", run, draw(moments), run=run, family=f"p{run[1:]}", busy=draw(st.booleans()))
        for run in sorted(draw(st.sets(runs)))
    ]
    rest = draw(st.lists(others, max_size=12, unique_by=lambda thing: thing.name))
    alias = st.sampled_from(["champion", "previous", "challenger", "shadow", "by_hand"])
    return RetentionFacts(
        tuple(draw(st.permutations([*models, *made, *rest]))),
        tuple(draw(st.lists(lines, max_size=8))),
        draw(st.dictionaries(alias, versions)),
        draw(st.frozensets(versions, max_size=2)),
        draw(st.lists(spans, max_size=2).map(tuple)),
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine draws slowly
@given(histories(), st.integers(1, 4))
def test_whatever_the_history_what_matters_survives(history: RetentionFacts, newest: int) -> None:
    retention = Retention(newest=newest)
    plan = plan_pruning(history, retention, NOW)
    removed = {(item.kind, item.name) for item in plan.removals}
    assert not removed & list_protected_things(history, retention, NOW)
    decided = removed | {(item.kind, item.name) for item in plan.kept}
    for thing in history.things:
        past = NOW - thing.at > getattr(retention, RETENTION_BY_KIND[thing.kind])
        assert ((thing.kind, thing.name) in decided) == past
    # What is left is left by a second run, too, and nothing more goes.
    left = tuple(thing for thing in history.things if (thing.kind, thing.name) not in removed)
    assert not plan_pruning(replace(history, things=left), retention, NOW).removals


W = (day(3), day(4))
LATER = StoredItem("scores", "newest", OLD, span=(day(50), day(51)))
OWN_LATER = StoredItem("report", "newest report", OLD, version=1, span=(day(50), day(51)))
ALL = {"champion": 1}
FOUND = (PastDecision("degradation", "degraded", day(5), frozenset({1}), (W,)),)


@pytest.mark.parametrize(
    ("thing", "facts", "reason"),
    [
        (StoredItem("trace", "it", OLD, busy=True), {}, "its alert waits for an answer"),
        (StoredItem("leftover", "it", OLD, busy=True), {}, "somebody may be working on it"),
        (
            StoredItem("run", "it", OLD, run="x", family="p1"),
            {},
            "a version that stays, or a decision about one, refers to its training or itself",
        ),
        (StoredItem("rows", "it", OLD, sha256="h1"), {}, "it belongs to v1, which stays"),
        (
            StoredItem("quarantine", "it", OLD, version=1),
            {},
            "v1, which stays, was trained without these rows",
        ),
        (StoredItem("shadow", "it", OLD, version=1, span=W), {}, "v1 stays: it is champion"),
        (StoredItem("report", "it", OLD, version=1), {}, "it is about v1, which stays"),
        (StoredItem("scores", "it", OLD, span=(day(60), day(61))), {}, "it is the newest of its kind"),
        *(
            (
                StoredItem(kind, "it", OLD, version=8, span=W),  # type: ignore[arg-type]
                {"decisions": FOUND},
                "a decision about a version that stays names its window",
            )
            for kind in ("scores", "shadow", "quarantine")
        ),
        *(
            (
                StoredItem(kind, "it", OLD, version=8, span=W),  # type: ignore[arg-type]
                {"asked": (W,)},
                "an alert or an audit in its window waits for an answer",
            )
            for kind in ("scores", "quarantine")
        ),
        (StoredItem("shadow", "it", OLD, version=8, span=W), {"asked": (W,)}, None),
        (StoredItem("scores", "it", OLD, span=(day(4), day(5))), {"asked": (W,), "decisions": FOUND}, None),
        (StoredItem("scores", "it", OLD, span=(day(2), day(3))), {"asked": (W,), "decisions": FOUND}, None),
        (StoredItem("run", "it", OLD, run="x", family="other"), {}, None),
        (StoredItem("rows", "it", OLD, sha256="h8"), {}, None),
        (StoredItem("trace", "it", OLD), {}, None),
    ],
)
def test_what_stays_says_why(thing: StoredItem, facts: dict[str, Any], reason: str | None) -> None:
    items = (version(1), StoredItem("run", "r1", OLD, run="r1", family="p1"), thing, LATER, OWN_LATER)
    plan = plan_pruning(RetentionFacts(items, aliases=ALL, **facts), Retention(newest=1), NOW)
    kept = {item.name: item.reason for item in plan.kept}
    gone = {item.name: item.reason for item in plan.removals}
    assert kept.get("it") == reason
    assert ("it" in gone) == (reason is None)
    if reason is None:
        assert gone["it"].endswith(", and nothing refers to it")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"aliases": {"previous": 1}}, "it is previous"),
        ({"unfinished": frozenset({1})}, "its training has not decided about it"),
        (
            {"decisions": (PastDecision("rollback", "ok", OLD, frozenset({1})),)},
            "the last change of champion names it",
        ),
        (
            {"decisions": (PastDecision("pending", "pending", OLD, frozenset({1}), waits=True),)},
            "a promotion that waits for an answer names it",
        ),
        ({}, None),
    ],
)
def test_a_version_that_stays_says_why(facts: dict[str, Any], reason: str | None) -> None:
    plan = plan_pruning(RetentionFacts((version(1), version(2)), **facts), Retention(newest=1), NOW)
    kept = {item.name: item.reason for item in plan.kept}
    assert kept == {"v2": "it is one of the 1 newest versions"} | ({"v1": reason} if reason else {})


def test_what_belongs_to_a_version_stays_as_long_as_the_version_is_young() -> None:
    retention = Retention(newest=1, versions="30d")
    rows = StoredItem("rows", "rows of v1", OLD, sha256="h1")
    for age, stays in ((timedelta(days=30), True), (timedelta(days=30, seconds=1), False)):
        young = replace(version(1), at=NOW - age)
        plan = plan_pruning(RetentionFacts((young, version(2), rows)), retention, NOW)
        assert ("rows of v1" in {item.name for item in plan.kept}) == stays


def test_a_plan_is_plain_and_counts_bytes() -> None:
    things = (version(1), version(2), StoredItem("trace", "t", OLD, 7))
    plan = plan_pruning(RetentionFacts(things), RETENTION, NOW)
    assert plan.to_dict() == {
        "counts": {"version": {"count": 1, "bytes": 10}, "trace": {"count": 1, "bytes": 7}},
        "bytes": 17,
        "removals": [
            {"kind": item.kind, "name": item.name, "size": item.size, "reason": item.reason}
            for item in plan.removals
        ],
        "kept": [{"kind": "version", "name": "v2", "reason": "it is one of the 1 newest versions"}],
    }
    assert len(plan.digest) == 16
