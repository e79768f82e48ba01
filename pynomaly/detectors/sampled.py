"""Cheap members of an ensemble: nearness to and density among sampled rows, rare cells, cells far out.

All read columns in units of their own distribution, so that neither scale nor skew of a column decides,
and keep a bounded part of the rows: scoring costs the same whatever was fitted on. `auto` is made of
them; they are no rows of the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.compiled import bin_up, compiled, ready
from pynomaly.detectors.exact import Array, row_sum
from pynomaly.detectors.nearest import NearestRows
from pynomaly.detectors.parameters import Parameter, Whole
from pynomaly.detectors.parts import How, nearest_terms

__all__ = ["Rarity", "SampledDensity", "SampledNeighbours", "Tails"]

_KNOTS = 257


class SampledNeighbours(Detector):
    """Mean, over a few random samples of the fitted rows, of the distance to the k-th nearest row of each.

    Small samples thin out a cluster of anomalies until it no longer hides its members. Columns are
    mapped to normal scores, and go on as a logarithm beyond the fitted range.

    References
    ----------
    Pang, Ting, Albrecht: LeSiNN: Detecting Anomalies by Identifying Least Similar Nearest Neighbours.
    ICDM Workshop 2015.
    Sugiyama, Borgwardt: Rapid Distance-Based Outlier Detection via Sampling. NeurIPS 2013.
    """

    name: ClassVar[str] = "sampled neighbours"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "samples": Whole(8, 1, 1000),
        "sample_rows": Whole(256, 2, 10_000),
        "n_neighbors": Whole(6, 1, 1000),
    }
    explains: ClassVar[How] = "terms"

    _slopes: Array
    _samples: list[NearestRows]

    def _fit(self, X: Array) -> State:
        state = _normal_scores(X)
        slopes = _slopes(state)
        rng = np.random.default_rng(self.seed)
        size = min(self.params["sample_rows"], len(X))
        chosen = [rng.choice(len(X), size, replace=False) for _ in range(self.params["samples"])]
        return {**state, "rows": np.stack([_mapped(X[places], state, slopes) for places in chosen])}

    def _prepare(self) -> None:
        self._slopes = _slopes(self.state)
        self._samples = [NearestRows(sample) for sample in self.state["rows"]]

    def _score(self, X: Array) -> Array:
        mapped = _mapped(X, self.state, self._slopes)
        k = min(self.params["n_neighbors"], self.state["rows"].shape[1])
        distances = [sample.query(mapped, k)[0][:, -1] for sample in self._samples]
        mean: Array = row_sum(np.stack(distances, axis=1)) / len(distances)
        return mean

    def _terms(self, x: Array, usual: Array) -> tuple[Array, Array]:
        mapped = _mapped(x, self.state, self._slopes)
        k = min(self.params["n_neighbors"], self.state["rows"].shape[1])
        far = [sample.rows[sample.query(mapped, k)[1][0, -1]] for sample in self._samples]
        terms = np.stack([nearest_terms(mapped[0], row) for row in far], axis=1)
        return row_sum(terms)[None] / len(far), np.zeros(1)


class Rarity(Detector):
    """Sum over the columns of minus the log of the share of fitted rows in the same bin.

    Unlike a density, a share has no unit: a column measured in millimetres counts as one in metres. Bins
    are of equal width, about the root of the rows and at most 30; beyond the range nothing was seen.

    References
    ----------
    Goldstein, Dengel: Histogram-based Outlier Score (HBOS). KI 2012.
    """

    name: ClassVar[str] = "rarity"
    explains: ClassVar[How] = "terms"

    def _fit(self, X: Array) -> State:
        bins = int(np.clip(np.sqrt(len(X)), 5, 30))
        columns = [np.histogram(column, bins=bins) for column in X.T]
        seen = np.array([count for count, _ in columns]) + 1.0
        never = np.ones((X.shape[1], 1))  # what lies beyond either end
        shares = np.concatenate([never, seen, never], axis=1) / (len(X) + bins)
        return {"edges": np.array([edges for _, edges in columns]), "rarity": -np.log(shares)}

    def _score(self, X: Array) -> Array:
        if ready(15.0 * X.size):
            edges = self.state["edges"]
            reach = np.zeros(len(edges))
            return bin_up(X, edges, reach, reach, self.state["rarity"][:, 1:])
        return row_sum(self._cells(X))

    def _terms(self, x: Array, usual: Array) -> tuple[Array, Array]:
        expected = self._cells(usual)
        return self._cells(x) - expected, row_sum(expected)

    def _cells(self, X: Array) -> Array:
        """Rarity of each cell's bin, shape (n, d)."""
        edges, rarity = self.state["edges"], self.state["rarity"]
        cells = np.empty_like(X)
        for place, column in enumerate(X.T):
            found = np.searchsorted(edges[place], column, side="right")
            found[column == edges[place, -1]] = edges.shape[1] - 1  # the last bin holds its upper edge
            cells[:, place] = rarity[place, found]
        return cells


class Tails(Detector):
    """Mean over the columns of the squared normal score: how far out a row lies in its columns together.

    Blind to how columns go together, and so never misled by it; nor does one column decide, for each
    reaches only as far as its rank.
    """

    name: ClassVar[str] = "tails"
    explains: ClassVar[How] = "terms"

    _slopes: Array

    def _fit(self, X: Array) -> State:
        return _normal_scores(X)

    def _prepare(self) -> None:
        self._slopes = _slopes(self.state)

    def _score(self, X: Array) -> Array:
        mapped = _mapped(X, self.state, self._slopes)
        mean: Array = row_sum(mapped * mapped) / X.shape[1]
        return mean

    def _terms(self, x: Array, usual: Array) -> tuple[Array, Array]:
        seen, expected = (_mapped(part, self.state, self._slopes) ** 2 / x.shape[1] for part in (x, usual))
        return seen - expected, row_sum(expected)


