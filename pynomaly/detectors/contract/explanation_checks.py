"""The contract of an explanation, as checks that `checks` adds to its own and runs with them.

An explanation by any method is finite, depends on its row alone, and gives the largest part to a column that
is odd by itself. Where the method divides the score, parts and base sum to the score.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pynomaly.detectors.contract.subject import COLUMNS, DetectorUnderTest, make_normal_rows, require_that
from pynomaly.detectors.numerics.exact import Array, row_sum

__all__ = ["EXPLANATION_CHECKS"]

_TOLERANCE = 1e-9  # relative to the largest part: parts cancel


def check_explanation_is_finite_and_sums(subject: DetectorUnderTest) -> None:
    """Parts and base sum to the score, also of far rows; a method that cannot divide it is not additive."""
    rows = subject.rows.to_numpy()
    for groups in (None, np.array([0, 0, 1, 2, 2])):
        parts = subject.fitted.explain(rows, _make_usual_rows(rows), groups)
        width = len(COLUMNS) if groups is None else 3
        require_that(parts.amounts.shape == (len(rows), width), f"shape {parts.amounts.shape}")
        require_that(
            bool(np.isfinite(parts.amounts).all() and np.isfinite(parts.base).all()), "a part is not finite"
        )
        gap = np.abs(parts.base + row_sum(parts.amounts) - subject.scores)
        largest = np.maximum(1.0, np.abs(parts.amounts).max(axis=1))
        require_that(
            bool((gap <= _TOLERANCE * largest).all()), f"parts miss the score by up to {gap.max():.3g}"
        )
        can_divide = subject.fitted.explains != "occlusion"
        require_that(can_divide or not parts.additive, "occlusion divides no score, but says that it does")


def check_explains_alone_as_in_a_batch(subject: DetectorUnderTest) -> None:
    """A row has bit-equal parts alone and in a batch, and when explained twice."""
    rows = subject.rows.to_numpy()[::9]
    whole = subject.fitted.explain(rows, _make_usual_rows(rows))
    for place in range(len(rows)):
        alone = subject.fitted.explain(rows[[place]], _make_usual_rows(rows)[[place]])
        same = np.array_equal(alone.amounts[0], whole.amounts[place]) and alone.base[0] == whole.base[place]
        require_that(same, f"row {place} is explained otherwise alone")


def check_explains_the_odd_column(subject: DetectorUnderTest) -> None:
    """In rows that are ordinary except for one column, that column has the largest part."""
    rows = make_normal_rows(60, seed=3).to_numpy(copy=True)
    odd = np.arange(len(rows)) % len(COLUMNS)
    usual = _make_usual_rows(rows)
    rows[np.arange(len(rows)), odd] = 9.0 * np.where(np.arange(len(rows)) % 2, 1.0, -1.0)
    parts = subject.fitted.explain(rows, usual)
    share = float((parts.amounts.argmax(axis=1) == odd).mean())
    require_that(share >= 0.9, f"the odd column is named first in {share:.2f} of rows only")


EXPLANATION_CHECKS: dict[str, Callable[[DetectorUnderTest], None]] = {
    name.removeprefix("check_"): function
    for name, function in list(globals().items())
    if name.startswith("check_")
}


def _make_usual_rows(rows: Array) -> Array:
    return np.zeros_like(rows)
