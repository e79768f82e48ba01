"""Does the value that `train` prints rank configurations as real anomalies do?

    python -m benchmarks.evidence --data DIR [--only TEXT] [--configurations NAME ...] [--out FILE]

DIR holds ``series/u`` and ``series/m`` (files ``..._tr_N_..._.csv.gz`` whose column ``label`` is 1 for an
anomaly) and the field cases ``field/season_blind`` and ``field/entity_scale``. Each configuration is trained
without labels on the first N rows, by the steps of the product; its value is the average precision on
injected anomalies. The real one is VUS-PR on the whole series (the average precision of the later rows in
the field cases). Printed: both for each file and configuration, and the rank correlations of the two:
within files (mean and median over files), and of the configurations' means over files.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from pynomaly.config import Pipeline, parse_pipeline
from pynomaly.data.frame import FrameContract
from pynomaly.data.quality import validate
from pynomaly.data.sources import read_source
from pynomaly.detectors import DETECTORS
from pynomaly.errors import PynomalyError
from pynomaly.judging.comparison.evaluation import average_precision
from pynomaly.model.bundle import Bundle
from pynomaly.steps.training.train_candidates import fit_in_memory, train_candidates
from pynomaly.steps.training.training_rows import TrainingRows

_FIRST = pd.Timestamp("2026-01-01", tz="UTC")


@dataclass(frozen=True)
class EvidenceCase:
    """A table with later labelled rows: `truth` is NaN for rows that are not judged."""

    name: str
    table: pd.DataFrame
    learned: int
    truth: np.ndarray[Any, np.dtype[np.float64]]
    window: int
    id: str | None = None

    def measure_real(self, scores: np.ndarray[Any, np.dtype[np.float64]]) -> float:
        """Return VUS-PR of a series, or the average precision where no window is known."""
        judged = np.isfinite(self.truth) & np.isfinite(scores)
        if not self.window:
            return average_precision(self.truth[judged].astype(np.int64), scores[judged])
        return compute_vus_pr(self.truth[judged], scores[judged], self.window)


@dataclass(frozen=True)
class ConfigurationRun:
    """One configuration on one table; `problem` says why it has no value."""

    case: str
    configuration: str
    injected: float
    low: float
    high: float
    real: float
    kinds: dict[str, float]
    problem: str = ""


def compute_vus_pr(
    truth: np.ndarray[Any, Any], scores: np.ndarray[Any, Any], window: int, thresholds: int = 250
) -> float:
    """Return the volume under the PR surface as the package ``vus`` computes it (Paparrizos et al., 2022)."""
    rows = len(truth)
    edges = np.flatnonzero(np.diff(truth, prepend=0, append=0))
    starts, ends = edges[::2], edges[1::2] - 1
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    at = np.linspace(0, rows - 1, thresholds).astype(int)
    last = rows - np.searchsorted(ranked[::-1], ranked[at], side="left")  # rows at or above each threshold
    areas = []
    for width in range(window + 1):
        extended = truth.astype(float)
        half = width // 2
        for start, end in zip(starts, ends, strict=True):
            after = np.arange(end + 1, min(end + half + 1, rows))
            before = np.arange(max(start - half, 0), start)
            extended[after] += np.sqrt(1 - (after - end) / width) if width else 0
            extended[before] += np.sqrt(1 - (start - before) / width) if width else 0
        extended = np.minimum(extended, 1)
        hits = np.cumsum(extended[order])[last - 1]
        beside = np.cumsum(np.where(truth == 1, 0, extended)[order])[last - 1]
        peaks = _find_peaks(scores, starts, ends, half)
        existence = (peaks[:, None] >= ranked[at]).mean(axis=0)
        recall = np.minimum(hits / (truth.sum() + beside / 2), 1) * existence
        areas.append(float((np.diff(recall, prepend=0) * hits / last).sum()))
    return float(np.mean(areas))


def _find_peaks(
    scores: np.ndarray[Any, Any], starts: np.ndarray[Any, Any], ends: np.ndarray[Any, Any], half: int
) -> np.ndarray[Any, Any]:
    """Return the highest score of each stretch of anomalies with its margin; touching ones are one."""
    peaks, first = [], max(starts[0] - half, 0)
    for place in range(len(starts)):
        is_last = place + 1 == len(starts)
        if is_last or ends[place] + half < starts[place + 1] - half:
            peaks.append(scores[first : min(ends[place] + half, len(scores) - 1) + 1].max())
            first = 0 if is_last else starts[place + 1] - half
    return np.array(peaks)


def find_window(values: np.ndarray[Any, Any], default: int = 125) -> int:
    """Return the lag of the highest peak of the autocorrelation, 3 to 300, as the benchmark does."""
    head = values[:20000] - values[:20000].mean()
    size = 1 << (2 * len(head) - 1).bit_length()
    power = np.abs(np.fft.rfft(head, size)) ** 2
    correlation = np.fft.irfft(power, size)[3 : min(401, len(head))]
    peaks = np.flatnonzero((correlation[1:-1] > correlation[:-2]) & (correlation[1:-1] > correlation[2:])) + 1
    if not peaks.size:
        return default
    best = int(peaks[correlation[peaks].argmax()])
    return default if best < 3 or best > 300 else best + 3


def list_cases(folder: Path) -> Iterator[EvidenceCase]:
    """Return the tables of the folder."""
    for path in sorted((folder / "series").glob("[um]/*.csv.gz")):
        table = pd.read_csv(path)
        learned = int(re.search(r"_tr_(\d+)_", path.name).group(1))  # type: ignore[union-attr]
        truth = table.pop("label").to_numpy(dtype=float)
        window = find_window(table.iloc[:, 0].to_numpy(dtype=float))
        table.insert(0, "time", _FIRST + pd.to_timedelta(np.arange(len(table)), unit="min"))
        yield EvidenceCase(f"{path.parent.name}/{path.name[:-7]}", table, learned, truth, window)
    for name, time_column, entity in (
        ("season_blind/requests", "timestamp", None),
        ("entity_scale/rated", "time", "device"),
    ):
        path = folder / "field" / f"{name}.csv"
        if not path.is_file():
            continue
        first, later = pd.read_csv(path), pd.read_csv(folder / "field" / f"{name}_later_truth.csv")
        truth = np.concatenate([np.full(len(first), np.nan), later.pop("truth").to_numpy(dtype=float)])
        table = pd.concat([first, later], ignore_index=True).rename(columns={time_column: "time"})
        table["time"] = pd.to_datetime(table["time"], utc=True)
        yield EvidenceCase(name, table, len(first), truth, 0, entity)


def list_configurations(case: EvidenceCase) -> dict[str, dict[str, Any]]:
    """Return the settings of each configuration that suits the table."""
    numbers = [name for name in case.table.columns if name not in ("time", case.id)]
    varying = [name for name in numbers if np.ptp(case.table[name][: case.learned]) > 0][:8]
    auto = {"training": {"candidates": [{"detector": "auto"}]}}
    features = {"columns": varying, "rows": 12, "history": "30d"}
    listed: dict[str, dict[str, Any]] = {"auto": auto}
    for name in ("iforest", "knn", "ecod"):
        listed[name] = {"training": {"candidates": [{"detector": name}]}}
    if case.window:
        listed["features"] = auto | {"data": {"series": features}}
        wide = features | {"rows": max(12, min(case.window, case.learned // 8))}
        listed["features-period"] = auto | {"data": {"series": wide}}
        listed["features-knn"] = listed["knn"] | {"data": {"series": features}}
    else:
        listed["calendar"] = auto | {"features": {"calendar": True}}
        listed["calendar-knn"] = listed["knn"] | {"features": {"calendar": True}}
    if case.id is not None:
        listed["own"] = auto | {"features": {"entities": "own"}}
        listed["own-knn"] = listed["knn"] | {"features": {"entities": "own"}}
    step = int(case.table["time"].drop_duplicates().diff().median().total_seconds())
    reach = max(30, min(2 * case.window + 128, case.learned // 4)) if case.window else 300
    past = {"data": {"series": {"past": reach, "step": f"{step}s"}}}
    later = {"data": {"series": past["data"]["series"] | {"delay": f"{64 * step}s"}}}
    for name, entry in DETECTORS.items():
        if getattr(entry, "looks_back", False):
            listed[name] = {"training": {"candidates": [{"detector": name}]}} | past
            if name == "series":
                listed["series-delayed"] = listed[name] | later
    return listed


def build_pipeline(case: EvidenceCase, settings: dict[str, Any], folder: Path) -> Pipeline:
    """Return the pipeline of a configuration over the table, which is written to `folder`."""
    path = folder / "table.parquet"
    if not path.is_file():
        case.table.to_parquet(path)
    data = {"source": "parquet", "path": str(path), "time": "time", **({"id": case.id} if case.id else {})}
    content = {"name": "evidence", "data": data, "quality": {"min_train_rows": 50}}
    for block, values in settings.items():
        content[block] = {**content.get(block, {}), **values}  # type: ignore[dict-item]
    return parse_pipeline(content, folder / "evidence.yaml")


def split_case(case: EvidenceCase, pipeline: Pipeline) -> tuple[TrainingRows, pd.DataFrame, FrameContract]:
    """Return the rows of the training, all rows as they are read, and their contract."""
    frame = read_source(pipeline.data)
    contract = FrameContract.infer(frame.iloc[: case.learned], pipeline.data)
    clean = validate(frame.iloc[: case.learned], contract, pipeline.quality, "train").clean
    return TrainingRows.split(pipeline, contract, clean)[0], frame, contract


def score_all(
    bundle: Bundle, frame: pd.DataFrame, case: EvidenceCase, delay: timedelta = timedelta(0)
) -> np.ndarray[Any, Any]:
    """Return the scores of all rows, in the order of the table."""
    keys = ["time", *([case.id] if case.id else [])]
    frame = frame[frame["time"] <= frame["time"].max() - delay]  # newer ones have no score yet
    scored = frame[keys].assign(score=bundle.raw_scores(frame))
    merged = case.table[keys].merge(scored.drop_duplicates(keys), on=keys, how="left")
    return merged["score"].to_numpy(dtype=float)


def run_configuration(
    case: EvidenceCase, name: str, settings: dict[str, Any], folder: Path
) -> ConfigurationRun:
    """Train one configuration, and measure its value on injected and on real anomalies."""
    try:
        pipeline = build_pipeline(case, settings, folder)
        rows, frame, _ = split_case(case, pipeline)
        fitted = fit_in_memory(pipeline, rows, name, pipeline.training.candidates[0], {})
        training = train_candidates(pipeline, rows, [fitted])
        if training.choice is None:
            raise PynomalyError("; ".join(training.problems))
        real = case.measure_real(score_all(fitted.model(), frame, case, pipeline.data.series.delay))
        measured = training.choice.measured[name].average_precision
        if measured is None:
            reason = (training.choice.measured[name].not_computable or {}).get("average_precision", "")
            return ConfigurationRun(case.name, name, np.nan, np.nan, np.nan, real, {}, reason)
        kinds = _measure_by_kind(rows, fitted.scores()["score"].to_numpy())
    except PynomalyError as error:
        return ConfigurationRun(case.name, name, np.nan, np.nan, np.nan, np.nan, {}, str(error))
    return ConfigurationRun(case.name, name, measured.value, measured.low, measured.high, real, kinds)


def _measure_by_kind(rows: TrainingRows, scores: np.ndarray[Any, Any]) -> dict[str, float]:
    evidence = rows.judged.evidence
    if evidence.injected is None:
        return {}
    measured = {}
    for kind in sorted(set(evidence.injected.kinds) - {""}):
        part = (evidence.truth == 0) | (evidence.injected.kinds == kind)
        measured[str(kind)] = round(evidence.select(part).rank(scores[part]).value("average_precision"), 3)
    return measured


def correlate(runs: list[ConfigurationRun]) -> dict[str, Any]:
    """Return the rank correlations of injected and real values."""
    table = pd.DataFrame([asdict(run) for run in runs]).dropna(subset=["injected", "real"])
    within = {
        case: _correlate_ranks(part["injected"].to_numpy(), part["real"].to_numpy())
        for case, part in table.groupby("case")
        if len(part) > 2
    }
    series = table[table["case"].str.contains(r"^[um]/", regex=True)]
    counts = series.groupby("configuration")["case"].count()
    common = series[series["configuration"].isin(counts[counts == counts.max()].index)]
    means = common.groupby("configuration")[["injected", "real"]].mean()
    values = np.array(list(within.values()))
    return {
        "within": within,
        "mean_within": float(np.nanmean(values)) if values.size else np.nan,
        "median_within": float(np.nanmedian(values)) if values.size else np.nan,
        "of_means": _correlate_ranks(means["injected"].to_numpy(), means["real"].to_numpy()),
        "means": means.round(3).to_dict("index"),
    }


def _correlate_ranks(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> float:
    if len(first) < 3:
        return np.nan
    ranks = rankdata(first), rankdata(second)
    if ranks[0].std() == 0 or ranks[1].std() == 0:
        return np.nan
    return float(np.corrcoef(*ranks)[0, 1])


def main() -> None:
    """Measure every case and configuration, and print the rank correlations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    parser.add_argument("--configurations", nargs="*", help="names; default: all that suit the table")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    arguments = parser.parse_args()
    runs: list[ConfigurationRun] = []
    for case in list_cases(arguments.data):
        if arguments.only not in case.name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            for name, settings in list_configurations(case).items():
                if arguments.configurations and name not in arguments.configurations:
                    continue
                started = time.perf_counter()
                run = run_configuration(case, name, settings, Path(folder))
                runs.append(run)
                print(
                    f"{case.name:45} {name:16} injected {run.injected:.3f} ({run.low:.3f}-{run.high:.3f})  "
                    f"real {run.real:.3f}  {time.perf_counter() - started:.1f} s  "
                    f"{run.problem or ' '.join(f'{k} {v:.2f}' for k, v in run.kinds.items())}",
                    flush=True,
                )
    summary = correlate(runs)
    print(json.dumps(summary, indent=2))
    if arguments.out:
        arguments.out.write_text(json.dumps({"runs": [asdict(run) for run in runs], **summary}, indent=1))


if __name__ == "__main__":
    main()