class SampledDensity(Detector):
    """Log of the local outlier factor among sampled rows, on normal scores; about 0 is normal.

    For rows known to be normal: a group of anomalies among them is as dense as its own surroundings.

    References
    ----------
    Breunig et al.: LOF: Identifying Density-Based Local Outliers. SIGMOD 2000.
    """

    name: ClassVar[str] = "sampled density"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "sample_rows": Whole(1024, 2, 10_000),
        "n_neighbors": Whole(5, 1, 1000),
    }

    _slopes: Array
    _rows: NearestRows

    def _fit(self, X: Array) -> State:
        from scipy.spatial.distance import cdist

        state = _normal_scores(X)
        size = min(self.params["sample_rows"], len(X))
        chosen = np.random.default_rng(self.seed).choice(len(X), size, replace=False)
        rows = _mapped(X[chosen], state, _slopes(state))
        distances = cdist(rows, rows)
        np.fill_diagonal(distances, np.inf)  # no row is its own neighbour
        near, places = _nearest(distances, min(self.params["n_neighbors"], size - 1))
        reach = near.max(axis=1)
        floor = 0.01 * float(reach.mean()) or 1.0  # among equal rows nothing is infinitely dense
        spacing = np.maximum(near, reach[places]).mean(axis=1) + floor
        return {**state, "rows": rows, "reach": reach, "spacing": spacing, "floor": np.array(floor)}

    def _prepare(self) -> None:
        self._slopes = _slopes(self.state)
        self._rows = NearestRows(self.state["rows"])

    def _score(self, X: Array) -> Array:
        reach, spacing = self.state["reach"], self.state["spacing"]
        k = min(self.params["n_neighbors"], len(reach) - 1)
        near, places = self._rows.query(_mapped(X, self.state, self._slopes), k)
        own = row_sum(np.maximum(near, reach[places])) / k + float(self.state["floor"])
        factor: Array = np.log(own * row_sum(1.0 / spacing[places]) / k)
        return factor


def _nearest(distances: Array, k: int) -> tuple[Array, npt.NDArray[np.intp]]:
    """The k smallest of each row and their places, in no order but one of that row's own; shapes (n, k)."""
    places = np.argpartition(distances, k - 1, axis=1)[:, :k]
    return np.take_along_axis(distances, places, axis=1), places


def _normal_scores(X: Array) -> State:
    """For each column, values (knots) and the normal quantile of the share of rows up to each."""
    from scipy.special import ndtri

    rows, knots, scores = len(X), [], []
    for column in np.sort(X, axis=0).T:
        knot = np.quantile(column, np.linspace(0, 1, _KNOTS), method="nearest")
        below = np.searchsorted(column, knot, side="left")
        up_to = np.searchsorted(column, knot, side="right")
        knots.append(knot)
        scores.append(ndtri(((below + up_to) / 2 + 0.5) / (rows + 1)))
    spread = np.quantile(X, 0.9, axis=0) - np.quantile(X, 0.1, axis=0)
    deviation = X.std(axis=0)
    spread = np.where(spread > 0, spread, np.where(deviation > 0, deviation, 1.0))
    # the floor keeps the largest cell over the smallest spread a finite number
    return {"knots": np.array(knots), "scores": np.array(scores), "spread": np.maximum(spread, 1e-200)}


def _slopes(state: State) -> Array:
    """Rise of the normal score over each gap between knots, shape (d, knots); 0 after the last."""
    gaps, rises = np.diff(state["knots"], axis=1), np.diff(state["scores"], axis=1)
    slopes = np.divide(rises, gaps, out=np.zeros_like(gaps), where=gaps > 0)
    return np.concatenate([slopes, np.zeros((len(slopes), 1))], axis=1)


def _mapped(X: Array, state: State, slopes: Array) -> Array:
    """X with each column as normal scores."""
    knots, scores, spread = state["knots"], state["scores"], state["spread"]
    mapped: Array
    beyond: Array
    if ready(30.0 * X.size):
        mapped, beyond = compiled(_between)(X, knots, scores, slopes, spread)
    else:
        mapped = np.empty_like(X)
        for place, column in enumerate(X.T):
            knot = knots[place]
            inside = np.clip(column, knot[0], knot[-1])
            at = np.searchsorted(knot, inside, side="right") - 1
            mapped[:, place] = slopes[place][at] * (inside - knot[at]) + scores[place][at]
        beyond = (X - np.clip(X, knots[:, 0], knots[:, -1])) / spread
    outside = beyond != 0.0
    far = beyond[outside]
    mapped[outside] += np.copysign(np.log1p(np.abs(far)), far)
    return mapped


def _between(X, knots, scores, slopes, spread):  # type: ignore[no-untyped-def]  # numba types it
    mapped, beyond = np.empty_like(X), np.empty_like(X)
    last = knots.shape[1] - 1
    for begin in range(0, len(X), 64):  # rows that stay in cache from one column to the next
        for column in range(X.shape[1]):
            knot = knots[column]
            for row in range(begin, min(begin + 64, len(X))):
                cell = X[row, column]
                inside = min(max(cell, knot[0]), knot[last])
                low, length = 0, last + 1  # the last knot that is not above the cell
                while length > 1:
                    half = length >> 1
                    low += half * int(knot[low + half] <= inside)
                    length -= half
                mapped[row, column] = slopes[column, low] * (inside - knot[low]) + scores[column, low]
                beyond[row, column] = (cell - inside) / spread[column]
    return mapped, beyond
