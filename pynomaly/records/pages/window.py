"""The page of a window: drift, alerts over time, degradation, and decisions with their reasons.

A pure function of the facts that :mod:`pynomaly.steps.reporting.reports` collects. Called once for each
judged window, and whenever the page is requested again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pynomaly.records.pages import charts
from pynomaly.records.pages.drawing import Chart, Labels
from pynomaly.records.pages.rendering import render_template
from pynomaly.records.pages.timeline import draw_timeline
from pynomaly.records.pages.training import draw_p_value_charts

__all__ = ["render_window_page"]

_ASPECT_TEXTS = {
    "data": "each column against the reference, by itself",
    "features": "whether number columns still move together",
    "scores": "scores against those of rows held out at training",
    "alert_rate": "share of alerted rows against the expected one",
    "performance": "quality on known labels against that at promotion",
    "agreement": "ranking of rows against that of a fresh refit",
    "injected": "whether injected anomalies are still found",
}
_CHART_NAMES = ("parts", "history", "drift", "scores", "levels", "p_values")
_MAX_COLUMNS = 20
_MAX_TESTS = 200


def render_window_page(facts: Mapping[str, Any], templates: str = "") -> str:
    """Return HTML about one judged window under one version.

    Parameters
    ----------
    facts : mapping
        As :func:`pynomaly.steps.monitoring.window_facts.build_window_facts` wrote them, with ``spans``,
        ``incidents``, ``marks``, ``recent``, ``decisions`` and ``notes`` from the records.
    templates : str
        Folder of the user's templates, or "".

    Raises
    ------
    ConfigError, RecordError
        See :func:`~pynomaly.records.pages.rendering.render_template`.
    """
    tests = [item for item in facts["drift"]["columns"] if item["status"] != "ok"]
    tests += [item for item in facts["drift"]["columns"] if item["status"] == "ok"]
    moved_names = [item["name"] for item in tests if item["status"] in ("warning", "drift")]
    content = dict(facts) | {
        "moved": list(dict.fromkeys(moved_names)),
        "aspect_texts": _ASPECT_TEXTS,
        "charts": _draw_charts(facts),
        "tests": tests[:_MAX_TESTS],
        "tests_left_out": max(0, len(tests) - _MAX_TESTS),
        "inside": [item for item in facts["incidents"] if _overlaps_window(item, facts)],
    }
    return render_template("window.html.j2", templates, {"facts": content})


def _draw_charts(facts: Mapping[str, Any]) -> dict[str, Chart | None]:
    drawings: dict[str, Chart | None] = dict.fromkeys(_CHART_NAMES)
    expected = facts["observation"]["expected_rate"]
    if facts["parts"]:
        inside = [item for item in facts["incidents"] if _overlaps_window(item, facts)]
        drawings["parts"] = draw_timeline(
            Labels("parts", "Alerts in this window", "time, UTC", "alerted rows"),
            facts["parts"],
            expected=expected,
            incidents=inside,
        )
    if facts["spans"]:
        drawings["history"] = draw_timeline(
            Labels("history", "Alerts up to this window", "time, UTC", "alerted rows"),
            facts["spans"],
            expected=expected,
            incidents=facts["incidents"],
            marks=[(item["at"], item["said"]) for item in facts["marks"]],
        )
    drawings |= _draw_drift(facts)
    scores = facts["scores"]
    if scores["edges"]:
        totals = {name: sum(counts) for name, counts in scores["counts"].items()}
        groups = [
            (f"{name} ({totals[name]:,} rows)", [count / totals[name] for count in counts])
            for name, counts in scores["counts"].items()
            if totals[name]
        ]
        drawings["scores"] = charts.draw_histogram(
            Labels(
                "scores",
                "Scores then and now",
                "score (higher is more anomalous)",
                "share of rows",
                "Shares of the rows held out at training, and of this window's, by score, on a "
                "logarithmic axis. Scores beyond the axis are in its first and last bin.",
            ),
            scores["edges"],
            groups,
            log=True,
        )
    return drawings | draw_p_value_charts(
        facts["uniformity"], "rows of the window that are not known anomalies"
    )


def _draw_drift(facts: Mapping[str, Any]) -> dict[str, Chart]:
    """Draw the largest effects: one bar per column, for its test with the largest effect."""
    drift: dict[str, Any] = facts["drift"]
    worst: dict[str, dict[str, Any]] = {}
    for item in (*drift["columns"], drift["joint"], drift["score"]):
        if item is None or item["effect"] is None:
            continue
        if item["name"] not in worst or item["effect"] > worst[item["name"]]["effect"]:
            worst[item["name"]] = item
    ranked = sorted(worst.values(), key=lambda item: (-item["effect"], item["name"]))[:_MAX_COLUMNS]
    if not ranked:
        return {}
    limits = facts["limits"]
    guides = (
        (limits["notice"], "warns from"),
        (limits["effect"], "counts towards the share from"),
        (limits["strong_effect"], "drift by itself from"),
    )
    items = [(item["name"], item["effect"], item["status"]) for item in ranked]
    labels = Labels("drift", "How far columns and scores moved", "effect size, 0 to 1")
    return {"drift": charts.draw_bars(labels, items, guides, 0.35)}


def _overlaps_window(item: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Return whether an incident overlaps the window; both have ISO times in UTC, compared as text."""
    return bool(facts["start"]) and item["start"] < facts["end"] and facts["start"] < item["end"]
