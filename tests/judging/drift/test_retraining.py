"""Every refusal, who may pass it, and that a storm of events trains once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynomaly import config
from pynomaly.errors import WindowError
from pynomaly.judging.drift.retraining import RetrainSituation, decide_retraining

SETTINGS = config.Retraining()
NOW = datetime(2026, 4, 13, tzinfo=UTC)
EVENT = RetrainSituation(
    reason="data_drift",
    trigger="event",
    as_of=NOW,
    last_training=NOW - timedelta(days=10),
    last_data_hash="old",
    data_hash="new",
    rows_available=5000,
    rejected_in_a_row=0,
    last_rejection=None,
    schema_ok=True,
    champion="quickstart v1",
)
COOLING = {"last_training": NOW - timedelta(hours=23)}
EXHAUSTED = {"rejected_in_a_row": 5, "last_rejection": NOW - timedelta(days=10)}
WAITING = {"rejected_in_a_row": 2, "last_rejection": NOW - timedelta(days=5)}


@pytest.mark.parametrize(
    ("changes", "remedy", "reason_part"),
    [
        ({}, "refit", "data_drift: the champion's detector is trained again on 5000 rows"),
        ({"reason": "performance"}, "search", "every candidate"),
        ({"reason": "thresholds"}, "recalibrate", "the model stays"),
        ({"reason": "thresholds", "rejected_in_a_row": 1}, "search", "was rejected"),
        (
            {"reason": "thresholds", "rejected_in_a_row": 1, "asked": "recalibrate"},
            "recalibrate",
            "the model stays",
        ),
        ({"reason": "alert_rate"}, "refit", "trained again"),
        ({"reason": "score_drift"}, "refit", "trained again"),
        ({"reason": "schedule", "trigger": "schedule"}, "search", "5000 rows"),
        ({"trigger": "manual", "reason": "manual"}, "search", "A person asked"),
        ({"schema_ok": False}, "block", "columns are not"),
        ({"champion": None}, "search", "no champion"),
        ({"champion": None, "schema_ok": False}, "block", "columns are not"),
        ({"data_hash": "old"}, "none", "the result would be the same"),
        ({"rows_available": 299}, "none", "299 usable rows; 300 are needed"),
        (COOLING, "none", "cool-down of 1d"),
        ({"last_training": NOW - timedelta(hours=24)}, "refit", "trained again"),
        (EXHAUSTED, "none", "back-off of 12d ends at 2026-04-15T00:00:00+00:00; a person may ask sooner"),
        (EXHAUSTED | {"last_rejection": NOW - timedelta(days=12)}, "search", "was rejected"),
        (WAITING, "none", "back-off of 6d"),
        ({"rejected_in_a_row": 1, "last_rejection": NOW - timedelta(days=3)}, "search", "was rejected"),
    ],
)
def test_decisions(changes: dict[str, Any], remedy: str, reason_part: str) -> None:
    decision = decide_retraining(replace(EVENT, **changes), SETTINGS)
    assert decision.remedy == remedy
    assert any(reason_part in reason for reason in decision.reasons)
    assert all(reason.endswith((".", ")")) for reason in decision.reasons)
    assert decision.trains == (remedy in ("refit", "search"))
    json.dumps(decision.to_dict(), allow_nan=False)


def test_waiting_says_until_when() -> None:
    decision = decide_retraining(replace(EVENT, **{**WAITING, **COOLING}), SETTINGS)
    assert len(decision.reasons) == 2
    assert decision.retry_after == NOW + timedelta(days=1)
    assert decide_retraining(replace(EVENT, **COOLING), SETTINGS).retry_after == NOW + timedelta(hours=1)


@pytest.mark.parametrize("changes", [{"data_hash": "old", **COOLING}, {"rows_available": 1, **COOLING}])
def test_what_waiting_does_not_mend_has_no_retry(changes: dict[str, Any]) -> None:
    assert decide_retraining(replace(EVENT, **changes), SETTINGS).retry_after is None


def test_back_off_doubles_up_to_the_most_attempts() -> None:
    patient = config.Retraining(max_attempts=4)
    for rejected, days in ((1, 3), (2, 6), (3, 12), (4, 24), (9, 24)):
        situation = replace(EVENT, rejected_in_a_row=rejected, last_rejection=NOW)
        assert decide_retraining(situation, patient).retry_after == NOW + timedelta(days=days)


@pytest.mark.parametrize("changes", [COOLING, EXHAUSTED, WAITING, {**COOLING, **EXHAUSTED}])
def test_a_person_passes_what_holds_back_events_and_is_told(changes: dict[str, Any]) -> None:
    decision = decide_retraining(replace(EVENT, trigger="manual", **changes), SETTINGS)
    assert decision.remedy == "search"
    assert any("does not hold it back" in reason for reason in decision.reasons)


@pytest.mark.parametrize("changes", [{"data_hash": "old"}, {"rows_available": 10}])
def test_a_person_does_not_pass_the_same_data_or_too_few_rows(changes: dict[str, Any]) -> None:
    assert decide_retraining(replace(EVENT, trigger="manual", **changes), SETTINGS).remedy == "none"


def test_fifty_events_in_a_minute_give_one_training() -> None:
    situation, trained = EVENT, 0
    for second in range(50):
        situation = replace(situation, as_of=NOW + timedelta(seconds=second))
        if decide_retraining(situation, SETTINGS).trains:
            trained += 1
            situation = replace(situation, last_training=situation.as_of, last_data_hash=situation.data_hash)
    assert trained == 1


def test_naive_times_are_refused() -> None:
    with pytest.raises(WindowError, match="as_of 2026-04-13T00:00:00 has no offset"):
        replace(EVENT, as_of=datetime(2026, 4, 13))


@given(
    st.sampled_from(["event", "manual", "schedule"]),
    st.integers(0, 5000),
    st.integers(0, 5),
    st.booleans(),
    st.sampled_from([0, 1, 12, 24, 240]),
)
def test_every_decision_has_reasons_and_no_event_trains_while_it_must_wait(
    trigger: Any, rows: int, rejected: int, same: bool, hours: int
) -> None:
    situation = replace(
        EVENT,
        trigger=trigger,
        rows_available=rows,
        rejected_in_a_row=rejected,
        last_rejection=NOW - timedelta(hours=hours) if rejected else None,
        last_training=NOW - timedelta(hours=hours),
        data_hash="old" if same else "new",
    )
    decision = decide_retraining(situation, SETTINGS)
    assert decision.reasons
    if same or rows < 300 or (trigger != "manual" and (hours < 24 or (rejected and hours < 72))):
        assert decision.remedy == "none"
    if decision.retry_after is not None:
        later = replace(situation, as_of=decision.retry_after)
        assert decide_retraining(later, SETTINGS).trains


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"rows_available": 300}, "refit"),
        ({"rows_available": 299}, "none"),
    ],
)
def test_what_just_suffices_trains(changes: dict[str, Any], remedy: str) -> None:
    assert decide_retraining(replace(EVENT, **changes), SETTINGS).remedy == remedy


def test_rows_of_incidents_are_named_unless_nothing_is_trained_for_bad_data() -> None:
    note = "Rows of declared incidents, left out of the reference: 7."
    assert decide_retraining(replace(EVENT, left_out=7), SETTINGS).reasons[-1] == note
    assert note in decide_retraining(replace(EVENT, left_out=7, **COOLING), SETTINGS).reasons
    blocked = decide_retraining(replace(EVENT, left_out=7, schema_ok=False), SETTINGS)
    assert blocked.remedy == "block"
    assert len(blocked.reasons) == 1
    assert "The columns are not what the pipeline expects" in blocked.reasons[0]
    assert decide_retraining(replace(EVENT, champion=None), SETTINGS).reasons == (
        "There is no champion yet: every candidate is trained.",
    )
    assert EVENT.to_dict()["as_of"] == NOW.isoformat()


def test_forgotten_rejections_are_named_and_hold_nothing_back() -> None:
    decision = decide_retraining(replace(EVENT, forgotten_rejections=3), config.Retraining())
    assert decision.trains
    assert decision.reasons[-1] == (
        "Rejected challengers older than 90d (retraining.forget), not counted: 3."
    )
