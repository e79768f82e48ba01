"""The checks themselves: each fault they are there for is caught when a detector has it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import numpy as np
import pytest

from pynomaly.detectors import base
from pynomaly.detectors.contract import checks, subject
from pynomaly.detectors.contract.checks import CHECKS, DetectorUnderTest


class Plain(base.Detector):
    """Squared length: passes everything."""

    name: ClassVar[str] = "plain"

    def _fit(self, X: np.ndarray) -> dict[str, np.ndarray]:
        return {"middle": X.mean(axis=0)}

    def _score(self, X: np.ndarray) -> np.ndarray:
        return ((X - self.state["middle"]) ** 2).cumsum(axis=1)[:, -1]


class RanksItsBatch(Plain):
    def _score(self, X: np.ndarray) -> np.ndarray:
        return super()._score(X).argsort().argsort().astype(float)


class DrawsWhenScoring(Plain):
    def _score(self, X: np.ndarray) -> np.ndarray:
        return super()._score(X) * np.random.default_rng().uniform(1, 1 + 1e-12, len(X))


class IgnoresItsSeed(Plain):
    def _fit(self, X: np.ndarray) -> dict[str, np.ndarray]:
        return {"middle": np.random.default_rng().normal(size=X.shape[1])}


class ForgetsOnSave(Plain):
    def save(self, folder: Any) -> None:
        self._state, kept = {"middle": np.zeros(self._width)}, self._state
        super().save(folder)
        self._state = kept


class UpsideDown(Plain):
    def _score(self, X: np.ndarray) -> np.ndarray:
        return -super()._score(X)


class DividesByDeviation(Plain):
    def _fit(self, X: np.ndarray) -> dict[str, np.ndarray]:
        with np.errstate(all="ignore"):
            return {"middle": X.mean(axis=0), "by": 1 / X.std(axis=0)}

    def _score(self, X: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return (((X - self.state["middle"]) * self.state["by"]) ** 2).cumsum(axis=1)[:, -1]


class TakesEveryCell(Plain):
    def score(self, X: Any) -> np.ndarray:
        return super().score(X.fillna(0) if hasattr(X, "fillna") else X)


class WritesIntoItsInput(Plain):
    def fit(self, X: Any) -> Any:
        super().fit(X)
        if isinstance(X, np.ndarray):
            X[0, 0] = 0
        return self


class TakesColumnsByPlace(Plain):
    def score(self, X: Any) -> np.ndarray:
        return super().score(np.asarray(X))


def run(monkeypatch: pytest.MonkeyPatch, kind: type[base.Detector], check: str) -> None:
    def restored(folder: Any) -> base.Detector:
        facts, state = checks.saved.read_detector_files(folder)
        return kind(facts["seed"]).restore(facts, state)

    made: Callable[..., base.Detector] = lambda name, seed=0, **params: kind(seed, **params)  # noqa: E731
    for module in (checks, subject):
        monkeypatch.setattr(module, "make_detector", made)
        monkeypatch.setattr(module, "load_detector", restored)
    with ThreadPoolExecutor(1) as elsewhere:
        CHECKS[check](DetectorUnderTest("plain", elsewhere))


@pytest.mark.parametrize("check", list(CHECKS))
def test_a_sound_detector_passes(monkeypatch: pytest.MonkeyPatch, check: str) -> None:
    run(monkeypatch, Plain, check)


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        (RanksItsBatch, "one_row_alone"),
        (RanksItsBatch, "any_batch"),
        (DrawsWhenScoring, "twice"),
        (DrawsWhenScoring, "any_order"),
        (IgnoresItsSeed, "same_seed_same_scores"),
        (IgnoresItsSeed, "row_limit_is_kept"),
        (ForgetsOnSave, "saved_and_loaded"),
        (ForgetsOnSave, "another_process"),
        (UpsideDown, "far_rows_stand_out"),
        (TakesEveryCell, "missing_and_infinite_cells_are_refused"),
        (WritesIntoItsInput, "input_is_not_changed"),
        (TakesColumnsByPlace, "columns_by_name"),
        (TakesColumnsByPlace, "wrong_columns_are_refused"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_faulty_detector_is_caught(
    monkeypatch: pytest.MonkeyPatch, kind: type[base.Detector], check: str
) -> None:
    with pytest.raises(AssertionError):
        run(monkeypatch, kind, check)


def test_a_score_that_is_not_finite_is_refused_by_the_base(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(base.DetectorError, match="only finite scores"):
        run(monkeypatch, DividesByDeviation, "constant_column")
