"""How well anomalies of time series are ranked, by the product's own path, beside published methods.

For each file ``..._tr_N_...csv`` or ``.csv.gz`` of a folder (columns of values and ``label``): the first N
rows become a table with a time a minute apart, without the label; ``init`` reads it and drafts its
configuration; the first candidate is fitted as a training fits it; and all rows are scored through the source
and the bundle. Nothing is chosen by file. VUS-PR needs a package (``pip install --no-deps vus tqdm``);
without it only the scores are written.

Run: ``python -m benchmarks.series --data DIR [--delay 128] [--scores OUT] [--detectors series,series_knn]``.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Pipeline, parse_pipeline
from pynomaly.config.spelling.plain_yaml import parse_plain_yaml
from pynomaly.data.frame import FrameContract
from pynomaly.data.intake import read_table, render_draft
from pynomaly.data.past import PAST, get_past
from pynomaly.data.sources import read_source
from pynomaly.detectors.catalogue import find_entry
from pynomaly.model.bundle import Bundle

Floats = NDArray[np.float64]

STEP = pd.Timedelta(minutes=1)
START = pd.Timestamp("2026-01-05T00:00:00Z")
NO_PERIOD = 125  # window of VUS-PR where no peak of the autocorrelation is there


@dataclass(frozen=True)
class SeriesFile:
    """One file: its rows, which of them are anomalous, and how many are for the fit."""

    path: Path
    table: pd.DataFrame
    truth: NDArray[np.int64]
    fitted: int

    @classmethod
    def read(cls, path: Path) -> SeriesFile:
        """Read a file; a column name that the product gives another meaning is renamed."""
        match = re.search(r"_tr_(\d+)_", path.name)
        if match is None:
            raise SystemExit(f"{path.name} does not say how many rows are for the fit (..._tr_N_...)")
        frame = pd.read_csv(path)
        frame.columns = [str(name).strip() for name in frame.columns]
        label = "label" if "label" in frame else "Label"
        values = frame.drop(columns=label)
        values.columns = [f"v{number}" for number in range(values.shape[1])]
        return cls(path, values, frame[label].to_numpy().astype(np.int64), int(match[1]))

    def write_rows(self, folder: Path, name: str, rows: int) -> Path:
        """Write the first rows as a table with a time."""
        table = self.table.iloc[:rows].copy()
        moments = pd.date_range(START, periods=rows, freq=STEP)
        table.insert(0, "time", moments.strftime("%Y-%m-%dT%H:%M:%SZ"))
        path = folder / f"{name}.csv"
        table.to_csv(path, index=False)
        return path


def draft_pipeline(table: Path, delay: int, *, needs_past: bool) -> Pipeline:
    """Return the configuration that ``init`` drafts for a table, with a delay in rows."""
    content = dict(parse_plain_yaml(render_draft(read_table(table), "series", table.parent)))
    series = content["data"].setdefault("series", {})
    if delay or needs_past:
        series.setdefault("past", 800)
        series.setdefault("step", "1m")
    if delay:
        content["scoring"] = {"delay": delay}
    return parse_pipeline(content, origin=table)


@dataclass(frozen=True)
class FittedSeries:
    """A model of the first rows of a file, and all rows as the source reads them."""

    bundle: Bundle
    rows: pd.DataFrame
    is_final: NDArray[np.bool_]
    """Of the rows: which wait for no later row."""
    detector: str

    def score(self) -> Floats:
        """Return the score of each row; NaN for those that wait."""
        scores = np.full(len(self.rows), np.nan)
        scores[self.is_final] = self.bundle.raw_scores(self.rows[self.is_final])
        return scores


def fit_series(file: SeriesFile, delay: int, detector: str) -> FittedSeries:
    """Fit on the first rows as a training fits them; `detector` is empty for the choice of ``init``."""
    with tempfile.TemporaryDirectory() as folder:
        table = file.write_rows(Path(folder), "series", file.fitted)
        whole = file.write_rows(Path(folder), "whole", len(file.table))
        name, *settings = detector.split(":")
        params = dict(setting.split("=") for setting in settings)
        needs_past = bool(name) and find_entry(name).looks_back
        pipeline = draft_pipeline(table, delay, needs_past=needs_past)
        candidate = pipeline.training.candidates[0]
        if name:
            candidate = candidate.model_copy(update={"detector": name, "params": params})
        reference = read_source(pipeline.data)
        past = get_past(reference)
        if past is not None:
            reference = reference[past.after >= 0].reset_index(drop=True)
        contract = FrameContract.infer(reference, pipeline.data)
        share = 1 - pipeline.training.calibration
        cut = round(len(reference) * share)
        bundle = Bundle.fit(
            reference.iloc[:cut], reference.iloc[cut:], pipeline, candidate, contract, facts={}
        )
        rows = read_source(pipeline.data, path=str(whole))
    is_final = np.ones(len(rows), dtype=bool) if PAST not in rows else get_past_is_final(rows)
    return FittedSeries(bundle, rows, is_final, candidate.detector)


def score_series(file: SeriesFile, delay: int, detector: str) -> tuple[Floats, str, float]:
    """Fit on the first rows and score all; returns scores (NaN: none yet), the detector, and seconds."""
    began = time.perf_counter()
    fitted = fit_series(file, delay, detector)
    return fitted.score(), fitted.detector, time.perf_counter() - began


def get_past_is_final(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows wait for no later row."""
    past = get_past(rows)
    assert past is not None
    return np.asarray(past.after >= 0)


