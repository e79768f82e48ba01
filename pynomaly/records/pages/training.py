"""The page of a training: detector, data, quality, reasons for the choice, and limits of one version.

A pure function of the facts that :mod:`pynomaly.steps.reporting.reports` collects. Called once for each
training, and whenever the page is requested again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pynomaly.records.formats import EVIDENCE_TEXT, format_number, format_words
from pynomaly.records.pages import charts
from pynomaly.records.pages.drawing import Chart, Labels
from pynomaly.records.pages.rendering import render_template

__all__ = ["render_training_page"]

_CHART_NAMES = ("comparison", "pr", "roc", "scores", "levels", "p_values", "verdict", "importance")
_MAX_CURVES = 8
_MAX_COLUMNS = 20


def render_training_page(facts: Mapping[str, Any], templates: str = "") -> str:
    """Return HTML about one registered version.

    Parameters
    ----------
    facts : mapping
        As :func:`pynomaly.steps.training.training_facts.build_training_facts` wrote them, with ``decisions``,
        ``standing``, ``verdict`` and ``notes`` from the records.
    templates : str
        Folder of the user's templates, or "".

    Raises
    ------
    ConfigError, RecordError
        See :func:`~pynomaly.records.pages.rendering.render_template`.
    """
    content = dict(facts) | {
        "evidence": EVIDENCE_TEXT.get(str(facts["rung"]), str(facts["rung"])),
        "charts": _draw_charts(facts),
        "command": _build_command(facts),
        "version": facts["registered"]["version"],
        "left_out": max(0, len(facts["candidates"]) - _MAX_CURVES),
    }
    return render_template("training.html.j2", templates, {"facts": content})


def _build_command(facts: Mapping[str, Any]) -> str:
    """Return the command that trains the same detector again; params only if a command line can hold them."""
    command = f"pynomaly retrain {facts['config']} --as-of {facts['as_of']} --detector "
    command += str(facts["registered"]["detector"])
    texts = {name: str(value) for name, value in sorted(facts["params"].items()) if value is not None}
    if texts and all(text.replace(".", "").replace("-", "").isalnum() for text in texts.values()):
        command += f' --params "{" ".join(f"{name}={text}" for name, text in texts.items())}"'
    return command


def _draw_charts(facts: Mapping[str, Any]) -> dict[str, Chart | None]:
    metric = format_words(str(facts["metric"]))
    drawings: dict[str, Chart | None] = dict.fromkeys(_CHART_NAMES)
    drawings |= {"comparison": _draw_comparison(facts, metric)} | _draw_curves(facts)
    scores = facts["scores"]
    if scores["edges"]:
        names = {"normal": "normal", "anomaly": "injected" if facts["rung"] == "injected" else "anomaly"}
        groups = [(f"{names[key]} ({sum(scores['counts'][key]):,})", scores["counts"][key]) for key in names]
        lowest = scores["lowest_alert"]
        drawings["scores"] = charts.draw_histogram(
            Labels(
                "scores",
                "Scores of held-out rows",
                "score (higher is more anomalous)",
                "rows",
                "How the chosen candidate's scores of held-out rows lie; rows on a logarithmic axis. "
                "Scores beyond the axis are in its first and last bin.",
            ),
            scores["edges"],
            groups,
            log=True,
            guide=(lowest, "lowest score that alerts") if lowest is not None else None,
        )
    drawings |= draw_p_value_charts(facts["uniformity"], "held-out rows that are not anomalies")
    if verdict := facts["verdict"]:
        drawings |= _draw_verdict(verdict, facts["min_improvement"])
    weights = sorted(facts["importance"].items(), key=lambda item: (-item[1], item[0]))[:_MAX_COLUMNS]
    if weights:
        drawings["importance"] = charts.draw_bars(
            Labels("importance", "What the ranking rests on", "share of the ranking"),
            [(name, share, "") for name, share in weights],
        )
    return drawings


def _draw_comparison(facts: Mapping[str, Any], metric: str) -> Chart:
    items = []
    for item in facts["candidates"]:
        interval = item["metrics"].get(facts["metric"]) or {"value": None, "low": None, "high": None}
        parts = {part: interval[part] for part in ("value", "low", "high")}
        items.append({"label": item["label"], "strong": item["chosen"], **parts})
    return charts.draw_intervals(Labels("comparison", "Candidates compared", metric), items)


def _draw_curves(facts: Mapping[str, Any]) -> dict[str, Chart]:
    """Draw precision-recall and ROC curves, the winner strongest, of at most `_MAX_CURVES` candidates."""
    usable = [item for item in facts["candidates"] if item["curves"]]
    drawn_candidates = [item for item in usable if item["chosen"]]
    drawn_candidates += [item for item in usable if not item["chosen"]][: _MAX_CURVES - len(drawn_candidates)]
    if not drawn_candidates:
        return {}
    line_labels = [
        {"label": f"{item['label']} (chosen)" if item["chosen"] else item["label"], "strong": item["chosen"]}
        for item in drawn_candidates
    ]

    def build_series(name: str) -> list[dict[str, Any]]:
        pairs = (item["curves"][name] for item in drawn_candidates)
        return [
            line_label | {"x": pair[0], "y": pair[1]}
            for line_label, pair in zip(line_labels, pairs, strict=True)
        ]

    chosen = next((item for item in facts["candidates"] if item["chosen"]), drawn_candidates[0])
    rows, positives = (chosen["metrics"].get(name) for name in ("rows", "positives"))
    return {
        "pr": charts.draw_curves(
            Labels("pr", "Precision and recall", "recall", "precision"),
            build_series("pr"),
            flat=positives / rows if rows and positives else None,
        ),
        "roc": charts.draw_curves(
            Labels("roc", "ROC", "false-positive rate", "true-positive rate"),
            build_series("roc"),
            diagonal=True,
        ),
    }


def _draw_verdict(verdict: Mapping[str, Any], improvement: float) -> dict[str, Chart]:
    if verdict["difference"] is None:
        return {}
    parts = [{"metric": verdict["metric"], "strong": True, **_select_interval(verdict)}]
    parts += [
        {"metric": item["metric"], "strong": False, **_select_interval(item)} for item in verdict["beside"]
    ]
    items = [
        {"label": format_words(item["metric"]), "value": item["difference"], **item}
        for item in parts
        if item["difference"] is not None and item["metric"] != "saved_cost"  # in money, on another scale
    ]
    guides = (
        (0.0, "0: no difference"),
        (improvement, f"{format_number(improvement)}: smallest difference worth a promotion"),
    )
    labels = Labels("verdict", "Challenger less champion", "difference")
    return {"verdict": charts.draw_intervals(labels, items, guides=guides, chosen="decides")}


def _select_interval(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in ("difference", "low", "high")}


def draw_p_value_charts(uniformity: Mapping[str, Any], of: str) -> dict[str, Chart]:
    """Draw the calibration curve and the histogram of p-values; an empty result without rows."""
    if not uniformity["rows"]:
        return {}
    bins = len(uniformity["counts"])
    edges = [i / bins for i in range(bins + 1)]
    flat = uniformity["rows"] / bins
    return {
        "levels": charts.draw_calibration("levels", "Calibration: alerts promised and found", uniformity),
        "p_values": charts.draw_histogram(
            Labels(
                "p-values",
                "Are p-values uniform?",
                "p-value",
                "rows",
                f"P-values of {of} in {bins} equal bins; for rows like those of calibration "
                "every bin holds about as many.",
            ),
            edges,
            [(f"{of} ({uniformity['rows']:,})", uniformity["counts"])],
            level=(flat, f"uniform: {format_number(flat)} a bin"),
        ),
    }
