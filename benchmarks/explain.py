"""Measures whether explanations are faithful: is the odd column named, and does the score depend on it.

    python -m benchmarks.explain [--data DIR] [--rows 1000] [--detectors iforest ecod ...] [--out FILE]

Tables are generated (independent columns, columns that move together, skewed columns in unlike units,
clusters, numbers with a category); with `--data`, the normal rows of ``*.npz`` tables as ADBench publishes
them. Each is fitted on 2,000 rows. Into `--rows` fresh ones, a number each is put: `far`, 8 robust deviations
from where the rest of its row has it; `swapped`, to the 2nd or 98th percentile of its own column, whichever
the rest of its row speaks against more. A row counts that scores above 99 % of normal rows now and was calm
before, below three in four of them: for that alert one column is to blame, and it is known which. Rows that
were odd already are counted beside (`all alerts`): there, others have a part in it.

Measured: how often that column is named first, with ours, with PyOD's own explanation where it has one (the
dimensional scores of ECOD and COPOD, the importances of IForest, which are the same for every row) and with
the largest z-score (what PyOD's `ADEngine` gives for any detector), on the same rows; and how often the score
falls more when the expected value is put into the column that we name first than into another, drawn by seed.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly import config
from pynomaly.detectors import DETECTORS, make_detector
from pynomaly.model.explanation.expected import predict_expected_cells
from pynomaly.model.explanation.explain import explain_rows
from pynomaly.model.features import FeatureEncoder
from pynomaly.model.scoring import PreparedRows
from pynomaly.model.sketch.sketch import Sketch

Array = npt.NDArray[np.float64]

FITTED, HELD_OUT, AWAY, CALM, QUANTILE = 2000, 1000, 8.0, 0.75, 0.99
WITH_OWN = {"ecod", "copod", "iforest"}


@dataclass(frozen=True)
class ExplanationMeasurement:
    """One detector on one table; shares are of the rows that count."""

    table: str
    kind: str
    detector: str
    rows: int
    alerts: int
    named: float
    all_alerts: int
    all_named: float
    faithful: float
    pyod: float | None
    z_score: float
    ms: float


def generate_tables(rows: int, seed: int = 0) -> Iterator[tuple[str, pd.DataFrame]]:
    """Normal rows: to fit on, to hold out, and to put an anomaly into."""
    total = FITTED + HELD_OUT + rows
    rng = np.random.default_rng(seed)
    names = [f"x{place}" for place in range(8)]
    yield "independent", pd.DataFrame(rng.normal(size=(total, 8)), columns=names)
    cause = rng.normal(size=(total, 2)) @ rng.normal(size=(2, 8))
    yield "together", pd.DataFrame(cause + 0.4 * rng.normal(size=(total, 8)), columns=names)
    skewed = np.exp(rng.normal(size=(total, 8)) * rng.uniform(0.2, 0.8, 8)) * 10.0 ** np.arange(-3, 5)
    yield "skewed", pd.DataFrame(skewed, columns=names)
    middles = rng.normal(size=(4, 8)) * 4
    clusters = middles[rng.integers(0, 4, total)] + rng.normal(size=(total, 8))
    yield "clusters", pd.DataFrame(clusters, columns=names)
    mixed = pd.DataFrame(cause[:, :5] + 0.4 * rng.normal(size=(total, 5)), columns=names[:5])
    kind = rng.choice(["a", "b", "c"], total, p=[0.6, 0.3, 0.1])
    yield "mixed", mixed.assign(count=rng.poisson(20, total).astype(float), kind=kind.astype(object))


def load_tables(folder: Path, rows: int) -> Iterator[tuple[str, pd.DataFrame]]:
    """Normal rows of the tables in `folder` that have enough of them."""
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as archive:
            X, y = archive["X"].astype(np.float64), archive["y"].ravel()
        normal = np.random.default_rng(0).permutation(X[y == 0])[: FITTED + HELD_OUT + rows]
        low, high = np.quantile(normal, (0.25, 0.75), axis=0)
        varied_columns = normal[:, high > low]
        if len(varied_columns) == FITTED + HELD_OUT + rows and varied_columns.shape[1] > 2:
            names = [f"x{place}" for place in range(varied_columns.shape[1])]
            yield path.stem, pd.DataFrame(varied_columns, columns=names)


def inject_anomalies(
    rows: pd.DataFrame, reference: Sketch, kind: str, seed: int
) -> tuple[pd.DataFrame, list[str]]:
    """The rows with one odd number each, and which column holds it."""
    rng = np.random.default_rng(seed)
    numbers = list(reference.numeric)
    usual, odd = predict_expected_cells(rows, reference), rows.copy()
    columns = [str(name) for name in rng.choice(numbers, len(rows))]
    for place, (name, side) in enumerate(zip(columns, rng.choice([-1.0, 1.0], len(rows)), strict=True)):
        column, at = reference.numeric[name], usual.columns.get_loc(name)
        middle = float(usual.iloc[place, at])
        if kind == "far":
            spread = (column.quantile(0.75) - column.quantile(0.25)) / 1.349
            odd.iloc[place, at] = middle + side * AWAY * spread
        else:
            odd.iloc[place, at] = max(
                (column.quantile(0.02), column.quantile(0.98)), key=lambda value: abs(value - middle)
            )
    return odd, columns


def explain_with_pyod(name: str, fitted: Array, rows: Array, seed: int) -> npt.NDArray[np.int64]:
    """The column that PyOD's own explanation puts first, for each row."""
    from pyod.models.copod import COPOD
    from pyod.models.ecod import ECOD
    from pyod.models.iforest import IForest

    if name == "iforest":
        first = int(np.argmax(IForest(random_state=seed).fit(fitted).feature_importances_))
        return np.full(len(rows), first)
    model = {"ecod": ECOD, "copod": COPOD}[name]().fit(fitted)
    model.decision_function(rows)
    return np.argmax(np.asarray(model.O)[-len(rows) :], axis=1)


