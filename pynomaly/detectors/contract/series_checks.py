"""The contract of a detector that looks back, as checks that run over those of the catalogue.

A score is a function of the fitted detector, the row, at most `history` values before it and at most `delay`
values after it, of its own entity. Each check changes something else and demands the same bits, or shows the
detector what it must notice. Run by ``tests/detectors/contract/test_contract`` under ids ``detector:check``,
once without and once with a delay.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from pynomaly.detectors import saved
from pynomaly.detectors.base import Detector
from pynomaly.detectors.catalogue import find_entry, load_detector, make_detector_for
from pynomaly.detectors.contract.subject import require_that
from pynomaly.detectors.numerics.exact import Array, row_sum
from pynomaly.detectors.past_rows import PastRows
from pynomaly.errors import ColumnError, DetectorError, NotFittedError

__all__ = ["SERIES_CHECKS", "SeriesUnderTest", "make_seasonal_values", "score_saved_series"]

_STARTS = (0, 420, 440, 445)  # entities of the scored rows: long, short, shorter, long again
_ROWS = 700


@dataclass(frozen=True)
class SeriesUnderTest:
    """One detector that looks back, fitted once on seeded seasonal rows.

    Parameters
    ----------
    name : str
        Name in the catalogue.
    elsewhere : Executor
        Runs functions in another process (a spawned pool of one).
    delay : int
        Its delay in rows.
    params : mapping
        Its other parameters.
    """

    name: str
    elsewhere: Executor
    delay: int = 0
    params: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def fitted(self) -> Detector:
        """The detector, fitted on 900 rows of three columns with a period of 24 rows."""
        return self.make_unfitted().fit(PastRows.of_series(make_seasonal_values(900), delay=self.delay))

    @cached_property
    def rows(self) -> PastRows:
        """700 rows of four entities, two of them short; the detector was fitted on none of them."""
        return PastRows.of_series(make_seasonal_values(_ROWS, seed=1), delay=self.delay, starts=_STARTS)

    @cached_property
    def scores(self) -> Array:
        """Scores of `rows`, in one batch."""
        return self.fitted.score(self.rows)

    def make_unfitted(self) -> Detector:
        """Return an unfitted detector with seed 7."""
        return make_detector_for(self.rows, self.name, 7, self.params)

    def score_series(self, values: Array) -> Array:
        """Return the scores of the rows of one entity."""
        return self.fitted.score(PastRows.of_series(values, delay=self.delay))

    @property
    def history(self) -> int:
        """How many values before a row its score reads."""
        return self.fitted.history


def make_seasonal_values(rows: int, seed: int = 0) -> Array:
    """Return seeded rows of three columns: a wave, its neighbour with noise, and a slow walk."""
    rng = np.random.default_rng([6, seed])
    time = np.arange(rows)
    wave = np.sin(2 * np.pi * time / 24)
    walk = np.zeros(rows)
    for row in range(1, rows):
        walk[row] = 0.8 * walk[row - 1] + 0.3 * rng.normal()
    return np.stack([wave + 0.1 * rng.normal(size=rows), wave**3 + 0.2 * rng.normal(size=rows), walk], axis=1)


def score_saved_series(folder: str, rows: PastRows) -> Array:
    """Load a saved detector and score rows; runs in another process."""
    return load_detector(Path(folder)).score(rows)


def check_one_finite_float_a_row(subject: SeriesUnderTest) -> None:
    """Scores are finite float64, one a row, also of rows with hardly any past."""
    require_that(subject.scores.shape == (_ROWS,), f"shape {subject.scores.shape} for {_ROWS} rows")
    require_that(subject.scores.dtype == np.float64, f"dtype {subject.scores.dtype}")
    require_that(bool(np.isfinite(subject.scores).all()), "a score is not finite")


def check_later_rows_change_nothing(subject: SeriesUnderTest) -> None:
    """Rows after the delay change no bit of a score."""
    for end in (37, 150, 260):
        values = subject.rows.values[:420].copy()
        values[end + subject.delay + 1 :] = 50.0
        _require_same(subject.score_series(values)[: end + 1], subject.scores[: end + 1], f"after row {end}")


def check_other_entities_change_nothing(subject: SeriesUnderTest) -> None:
    """The rows of other entities change no bit of a score."""
    values = subject.rows.values.copy()
    values[:440] = -30.0
    rows = PastRows.of_series(values, delay=subject.delay, starts=_STARTS)
    _require_same(subject.fitted.score(rows)[440:], subject.scores[440:], "beside other entities")


def check_older_history_changes_nothing(subject: SeriesUnderTest) -> None:
    """What lies before the history of a row changes no bit of its score."""
    history = subject.history
    values = make_seasonal_values(3 * history + 50, seed=4)
    scores = subject.score_series(values)
    values[:history] = 40.0
    _require_same(subject.score_series(values)[2 * history :], scores[2 * history :], "older rows")


def check_a_resumed_stream(subject: SeriesUnderTest) -> None:
    """A row alone with its history, and its delay, has the score that it has in the batch."""
    for row in (5, 430, 442, 445, *range(446, _ROWS, 31)):
        start = _STARTS[int(np.searchsorted(_STARTS, row, side="right")) - 1]
        first = max(start, row - subject.history)
        end = min(row + subject.delay + 1, [*_STARTS[1:], _ROWS][_STARTS.index(start)])
        alone = PastRows.of_series(subject.rows.values[first:end], delay=subject.delay)
        alone = replace(alone, moments=subject.rows.moments[first:end])
        score = subject.fitted.score(alone.take(np.array([row - first])))
        _require_same(score, subject.scores[[row]], f"row {row} alone with its history")


def check_any_batch_and_order(subject: SeriesUnderTest) -> None:
    """Batches of any size, any order, and many copies of the same rows, give the same bits."""
    for size in (1, 17, 64):
        parts = [
            subject.fitted.score(subject.rows.take(slice(start, start + size)))
            for start in range(0, 300 if size == 1 else _ROWS, size)
        ]
        joined = np.concatenate(parts)
        _require_same(joined, subject.scores[: len(joined)], f"batches of {size}")
    order = np.random.default_rng(3).permutation(_ROWS)
    _require_same(subject.fitted.score(subject.rows.take(order)), subject.scores[order], "shuffled rows")
    many = np.tile(np.arange(_ROWS), 9)  # more rows than a block
    _require_same(
        subject.fitted.score(subject.rows.take(many)),
        np.tile(subject.scores, 9),
        "copies in many blocks",
    )


def check_threads_change_nothing(subject: SeriesUnderTest) -> None:
    """One thread and three give the same bits."""
    many = subject.rows.take(np.tile(np.arange(_ROWS), 15))
    one, three = (subject.fitted.score(many, threads=threads) for threads in (1, 3))
    _require_same(one, three, "three threads")


def check_a_changed_cell_counts(subject: SeriesUnderTest) -> None:
    """A row's own cells count where `values` differ, for that row alone, as if they had stood there."""
    row = 330
    numbers = subject.rows.numbers.copy()
    numbers[row] += 9.0
    values = subject.rows.values.copy()
    values[row] = numbers[row]
    changed = subject.fitted.score(replace(subject.rows, numbers=numbers))
    wanted = subject.fitted.score(replace(subject.rows, numbers=numbers, values=values))[row]
    _require_same(changed[[row]], np.array([wanted]), "a changed cell")
    rest = np.arange(_ROWS) != row
    _require_same(changed[rest], subject.scores[rest], "rows beside a changed cell")


