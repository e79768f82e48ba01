"""Means and co-moments (d x d) of number columns; used to detect multivariate drift.

Cells are centred by the column's median and scaled by its quartiles. They are clipped at five deviations, so
that one huge value does not dominate; a missing cell counts as the median. Means and co-moments of parts
merge exactly. Called by :mod:`pynomaly.model.sketch.sketch`.

References
----------
Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for computing sample variances, 1979.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["MAX_COLUMNS", "Comoments"]

Array = npt.NDArray[np.float64]

MAX_COLUMNS = 100
_MAX_DEVIATIONS = 5.0
_CHUNK_ROWS = 1 << 16


@dataclass(frozen=True, eq=False)
class Comoments:
    """Means and co-moments of number columns.

    Attributes
    ----------
    names : tuple of str
        The first 100 columns, at most.
    centre, scale : ndarray of shape (d,)
        In the unit of each column; a column without spread has scale 1.
    n : int
    mean : ndarray of shape (d,)
        Means of the scaled cells.
    comoment : ndarray of shape (d, d)
        Sum over rows of the products of deviations from `mean`.
    """

    names: tuple[str, ...]
    centre: Array
    scale: Array
    n: int
    mean: Array
    comoment: Array

    @classmethod
    def of(cls, frame: pd.DataFrame, names: Sequence[str], like: Comoments | None = None) -> Comoments:
        """Compute the moments of `names` in `frame`; columns and scale of `like` are used if it is given."""
        if like is not None:
            names, centre, scale = like.names, like.centre, like.scale
        else:
            names = tuple(names[:MAX_COLUMNS])
            centre, scale = _robust_scaling(frame, names)
        mean, comoment, rows = np.zeros(len(names)), np.zeros((len(names), len(names))), 0
        for start in range(0, len(frame), _CHUNK_ROWS):
            part = (
                frame[list(names)]
                .iloc[start : start + _CHUNK_ROWS]
                .to_numpy(dtype=np.float64, na_value=np.nan)
            )
            missing = ~np.isfinite(part)
            cells = (
                (part - centre) / scale
                if not missing.any()
                else (np.where(missing, centre, part) - centre) / scale
            )
            np.clip(cells, -_MAX_DEVIATIONS, _MAX_DEVIATIONS, out=cells)
            part_mean = cells.mean(axis=0)
            cells -= part_mean
            mean, comoment = _merge_comoments(rows, mean, comoment, len(part), part_mean, cells.T @ cells)
            rows += len(part)
        return cls(tuple(names), centre, scale, rows, mean, comoment)

    @classmethod
    def merge(cls, parts: Sequence[Comoments]) -> Comoments:
        """Return the moments of all rows of `parts`, in the scale of the first part.

        Exact if the parts have the same scale. Otherwise cells stay clipped at five deviations of the scale
        of their own part.
        """
        first = parts[0]
        rows, mean, comoment = 0, np.zeros_like(first.mean), np.zeros_like(first.comoment)
        for part in parts:
            ratio = part.scale / first.scale
            part_mean = (part.mean * part.scale + part.centre - first.centre) / first.scale
            mean, comoment = _merge_comoments(
                rows, mean, comoment, part.n, part_mean, part.comoment * np.outer(ratio, ratio)
            )
            rows += part.n
        return cls(first.names, first.centre, first.scale, rows, mean, comoment)

    def correlation(self) -> Array:
        """Return the correlation matrix, shape (d, d); 0 for columns without spread."""
        spread = np.sqrt(np.diag(self.comoment))
        flat = spread <= 1e-12 * max(1.0, self.n) ** 0.5
        matrix = self.comoment / np.outer(np.where(flat, 1.0, spread), np.where(flat, 1.0, spread))
        matrix[flat, :] = matrix[:, flat] = 0.0
        np.fill_diagonal(matrix, 1.0)
        return np.asarray(matrix)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with only the lower triangle of the co-moments."""
        lower = self.comoment[np.tril_indices(len(self.names))]
        return {
            "names": list(self.names),
            "centre": self.centre.tolist(),
            "scale": self.scale.tolist(),
            "n": self.n,
            "mean": self.mean.tolist(),
            "comoment": lower.tolist(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Comoments:
        """Read what :meth:`to_dict` wrote."""
        d = len(content["names"])
        comoment = np.zeros((d, d))
        comoment[np.tril_indices(d)] = content["comoment"]
        comoment = comoment + np.tril(comoment, -1).T
        centre, scale, mean = (
            np.array(content[name], dtype=np.float64) for name in ("centre", "scale", "mean")
        )
        return cls(tuple(content["names"]), centre, scale, int(content["n"]), mean, comoment)


def _merge_comoments(
    rows: int, mean: Array, comoment: Array, part_rows: int, part_mean: Array, part_comoment: Array
) -> tuple[Array, Array]:
    if not rows + part_rows:
        return mean, comoment
    difference = part_mean - mean
    total = (
        comoment + part_comoment + np.outer(difference, difference) * (rows * part_rows / (rows + part_rows))
    )
    return mean + difference * (part_rows / (rows + part_rows)), total


def _robust_scaling(frame: pd.DataFrame, names: Sequence[str]) -> tuple[Array, Array]:
    """Return the median and a robust deviation of each column, from at most 131,071 of its rows."""
    step = max(1, len(frame) // _CHUNK_ROWS)
    centre, scale = np.zeros(len(names)), np.ones(len(names))
    for at, name in enumerate(names):
        cells = frame[name].iloc[::step].to_numpy(dtype=np.float64, na_value=np.nan)
        cells = cells[np.isfinite(cells)]
        if not cells.size:
            continue
        low, centre[at], high = np.quantile(cells, [0.25, 0.5, 0.75])
        with np.errstate(over="ignore", invalid="ignore"):
            spread = (high - low) / 1.349 or float(cells.std())
        if np.isfinite(spread) and spread > 1e-300:
            scale[at] = spread
    return centre, scale
