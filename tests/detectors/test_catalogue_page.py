"""The page of the catalogue is the catalogue, and what is not offered fails as it says."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

from pynomaly.detectors import DETECTORS
from pynomaly.detectors.catalogue_page import NOT_OFFERED, render_catalogue
from pynomaly.detectors.contract.subject import make_far_rows, make_normal_rows

FITTED = make_normal_rows(80).to_numpy()
ROWS = np.concatenate([make_normal_rows(20, seed=1).to_numpy(), make_far_rows(5).to_numpy()])


def test_the_page_is_what_the_catalogue_says() -> None:
    page = Path(__file__).parents[2] / "docs" / "detectors.md"
    command = "python -m pynomaly.detectors.catalogue_page > docs/detectors.md"
    assert page.read_text(encoding="utf-8") == render_catalogue(), f"write it anew: {command}"


def test_every_detector_says_where_it_fails() -> None:
    assert len(DETECTORS) >= 25
    assert not [name for name, entry in DETECTORS.items() if not entry.limits or not entry.summary]


def fitted(name: str) -> object:
    assert name in NOT_OFFERED
    return getattr(importlib.import_module(f"pyod.models.{name.lower()}"), name)().fit(FITTED)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["ROD", "SOS", "DIF"])
def test_what_scores_by_the_batch_is_not_offered(name: str) -> None:
    peer = fitted(name)
    together = peer.decision_function(ROWS)
    alone = peer.decision_function(ROWS[:1])
    assert not np.isclose(alone[0], together[0], rtol=1e-3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["COF", "SOD"])
def test_what_crashes_on_one_row_is_not_offered(name: str) -> None:
    with pytest.raises((IndexError, ValueError)):
        fitted(name).decision_function(ROWS[:1])


GRAPHS = ("DOMINANT", "SCAN", "Radar", "ANOMALOUS", "CoLA", "CONAD", "GUIDE", "AnomalyDAE")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*(f"pyg_{name}" for name in GRAPHS), "ts_MatrixProfile"])
def test_what_scores_only_what_it_was_fitted_on_is_not_offered(name: str) -> None:
    kind = name.split("_")[1]
    assert any(kind in name for name in NOT_OFFERED)
    module = "ts_matrix_profile" if name.startswith("ts_") else name.lower()
    peer = getattr(importlib.import_module(f"pyod.models.{module}"), kind)()
    with pytest.raises(NotImplementedError, match="transductive"):
        peer.decision_function(None)


@pytest.mark.filterwarnings("ignore")
def test_a_series_scored_by_what_comes_later_is_not_offered() -> None:
    from pyod.models.ts_spectral_residual import SpectralResidual

    assert any("SpectralResidual" in name for name in NOT_OFFERED)
    series = np.random.default_rng(0).normal(size=(600, 1))
    peer = SpectralResidual().fit(series[:400])
    assert (
        peer.decision_function(series[400:])[:100] != peer.decision_function(series[400:500])
    ).mean() > 0.5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_ranks_far_rows_lowest_is_not_offered() -> None:
    scores = fitted("QMCD").decision_function(ROWS)
    assert (scores[-5:, None] < scores[:-5]).mean() > 0.9
