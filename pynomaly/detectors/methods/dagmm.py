"""Deep autoencoding Gaussian mixture: rows whose code and reconstruction error together are unlikely.

Works on thousands of rows with many columns and a few groups. Fails with few rows, and where the mixture
shrinks to one component. Fit O(epochs n weights), on CPU or GPU; score O(weights) a row, without torch.

The paper feeds the mixture the reconstruction error relative to the row's length, which tends to 1 for any
row that is far enough out, and so hides far rows. Here it is the log of 1 plus the mean squared error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from pynomaly.detectors.base import State
from pynomaly.detectors.methods.networks import (
    TRAINING_PARAMETERS,
    NetworkDetector,
    apply_chain,
    apply_chain_exactly,
    chain_to_state,
    init_chain,
)
from pynomaly.detectors.numerics.exact import Array, apply_affine, mean_and_scale, row_sum
from pynomaly.detectors.parameters import IntegerParameter, Parameter

__all__ = ["DAGMM"]

_RIDGE = 1e-3  # added to every variance
_ENERGY, _NARROW = 0.1, 0.005  # loss weights of the energy and of narrow components, as in the paper


class DAGMM(NetworkDetector):
    """Minus the log-likelihood of a row's code, error and cosine under a mixture trained with the network.

    References
    ----------
    Zong et al.: Deep Autoencoding Gaussian Mixture Model for Unsupervised Anomaly Detection. ICLR 2018.
    """

    name: ClassVar[str] = "dagmm"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        **TRAINING_PARAMETERS,
        "n_components": IntegerParameter(3, 1, 32),
    }

    def _fit(self, X: Array) -> State:
        mean, scale = mean_and_scale(X)
        rng = np.random.default_rng(self.seed)
        rows, width = (X - mean) / scale, X.shape[1]
        down = [*self.params["hidden"][:-1], min(2, self._encoder_widths(width)[-1])]
        chains = [
            init_chain(rng, [width, *down]),
            init_chain(rng, [*reversed(down), width]),
            init_chain(rng, [down[-1] + 2, 10, self.params["n_components"]]),
        ]
        ends = np.cumsum([len(chain) for chain in chains])

        def loss(torch: Any, parts: list[Any], batch: Any, _: Any) -> Any:
            code = apply_chain(parts[: ends[0]], batch)
            output = apply_chain(parts[ends[0] : ends[1]], code)
            error = ((output - batch) ** 2).mean(dim=1)
            cosine = (output * batch).sum(dim=1) / (output.norm(dim=1) * batch.norm(dim=1) + 1e-6)
            latent = torch.cat([code, torch.log1p(error)[:, None], cosine[:, None]], dim=1)
            shares = torch.softmax(apply_chain(parts[ends[1] :], latent), dim=1)
            energy, narrow = _compute_batch_energy(torch, latent, shares)
            return error.mean() + _ENERGY * energy.mean() + _NARROW * narrow

        arrays = self._train_arrays(rng, [part for chain in chains for part in chain], rows, loss)
        state: State = {"mean": mean, "scale": scale, "layers": ends // 2, **chain_to_state(arrays)}
        return state | _fit_mixture(*_encode_rows(state, rows, shares=True))

    def _score(self, X: Array) -> Array:
        state = self.state
        latent, _ = _encode_rows(state, (X - state["mean"]) / state["scale"], shares=False)
        logs = np.empty((len(X), len(state["offsets"])))
        for place, (middle, root) in enumerate(zip(state["means"], state["roots"], strict=True)):
            off = apply_affine(latent - middle, root)
            logs[:, place] = state["offsets"][place] - 0.5 * row_sum(off * off)
        top = logs.max(axis=1)
        likely: Array = top + np.log(row_sum(np.exp(logs - top[:, None])))
        return -likely


def _encode_rows(state: State, rows: Array, shares: bool) -> tuple[Array, Array | None]:
    """Return code, error and cosine of each row, and its share in each component if `shares`."""
    code_end, output_end, end = (int(layer) for layer in state["layers"])
    code = apply_chain_exactly(state, range(code_end), rows)
    output = apply_chain_exactly(state, range(code_end, output_end), code)
    off = output - rows
    error = row_sum(off * off) / rows.shape[1]
    lengths = np.sqrt(row_sum(output * output)) * np.sqrt(row_sum(rows * rows))
    cosine = row_sum(output * rows) / (lengths + 1e-6)
    latent = np.column_stack([code, np.log1p(error), cosine])
    if not shares:
        return latent, None
    raw = apply_chain_exactly(state, range(output_end, end), latent)
    raw = np.exp(raw - raw.max(axis=1, keepdims=True))
    return latent, raw / raw.sum(axis=1, keepdims=True)


def _fit_mixture(latent: Array, shares: Array | None) -> State:
    """Return the mixture of all fitted rows: means, whitening roots, and log weights plus constants."""
    assert shares is not None
    means, roots, offsets = [], [], []
    for share in shares.T:
        weight = max(float(share.sum()), 1e-12)
        middle = (share[:, None] * latent).sum(axis=0) / weight
        off = latent - middle
        covariance = (share[:, None] * off).T @ off / weight + _RIDGE * np.eye(latent.shape[1])
        values, axes = np.linalg.eigh(covariance)
        values = np.maximum(values, _RIDGE)
        means.append(middle)
        roots.append(axes / np.sqrt(values))
        log_size = latent.shape[1] * np.log(2 * np.pi) + np.log(values).sum()
        offsets.append(np.log(weight / len(latent)) - 0.5 * log_size)
    return {"means": np.array(means), "roots": np.array(roots), "offsets": np.array(offsets)}


def _compute_batch_energy(torch: Any, latent: Any, shares: Any) -> tuple[Any, Any]:
    """Return each row's minus log-likelihood under its batch's mixture, and a penalty on narrow ones."""
    weight = shares.sum(dim=0) + 1e-6
    means = (shares.T @ latent) / weight[:, None]
    off = latent[:, None, :] - means
    covariance = torch.einsum("nk,nki,nkj->kij", shares, off, off) / weight[:, None, None]
    covariance = covariance + _RIDGE * torch.eye(latent.shape[1], device=latent.device)
    root = torch.linalg.cholesky(covariance)
    even = torch.linalg.solve_triangular(root, off.permute(1, 2, 0), upper=False)
    variances = torch.diagonal(root, dim1=1, dim2=2)
    logs = torch.log(weight / len(latent)) - variances.log().sum(dim=1)
    logs = logs - 0.5 * (even**2).sum(dim=1).T - 0.5 * latent.shape[1] * np.log(2 * np.pi)
    narrow = (1 / torch.diagonal(covariance, dim1=1, dim2=2)).sum()
    return -torch.logsumexp(logs, dim=1), narrow
