"""Pictures of a training, an alert history and a replay, as PNG bytes.

Files that people paste into mails and slides, and that MLflow shows beside a run. Pages draw their own SVG
(ADR 18); colours, formats and ticks of time are the same. Drawn with matplotlib's Agg canvas and no global
state, so threads may draw at the same time; the same input gives the same bytes. The picture says what cannot
be drawn (one class, scores that are not finite). Called by :mod:`pynomaly.steps` when a run is logged, and by
the command that replays.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pynomaly.judging.comparison.evaluation import explain_not_computable, pr_curve, roc_curve
from pynomaly.judging.comparison.rank_tests import RankTest
from pynomaly.judging.drift.drift_importance import ColumnWeight
from pynomaly.records.axes import time_axis
from pynomaly.records.formats import format_number, format_percent, format_tick, format_words
from pynomaly.records.palette import LIGHT, SERIES

__all__ = [
    "draw_comparison",
    "draw_critical_difference",
    "draw_importance",
    "draw_policies",
    "draw_score_histogram",
]

_DPI = 110
_BINS = 60
_DAY = 86400.0


def draw_comparison(
    truth: ArrayLike,
    scores: Mapping[str, ArrayLike],
    winner: str | None = None,
    table: Sequence[Mapping[str, Any]] = (),
    metric: str = "quality",
) -> bytes:
    """Draw precision-recall and ROC curves of every candidate, the winner strongest; and quality over cost.

    Parameters
    ----------
    truth : array of shape (n,)
        1 for an anomaly, 0 for a normal row.
    scores : mapping of str to array of shape (n,)
    winner : str, optional
    table : sequence of mapping, optional
        Rows of ``Choice.table`` with costs; they add a third plot, quality over scoring time.
    metric : str
        Name of the table's ``value``.
    """
    costed_rows = [
        row for row in table if np.isfinite(row["value"]) and np.isfinite(row.get("score_seconds", np.nan))
    ]
    figure = _create_figure((16 if costed_rows else 11, 4.6))
    left, right, *others = figure.subplots(1, 3 if costed_rows else 2)
    if costed_rows:
        _draw_cost_tradeoff(others[0], costed_rows, winner, metric)
    labels = np.asarray(truth)
    notes = []
    colors = _assign_colors(list(scores), winner)
    for name, values in scores.items():
        if reason := explain_not_computable(truth, values):
            notes.append(f"{name}: {reason}")
            continue
        style: dict[str, Any] = {"lw": 2.4, "zorder": 3} if name == winner else {"lw": 1.1}
        style["color"], style["ls"] = colors[name]
        label = f"{name} (chosen)" if name == winner else name
        recall, precision = pr_curve(truth, values)
        left.step(recall, precision, where="post", label=label, **style)
        right.plot(*roc_curve(truth, values), label=label, **style)
    if len(labels):
        left.axhline(float(np.mean(labels)), color=LIGHT["quiet"], ls=":", lw=1, label="no skill")
    right.plot([0, 1], [0, 1], color=LIGHT["quiet"], ls=":", lw=1)
    left.set(xlabel="recall", ylabel="precision", title="Precision and recall", xlim=(0, 1), ylim=(0, 1.02))
    right.set(
        xlabel="false-positive rate", ylabel="true-positive rate", title="ROC", xlim=(0, 1), ylim=(0, 1.02)
    )
    if scores:
        left.legend(fontsize=8, loc="lower left")
    if notes:
        _write_note(right, "not computable\n" + "\n".join(notes))
    return _render_png(figure)


def draw_score_histogram(truth: ArrayLike, scores: ArrayLike, threshold: float | None = None) -> bytes:
    """Draw a histogram of the scores of normal and anomalous rows; counts on a logarithmic axis.

    Parameters
    ----------
    truth : array of shape (n,)
    scores : array of shape (n,)
    threshold : float, optional
        Lowest score that alerts.
    """
    figure = _create_figure((7, 4.2))
    axes = figure.subplots()
    labels = np.asarray(truth)
    values: NDArray[np.float64] = np.asarray(scores, dtype=np.float64)
    finite = np.isfinite(values)
    if finite.any():
        edges = np.histogram_bin_edges(values[finite], bins=_BINS)
        for label, color, rows in (
            ("normal", LIGHT["bar0"], labels == 0),
            ("anomaly", LIGHT["bar1"], labels == 1),
        ):
            group_scores = values[finite & rows]
            axes.hist(
                group_scores,
                bins=edges,
                histtype="stepfilled",
                facecolor=(color, 0.9 if label == "normal" else 0.3),
                edgecolor=color,
                label=f"{label} ({len(group_scores):,})",
            )
        axes.set_yscale("symlog", linthresh=1)
        if threshold is not None and np.isfinite(threshold):
            axes.axvline(threshold, color=LIGHT["quiet"], ls="--", lw=1, label="alert threshold")
        axes.legend(fontsize=8, loc="upper right")
    if not finite.all():
        _write_note(axes, f"{int((~finite).sum()):,} of {len(values):,} scores are not finite")
    axes.set(xlabel="score (higher is more anomalous)", ylabel="rows", title="Scores of held-out rows")
    return _render_png(figure)


def draw_importance(columns: Sequence[ColumnWeight]) -> bytes:
    """Draw the importance of the twenty most important columns, and the weight of their drift."""
    top_columns = list(columns[:20])[::-1]
    kinds = (
        ("ranking of ordinary rows", LIGHT["bar0"], [one.ranking for one in top_columns]),
        ("rarest rows", LIGHT["bar1"], [one.carries for one in top_columns]),
        ("drift, by ranking", LIGHT["s2"], [one.weight for one in top_columns]),
    )
    drawn_kinds = [kind for kind in kinds if any(value is not None for value in kind[2])]
    figure = _create_figure((7, 1.6 + 0.3 * len(top_columns)))
    axes = figure.subplots()
    height = 0.8 / max(1, len(drawn_kinds))
    for at, (label, color, values) in enumerate(drawn_kinds):
        places = np.arange(len(top_columns)) + 0.4 - height * (at + 0.5)
        axes.barh(places, [value or 0.0 for value in values], height, color=color, label=label)
    axes.set_yticks(np.arange(len(top_columns)), [one.column[:40] for one in top_columns], fontsize=8)
    if drawn_kinds:
        axes.legend(fontsize=8, loc="lower right")
    axes.set(xlabel="share", title="What the model rests on")
    return _render_png(figure)


def draw_critical_difference(ranks: RankTest) -> bytes:
    """Draw mean ranks, best left; a bar joins candidates that do not differ significantly (Demšar 2006)."""
    figure = _create_figure((8, 1.6 + 0.3 * len(ranks.names)))
    axes = figure.subplots()
    order = sorted(zip(ranks.mean_ranks, ranks.names, strict=True))
    places = dict(zip(ranks.names, ranks.mean_ranks, strict=True))
    for depth, (place, name) in enumerate(order, start=1):
        axes.plot([place, place, len(order) + 0.6], [0, -depth, -depth], color=LIGHT["quiet"], lw=0.9)
        axes.text(len(order) + 0.65, -depth, f"{name} ({format_number(place)})", va="center", fontsize=8)
    for level, group in enumerate(ranks.groups(), start=1):
        ends = [places[name] for name in group]
        axes.plot([min(ends) - 0.03, max(ends) + 0.03], [0.45 * level] * 2, color=LIGHT["bar1"], lw=3)
    top = 0.45 * len(ranks.groups()) + 0.7
    axes.plot([1, 1 + ranks.critical_difference], [top, top], color=LIGHT["quiet"], lw=2)
    axes.text(1, top + 0.15, f"critical difference {format_number(ranks.critical_difference)}", fontsize=8)
    axes.axhline(0, color=LIGHT["quiet"], lw=1)
    axes.set(xlim=(0.8, len(order) + 2.2), ylim=(-len(order) - 0.6, top + 0.8), yticks=[])
    axes.set_xticks(range(1, len(order) + 1))
    axes.set_xlabel(
        f"mean rank over {ranks.blocks} parts of the judged rows; Friedman "
        f"p = {format_number(ranks.p_value)} (Iman-Davenport), Nemenyi at {format_percent(ranks.level)}",
        fontsize=8,
    )
    axes.spines[["top", "left", "right"]].set_visible(False)
    return _render_png(figure)


def draw_policies(result: Mapping[str, Any]) -> bytes:
    """Draw quality and alerts of each policy of a replay over time, and below them the incidents.

    Parameters
    ----------
    result : mapping
        As :func:`pynomaly.steps.replay.replay.replay` returns it. A dot is a training, a filled dot a
        promotion; a window without quality is a gap.
    """
    from matplotlib.lines import Line2D

    figure = _create_figure((9.5, 6))
    top, middle, low = figure.subplots(3, 1, sharex=True, height_ratios=(5, 3, 0.6))
    line_styles = {"never": (LIGHT["s5"], "-"), "drift": (LIGHT["bar2"], "--"), "ours": (LIGHT["bar1"], "-")}
    handles = []
    for name, policy in result["policies"].items():
        color, style = line_styles.get(name, (LIGHT["bar0"], "-" if name == "weekly" else ":"))
        rows = policy["windows"]
        ends = np.array([_to_days(row["end"]) for row in rows])
        for axes, values in (
            (top, [row.get("average_precision") for row in rows]),
            (
                middle,
                [
                    row["alerts"] / (_to_days(row["end"]) - _to_days(row["start"])) if row["rows"] else None
                    for row in rows
                ],
            ),
        ):
            heights = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
            axes.plot(ends, heights, style, color=color, lw=2.2 if name == "ours" else 1.4)
            _mark_trainings(axes, policy, ends, heights, color)
        mean = (
            "no labels"
            if policy["average_precision"] is None
            else f"mean {format_number(policy['average_precision'])}"
        )
        label = f"{name}: {mean}, {policy['trainings']} trained, {policy['promotions']} promoted"
        handles.append(Line2D([], [], color=color, ls=style, lw=2, label=label))
    for face, label in ((LIGHT["quiet"], "trained and promoted"), ("white", "trained, not promoted")):
        handles.append(
            Line2D([], [], marker="o", ls="", color=LIGHT["quiet"], markerfacecolor=face, label=label)
        )
    top.legend(
        handles=handles, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False
    )
    first, last = _to_days(result["start"]), _to_days(result["end"])
    for span in result["episodes"]:
        ends_at = max(
            _to_days(span["end"]), _to_days(span["start"]) + (last - first) / 1000
        )  # wide enough to be seen
        low.axvspan(_to_days(span["start"]), ends_at, color=LIGHT["bar1"], alpha=0.35, lw=0)
        if len(result["episodes"]) <= 40:
            for axes in (top, middle):
                axes.axvspan(_to_days(span["start"]), ends_at, color=LIGHT["bar1"], alpha=0.12, lw=0)
    if not any(policy["judged_windows"] for policy in result["policies"].values()):
        _write_note(top, "quality is not computable: no window has both labels")
    top.set(ylabel="average precision a window")
    middle.set(ylabel="alerting rows a day")
    middle.set_ylim(bottom=0)
    low.set(yticks=[], xlim=(first, last + (last - first) / 200))
    low.set_ylabel(f"incidents\n({len(result['episodes'])})", fontsize=8, rotation=0, ha="right", va="center")
    for axes in (top, middle):
        axes.grid(axis="y", color=LIGHT["rule"])
        axes.spines[["top", "right"]].set_visible(False)
    ticks = time_axis(_parse_time(result["start"]), _parse_time(result["end"]), 0, 1, marks=10).ticks
    low.set_xticks([place / _DAY for place, _ in ticks], [text for _, text in ticks])
    low.set_xlabel("time, UTC")
    return _render_png(figure)


def _mark_trainings(
    axes: Any, policy: Mapping[str, Any], ends: NDArray[np.float64], heights: NDArray[np.float64], color: str
) -> None:
    """Mark each training by a dot, filled if its model was promoted; the first training has no dot."""
    promotion_times = {*policy["promoted_at"], *policy["recalibrated_at"]}
    for moment in policy["trained_at"][1:]:
        height = heights[ends == _to_days(moment)]
        if height.size and np.isfinite(height[0]):
            face = color if moment in promotion_times else "white"
            axes.plot(_to_days(moment), height[0], "o", color=color, markerfacecolor=face, ms=5.5, zorder=3)


def _to_days(moment: str) -> float:
    """Return an ISO time as days since 1970."""
    return _parse_time(moment).timestamp() / _DAY


def _parse_time(moment: str) -> datetime:
    return datetime.fromisoformat(moment)


def _draw_cost_tradeoff(
    axes: Any, table: Sequence[Mapping[str, Any]], winner: str | None, metric: str
) -> None:
    """Draw quality over scoring time; larger dots are larger models, filled ones are on the Pareto front."""
    for row in table:
        chosen = row["candidate"] == winner
        color = LIGHT["bar1"] if chosen else LIGHT["bar0"]
        axes.scatter(
            max(row["score_seconds"], 1e-4),
            row["value"],
            s=30 + 60 * np.log1p(row["megabytes"]),
            facecolor=color if row["front"] else "none",
            edgecolor=color,
        )
        label = (
            f"{row['candidate']}{' (chosen)' if chosen else ''}, fit {format_number(row['fit_seconds'])} s"
        )
        place = (max(row["score_seconds"], 1e-4), row["value"])
        axes.annotate(label, place, (0, -13), textcoords="offset points", ha="center", fontsize=7)
    axes.set_xscale("log")
    axes.margins(x=0.35, y=0.12)
    axes.set(
        xlabel="seconds to score the judged rows",
        ylabel=format_words(metric),
        title="Quality and cost (filled: Pareto front)",
    )


def _assign_colors(names: Sequence[str], winner: str | None) -> dict[str, tuple[str, Any]]:
    """Return color and dashes of each name's curve, the winner's first; after six names the dashes change."""
    order = sorted(names, key=lambda name: name != winner)
    dashes = ("-", "--", ":", "-.")
    return {
        name: (SERIES[at % len(SERIES)], dashes[at // len(SERIES) % len(dashes)])
        for at, name in enumerate(order)
    }


def _create_figure(size: tuple[float, float]) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _write_note(axes: Any, text: str) -> None:
    box = {"facecolor": "white", "edgecolor": LIGHT["rule"]}
    axes.text(
        0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, fontsize=8, wrap=True, bbox=box
    )


def _render_png(figure: Any) -> bytes:
    from matplotlib.ticker import FixedLocator

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if not isinstance(axis.get_major_locator(), FixedLocator):  # those have their texts
                axis.set_major_formatter(lambda place, _: format_tick(place))
    sink = io.BytesIO()
    # Without matplotlib's version in the file, the same picture has the same bytes.
    # `savefig` would draw and lay out everything twice: once to learn its size, which is fixed here.
    figure.canvas.print_png(sink, metadata={"Software": None})
    return sink.getvalue()