def check_saved_and_loaded(subject: SeriesUnderTest) -> None:
    """Save and load keep the bits, here and in another process, and the same bytes when saved again."""
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        subject.fitted.save(Path(first))
        loaded = load_detector(Path(first))
        loaded.save(Path(second))
        for file in (saved.FACTS, saved.ARRAYS):
            same = (Path(first) / file).read_bytes() == (Path(second) / file).read_bytes()
            require_that(same, f"{file} differs when saved again")
        elsewhere = subject.elsewhere.submit(score_saved_series, first, subject.rows).result(timeout=120)
    _require_same(loaded.score(subject.rows), subject.scores, "after load")
    _require_same(elsewhere, subject.scores, "another process")


def check_same_seed_same_scores(subject: SeriesUnderTest) -> None:
    """Fitting again with the same seed, and the rows in another order, gives the same scores."""
    rows = PastRows.of_series(make_seasonal_values(900), delay=subject.delay)
    again = subject.make_unfitted().fit(rows.take(np.random.default_rng(1).permutation(900)))
    gap = np.abs(again.score(subject.rows) - subject.scores).max()
    require_that(gap <= 1e-9 * np.abs(subject.scores).max(), f"scores differ by up to {gap:.3g}")


def check_input_is_not_changed(subject: SeriesUnderTest) -> None:
    """Neither `fit` nor `score` writes into the arrays that it is given."""
    rows = PastRows.of_series(make_seasonal_values(300), delay=subject.delay)
    before = {name: array.copy() for name, array in rows.to_arrays().items()}
    subject.make_unfitted().fit(rows).score(rows)
    for name, array in rows.to_arrays().items():
        require_that(bool(np.array_equal(array, before[name])), f"{name} was changed")


def check_far_rows_stand_out(subject: SeriesUnderTest) -> None:
    """A single far cell in any column ranks above all rows whose neighbourhood has none."""
    for column in range(3):
        values = subject.rows.values[:420].copy()
        values[300, column] += 12.0
        scores = subject.score_series(values)
        usual = subject.scores[100 : 300 - subject.delay]
        require_that(scores[300] > usual.max(), f"a far cell of column {column} is not seen")