def measure_explanations(
    table: str, kind: str, name: str, frame: pd.DataFrame, seed: int
) -> ExplanationMeasurement | None:
    """One detector on one table; None where no injected row alerts."""
    fit, held_out = frame.iloc[:FITTED], frame.iloc[FITTED : FITTED + HELD_OUT]
    clean = frame.iloc[FITTED + HELD_OUT :].reset_index(drop=True)
    reference = Sketch.of(fit)
    features = FeatureEncoder.fit(fit, None, config.Features())
    detector = make_detector(name, seed=seed).fit(features.transform(fit))
    odd, columns = inject_anomalies(clean, reference, kind, seed)

    def score(rows: pd.DataFrame) -> Array:
        return detector.score(features.transform(rows))

    before, held_out_scores = score(clean), score(held_out)
    calm, limit = np.quantile(held_out_scores, (CALM, QUANTILE))
    counts = np.flatnonzero((before <= limit) & (score(odd) > limit))
    if not (before[counts] <= calm).any():
        return None
    rows, blamed = odd.iloc[counts].reset_index(drop=True), [columns[place] for place in counts]
    started_at = time.perf_counter()
    explanations = explain_rows(features, detector, reference, None, PreparedRows(rows), 1)
    ms = (time.perf_counter() - started_at) / len(rows) * 1000
    first = [one.reasons[0].column if one.reasons else "" for one in explanations]
    right = np.array([a == b for a, b in zip(first, blamed, strict=True)])
    was_calm = before[counts] <= calm
    everything = (len(rows), float(right.mean()))
    calm_places = np.flatnonzero(was_calm)
    rows = rows.iloc[calm_places].reset_index(drop=True)
    first, blamed = [first[place] for place in calm_places], [blamed[place] for place in calm_places]

    usual, rng = predict_expected_cells(rows, reference), np.random.default_rng(seed)
    named, other = rows.copy(), rows.copy()
    for place, column in enumerate(first):
        random_column = str(rng.choice([name for name in rows if name != column]))
        for table_of, column_name in ((named, column), (other, random_column)):
            if column_name:
                at = rows.columns.get_loc(column_name)
                table_of.iloc[place, at] = usual.iloc[place, at]
    numbers = [column for column in rows if column in reference.numeric]
    z = (rows[numbers] - fit[numbers].mean()) / fit[numbers].std()
    own = None
    if name in WITH_OWN:
        own_columns = explain_with_pyod(name, features.transform(fit), features.transform(rows), seed)
        names = [column.name for column in features.columns for _ in column.names]
        own = float(np.mean([names[at] == column for at, column in zip(own_columns, blamed, strict=True)]))
    return ExplanationMeasurement(
        table,
        kind,
        name,
        len(odd),
        len(rows),
        float(right[was_calm].mean()),
        *everything,
        faithful=float(np.mean(score(named) < score(other))),
        pyod=own,
        z_score=float(np.mean(z.abs().idxmax(axis=1) == blamed)),
        ms=ms,
    )


def summarize_detectors(measurements: list[ExplanationMeasurement]) -> pd.DataFrame:
    """A row a detector: shares of all its alerts, and the worst table."""
    lines = []
    for name in dict.fromkeys(one.detector for one in measurements):
        of_detector = [one for one in measurements if one.detector == name]
        weights = [one.alerts for one in of_detector]
        own = [one.pyod for one in of_detector if one.pyod is not None]
        lines.append(
            {
                "detector": name,
                "how": DETECTORS[name].resolve().explains,
                "calm rows": sum(weights),
                "named first": np.average([one.named for one in of_detector], weights=weights),
                "worst table": min(one.named for one in of_detector),
                "PyOD's own": np.average(own, weights=weights) if own else np.nan,
                "largest z": np.average([one.z_score for one in of_detector], weights=weights),
                "all alerts": sum(one.all_alerts for one in of_detector),
                "named of all": np.average(
                    [one.all_named for one in of_detector], weights=[one.all_alerts for one in of_detector]
                ),
                "falls more": np.average([one.faithful for one in of_detector], weights=weights),
                "ms a row": np.average([one.ms for one in of_detector], weights=weights),
            }
        )
    return pd.DataFrame(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--detectors", nargs="+", default=list(DETECTORS), choices=list(DETECTORS))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    measurements: list[ExplanationMeasurement] = []
    source = load_tables(options.data, options.rows) if options.data else generate_tables(options.rows)
    for table, frame in source:
        for kind in ("far", "swapped"):
            results = (measure_explanations(table, kind, name, frame, seed=0) for name in options.detectors)
            measurements += [one for one in results if one is not None]
    if options.out:
        options.out.write_text(json.dumps([asdict(one) for one in measurements], indent=1))
    for kind in ("far", "swapped"):
        print(kind)
        lines = summarize_detectors([one for one in measurements if one.kind == kind])
        print(lines.to_string(index=False, float_format=lambda value: f"{value:.3f}"))


if __name__ == "__main__":
    main()
