"""Test a window against the same seasons of the reference, with noise estimated from the reference's windows.

Effect sizes are between 0 and 1, as in :mod:`pynomaly.judging.drift.columns.two_sample_tests`. Rows of a
window may depend on each other, so the statistic is divided by its size among the reference's own windows;
the uncertainty of that estimate enters through its degrees of freedom. Called by drift.

References
----------
Rao, Scott: The analysis of categorical data from complex sample surveys, JASA 1981.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pynomaly.model.sketch.baseline import ColumnBaseline
from pynomaly.model.sketch.comoments import Comoments
from pynomaly.model.sketch.design_effect import DesignEffect
from pynomaly.model.sketch.grid import WindowDistance, compare_bins, stretch_distance
from pynomaly.model.sketch.principal import ReconstructionBaseline, reconstruction_error
from pynomaly.model.sketch.quantiles import NumericSketch
from pynomaly.model.sketch.seasons import count_per_cell
from pynomaly.model.sketch.sketch import CategorySketch

__all__ = ["compare_in_season", "joint_test", "kolmogorov_tail", "missing_test", "values_test"]

_KOLMOGOROV = math.pi**2 / 12
_TERMS = 200


def compare_in_season(
    column: ColumnBaseline, current: NumericSketch | CategorySketch, hours: tuple[int, ...]
) -> WindowDistance:
    """Compute statistics of `current` against the reference in the cells of the week of `hours`."""
    weights = count_per_cell(hours, column.level)
    return compare_bins(column.grid.ordered, column.counts, column.grid.counts(current), weights)


def values_test(column: ColumnBaseline, distance: WindowDistance) -> tuple[float, float]:
    """Return effect size and p-value of a column's values."""
    from scipy.special import fdtrc

    noise = column.noise
    if column.grid.ordered:
        square = distance.apart / noise.ratio
        if not math.isfinite(noise.dof):
            # Of independent rows Kolmogorov's tail is exact, and that of the distance itself.
            if distance.effect:
                square *= (distance.effect / stretch_distance(distance.effect, math.inf)) ** 2
            return distance.effect, kolmogorov_tail(square * _KOLMOGOROV, noise.dof)
        tail = kolmogorov_tail(square * _KOLMOGOROV, noise.dof)
        # Windows whose overall level drifts differ in one direction, with a heavier tail than Kolmogorov's.
        return distance.effect, max(tail, float(fdtrc(noise.shape, noise.dof, square)))
    effect = math.sqrt(max(0.0, distance.effect**2 - distance.noise**2 * noise.ratio))
    # Degrees of freedom of the window's cells; those seen among the reference's windows may be fewer.
    shape = min(float(distance.dof), noise.shape) if math.isfinite(noise.dof) else float(distance.dof)
    dof = noise.dof if math.isfinite(noise.dof) else 1e12
    return effect, float(fdtrc(shape, dof, distance.apart / noise.ratio))


def missing_test(column: ColumnBaseline, distance: WindowDistance) -> tuple[float, float]:
    """Return the difference of missing shares, and its p-value."""
    return distance.missing_effect, _chi_square_tail(distance.missing, column.missing_noise)


def _chi_square_tail(statistic: float, noise: DesignEffect) -> float:
    from scipy.special import fdtrc

    dof = noise.dof if math.isfinite(noise.dof) else 1e12
    return float(fdtrc(1.0, dof, statistic / noise.ratio))


def kolmogorov_tail(square: float, dof: float) -> float:
    """Return the probability that the squared Kolmogorov limit exceeds `square`, scaled with `dof`.

    The scale of `square` is estimated, distributed as chi-square over its degrees of freedom `dof`; averaged
    over it, each term exp(-2 k^2 square) of Kolmogorov's series is (1 + 4 k^2 square / dof)^(-dof / 2).
    """
    if square < 0.1:  # the exact value is above 0.99999
        return 1.0
    k = np.arange(1, _TERMS + 1, dtype=np.float64)
    if math.isfinite(dof):
        terms = np.exp(-dof / 2 * np.log1p(4 * k * k * square / dof))
    else:
        terms = np.exp(-2 * k * k * square)
    signs = np.where(k % 2 == 1, 1.0, -1.0)
    return float(np.clip(2 * (signs * terms).sum(), 0.0, 1.0))


def joint_test(
    reference: Comoments, known: ReconstructionBaseline, current: Comoments
) -> tuple[float, float, float]:
    """Test whether the correlations of number columns are unchanged.

    Returns
    -------
    effect, p_value : float
        Effect ``1 - smaller / larger`` reconstruction error. The p-value is the larger one of two against the
        reference's own windows, whose variance is scaled with the number of rows as for independent rows: of
        a t-test of the logarithm, and of the error as a scaled chi-square, which few independent rows make
        skew.
    ratio : float
        Reconstruction error divided by the usual one.
    """
    from scipy.special import chdtr, chdtrc, digamma, stdtr

    error = math.log(reconstruction_error(_select_correlation(reference, current), current.correlation()))
    shift = error - known.mean
    spread = known.deviation * math.sqrt(max(known.rows / max(1, current.n), 0.25) + 1 / known.worth)
    half = (1 + math.sqrt(1 + 2 * spread**2)) / (2 * spread**2)  # trigamma(half) is about spread squared
    square = 2 * math.exp(shift + float(digamma(half)))
    tail = float(chdtrc(2 * half, square) if shift > 0 else chdtr(2 * half, square))
    p_value = 2 * max(float(stdtr(known.worth - 1, -abs(shift) / spread)), tail)
    return 1 - math.exp(-abs(shift)), min(1.0, p_value), math.exp(shift)


def _select_correlation(reference: Comoments, current: Comoments) -> npt.NDArray[np.float64]:
    at = [reference.names.index(name) for name in current.names]
    return np.asarray(reference.correlation()[np.ix_(at, at)])
