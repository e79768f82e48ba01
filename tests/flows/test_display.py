"""Tables of the command line fit a terminal of 80 columns, with values as large as they come."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest

from flows import display
from flows.display.alerting import show_audit
from flows.display.operations import show_backfill
from flows.display.reporting import show_history
from flows.display.scoring import show_scored_windows
from flows.display.tables import build_table, make_console
from flows.display.training import show_training_result

CANDIDATE = {
    "value": 0.97123,
    "low": 0.84812,
    "high": 1.0,
    "not_comparable": "",
    "fit_seconds": 1234.567,
    "score_seconds": 123.456,
    "megabytes": 123.456,
    "front": True,
}


def scored(window: str) -> dict[str, object]:
    return {
        "window": window,
        "version": 123,
        "rows": 12_345_678,
        "alerts": 123_456,
        "quarantined": 12_345,
        "new": True,
    }


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "80")

    def shown() -> list[str]:
        printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
        assert max(map(len, printed)) <= 80
        return printed

    return shown


@pytest.mark.parametrize(
    ("window", "start"),
    [
        ("20260119T000000Z--20260120T000000Z", "2026-01-19 to 2026-01-20"),
        ("20260119T040000Z--20260119T050000Z", "2026-01-19 04:00 to 05:00"),
        ("20260119T230000Z--20260120T010000Z", "2026-01-19 23:00 to 01-20 01:00"),
        ("all", "all"),
    ],
)
def test_a_window_is_one_line_of_a_table(lines, window: str, start: str) -> None:
    show_scored_windows({"windows": [scored(window)], "empty": [], "left_out": ""})
    assert [line for line in lines() if line.startswith(start)]
    judged = {"window": window, "version": 123, "state": "critical", "new": True}
    show_backfill({"windows": [], "judged": [judged], "empty": [], "left_out": ""})
    assert [line for line in lines() if line.startswith(start)]


def test_a_candidate_is_one_line_of_a_table(lines) -> None:
    table = [{"candidate": name, **CANDIDATE} for name in ("autoencoder", "iforest")]
    unusable = {
        "candidate": "hbos",
        **CANDIDATE,
        "value": float("nan"),
        "low": None,
        "high": None,
        "front": False,
    }
    decision = {"kind": "promote", "subject": "m v1", "outcome": "first", "reasons": []}
    registered = {"pipeline": "m", "version": 1, "detector": "iforest", "notes": []}
    choice = {"table": [*table, unusable], "reasons": []}
    show_training_result({"trained": True, "registered": registered, "choice": choice, "decision": decision})
    printed = lines()
    assert [line for line in printed if line.startswith("autoencoder") and "0.848 to 1.000" in line]
    assert [line for line in printed if line.startswith("hbos") and " - " in line]


PIPELINE = "turbines-of-the-northern-hall-with-every-sensor-that-was-fitted"
COLUMN = "bearing_temperature_at_the_drive_end"
ENTITY = "turbine-number-seventeen-north"
PATH = "/srv/pynomaly/a/folder/deep/below/another/folder/with/a/long/name/in/the/end/report.html"
SENTENCE = (
    "the distribution of bearing_temperature_at_the_drive_end moved by 0.412, more than drift.strong_effect"
)
DECISION = {
    "seq": 1234,
    "as_of": "2026-01-19T00:00:00+00:00",
    "kind": "promote",
    "subject": f"{PIPELINE} v123",
    "outcome": "collective-superiority",
    "reasons": [SENTENCE, f"written to {PATH}"],
}
ALERT = {
    "alert": "3f2a9c0d1e4b5a69",
    "severity": "critical",
    "category": "collective",
    "entity": ENTITY,
    "rows": 123_456,
    "first": "2026-01-19T00:00:00+00:00",
    "last": "2026-01-20T08:00:00+00:00",
    "cause": COLUMN,
    "ending": "false-alarm",
    "quiet": "planned maintenance",
    "state": "acknowledged",
    "extrapolated": True,
    "p_value": 1e-5,
    "rarity": "one in a hundred thousand",
    "version": 123,
    "score": 123.456,
    "reasons": [SENTENCE],
    "carriers": [
        {"feature": COLUMN, "actual": "123.456", "expected": "12.3456", "share": 0.81, "past": SENTENCE}
    ],
    "alike": [
        {"alert": "aa2a9c0d1e", "entity": ENTITY, "first": "2026-01-01T00:00:00", "ending": "confirmed"}
    ],
    "by": "ann",
    "note": SENTENCE,
}
SCORED = {"empty": [SENTENCE], "left_out": "", "windows": [scored("20260119T230000Z--20260120T010000Z")]}
GUARANTEE = {
    "name": "alert_rate",
    "state": "holds",
    "alpha": 0.004,
    "bets": 12_345,
    "largest": 1.234e12,
    "reasons": [SENTENCE],
    "window": "20260119T000000Z--20260126T000000Z",
}
JUDGED = {"window": "20260119T000000Z--20260126T000000Z", "version": 1, "state": "critical", "new": True}
SIDE = {
    "policy": "budget (p <= 0.001234)",
    "rows": 12_345,
    "events": 1234,
    "per_day": 12.3,
    "confirmed": 12,
    "false_alarms": 34,
    "entities": {ENTITY: 12, "b": 3},
}
STRATUM = {"name": "alerted rows", "population": 1_234_567, "sampled": 100, "labelled": 50, "anomalies": 3}
SETTING = {"key": "degradation.alert_rate_factor", "value": SENTENCE, "from": "configs/production/x.yaml"}
POLICY = {
    "caught": 3,
    "episodes": 12,
    "alerts_per_day": 123.4,
    "events_per_day": 12.3,
    "trainings": 12,
    "promotions": 3,
    "recalibrations": 1,
    "recalibrated_at": ["2026-01-26T00:00:00+00:00"],
    "seconds": 123.4,
    "average_precision": 0.912,
    "roc_auc": 0.987,
    "judged_windows": 3,
    "failed": 1,
    "decisions": [{"decision": "training failed", "at": "2026-01-19", "reasons": [SENTENCE]}],
}
DIFF = {
    "champion": "v1",
    "challenger": "v2",
    "window": JUDGED["window"],
    "reasons": [SENTENCE],
    "examples": [
        {
            "side": "challenger",
            "where": {"time": "2026-01-19T00:00:00+00:00", "machine": ENTITY},
            "row": 7,
            "champion_p": 0.1,
            "challenger_p": 0.0001,
            "because": [{"column": COLUMN, "value": 12.0, "usual": None, "fall": 1.5}],
        }
    ],
}
TRIAL = {
    "params": {"n_estimators": 200, "max_samples": 512, "contamination_of_the_sample": 0.1},
    "detector": "ensemble_trimmed",
    "value": 0.912,
    "stability": 0.987,
    "seconds": 123.456,
    "reason": SENTENCE,
}
TRAINING = {
    "trained": True,
    "registered": {"pipeline": PIPELINE, "version": 1, "detector": "iforest", "notes": [SENTENCE]},
    "choice": {"table": [{"candidate": "ensemble_trimmed", **CANDIDATE}], "reasons": [SENTENCE]},
    "decision": DECISION,
}
LINES_OF_RECONCILIATION = (
    *("leases", "drafts", "runs", "flow_runs", "finished", "abandoned", "silent", "recovered", "failed"),
)
READ_COLUMN = {
    "name": "bearing_temperature_at_the_drive_end",
    "role": "number",
    "why": SENTENCE,
    "sure": "likely",
    "example": "1.234.567,89 degrees",
    "unreadable": 123_456,
    "cells": [{"line": 12_345_678, "column": "bearing_temperature_at_the_drive_end", "cell": "Bad Input"}],
    "otherwise": "data.categorical",
}

AUDITED = {
    "average_precision": {"value": 0.7, "low": 0.5, "high": 0.9, "level": 0.95},
    "alerts": {
        "level": 0.95,
        "precision": {"value": 0.9, "low": 0.8, "high": 1.0},
        "recall": {"value": None, "low": 0.0, "high": 1.0},
        "strata": [STRATUM],
    },
}

DELIVERED = {"sink": "the-data-warehouse", "what": "decisions", "rows": 1_234_567}
DELIVERY = {
    "sink": "the-data-warehouse",
    "kind": "smartsheet",
    "what": "decisions",
    "due": 1_234_567,
    "dead": 12,
    "error": SENTENCE,
}

RESULTS: dict[str, dict[str, Any]] = {
    "show_alert": ALERT,
    "show_alert_list": {"pipeline": PIPELINE, "state": "all", "total": 3, "alerts": [ALERT]},
    "show_answer": {"alert": ALERT, "new": False, "labelled": 12},
    "show_audit": {
        "audit": "3f2a",
        "answered": 50,
        "waiting": 50,
        "against": {"champion": 123, "challenger": 124},
        "champion": AUDITED,
        "challenger": AUDITED | {"average_precision": None},
        "verdict": {"reasons": [SENTENCE, SENTENCE]},
        "more_answers": 0,
        "forecast": SENTENCE,
        "notes": [SENTENCE],
    },
    "show_backfill": {**SCORED, "judged": [JUDGED]},
    "show_catalogue": {
        "detectors": [
            {
                "name": "ensemble_trimmed",
                "family": "ensemble",
                "cost": "quadratic",
                "max_rows": 50_000,
                "deterministic": False,
                "keeps_rows": True,
                "summary": SENTENCE,
            }
        ]
    },
    "show_chain_check": {"intact": False, "broken_at": 1234, "reason": SENTENCE},
    "show_delivery": {
        "pipeline": PIPELINE,
        "channels": [DELIVERED],
        "sinks": [DELIVERY, DELIVERY | {"what": "alerts", "due": None}],
    },
    "show_delivery_plan": {
        "pipeline": PIPELINE,
        "sinks": [DELIVERY, DELIVERY | {"due": None}],
        "answers": {"the-data-warehouse": SENTENCE, "b": ""},
    },
    "show_conversion": {
        "product": "Amazon Lookout for Equipment",
        "files": [PATH],
        "config": "configs/x.yaml",
        "carried": {"data.label_delay": SENTENCE},
        "left_out": {"InferenceSchedulerConfiguration": SENTENCE},
        "data": False,
        "settings": {"data": {"path": PATH, "connection": "PLANT_DB"}},
    },
    "show_decision": DECISION,
    "show_deliveries": {"targets": [{"target": PIPELINE, "delivered": False, "reason": SENTENCE}]},
    "show_drawn_audit": {
        "audit": "3f2a",
        "rows": 100,
        "output": PATH,
        "strata": [STRATUM],
        "windows": 12,
        "against": {"champion": 123, "challenger": 124},
    },
    "show_drill": {
        "passed": False,
        "window": JUDGED["window"],
        "reasons": [SENTENCE],
        "recall": {"dependency": 0.9},
    },
    "show_export": {"alerts": 12, "output": PATH},
    "show_file_scores": {
        "rows": 1,
        "version": 1,
        "alerts": 1,
        "output": PATH,
        "touched": 12,
        "quarantined": 1,
        "quarantine": PATH,
        "renamed": {"score": "input.score"},
        "warnings": [SENTENCE],
    },
    "show_health_checks": {
        "checks": [
            {"state": "wrong", "check": "great-expectations", "found": PATH, "mend": SENTENCE},
            {"state": "ok", "check": "disk", "found": "12 GB free", "mend": ""},
            {"state": "warning", "check": "great-expectations", "found": SENTENCE, "mend": SENTENCE},
        ]
    },
    "show_history": {"pipeline": PIPELINE, "decisions": [DECISION, {**DECISION, "as_of": None}]},
    "show_labels": {
        "pipeline": PIPELINE,
        "read": {"rows": 12, "source": PATH, "new": 3, "empty": 1, "unread": [SENTENCE]},
        "labels": 12,
        "rows": 10,
        "anomalies": 3,
        "disputed": 1,
        "given": [{"source": PATH, "author": "ann@example.org", "labels": 12}],
    },
    "show_monitored_window": {
        "window": JUDGED["window"],
        "version": 1,
        "degradation": {"state": "critical", "action": "page", "reasons": [SENTENCE]},
        "observation": {"reasons": [SENTENCE]},
        "drift": {
            "status": "drift",
            "basis": SENTENCE,
            "columns": [{"name": COLUMN, "status": "drift", "effect": 0.412, "corrected": 0.0001}],
        },
        "aspects": [{"name": "exchangeability", "status": "warning", "effect": None}],
        "report": PATH,
        "page": PATH,
    },
    "show_past_champion": {"pipeline": PIPELINE, "at": "2026-01-19", "champion": 1, "decision": DECISION},
    "show_pending_promotions": {
        "pipeline": PIPELINE,
        "pending": [
            {
                **DECISION,
                "standing": [SENTENCE],
                "approvals": [SENTENCE],
                "needed": 2,
                "evidence": {"diff": DIFF},
            }
        ],
        "ended": [DECISION],
    },
    "show_policy_change": {"policy": DECISION, "decision": DECISION},
    "show_preview": {
        "pipeline": PIPELINE,
        "windows": 12,
        "from": "2026-01-19T00:00",
        "to": "2026-01-26T00:00",
        "scored": 1234,
        "now": SIDE,
        "then": SIDE,
        "gained": 1,
        "lost": 2,
        "notes": [SENTENCE],
    },
    "show_pruning": {
        "applied": False,
        "counts": {"quarantine": {"count": 12, "bytes": 12_345_678}},
        "removals": [{"kind": "quarantine", "reason": SENTENCE}],
        "kept": [{"kind": "version", "reason": SENTENCE}],
        "skipped": [f"{PATH}: permission denied"],
    },
    "show_reconciliation": {
        **{key: [SENTENCE] for key in LINES_OF_RECONCILIATION},
        "champion": 1,
        "delivered": 1,
        "waiting": 2,
        "answered": 3,
    },
    "show_rehearsal": {
        "ruling": {"kind": "promote", "outcome": "recalibrated", "reasons": [SENTENCE]},
        "rows": 1_234_567,
        "alert_rate_before": 0.12345,
        "alert_rate_after": 0.01,
        "promised": 0.01,
    },
    "show_replay": {
        "pipeline": PIPELINE,
        "start": "2026-01-19",
        "end": "2026-02-02",
        "windows": 12,
        "policies": {"every:2h": POLICY, "ours": POLICY},
        "notes": [SENTENCE],
    },
    "show_reproduction": {"version": 1, "outcome": "differs", "reasons": [SENTENCE]},
    "show_row_explanation": {
        "row": {
            "number": 7,
            "entity": ENTITY,
            "time": "2026-01-19T00:00:00+00:00",
            "is_anomaly": True,
            "severity": "critical",
            "score": 1.0,
            "p_value": 0.1,
            "rarity": "one in ten",
        },
        "said": [SENTENCE],
        "method": "occlusion",
        "reasons": [{"column": COLUMN, "value": ENTITY, "usual": None, "part": 0.1, "fall": 0.2}],
    },
    "show_scored_windows": SCORED,
    "show_search_result": {**TRAINING, "search": {"rung": "injected anomalies", "trials": [TRIAL]}},
    "show_settings": {
        "pipeline": PIPELINE,
        "environment": "production",
        "sha256": "ab" * 32,
        "settings": [SETTING, {**SETTING, "value": PATH}, {**SETTING, "value": None}, SETTING],
    },
    "show_status": {
        "sinks": [DELIVERY],
        "pipeline": PIPELINE,
        "champion": 1,
        "since": "2026-01-19T00:00:00+00:00",
        "because": [SENTENCE],
        "baking": {"until": JUDGED["window"], "seen": 1, "windows": 3, "against": 1},
        "pending": [2],
        "guarantees": [GUARANTEE, GUARANTEE | {"name": "bake", "state": "withdrawn", "window": None}],
        "alerts_changed": ["fdr_period 30d (now 7d)", "direction {'a': 'low'} (now {})"],
        "stream": {
            "since": "2026-01-05T00:00:00+00:00",
            "windows": 720,
            "discoveries": 1234,
            "earned": 123.4,
            "spent": 56.78,
            "silent": 12,
        },
        "live": {
            "newest": "2026-01-19T00:00:00+00:00",
            "read_at": "2026-01-19T00:00:01+00:00",
            "open_windows": 123,
            "open_rows": 12_345_678,
            "dead_letters": 12_345,
        },
        "obstacles": [SENTENCE],
        "partitions": 12,
        "last_window": JUDGED["window"],
        "last_alerts": 12_345,
        "last_events": 1234,
        "waiting": [1],
        "health": {"outcome": "critical", "subject": JUDGED["window"]},
    },
    "show_stream_run": {
        "messages": 12_345_678,
        "rows": 12_345_678,
        "scored": 12_345_678,
        "alerts": 123_456,
        "again": 12_345,
        "late": 1234,
        "letters": 12_345,
        "windows": [JUDGED["window"]] * 3,
        "lag": {"readings/0": 123_456_789},
        "left_out": {COLUMN: 123_456},
        "problems": [SENTENCE],
    },
    "show_imported_rows": {
        "rows": 12_345_678,
        "windows": 1234,
        "left_out": 12_345,
        "present": [JUDGED["window"]],
    },
    "show_letters": {
        "pipeline": PIPELINE,
        "counts": {"not_a_number": 123_456},
        "letters": [
            {
                "rule": "not_a_number",
                "reason": SENTENCE,
                "part": "readings/12",
                "offset": 123_456_789,
                "bytes": 1_048_577,
                "at": "2026-01-19T00:00:00+00:00",
                "message": "{\n" + ENTITY * 20,
            }
        ],
    },
    "show_training_result": TRAINING,
    "show_remark": {
        "alert": {
            "alert": "3f2a9c01d5e84b77",
            "state": "acknowledged",
            "assignee": "someone with a long name",
            "muted_until": "2026-11-28T00:00:00+00:00",
            "comments": [{"by": "ann", "text": "the same as last week, and the week before " * 3}],
        },
        "new": False,
    },
    "show_new_token": {
        "token": {
            "role": "approver",
            "pipelines": ["a-long-name-of-a-pipeline-*", "another-long-name-of-one-*"],
            "actor": "someone with a long name",
            "expires": "2026-11-28T00:00:00+00:00",
        },
        "secret": "pyn_" + "x" * 43,
    },
    "show_tokens": {
        "tokens": [
            {
                "id": "0123456789abcdef",
                "name": "the phone of somebody in the second hall",
                "actor": "someone with a long name",
                "role": "approver",
                "pipelines": ["a-long-name-of-a-pipeline-*"],
                "revoked": None,
                "expires": "2026-11-28T00:00:00+00:00",
                "used": None,
            }
        ]
    },
    "show_waiting_messages": {
        "waiting": [
            {
                "target": PIPELINE,
                "event": "quality_block",
                "severity": "critical",
                "title": SENTENCE,
                "age_s": 123_456,
                "attempts": 12,
                "error": SENTENCE,
                "due": due,
                "why": "quiet hours",
            }
            for due in (None, "2026-01-19T22:00:00+00:00")
        ]
    },
    "show_draft": {
        "file": PATH,
        "kind": "csv",
        "rows": 12_345_678,
        "rows_looked_at": 24_000,
        "encoding": "cp1252",
        "separator": "\t",
        "header_line": 12,
        "time": {
            "columns": ["Datum der Messung", "Uhrzeit"],
            "format": "%d.%m.%Y %H:%M:%S",
            "zone": "UTC",
            "first": "2026-01-19T00:00:00+00:00",
            "last": "2026-12-31T23:59:59+00:00",
        },
        "columns": [
            READ_COLUMN,
            {**READ_COLUMN, "name": "flag", "role": "truth", "cells": [], "unreadable": 0},
        ],
        "left_out": [{"name": "flag", "role": "truth", "why": SENTENCE}],
        "label": "machine_status",
        "label_values": {"NORMAL": 0, "RECOVERING": 1, "maintenance": None},
        "choices": [
            {"setting": "missing_values", "value": "-", "why": SENTENCE, "sure": "likely", "otherwise": ["?"]}
        ],
        "notes": [SENTENCE],
        "problems": [SENTENCE],
        "config": PATH,
    },
    "show_column": {
        "file": PATH,
        "column": READ_COLUMN,
        "meaning": "a numeric feature",
        "choices": [{"setting": "decimal", "value": ",", "why": SENTENCE, "sure": "sure", "otherwise": []}],
        "past": {"past": 0.934, "chance": 0.021, "season": 0.412, "period": 144},
        "settings": {"numbers": ["bearing_temperature_at_the_drive_end"]},
    },
    "show_example": {"config": PATH},
}
"""A result with long names for every function that prints one."""


def list_displays() -> dict[str, Callable[[dict[str, Any]], None]]:
    modules = [import_module(f"flows.display.{item.name}") for item in iter_modules(display.__path__)]
    return {
        name: function
        for module in modules
        for name, function in vars(module).items()
        if name.startswith("show_") and function.__module__ == module.__name__
    }


def test_every_display_has_a_result_here() -> None:
    assert set(RESULTS) == set(list_displays())


@pytest.mark.parametrize("name", RESULTS)
def test_no_word_is_broken_and_no_line_is_wider_than_the_terminal(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    list_displays()[name](RESULTS[name])
    output = capsys.readouterr().out
    wide = [line for line in output.splitlines() if len(line.rstrip()) > 80]
    assert not [line for line in wide if PATH not in line], output
    monkeypatch.setenv("COLUMNS", "9999")
    list_displays()[name](RESULTS[name])
    broken = list_words(capsys.readouterr().out) - list_words(output)
    assert not broken, f"{broken} in\n{output}"


def list_words(output: str) -> set[str]:
    return {word.rstrip(":") for word in output.split() if not set(word) <= set("│┃━╇")}


def test_history_reads_as_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    decision = {**DECISION, "subject": "turbines v2", "reasons": ["superior", SENTENCE]}
    show_history({"pipeline": "turbines", "decisions": [decision]})
    assert capsys.readouterr().out.splitlines() == [
        "decisions of turbines: 1, newest first",
        "1234. 2026-01-19 00:00 promote: turbines v2 (collective-superiority)",
        "    superior",
        "    the distribution of bearing_temperature_at_the_drive_end moved by 0.412,",
        "    more than drift.strong_effect",
    ]


def test_a_row_with_a_word_too_long_for_its_column_is_lines_and_the_others_stay_a_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    rows = [["a", "short"], ["b", "x" * 90], ["c", "also short"]]
    make_console().print(build_table("t", ("name", "value"), rows))
    assert [line.strip() for line in capsys.readouterr().out.splitlines()] == [
        "t",
        "name ┃ value",
        "━━━━━╇━━━━━━━━━━━",
        "a    │ short",
        "name: b",
        "value:",
        "x" * 90,
        "c    │ also short",
    ]


@pytest.mark.parametrize(
    ("powered", "line"),
    [
        (
            {"share": {"value": 0.62, "low": 0.55, "high": 0.7}, "reason": "scores predict the answers"},
            "scores predict the answers; without them precision is 0.51 to 0.83",
        ),
        (
            {"share": None, "reason": "every alert is answered"},
            "by the answers alone: every alert is answered",
        ),
        (None, ""),
    ],
)
def test_an_audit_says_which_interval_of_precision_it_shows(
    powered: dict[str, Any] | None, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show_audit(
        {
            "audit": "3f2a",
            "answered": 50,
            "waiting": 0,
            "against": None,
            "level": 0.95,
            "average_precision": None,
            "precision": {"value": 0.7, "low": 0.51, "high": 0.83},
            "recall": {"value": None, "low": 0.0, "high": 1.0},
            "strata": [STRATUM],
            "powered": powered,
        }
    )
    shown = capsys.readouterr().out
    assert line in shown
    row = next(item for item in shown.splitlines() if item.strip().startswith("precision"))
    assert ("0.62" in row) == bool(powered and powered["share"])
