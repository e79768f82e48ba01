"""Measures whether alerts keep their error rates, on rows that are exchangeable by construction.

    python benchmarks/calibration.py [--data DIR] [--windows 200] [--detector iforest] [--seed 0] [--out FILE]

Three generated tables, and every ``*.npz`` of DIR with ``X`` of shape (n, d) and ``y`` (1 = anomaly). The
detector is fitted on half of a table's normal rows (5000 at most). Then, again and again, held-out scores
and one window of normal rows are drawn from the other half, so that both are exchangeable; anomalies are
mixed in as one row in twenty. Printed are, as Markdown:

- the realised false discovery rate of policy ``fdr`` at 5 and 10 %: the mean over windows of the share of
  false alerts among alerts, beside the binomial error of that many windows (twice ``sqrt(q (1 - q) / n)``,
  the most that a mean of shares can err by). ``null`` is the same without anomalies, where every alert is
  false: the share of windows that alert at all. It holds when the rate is at most the level plus the error;
- alerts of policy ``budget`` over the alerts asked for, on normal rows; in brackets where fewer than five
  held-out rows stand for the budget;
- how often normal rows reach each severity and rarity, beside what the name says, and a p-value of a tenth
  of what counting resolves, where only the fitted tail speaks;
- PyOD's isolation forest with its default ``contamination`` of 10 %, on the same rows.

Everything is seeded; the same command prints the same figures.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pynomaly.config import Alerts
from pynomaly.detectors import make_detector
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.calibration.calibration import RARITIES, SEVERITIES, Calibration

Floats = NDArray[np.float64]

LEVELS = (0.05, 0.10)
KINDS = {
    "counted": "policy `fdr`",
    "tail": "policy `fdr` with `extrapolate: true`, which has no guarantee",
}
BUDGETS = (100.0, 20.0, 5.0, 1.0)  # alerts a day
ROWS_PER_DAY = 1000.0
HELD_OUT, WINDOW, PREVALENCE = 1000, 500, 0.05
MOST_FITTED = 5000
FEWEST_NORMAL = 200
RESOLVED = 5  # held-out rows that stand for a budget; with fewer, steps of p-values or the tail decide


@dataclass
class CalibrationTable:
    """Normal rows to fit on, other normal rows, and anomalies."""

    name: str
    fit: Floats
    normal: Floats
    anomalies: Floats
    fresh: bool = False  # normal rows are so many that windows hardly share any


@dataclass
class CalibrationSums:
    """Sums over the windows of one table."""

    name: str
    held_out: int
    window: int
    windows: int = 0
    false_share: dict[tuple[str, float], list[float]] = field(default_factory=dict)
    shares: dict[tuple[str, float], list[float]] = field(default_factory=dict)
    normal_rows: int = 0
    budget: dict[float, int] = field(default_factory=dict)
    reached: dict[str, int] = field(default_factory=dict)
    pyod_false: list[float] = field(default_factory=list)
    pyod_normal: int = 0
    no_tail: int = 0
    tenth: int = 0
    tenth_expected: float = 0.0

    def rate(self, kind: str, level: float) -> float:
        return float(np.mean(self.false_share[kind, level]))


def generate_tables(seed: int) -> Iterator[CalibrationTable]:
    """Correlated normal, heavy-tailed and skewed rows; anomalies lie outside, some barely."""
    rng = np.random.default_rng(seed)
    rows, width = 45_000, 6
    mixing = rng.normal(size=(width, width))
    makers = {
        "gaussian": lambda n: rng.normal(size=(n, width)),
        "heavy (t, 4 degrees)": lambda n: rng.standard_t(4, size=(n, width)),
        "skewed (lognormal)": lambda n: rng.lognormal(0, 0.7, size=(n, width)),
    }
    for name, draw in makers.items():
        normal = draw(rows) @ mixing
        far = 3 + 4 * rng.random((2000, 1))
        anomalies = normal[:2000] + far * normal.std(axis=0) * rng.choice([-1.0, 1.0], size=(2000, width))
        rest = normal[2000:]
        yield CalibrationTable(name, rest[:MOST_FITTED], rest[MOST_FITTED:], anomalies, fresh=True)


def load_tables(folder: Path, seed: int) -> Iterator[CalibrationTable]:
    """Every table of `folder` with enough normal rows."""
    for file in sorted(folder.glob("*.npz")):
        with np.load(file, allow_pickle=False) as arrays:
            rows, truth = arrays["X"].astype(np.float64), arrays["y"].ravel()
        normal = rows[truth == 0]
        if len(normal) < FEWEST_NORMAL or not (truth == 1).any():
            print(f"left out: {file.stem}, {len(normal)} normal rows", file=sys.stderr)
            continue
        normal = np.random.default_rng(seed).permutation(normal)
        half = min(len(normal) // 2, MOST_FITTED)
        yield CalibrationTable(file.stem, normal[:half], normal[half:], rows[truth == 1])


def measure_table(table: CalibrationTable, detector: str, windows: int, seed: int) -> CalibrationSums:
    from pyod.models.iforest import IForest

    rng = np.random.default_rng([seed, 1])
    ours = make_detector(detector, seed=seed).fit(table.fit)
    normal, odd = ours.score(table.normal), ours.score(table.anomalies)
    pyod_model = IForest(random_state=seed).fit(table.fit)
    pyod_normal, pyod_odd = pyod_model.predict(table.normal), pyod_model.predict(table.anomalies)
    held_out = min(HELD_OUT, round(len(normal) * 2 / 3))
    window = min(WINDOW, len(normal) - held_out)
    odd_count = min(max(1, round(window * PREVALENCE)), len(odd))
    result = CalibrationSums(table.name, held_out, window)
    for _ in range(windows):
        drawn_rows = rng.choice(len(normal), held_out + window, replace=False)
        anomalous = rng.choice(len(odd), odd_count, replace=False)
        calibration = Calibration.fit(normal[drawn_rows[:held_out]])
        new = drawn_rows[held_out:]
        _add_discovery_rates(result, calibration, normal[new], odd[anomalous])
        _add_normal_rows(result, calibration, calibration.p_values(normal[new]))
        false_alerts, all_alerts = (
            int(pyod_normal[new].sum()),
            int(pyod_normal[new].sum() + pyod_odd[anomalous].sum()),
        )
        result.pyod_false.append(false_alerts / max(all_alerts, 1))
        result.pyod_normal += false_alerts
        result.no_tail += not calibration.tail
        result.windows += 1
    return result


def _add_discovery_rates(
    result: CalibrationSums, calibration: Calibration, normal: Floats, odd: Floats
) -> None:
    for level in LEVELS:
        for kind in KINDS:
            settings = Alerts(policy="fdr", fdr=level, extrapolate=kind == "tail")
            policy = AlertPolicy.from_config(settings, None)
            p_values = calibration.p_values(np.concatenate([normal, odd]))
            alerts = policy.flag_window(p_values, calibration.resolution)
            false, right = int(alerts[: len(normal)].sum()), int(alerts[len(normal) :].sum())
            result.false_share.setdefault((kind, level), []).append(false / max(false + right, 1))
            result.shares.setdefault((kind, level), []).append(right / len(odd))
            null = policy.flag_window(p_values[: len(normal)], calibration.resolution).any()
            result.false_share.setdefault((f"{kind} null", level), []).append(float(null))


def _add_normal_rows(result: CalibrationSums, calibration: Calibration, p_values: Floats) -> None:
    result.normal_rows += len(p_values)
    if calibration.tail:
        result.tenth += int((p_values <= calibration.resolution / 10).sum())
        result.tenth_expected += len(p_values) * calibration.resolution / 10
    for per_day in BUDGETS:
        policy = AlertPolicy.from_config(Alerts(policy="budget", per_day=per_day), ROWS_PER_DAY)
        result.budget[per_day] = result.budget.get(per_day, 0) + int(policy.alerts(p_values).sum())
    limits = dict(SEVERITIES) | {name: 1 / (days * ROWS_PER_DAY) for name, days in RARITIES.items()}
    for name, limit in limits.items():
        result.reached[name] = result.reached.get(name, 0) + int((p_values <= limit).sum())


def binomial_error(level: float, windows: int) -> float:
    return 2 * math.sqrt(level * (1 - level) / windows)


def render_table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def render_results(results: list[CalibrationSums], command: str) -> str:
    windows = results[0].windows
    parts = [
        f"`{command}`",
        f"{windows} windows a table; {WINDOW} normal rows and {HELD_OUT} held-out ones at most.",
    ]
    for kind, description in KINDS.items():
        header = ["table", "held out / window"]
        for level in LEVELS:
            header += [f"FDR at {level:.0%}", f"null at {level:.0%}", f"found at {level:.0%}"]
        rows = []
        for item in results:
            row = [item.name, f"{item.held_out} / {item.window}"]
            for level in LEVELS:
                most = level + binomial_error(level, item.windows)
                for name in (kind, f"{kind} null"):
                    rate = item.rate(name, level)
                    row.append(f"{rate:.1%}" + ("" if rate <= most else " **over**"))
                row.append(f"{np.mean(item.shares[kind, level]):.0%}")
            rows.append(row)
        errors = ", ".join(f"{level:.0%} ± {binomial_error(level, windows):.1%}" for level in LEVELS)
        parts += [
            f"### False discovery rate, {description}",
            f"Holds when at most: {errors}.",
            render_table(header, rows),
        ]
    parts += ["### Alerts over a budget's, on normal rows", _render_budget_table(results)]
    parts += ["### How often normal rows reach a severity", _render_severity_table(results)]
    parts += [
        "### Normal rows at a tenth of what counting resolves, by the tail",
        _render_tail_table(results),
    ]
    parts += ["### PyOD's isolation forest, contamination 10 % (its default)", _render_pyod_table(results)]
    return "\n\n".join(parts) + "\n"


def _render_budget_table(results: list[CalibrationSums]) -> str:
    header = ["table", *(f"{per_day:g} of {ROWS_PER_DAY:g} a day" for per_day in BUDGETS)]
    rows = []
    for item in results:
        cells = []
        for per_day in BUDGETS:
            ratio = item.budget[per_day] / (item.normal_rows * per_day / ROWS_PER_DAY)
            coarse = per_day / ROWS_PER_DAY * (item.held_out + 1) < RESOLVED
            cells.append(f"({ratio:.2f})" if coarse else f"{ratio:.2f}")
        rows.append([item.name, *cells])
    return render_table(header, rows)


def _render_severity_table(results: list[CalibrationSums]) -> str:
    pooled = _pool_results(results)
    limits = dict(SEVERITIES) | {name: 1 / (days * ROWS_PER_DAY) for name, days in RARITIES.items()}
    rows = []
    for name, limit in limits.items():
        alerts = pooled.reached[name]
        expected = limit * pooled.normal_rows
        rows.append([name, f"{limit:.2g}", f"{expected:.1f}", str(alerts), f"{alerts / expected:.2f}"])
    header = ["name", "p-value at most", f"expected of {pooled.normal_rows} rows", "seen", "seen / expected"]
    return render_table(header, rows)


def _render_tail_table(results: list[CalibrationSums]) -> str:
    header = ["table", "windows with a tail", "expected", "seen", "seen / expected"]
    rows = []
    for item in results:
        cells = ["", "", ""]
        if item.tenth_expected:
            ratio = item.tenth / item.tenth_expected
            cells = [f"{item.tenth_expected:.1f}", str(item.tenth), f"{ratio:.2f}"]
        rows.append([item.name, f"{1 - item.no_tail / item.windows:.0%}", *cells])
    return render_table(header, rows)


def _render_pyod_table(results: list[CalibrationSums]) -> str:
    header = ["table", "normal rows flagged", "false share of its alerts"]
    rows = [
        [item.name, f"{item.pyod_normal / item.normal_rows:.1%}", f"{np.mean(item.pyod_false):.1%}"]
        for item in results
    ]
    return render_table(header, rows)


def _pool_results(results: list[CalibrationSums]) -> CalibrationSums:
    pooled = CalibrationSums("all", 0, 0)
    for item in results:
        pooled.normal_rows += item.normal_rows
        for name, count in item.budget.items():
            pooled.budget[name] = pooled.budget.get(name, 0) + count
        for name, count in item.reached.items():
            pooled.reached[name] = pooled.reached.get(name, 0) + count
    return pooled


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of npz tables with X and y")
    parser.add_argument("--windows", type=int, default=200, help="windows drawn from each table")
    parser.add_argument("--detector", default="iforest")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="file to write the tables to, too")
    options = parser.parse_args(arguments)
    tables = [
        *generate_tables(options.seed),
        *(load_tables(options.data, options.seed) if options.data else []),
    ]
    results = [measure_table(table, options.detector, options.windows, options.seed) for table in tables]
    command = f"python benchmarks/calibration.py --windows {options.windows} --detector {options.detector}"
    text = render_results(
        results, command + f" --seed {options.seed}" + (f" --data {options.data}" if options.data else "")
    )
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
