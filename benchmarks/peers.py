"""What other libraries see of a series: matrix profile, forecasts, a network of patches; for series_peers.py.

Each peer is fitted on the first rows of a series and measures an amount at every row from that row and those
before it. Its usual amount, as of the members of `series`, is the one that nine of ten fitted rows stay
below, each measured against others. All run on one thread; packages are imported where they are called.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pynomaly.detectors.series.members import USUAL_SHARE
from pynomaly.detectors.series.periods import find_period

Floats = NDArray[np.float64]

LEAST = 1e-3  # of a standard deviation: smaller usual amounts are rounding
MOST_FITTED = 5_000  # newest rows that a forecast is fitted on
PATCH, BANK, NEAREST = 64, 0.1, 3  # rows of a patch, share of the patches kept, of which so many are compared
STEPS, BATCH, SECONDS = 200, 128, 60.0  # of the network's training; processor time at most


@dataclass(frozen=True)
class PeerReading:
    """What a peer measures in a series.

    Attributes
    ----------
    amounts : ndarray of shape (n,)
        0 or more; of the first `back` rows 0.
    usual : float
        Above 0.
    back : int
        How many rows before a row its amount reads at least.
    fit_seconds, score_seconds : float
        Processor time, the latter of all rows.
    """

    amounts: Floats
    usual: float
    back: int
    fit_seconds: float
    score_seconds: float


def measure_matrix_profile(values: Floats, fitted: int) -> PeerReading:
    """Return the z-normalised distance of the window that ends at a row to the nearest of the fitted rows.

    The window is a period; fitted windows meet those alone that they do not overlap. O(n x fitted).

    Source: Yeh et al., Matrix Profile I, ICDM 2016, as ``stumpy.stump``.
    """
    import numba
    import stumpy

    numba.set_num_threads(1)
    stumpy.config.STUMPY_EXCL_ZONE_DENOM = 1
    length = min(find_period([values[:fitted]]), fitted // 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of many distances of 0, which a series that repeats itself has
        began = time.process_time()
        within = stumpy.stump(values[:fitted], length)[:, 0].astype(np.float64)
        fit_seconds = time.process_time() - began
        began = time.process_time()
        later = stumpy.stump(values[fitted - length + 1 :], length, values[:fitted], ignore_trivial=False)
    score_seconds = (time.process_time() - began) * len(values) / max(1, len(values) - fitted)
    amounts = np.concatenate([np.zeros(length - 1), within, later[:, 0].astype(np.float64)])
    amounts[~np.isfinite(amounts)] = 0.0
    usual = find_usual(amounts[length - 1 : fitted], LEAST * np.sqrt(length))
    return PeerReading(amounts, usual, length - 1, fit_seconds, score_seconds)


def measure_forecast(values: Floats, fitted: int, model: str) -> PeerReading:
    """Return the size of the one-step error of a forecast by a model of ``statsforecast``.

    The newest 5,000 fitted rows are decomposed by STL, of which the last season goes on, and the model is
    fitted on the rest; its parameters then stay, and its states follow the rows. The season is left out where
    the second half of the fitted rows is forecast better without it, by a fit on the first half. The usual
    error is that half's.

    Source: Hyndman, Khandakar, Automatic Time Series Forecasting, JSS 2008; Bandara et al., MSTL, 2021.
    """
    scaled = scale_by(values, values[:fitted])
    period, half = find_period([values[:fitted]]), fitted // 2
    began = time.process_time()
    errors = {
        season: np.abs(scaled[:fitted] - forecast_steps(scaled[:fitted], half, model, season))[half:]
        for season in (1, period)
    }
    season = min(errors, key=lambda key: float(errors[key].mean()))
    forecast_steps(scaled[:fitted], fitted, model, season)
    fit_seconds = time.process_time() - began
    began = time.process_time()
    amounts = np.abs(scaled - forecast_steps(scaled, fitted, model, season))
    score_seconds = time.process_time() - began
    amounts[0] = 0.0
    return PeerReading(amounts, find_usual(errors[season], LEAST), 1, fit_seconds, score_seconds)


def forecast_steps(values: Floats, fitted: int, model: str, season: int) -> Floats:
    """Return for each row what a model fitted on the first rows expects from those before it, shape (n,)."""
    from statsforecast import models
    from statsforecast.mstl import mstl

    part = values[max(0, fitted - MOST_FITTED) : fitted]
    pattern = np.zeros(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a search that ends early, which is no error
        if 1 < season <= len(part) // 3:
            pattern = np.asarray(mstl(part, season)["seasonal"])[-season:]
        seasonal = pattern[(np.arange(len(values)) - fitted) % len(pattern)]
        rest = values - seasonal
        if np.ptp(rest[fitted - len(part) : fitted]) <= 0:  # the models take no constant
            return np.asarray(seasonal + np.concatenate([rest[:1], rest[:-1]]))
        chosen: Any = getattr(models, model)(season_length=1)
        chosen.fit(rest[fitted - len(part) : fitted])
        expected = np.asarray(chosen.forward(rest, h=1, fitted=True)["fitted"], dtype=np.float64)
    return np.asarray(seasonal + np.where(np.isfinite(expected), expected, rest))


def measure_patches(values: Floats, fitted: int, *, seed: int = 0, normalised: bool = False) -> PeerReading:
    """Return how far the patch that ends at a row is from those of the fitted rows, as a network sees it.

    A small convolutional encoder is trained so that patches one or two rows apart lie together, those of a
    batch that are least alike apart, and, at first, that it can tell whether two follow each other. The
    amount is one minus the mean cosine to the three nearest of a tenth of the fitted patches. It has a
    quarter of the published channels, with which a series takes ten minutes on one core.

    Source: Park, Kang, PaAno, ICLR 2026.
    """
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    began = time.process_time()
    length = min(PATCH, fitted // 4)
    patches = np.lib.stride_tricks.sliding_window_view(scale_by(values, values[:fitted]), length)
    inner = torch.from_numpy(patches[: fitted - length + 1].astype(np.float32))
    network = train_network(inner, normalised, began + SECONDS)
    kept = np.linspace(0, len(inner) - 1, min(len(inner), max(500, round(BANK * len(inner))))).astype(
        np.int64
    )
    bank = embed_patches(network, inner[kept])
    within = [
        compare_embeddings(embed_patches(network, inner[rows]), bank, np.abs(rows[:, None] - kept) < length)
        for rows in np.array_split(np.arange(len(inner)), len(inner) // 2048 + 1)
    ]
    fit_seconds = time.process_time() - began
    began = time.process_time()
    later = torch.from_numpy(patches[len(inner) :].astype(np.float32))
    ahead = [compare_embeddings(embed_patches(network, rows), bank) for rows in later.split(2048)]
    score_seconds = (time.process_time() - began) * len(values) / max(1, len(values) - fitted)
    amounts = np.concatenate([np.zeros(length - 1), *within, *ahead])
    usual = find_usual(np.concatenate(within), 1e-4)
    return PeerReading(amounts, usual, length - 1, fit_seconds, score_seconds)


def train_network(patches: Any, normalised: bool, until: float) -> Any:
    """Return the encoder, trained until processor time `until` at most, in the form that scores."""
    import torch
    from torch import nn
    from torch.nn import functional

    layers: list[Any] = [nn.Unflatten(1, (1, patches.shape[1]))]
    if normalised:
        layers.append(nn.InstanceNorm1d(1, eps=1e-5))
    for before, after, width in ((1, 32, 7), (32, 64, 5), (64, 32, 3), (32, 32, 3)):
        layers += [nn.Conv1d(before, after, width, padding=width // 2, bias=False)]
        layers += [nn.BatchNorm1d(after), nn.ReLU()]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten())
    head = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 64))
    follows = nn.Linear(64, 1)
    rates = torch.optim.AdamW([*network.parameters(), *head.parameters(), *follows.parameters()], lr=1e-3)
    plan = torch.optim.lr_scheduler.CosineAnnealingLR(rates, STEPS, eta_min=1e-4)
    last, length = len(patches) - 1, patches.shape[1]
    for step in range(STEPS):
        if time.process_time() > until:
            break
        drawn = torch.randint(0, len(patches), (min(BATCH, len(patches)),))
        apart = torch.tensor([-2, -1, 1, 2])[torch.randint(0, 4, drawn.shape)]
        anchors = network(patches[drawn])
        beside = network(patches[(drawn + apart).clamp(0, last)])
        cosines = functional.normalize(head(anchors), dim=1) @ functional.normalize(head(beside), dim=1).T
        others = cosines.clone().fill_diagonal_(torch.inf).min(dim=1).values
        loss = functional.relu(others - cosines.diagonal() + 0.5).mean() / 10
        early = 1 - step / (STEPS / 10)
        if early > 0:
            can = drawn >= length
            ahead = torch.cat([anchors[can], network(patches[drawn[can] - length])], dim=1)
            chance = torch.cat([anchors, anchors[torch.randperm(len(drawn))]], dim=1)
            for pairs, answer in ((ahead, 1.0), (chance, 0.0)):
                if len(pairs):
                    given = follows(pairs).squeeze(1)
                    wanted = torch.full_like(given, answer)
                    loss = loss + early * functional.binary_cross_entropy_with_logits(given, wanted)
        rates.zero_grad()
        loss.backward()
        rates.step()
        plan.step()
    return network.eval()


def embed_patches(network: Any, patches: Any) -> Floats:
    """Return the embeddings of patches, of length 1 each, shape (p, channels)."""
    import torch

    with torch.no_grad():
        vectors = network(patches).numpy().astype(np.float64)
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


def compare_embeddings(vectors: Floats, bank: Floats, is_near: NDArray[np.bool_] | None = None) -> Floats:
    """Return one minus the mean cosine to the nearest of the bank; of those marked near none counts."""
    cosines = vectors @ bank.T
    if is_near is not None:
        cosines[is_near] = -1.0
    count = min(NEAREST, len(bank))
    nearest = np.partition(cosines, len(bank) - count, axis=1)[:, len(bank) - count :]
    return np.asarray(np.maximum(1.0 - nearest.mean(axis=1), 0.0))


def scale_by(values: Floats, reference: Floats) -> Floats:
    """Return values in deviations of the reference from its mean; only centred where it is constant."""
    spread = float(reference.std())
    return np.asarray((values - reference.mean()) / (spread if spread > 0 else 1.0))


def find_usual(amounts: Floats, least: float) -> float:
    """Return the amount that nine of ten stay below, at least `least`."""
    return max(float(np.quantile(amounts, USUAL_SHARE)), least)


PEERS: Mapping[str, tuple[str, Callable[[Floats, int], PeerReading]]] = MappingProxyType({
    "matrix profile": ("stumpy", measure_matrix_profile),
    "ETS": ("statsforecast", lambda values, fitted: measure_forecast(values, fitted, "AutoETS")),
    "ARIMA": ("statsforecast", lambda values, fitted: measure_forecast(values, fitted, "AutoARIMA")),
    "patches": ("torch", measure_patches),
})  # fmt: skip
"""By name, the package that a peer needs and what measures it."""
