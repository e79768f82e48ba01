from __future__ import annotations

from pathlib import Path

import pytest

from pynomaly.detectors import Detector
from pynomaly.model.bundle import Bundle
from tests.model.tables import fit


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    """Fitted as in operation, in a child process."""
    return fit()


@pytest.fixture(scope="session")
def shipped(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Folder and hash of a saved bundle; read only."""
    folder = tmp_path_factory.mktemp("shipped") / "bundle"
    return folder, bundle.save(folder)


@pytest.fixture(autouse=True)
def fit_here(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fit other bundles in this process: the limit has tests of its own, and a child costs two seconds."""

    def fit_at_once(detector: Detector, rows: object, seconds: float | None) -> Detector:
        assert seconds is None or seconds > 0
        return detector.fit(rows)  # type: ignore[arg-type]

    monkeypatch.setattr("pynomaly.model.fitting.fitting.fit_within", fit_at_once)
