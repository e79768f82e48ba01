"""Would another library's view of a series make `series` better? Measured alone, added, in place of its own.

Files, fit and scores of `series` are those of ``benchmarks/series.py``. A peer (``benchmarks/peers.py``) is
fitted on the same first rows and is joined as a member is: its amounts in multiples of its usual one, a mean
over the spots around a row, the power mean with the other members. Zero delay reads the row and those before
it. Settings are chosen on the first third of the files by name; the others are what counts.

Run: ``python -m benchmarks.series_peers --data DIR [--delay 0,128] [--files N] [--out FILE.csv]``, on series
of one column. It needs ``pip install stumpy statsforecast`` in an environment of its own (statsforecast holds
pandas below 3), ``torch``, and for VUS-PR ``pip install --no-deps vus tqdm``.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.peers import PEERS, PeerReading
from benchmarks.series import (
    Floats,
    SeriesFile,
    find_window,
    fit_series,
    list_files,
    measure_vus_pr,
)
from pynomaly.detectors.past_rows import PastRows
from pynomaly.detectors.series.looking_back import LookingBack
from pynomaly.detectors.series.loops import Places
from pynomaly.detectors.series.members import Forecast, Kernel, Member, to_ratios
from pynomaly.detectors.series.window_members import NearestWindows
from pynomaly.model.scoring import encode_rows, prepare_rows

OURS = "series"
NARROWEST = 32  # rows on each side of a row that count at least
SHORT_WAIT = 64  # rows; a delay below localises as little as none


class PeerMember(Member):
    """A peer as a member of `series`: its amounts are there for every place of the series."""

    kind: ClassVar[str] = "peer"

    @classmethod
    def of_reading(cls, reading: PeerReading, half: int, delay: int) -> PeerMember:
        """Return the member whose rows are means over `half` spots on each side, as far as `delay` allows."""
        centre = min((reading.back + 1) // 2, delay)
        kernel = Kernel.peaked(centre, half, delay, sharp=delay < SHORT_WAIT, thin=reading.back > 1)
        return cls.make(kernel, amounts=reading.amounts, usual=reading.usual, back=reading.back)

    @property
    def back(self) -> int:
        """How many rows before a row its amount reads at least."""
        return int(self.state["back"])

    @property
    def sees(self) -> str:
        """What another library sees."""
        return "what another library sees"

    def measure(self, rows: PastRows, column: int, spots: Places) -> Floats:
        """Return the amounts of spots, in usual ones."""
        return to_ratios(self.state["amounts"][spots], self.state["usual"])


@dataclass(frozen=True)
class Figures:
    """What members see in a column: figures of shape (members, n), who could read which row, and kinds."""

    figures: Floats
    readable: NDArray[np.bool_]
    alone: Floats
    kinds: tuple[type[Member], ...]

    @classmethod
    def of_members(cls, members: Sequence[Member], alone: Member, rows: PastRows) -> Figures:
        """Measure the one column of rows in order of place."""
        measured = [member.measure_rows(rows, 0) for member in members]
        return cls(
            np.stack([figure for figure, _ in measured]),
            np.stack([can for _, can in measured]),
            alone.measure_rows(rows, 0)[0],
            tuple(type(member) for member in members),
        )

    def replace(self, other: Figures, kind: type[Member] | None) -> Figures:
        """Return these figures with another's beside them, in place of the members of exactly that kind."""
        kept = np.array([member is not kind for member in self.kinds])
        kinds = tuple(member for member in self.kinds if member is not kind)
        return Figures(
            np.concatenate([self.figures[kept], other.figures]),
            np.concatenate([self.readable[kept], other.readable]),
            self.alone,
            kinds + other.kinds,
        )

    def only(self, kind: type[Member]) -> Figures:
        """Return the members of exactly that kind."""
        kept = np.array([member is kind for member in self.kinds])
        return Figures(self.figures[kept], self.readable[kept], self.alone, (kind,) * int(kept.sum()))

    def join(self) -> Floats:
        """Return the score of each row, as `series` joins its members."""
        total, count = np.zeros(len(self.alone)), np.zeros(len(self.alone))
        for figure, readable in zip(self.figures, self.readable, strict=True):
            total += figure * figure * figure
            count += readable
        joined = np.cbrt(total / np.maximum(count, 1.0))
        return np.asarray(np.log1p(np.where(count > 0, joined, self.alone)))