def find_window(values: Floats) -> int:
    """Return the window of VUS-PR: the highest peak of the autocorrelation at lags 3 to 300, else 125.

    Source: Liu, Paparrizos, The Elephant in the Room: Towards a Reliable Time-Series Anomaly Detection
    Benchmark (TSB-AD), NeurIPS 2024.
    """
    part = values[:20_000] - values[:20_000].mean()
    most = min(300, len(part) - 2)
    spectrum = np.abs(np.fft.rfft(part, 2 * len(part))) ** 2
    correlation = np.fft.irfft(spectrum)[: most + 1]
    lags = np.arange(3, most)
    peaks = [lag for lag in lags if correlation[lag - 1] < correlation[lag] > correlation[lag + 1]]
    return int(max(peaks, key=lambda lag: correlation[lag])) if peaks else NO_PERIOD


def measure_vus_pr(scores: Floats, truth: NDArray[np.int64], window: int) -> float:
    """Return VUS-PR of the rows that have a score: those that wait are neither found nor missed.

    NaN if none of them is anomalous.
    """
    from vus.utils.metrics import metricor

    has_score = ~np.isnan(scores)
    if not truth[has_score].any():
        return float("nan")
    result: Any = metricor().RangeAUC_volume_opt(
        labels_original=truth[has_score], score=scores[has_score], windowSize=window, thre=250
    )
    return float(result[-1])


def list_published(folder: Path) -> pd.DataFrame:
    """Return VUS-PR of published methods by file; empty if there is no ``published-*.csv``."""
    tables = [pd.read_csv(path, index_col="file") for path in sorted(folder.parent.glob("published-*.csv"))]
    tables += [pd.read_csv(path, index_col="file") for path in sorted(folder.glob("published-*.csv"))]
    return pd.concat(tables) if tables else pd.DataFrame()


def list_files(folder: Path) -> Iterator[Path]:
    """Yield the files of series, in order."""
    for path in sorted([*folder.rglob("*.csv"), *folder.rglob("*.csv.gz")]):
        if re.search(r"_tr_\d+_", path.name):
            yield path


def main() -> None:
    """Print VUS-PR by file and in the mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--delay", type=int, default=0, help="rows after a row that its score waits for")
    parser.add_argument("--scores", type=Path, help="folder for one NPZ a file")
    parser.add_argument(
        "--detectors",
        default="",
        help="names with commas between, as series:smoothing=narrow; by default init's choice",
    )
    options = parser.parse_args()
    try:
        import vus.utils.metrics  # noqa: F401
    except ImportError:
        print("vus is not installed (pip install --no-deps vus tqdm): scores without VUS-PR")
        options.measure = False
    else:
        options.measure = True
    published = list_published(options.data)
    results: list[dict[str, Any]] = []
    detectors = options.detectors.split(",")
    for path in list_files(options.data):
        file = SeriesFile.read(path)
        name = path.name.removesuffix(".gz").removesuffix(".csv")
        for detector in detectors:
            scores, chosen, seconds = score_series(file, options.delay, detector)
            if options.scores:
                folder = (
                    options.scores / detector if len(options.detectors.split(",")) > 1 else options.scores
                )
                folder.mkdir(parents=True, exist_ok=True)
                np.savez(folder / f"{name}.npz", score=scores)
            row: dict[str, Any] = {"file": name, "detector": detector or chosen, "seconds": round(seconds, 1)}
            if options.measure and file.truth.any():
                window = find_window(file.table.iloc[:, 0].to_numpy(dtype=np.float64))
                row["vus_pr"] = measure_vus_pr(scores, file.truth, window)
            results.append(row)
            count = int(np.isnan(scores).sum())
            waiting = f"  {count} rows without a score" if count else ""
            print(
                f"{name[:60]:60} {chosen:14} {row.get('vus_pr', float('nan')):.3f}  {seconds:.1f} s{waiting}",
                flush=True,
            )
    if not options.measure or not results:
        return
    table = pd.DataFrame(results)
    print(table.groupby("detector")["vus_pr"].agg(["mean", "count"]).round(3).to_string())
    names = [f"{name}.csv" for name in table["file"].unique()]
    if not published.empty and (known := [name for name in names if name in published.index]):
        best = published.loc[known].mean().sort_values(ascending=False).head(3)
        print("published, the same files: " + ", ".join(f"{key} {value:.3f}" for key, value in best.items()))


if __name__ == "__main__":
    main()
