"""The contract of a detector, as checks that run over the catalogue; a detector must pass all of them.

Each check takes a detector under test and raises AssertionError with what it observed. There are no
exemptions: a detector that fails one check is not offered. Run by ``tests/detectors/test_contract`` under ids
``detector:check``; a project with detectors of its own can run them in the same way.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from pynomaly.detectors import saved
from pynomaly.detectors.base import Table
from pynomaly.detectors.catalogue import load_detector, make_detector
from pynomaly.detectors.contract.explanation_checks import EXPLANATION_CHECKS
from pynomaly.detectors.contract.subject import (
    COLUMNS,
    DetectorUnderTest,
    fit_and_score,
    make_normal_rows,
    require_that,
    score_saved,
)
from pynomaly.detectors.numerics.exact import Array
from pynomaly.errors import ColumnError, DetectorError, NotFittedError, PynomalyError

__all__ = ["CHECKS", "DetectorUnderTest", "fit_and_score", "score_saved"]

_TOLERANCE = 1e-9  # relative; BLAS and the fits of vendors may change the last bits


def check_one_finite_float_a_row(subject: DetectorUnderTest) -> None:
    """Scores are finite float64, one a row."""
    scores = subject.scores
    require_that(scores.shape == (len(subject.rows),), f"shape {scores.shape} for {len(subject.rows)} rows")
    require_that(scores.dtype == np.float64, f"dtype {scores.dtype}")
    require_that(bool(np.isfinite(scores).all()), "a score is not finite")


def check_one_row_alone(subject: DetectorUnderTest) -> None:
    """A row scores the same alone as in the batch."""
    alone = [subject.fitted.score(subject.rows.iloc[[row]])[0] for row in range(len(subject.rows))]
    _require_equal_scores(alone, subject.scores, "one row at a time", exact=True)


def check_any_batch(subject: DetectorUnderTest) -> None:
    """Batches of any size, and many copies of the same rows, give the same scores."""
    for size in (3, 17, 64):
        parts = [subject.rows.iloc[start : start + size] for start in range(0, len(subject.rows), size)]
        _require_equal_scores(
            np.concatenate([subject.fitted.score(part) for part in parts]),
            subject.scores,
            f"batches of {size}",
            True,
        )
    many = pd.concat([subject.rows] * 80, ignore_index=True)  # more rows than any block size
    _require_equal_scores(
        subject.fitted.score(many).reshape(80, -1), np.tile(subject.scores, (80, 1)), "80 copies", exact=True
    )


def check_any_order(subject: DetectorUnderTest) -> None:
    """The order of rows does not matter."""
    order = np.random.default_rng(3).permutation(len(subject.rows))
    _require_equal_scores(
        subject.fitted.score(subject.rows.iloc[order]), subject.scores[order], "shuffled rows", exact=True
    )


def check_twice(subject: DetectorUnderTest) -> None:
    """Scoring changes nothing."""
    _require_equal_scores(subject.fitted.score(subject.rows), subject.scores, "the second call", exact=True)


def check_same_seed_same_scores(subject: DetectorUnderTest) -> None:
    """Fitting again with the same seed gives the same scores, and replaces the first fit."""
    again = subject.make_unfitted().fit(make_normal_rows(50, seed=4) * 3 + 1).fit(make_normal_rows(400))
    _require_equal_scores(again.score(subject.rows), subject.scores, "a second fit", exact=False)


def check_saved_and_loaded(subject: DetectorUnderTest) -> None:
    """Save and load keep scores, parameters, seed and columns; saving again gives the same bytes."""
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        subject.fitted.save(Path(first))
        loaded = load_detector(Path(first))
        loaded.save(Path(second))
        for file in (saved.FACTS, saved.ARRAYS):
            same = (Path(first) / file).read_bytes() == (Path(second) / file).read_bytes()
            require_that(same, f"{file} differs when saved again")
    _require_equal_scores(loaded.score(subject.rows), subject.scores, "after load", exact=True)
    for fact in ("name", "params", "seed", "columns", "max_rows", "rows_offered", "rows_used"):
        before, after = getattr(subject.fitted, fact), getattr(loaded, fact)
        require_that(before == after, f"{fact} was {before!r} and is {after!r} after load")


def check_another_process(subject: DetectorUnderTest) -> None:
    """Another process that loads the saved files gives the same scores."""
    with tempfile.TemporaryDirectory() as folder:
        subject.fitted.save(Path(folder))
        scores = subject.elsewhere.submit(score_saved, folder, subject.rows).result(timeout=120)
    _require_equal_scores(scores, subject.scores, "another process", exact=True)


def check_fitted_in_another_process(subject: DetectorUnderTest) -> None:
    """Another process, with another hash seed, fits the same detector."""
    scores = subject.elsewhere.submit(fit_and_score, subject.name, subject.rows).result(timeout=120)
    _require_equal_scores(scores, subject.scores, "fitted in another process", exact=False)


def check_saved_files_hold_plain_numbers(subject: DetectorUnderTest) -> None:
    """A saved detector is two files without objects, so no code in them could run."""
    with tempfile.TemporaryDirectory() as folder:
        subject.fitted.save(Path(folder))
        names = sorted(path.name for path in Path(folder).iterdir())
        require_that(names == [saved.ARRAYS, saved.FACTS], f"files {names}")
        _, arrays = saved.read_detector_files(Path(folder))
    kinds = {key: array.dtype.kind for key, array in arrays.items() if array.dtype.kind not in "biuf"}
    require_that(not kinds, f"arrays that are not numbers: {kinds}")


def check_a_changed_byte_is_refused(subject: DetectorUnderTest) -> None:
    """A byte changed anywhere in either file is refused."""
    with tempfile.TemporaryDirectory() as folder:
        subject.fitted.save(Path(folder))
        for file in (Path(folder) / saved.FACTS, Path(folder) / saved.ARRAYS):
            good = file.read_bytes()
            for place in {0, len(good) // 3, len(good) // 2, len(good) - 1}:
                file.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
                _require_error(lambda: load_detector(Path(folder)), PynomalyError)
            file.write_bytes(good)
        load_detector(Path(folder))


def check_input_is_not_changed(subject: DetectorUnderTest) -> None:
    """Neither `fit` nor `score` writes into what it is given, as frame or array."""
    for table in (make_normal_rows(120), make_normal_rows(120).to_numpy(copy=True)):
        before = table.copy()
        subject.make_unfitted().fit(table).score(table)
        require_that(
            bool(np.array_equal(np.asarray(table), np.asarray(before))), f"{type(table).__name__} was changed"
        )


def check_columns_by_name(subject: DetectorUnderTest) -> None:
    """Columns of a frame are matched by name, whatever their order."""
    shuffled = subject.rows[list(reversed(COLUMNS))]
    _require_equal_scores(subject.fitted.score(shuffled), subject.scores, "reversed columns", exact=True)
    _require_equal_scores(
        subject.fitted.score(subject.rows.to_numpy()), subject.scores, "an array in fitted order", exact=True
    )


def check_wrong_columns_are_refused(subject: DetectorUnderTest) -> None:
    """A missing, unknown, doubled or textual column is named; so is a wrong width."""
    rows = subject.rows
    doubled = pd.concat([rows, rows[["heat"]]], axis=1)
    _require_scoring_error(subject, rows.drop(columns="heat"), ColumnError, "heat")
    _require_scoring_error(subject, rows.assign(other=1.0), ColumnError, "other")
    _require_scoring_error(subject, doubled, ColumnError, "heat")
    _require_scoring_error(subject, rows.assign(heat="warm"), ColumnError, "heat")
    _require_scoring_error(subject, rows.to_numpy()[:, :3], ColumnError, "3")


def check_missing_and_infinite_cells_are_refused(subject: DetectorUnderTest) -> None:
    """A missing or infinite cell is refused with its column and row, when scoring and when fitting."""
    for cell in (np.nan, np.inf, -np.inf):
        rows = make_normal_rows(120)
        rows.loc[4, "flow"] = cell
        _require_scoring_error(subject, rows, DetectorError, "flow", "4")
        _require_error(partial(subject.make_unfitted().fit, rows), DetectorError, "flow", "4")


def check_no_rows_are_refused(subject: DetectorUnderTest) -> None:
    """No rows are refused, when scoring and when fitting."""
    _require_scoring_error(subject, subject.rows.iloc[:0], DetectorError, "row")
    _require_error(lambda: subject.make_unfitted().fit(subject.rows.iloc[:0]), DetectorError, "row")


def check_unfitted_is_refused(subject: DetectorUnderTest) -> None:
    """Scoring and saving before `fit` raise NotFittedError."""
    _require_error(lambda: subject.make_unfitted().score(subject.rows), NotFittedError, subject.name)
    with tempfile.TemporaryDirectory() as folder:
        _require_error(lambda: subject.make_unfitted().save(Path(folder)), NotFittedError, subject.name)


def check_unknown_parameter_is_refused(subject: DetectorUnderTest) -> None:
    """The error on an unknown parameter names it and lists the allowed ones."""
    _require_error(
        lambda: make_detector(subject.name, contamination=0.1), DetectorError, "contamination", "allowed"
    )


def check_constant_column(subject: DetectorUnderTest) -> None:
    """Constant columns, also with a large value, give finite scores, and far rows still stand out."""
    still = make_normal_rows(300).assign(heat=3.0, flow=1e7 / 3)
    rows = subject.rows.assign(heat=3.0, flow=1e7 / 3)
    detector = subject.make_unfitted().fit(still)
    _require_far_rows_first(detector.score(rows), "with constant columns")
    require_that(
        bool(np.isfinite(detector.score(subject.rows)).all()), "a score is not finite once the column moves"
    )


def check_duplicated_rows_and_columns(subject: DetectorUnderTest) -> None:
    """Fitted rows repeated eight times still rank new rows; so do two equal columns."""
    repeated = pd.concat([make_normal_rows(150)] * 8, ignore_index=True)
    _require_far_rows_first(
        subject.make_unfitted().fit(repeated).score(subject.rows), "after fitting on repeated rows"
    )
    mostly_equal = pd.concat([make_normal_rows(1).loc[[0] * 300], make_normal_rows(100)], ignore_index=True)
    try:
        scores = (
            subject.make_unfitted().fit(mostly_equal).score(subject.rows)
        )  # most rows are equal and give no basis for a rank
    except DetectorError as error:
        require_that(subject.name in str(error), f"a refusal that does not say whose it is: {error}")
    else:
        require_that(bool(np.isfinite(scores).all()), "a score is not finite where one row is most of all")
    detector = subject.make_unfitted().fit(make_normal_rows(300).assign(copy=lambda rows: rows["heat"]))
    _require_far_rows_first(
        detector.score(subject.rows.assign(copy=subject.rows["heat"])), "with a copied column"
    )


def check_large_scale(subject: DetectorUnderTest) -> None:
    """A column a billion times larger than the others gives finite scores; so do the largest cells."""
    large = make_normal_rows(300).assign(heat=lambda rows: rows["heat"] * 1e9 + 1e9)
    detector = subject.make_unfitted().fit(large)
    scores = detector.score(subject.rows.assign(heat=subject.rows["heat"] * 1e9 + 1e9))
    require_that(bool(np.isfinite(scores).all()), "a score is not finite")
    extreme = pd.DataFrame([[1.7e308] * 5, [-1.7e308] * 5, [5e-324] * 5], columns=list(COLUMNS))
    require_that(
        bool(np.isfinite(detector.score(extreme)).all()), "an extreme cell gives a score that is not finite"
    )


def check_far_rows_stand_out(subject: DetectorUnderTest) -> None:
    """Obvious outliers rank above normal rows, all of them unseen."""
    _require_far_rows_first(subject.scores, "")


def check_row_limit_is_kept(subject: DetectorUnderTest) -> None:
    """More rows than the limit are sampled by seed, and the detector records both counts."""
    detectors = [subject.make_unfitted(), subject.make_unfitted()]
    for detector in detectors:
        detector.max_rows = 150
        detector.fit(make_normal_rows(400))
    counts = [(detector.rows_offered, detector.rows_used) for detector in detectors]
    require_that(counts == [(400, 150)] * 2, f"rows offered and used: {counts}")
    first, second = (detector.score(subject.rows) for detector in detectors)
    _require_equal_scores(first, second, "a second sample with the same seed", exact=False)


CHECKS: dict[str, Callable[[DetectorUnderTest], None]] = {
    name.removeprefix("check_"): function
    for name, function in list(globals().items())
    if name.startswith("check_")
} | EXPLANATION_CHECKS


def _require_equal_scores(scores: object, wanted: Array, what: str, exact: bool) -> None:
    """Assert that scores agree: bit for bit if `exact` (only our own arithmetic), else to 1e-9 relative."""
    values = np.asarray(scores, dtype=np.float64)
    require_that(values.shape == wanted.shape, f"{what}: shape {values.shape}, not {wanted.shape}")
    gap = np.abs(values - wanted)
    good = (
        bool((gap == 0).all()) if exact else bool((gap <= _TOLERANCE * np.maximum(1, np.abs(wanted))).all())
    )
    require_that(good, f"{what}: scores differ by up to {gap.max():.3g}")


def _require_far_rows_first(scores: Array, when: str) -> None:
    require_that(bool(np.isfinite(scores).all()), f"a score is not finite {when}")
    normal, far = scores[:-10], scores[-10:]
    share = float((far[:, None] > normal).mean())
    require_that(share >= 0.99, f"only {share:.3f} of far rows score above normal ones {when}")


def _require_scoring_error(
    subject: DetectorUnderTest, rows: Table, error: type[PynomalyError], *words: str
) -> None:
    _require_error(lambda: subject.fitted.score(rows), error, *words)


def _require_error(call: Callable[[], object], error: type[PynomalyError], *words: str) -> None:
    try:
        call()
    except error as caught:
        for word in words:
            require_that(word in str(caught), f"the message does not name {word!r}: {caught}")
        return
    raise AssertionError(f"{error.__name__} naming {words} was not raised")