def check_explains_the_odd_column(subject: SeriesUnderTest) -> None:
    """Amounts are finite, sum to the score with the base, and name the column that is odd."""
    for column in range(3):
        values = subject.rows.values[:420].copy()
        values[300, column] += 12.0
        rows = PastRows.of_series(values, delay=subject.delay).take(np.array([200, 300]))
        parts = subject.fitted.explain(rows, np.zeros((2, 3)))
        require_that(bool(np.isfinite(parts.amounts).all()), "an amount is not finite")
        gap = np.abs(parts.base + row_sum(parts.amounts) - subject.fitted.score(rows)).max()
        require_that(gap <= 1e-9, f"base and amounts miss the score by {gap:.3g}")
        require_that(int(parts.amounts[1].argmax()) == column, f"column {column} is odd and another is named")


def check_short_series(subject: SeriesUnderTest) -> None:
    """A fit on few rows, and on many short entities, gives finite scores."""
    for count in (2, 3, 10, 40):
        detector = subject.make_unfitted().fit(PastRows.of_series(make_seasonal_values(count)))
        require_that(bool(np.isfinite(detector.score(subject.rows)).all()), f"not finite after {count} rows")
    starts = tuple(range(0, 900, 6))
    short = PastRows.of_series(make_seasonal_values(900), delay=subject.delay, starts=starts)
    scores = subject.make_unfitted().fit(short).score(subject.rows)
    require_that(bool(np.isfinite(scores).all()), "not finite after entities of six rows")


def check_constant_series(subject: SeriesUnderTest) -> None:
    """A column that never moved gives finite scores, and its first movement stands out."""
    values = make_seasonal_values(900)
    values[:, 1] = 1e7 / 3
    detector = subject.make_unfitted().fit(PastRows.of_series(values, delay=subject.delay))
    values = values[:420].copy()
    values[300, 1] += 1.0
    scores = detector.score(PastRows.of_series(values, delay=subject.delay))
    require_that(bool(np.isfinite(scores).all()), "a score is not finite")
    require_that(
        bool(scores[300] > scores[100 : 300 - subject.delay].max()),
        "a constant column moves, and nothing is seen",
    )


def check_large_scale(subject: SeriesUnderTest) -> None:
    """The largest cells, in the fit or after it, give finite scores."""
    extreme = subject.rows.values[:420].copy()
    extreme[300:303] = [[1.7e308] * 3, [-1.7e308] * 3, [5e-324] * 3]
    require_that(bool(np.isfinite(subject.score_series(extreme)).all()), "a score is not finite")
    large = make_seasonal_values(900) * 1e9 + 1e9
    large[500] = 1e200
    detector = subject.make_unfitted().fit(PastRows.of_series(large, delay=subject.delay))
    scores = detector.score(PastRows.of_series(extreme, delay=subject.delay))
    require_that(bool(np.isfinite(scores).all()), "a score is not finite after a fit on large cells")


def check_wrong_rows_are_refused(subject: SeriesUnderTest) -> None:
    """A plain table, other columns, no rows and missing cells are refused, and an unfitted detector."""
    values = subject.rows.values
    _require_error(lambda: subject.fitted.score(values), DetectorError, "PastRows")
    _require_error(lambda: subject.make_unfitted().fit(values), DetectorError, "PastRows")
    two = PastRows.of_series(values[:, :2])
    _require_error(lambda: subject.fitted.score(two), ColumnError, "3 columns")
    _require_error(lambda: subject.fitted.score(subject.rows.take(slice(0, 0))), DetectorError, "no rows")
    missing = values.copy()
    missing[7, 1] = np.nan
    _require_error(lambda: subject.score_series(missing), DetectorError, "nan")
    _require_error(lambda: subject.make_unfitted().score(subject.rows), NotFittedError, subject.name)


def check_entry(subject: SeriesUnderTest) -> None:
    """The catalogue says that the detector looks back."""
    require_that(find_entry(subject.name).looks_back, "its entry does not say that it looks back")


SERIES_CHECKS: dict[str, Callable[[SeriesUnderTest], None]] = {
    name.removeprefix("check_"): function
    for name, function in list(globals().items())
    if name.startswith("check_")
}


def _require_same(scores: Array, wanted: Array, what: str) -> None:
    require_that(scores.shape == wanted.shape, f"{what}: shape {scores.shape}, not {wanted.shape}")
    gap = np.abs(scores - wanted)
    require_that(bool((gap == 0).all()), f"{what}: scores differ by up to {gap.max():.3g}")


def _require_error(call: Callable[[], object], error: type[Exception], *words: str) -> None:
    try:
        call()
    except error as caught:
        for word in words:
            require_that(word in str(caught), f"the message does not name {word!r}: {caught}")
        return
    raise AssertionError(f"{error.__name__} naming {words} was not raised")
