"""One process that promotes a version when all the others do, for :mod:`tests.faults.test_promotions`.

Versions there have no files: what they score, and what past incidents say, is asked elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from pynomaly.config import load_pipeline
from pynomaly.model.isolated_check import IsolatedCheck
from pynomaly.records.registry import Registry
from pynomaly.steps import gate as gating
from pynomaly.steps.promotion import promote as promoting
from pynomaly.steps.promotion.promote import promote
from tests.judging.comparison.test_promotion_rules import SUPERIOR
from tests.steps.conftest import MOMENT
from tests.steps.promotion.test_concurrency import registered

__all__ = ["ask", "only_decisions", "registered"]


@contextmanager
def only_decisions(folder: Path) -> Iterator[None]:
    """Versions without files pass the gate; all that follows is real."""
    with (
        mock.patch.object(Registry, "fetch_bundle", return_value=folder),
        mock.patch.object(gating, "run_isolated_check", return_value=IsolatedCheck(0.0, 1.0, 1.0, 300.0)),
        mock.patch.object(promoting, "replay_incidents", return_value=None),
    ):
        yield


def ask(config: str, version: int, together: Any, answers: Any) -> None:
    """Promote `version` once every other process is ready to."""
    settings = load_pipeline(config)
    with only_decisions(Path(config).parent):
        together.wait(300)
        answers.put((version, promote(settings, registered(version), SUPERIOR, MOMENT).kind))
