"""Pictures for docs/series.md: what each detector that looks back sees of six kinds of anomaly, and misses.

One daily cycle of 144 rows with noise is fitted for ten days; each anomaly is put into the eleventh day of a
copy. A panel shows the series above, and below how rare each detector finds every row: minus the logarithm of
its share among the scores of another day without anomalies, from usual (0) to rarer than all (about 3).

Run: ``python -m benchmarks.series_pictures [--out docs/pictures/series.png]``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pynomaly.detectors.catalogue import DETECTORS, make_detector
from pynomaly.detectors.past_rows import PastRows

Floats = NDArray[np.float64]

PERIOD, FITTED, DAYS, AT = 144, 10, 14, 72
COLORS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b")


def make_days(days: int, seed: int) -> Floats:
    """Return days of a cycle with two humps and noise that depends on the noise before, shape (n,)."""
    rng = np.random.default_rng(seed)
    phase = 2 * np.pi * np.arange(days * PERIOD) / PERIOD
    noise = np.zeros(len(phase))
    for row, shock in enumerate(rng.normal(0, 0.25, len(phase))):
        noise[row] = 0.7 * noise[row - 1] + shock if row else shock
    return np.asarray(10 - 4 * np.cos(phase) + 1.5 * np.sin(2 * phase) + noise)


def put_spike(day: Floats) -> slice:
    """One row far off, inside the range of the day."""
    day[AT] -= 4
    return slice(AT, AT + 1)


def put_level_shift(day: Floats) -> slice:
    """Two hours a little higher."""
    day[AT : AT + 24] += 2.5
    return slice(AT, AT + 24)


def put_stuck_sensor(day: Floats) -> slice:
    """Two hours of one value."""
    day[AT : AT + 24] = day[AT]
    return slice(AT, AT + 24)


def put_wrong_hour(day: Floats) -> slice:
    """Three hours as they are in the night."""
    day[AT : AT + 18] = day[:18]
    return slice(AT, AT + 18)


def put_changed_shape(day: Floats) -> slice:
    """Four hours turned upside down about their middle."""
    part = day[AT : AT + 24].copy()
    day[AT : AT + 24] = 2 * part.mean() - part
    return slice(AT, AT + 24)


def put_slow_drift(day: Floats) -> slice:
    """Six hours that drift away by a fifth of the cycle."""
    day[AT : AT + 36] += np.linspace(0, 2.5, 36)
    return slice(AT, AT + 36)


KINDS: dict[str, Callable[[Floats], slice]] = {
    "a spike inside the usual range": put_spike,
    "a level shift": put_level_shift,
    "a stuck sensor": put_stuck_sensor,
    "usual values at the wrong hour": put_wrong_hour,
    "a changed shape": put_changed_shape,
    "a slow drift": put_slow_drift,
}


def score_rarity(scores: Floats, usual: Floats) -> Floats:
    """Return how rare each score is among `usual` ones: minus the decimal logarithm of their share above."""
    ordered = np.sort(usual)
    above = len(ordered) - np.searchsorted(ordered, scores, side="left")
    return np.asarray(-np.log10((above + 1) / (len(ordered) + 1)))


def draw_pictures(path: Path) -> None:
    """Fit every detector that looks back, score each kind, and write one picture."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    names = [name for name, entry in DETECTORS.items() if entry.looks_back]
    days = make_days(DAYS, 7)
    fitted = {}
    for name in names:
        reference = PastRows.of_series(days[: FITTED * PERIOD, None])
        fitted[name] = make_detector(name, seed=1).fit(reference)
    usual = PastRows.of_series(make_days(DAYS + 10, 8)[:, None])
    usual_scores = {name: fitted[name].score(usual)[4 * PERIOD :] for name in names}
    figure, axes = plt.subplots(
        4, 3, figsize=(13, 8), height_ratios=(2, 1.4, 2, 1.4), sharex=True, layout="constrained"
    )
    for number, (kind, put) in enumerate(KINDS.items()):
        row, column = 2 * (number // 3), number % 3
        changed = days.copy()
        start = (FITTED + 2) * PERIOD
        span = put(changed[start : start + PERIOD])
        shown = slice(start, start + PERIOD)
        top, below = axes[row, column], axes[row + 1, column]
        hours = np.arange(PERIOD) / 6
        top.plot(hours, days[shown], color="#bbbbbb", lw=1)
        top.plot(hours, changed[shown], color="#222222", lw=1.2)
        top.set_title(kind, fontsize=10, loc="left")
        rows = PastRows.of_series(changed[:, None])
        for color, name in zip(COLORS, names, strict=False):
            rarity = score_rarity(fitted[name].score(rows), usual_scores[name])
            below.plot(hours, rarity[shown], color=color, lw=1.2, label=name)
        for axis in (top, below):
            axis.axvspan(span.start / 6, span.stop / 6, color="#ffdd99", alpha=0.6, lw=0)
            axis.spines[["top", "right"]].set_visible(False)
        below.set_ylim(0, 3.7)
        if column == 0:
            top.set_ylabel("value", fontsize=9)
            below.set_ylabel("rarity", fontsize=9)
        if row == 2:
            below.set_xlabel("hour of the day", fontsize=9)
    axes[1, 0].legend(fontsize=8, frameon=False, loc="upper left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures/series.png"))
    options = parser.parse_args()
    draw_pictures(options.out)
    print(options.out)


if __name__ == "__main__":
    main()