LIKE: Mapping[str, type[Member]] = {
    "matrix profile": NearestWindows, "ETS": Forecast, "ARIMA": Forecast, "patches": NearestWindows
}  # fmt: skip
"""The members of `series` that a peer would take the place of."""


def measure_series(
    file: SeriesFile, delay: int, readings: Mapping[str, PeerReading]
) -> Iterator[tuple[str, str, Floats, float, float]]:
    """Yield who, how (``alone``, ``added``, ``instead``), scores, processor time of fit and of scores."""
    began = time.process_time()
    fitted = fit_series(file, delay, OURS)
    fit_seconds = time.process_time() - began
    began = time.process_time()
    scores = fitted.score()
    score_seconds = time.process_time() - began
    yield OURS, "alone", scores, fit_seconds, score_seconds
    detector = fitted.bundle.detector
    assert isinstance(detector, LookingBack)
    features, frame = fitted.bundle.features, fitted.rows[fitted.is_final]
    prepared = prepare_rows(frame, fitted.bundle.contract, calendar=features.calendar, entities=False)
    rows = encode_rows(prepared, features, looks_back=True)
    assert isinstance(rows, PastRows)
    ((alone, members),) = zip(detector._alone, detector._members, strict=True)  # one column
    ours = Figures.of_members(members, alone, rows)
    assert np.array_equal(ours.join(), scores[fitted.is_final]), "members no longer join as they do here"
    half = max((-int(member.kernel.offsets[0]) for member in members), default=NARROWEST)

    def spread_over_rows(joined: Floats) -> Floats:
        scores = np.full(len(fitted.rows), np.nan)
        scores[fitted.is_final] = joined
        return scores

    for kind, name in ((NearestWindows, "our windows"), (Forecast, "our forecast")):
        yield name, "alone", spread_over_rows(ours.only(kind).join()), np.nan, np.nan
    for name, reading in readings.items():
        peer = Figures.of_members([PeerMember.of_reading(reading, half, delay)], alone, rows)
        for way, joined in (
            ("alone", peer), ("added", ours.replace(peer, None)), ("instead", ours.replace(peer, LIKE[name])),
        ):  # fmt: skip
            yield name, way, spread_over_rows(joined.join()), reading.fit_seconds, reading.score_seconds


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each peer of a table with one row a file, delay, peer and way.

    Returns
    -------
    DataFrame
        By delay and name: mean VUS-PR ``alone``, ``added`` and ``instead``; ``gain`` of added over `series`
        with the standard error of its mean over files; ``rows/s`` scored and the ``time`` of fit and scores,
        in multiples of that of `series`.
    """
    result = []
    for delay, part in table.groupby("delay"):
        means = part.pivot_table(index="file", columns=["name", "way"], values="vus_pr")
        seconds = part[part["way"] == "alone"].groupby("name")[["fit_seconds", "score_seconds", "rows"]].sum()
        whole = seconds["fit_seconds"] + seconds["score_seconds"]
        for name in dict.fromkeys(part["name"]):
            row: dict[str, Any] = {"delay": delay, "name": name, "files": len(means)}
            for way in ("alone", "added", "instead"):
                row[way] = means[name, way].mean() if (name, way) in means else np.nan
            gains = means[name, "added"] - means[OURS, "alone"] if (name, "added") in means else None
            row["gain"] = np.nan if gains is None else gains.mean()
            row["error"] = np.nan if gains is None else gains.std() / np.sqrt(max(1, gains.count()))
            spent = seconds.loc[name, "score_seconds"]
            row["rows/s"] = seconds.loc[name, "rows"] / spent if spent > 0 else np.nan
            row["time"] = whole[name] / whole[OURS] if spent > 0 else np.nan
            result.append(row)
    return pd.DataFrame(result)


def split_thirds(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the files that settings may be chosen on, the first third by name, and the others."""
    ordered = sorted(names)
    return ordered[: len(ordered) // 3], ordered[len(ordered) // 3 :]


def find_missing(names: Sequence[str]) -> list[str]:
    """Return the packages that are not installed, of these peers and of VUS-PR."""
    packages = ["vus", *(PEERS[name][0] for name in names)]
    return [name for name in dict.fromkeys(packages) if importlib.util.find_spec(name) is None]


def warm_up(names: Sequence[str], delays: Sequence[int]) -> None:
    """Compile what is compiled, so that no file pays for it."""
    rng = np.random.default_rng(0)
    values = np.sin(np.arange(1200) / 8) + rng.normal(0, 0.1, 1200)
    for name in names:
        PEERS[name][1](values, 800)
    file = SeriesFile(Path("warm"), pd.DataFrame({"v0": values}), np.zeros(1200, dtype=np.int64), 800)
    for delay in delays:
        list(measure_series(file, delay, {}))


def main() -> None:
    """Print VUS-PR by file, and a table for the files that settings are chosen on and for the others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--delay", default="0,128", help="rows waited for, with commas between")
    parser.add_argument("--files", type=int, help="so many of the files, the first by name")
    parser.add_argument("--peers", default=",".join(PEERS), help="names with commas between")
    parser.add_argument("--out", type=Path, help="CSV with one row a file, delay, peer and way")
    options = parser.parse_args()
    names, delays = options.peers.split(","), [int(delay) for delay in options.delay.split(",")]
    if unknown := [name for name in names if name not in PEERS]:
        raise SystemExit(f"no peer is called {', '.join(unknown)}; there are {', '.join(PEERS)} (--peers)")
    if missing := find_missing(names):
        raise SystemExit(
            f"not installed: {', '.join(missing)}. In an environment of its own: pip install "
            f"{' '.join(missing)} (vus with --no-deps, and tqdm); or leave peers out with --peers"
        )
    warm_up(names, delays)
    results: list[dict[str, Any]] = []
    for path in list(list_files(options.data))[: options.files]:
        file = SeriesFile.read(path)
        if file.table.shape[1] > 1:
            print(f"{path.name} is left out: it has {file.table.shape[1]} columns, and peers follow one")
            continue
        values = file.table["v0"].to_numpy(dtype=np.float64)
        readings = {name: PEERS[name][1](values, file.fitted) for name in names}
        window = find_window(values)
        for delay in delays:
            begun = len(results)
            for name, way, scores, fit_seconds, score_seconds in measure_series(file, delay, readings):
                results.append(
                    {
                        "file": path.name, "delay": delay, "name": name, "way": way, "rows": len(values),
                        "vus_pr": measure_vus_pr(scores, file.truth, window),
                        "fit_seconds": fit_seconds, "score_seconds": score_seconds,
                    }
                )  # fmt: skip
            figures = [f"{row['name']} {row['way']} {row['vus_pr']:.3f}" for row in results[begun:]]
            print(f"{path.name[:40]:40} {delay:3}  " + ", ".join(figures), flush=True)
        if options.out:
            pd.DataFrame(results).to_csv(options.out, index=False)
    if not results:
        raise SystemExit(f"{options.data} holds no series of one column (..._tr_N_....csv or .csv.gz)")
    table = pd.DataFrame(results)
    chosen, others = split_thirds(list(table["file"].unique()))
    for title, files in (("settings are chosen on", chosen), ("the others", others)):
        if files:
            print(f"\n{len(files)} files, {title}")
            print(summarise(table[table["file"].isin(files)]).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
