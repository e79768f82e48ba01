"""The page of a window: drift, alerts over time, degradation, and decisions with their reasons.

A pure function of the facts that :mod:`pynomaly.steps.reports` collects. Called once for each judged window,
and whenever the page is requested again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pynomaly.records.pages import charts
from pynomaly.records.pages.drawing import Chart
from pynomaly.records.pages.rendering import rendered
from pynomaly.records.pages.training import p_value_charts

__all__ = ["window_page"]

_CHARTS = ("parts", "history", "drift", "scores", "levels", "p_values")
_COLUMNS = 20
_TESTS = 200


def window_page(facts: Mapping[str, Any], templates: str = "") -> str:
    """Return HTML about one judged window under one version.

    Parameters
    ----------
    facts : mapping
        As :func:`pynomaly.steps.window_facts.window_facts` wrote them, with ``spans``, ``incidents``,
        ``marks``, ``recent``, ``decisions`` and ``notes`` from the records.
    templates : str
        Folder of the user's templates, or "".

    Raises
    ------
    ConfigError, RecordError
        See :func:`~pynomaly.records.pages.rendering.rendered`.
    """
    tests = [item for item in facts["drift"]["columns"] if item["status"] != "ok"]
    tests += [item for item in facts["drift"]["columns"] if item["status"] == "ok"]
    moved_names = [item["name"] for item in tests if item["status"] in ("warning", "drift")]
    content = dict(facts) | {
        "moved": list(dict.fromkeys(moved_names)),
        "charts": _charts(facts),
        "tests": tests[:_TESTS],
        "tests_left_out": max(0, len(tests) - _TESTS),
        "inside": [item for item in facts["incidents"] if _meets(item, facts)],
    }
    return rendered("window.html.j2", templates, {"facts": content})


def _charts(facts: Mapping[str, Any]) -> dict[str, Chart | None]:
    drawings: dict[str, Chart | None] = dict.fromkeys(_CHARTS)
    expected = facts["observation"]["expected_rate"]
    if facts["parts"]:
        inside = [item for item in facts["incidents"] if _meets(item, facts)]
        drawings["parts"] = charts.over_time(
            "parts",
            "Alerts in this window",
            facts["parts"],
            "alerted rows",
            expected=expected,
            incidents=inside,
        )
    if facts["spans"]:
        drawings["history"] = charts.over_time(
            "history",
            "Alerts up to this window",
            facts["spans"],
            "alerted rows",
            expected=expected,
            incidents=facts["incidents"],
            marks=[(item["at"], item["said"]) for item in facts["marks"]],
        )
    drawings |= _drift(facts)
    scores = facts["scores"]
    if scores["edges"]:
        totals = {name: sum(counts) for name, counts in scores["counts"].items()}
        groups = [
            (f"{name} ({totals[name]:,} rows)", [count / totals[name] for count in counts])
            for name, counts in scores["counts"].items()
            if totals[name]
        ]
        drawings["scores"] = charts.histogram(
            "scores",
            "Scores then and now",
            scores["edges"],
            groups,
            "score (higher is more anomalous)",
            "share of rows",
            log=True,
            description="Shares of the rows held out at training, and of this window's, by score, on a "
            "logarithmic axis. Scores beyond the axis are in its first and last bin.",
        )
    return drawings | p_value_charts(facts["uniformity"], "rows of the window that are not known anomalies")


def _drift(facts: Mapping[str, Any]) -> dict[str, Chart]:
    """Draw the largest effects: one bar per column, for its test with the largest effect."""
    drift: dict[str, Any] = facts["drift"]
    worst: dict[str, dict[str, Any]] = {}
    for item in (*drift["columns"], drift["joint"], drift["score"]):
        if item is None or item["effect"] is None:
            continue
        if item["name"] not in worst or item["effect"] > worst[item["name"]]["effect"]:
            worst[item["name"]] = item
    ranked = sorted(worst.values(), key=lambda item: (-item["effect"], item["name"]))[:_COLUMNS]
    if not ranked:
        return {}
    limits = facts["limits"]
    guides = (
        (limits["notice"], "warns from"),
        (limits["effect"], "counts towards the share from"),
        (limits["strong_effect"], "drift by itself from"),
    )
    items = [(item["name"], item["effect"], item["status"]) for item in ranked]
    title = "How far columns and scores moved"
    return {"drift": charts.bars("drift", title, items, "effect size, 0 to 1", guides, 0.35)}


def _meets(item: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Return whether an incident overlaps the window; both have ISO times in UTC, compared as text."""
    return bool(facts["start"]) and item["start"] < facts["end"] and facts["start"] < item["end"]
