"""A training reads and hashes its reference once, from the decision to the rows that are fitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from pynomaly.config import Candidate, Pipeline
from pynomaly.steps.training import prepare, reference
from pynomaly.steps.training.prepare import prepare_reference
from tasks import training
from tests.steps.conftest import MOMENT, plan

Make = Callable[..., Pipeline]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the readings and hashings, in order."""
    made: list[str] = []

    def count(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            made.append(name)
            return real(*arguments)

        return call

    read, digest = count("read", reference.read_reference), count("hash", reference.hash_frame)
    for module in (reference, prepare):
        monkeypatch.setattr(module, "read_reference", read)
    monkeypatch.setattr(reference, "hash_frame", digest)
    return made


def test_the_rows_of_a_decision_are_those_of_the_training(pipeline: Make, calls: list[str]) -> None:
    settings = pipeline()
    planned = plan(settings)
    prepared = training.prepare_reference.fn(settings, planned, MOMENT)
    # A search that finds a better detector lays the same rows out for other candidates.
    other = replace(planned, candidates=(Candidate(detector="ecod"),))
    again = training.prepare_reference.fn(settings, other, MOMENT)
    assert calls == ["read", "hash"]
    assert again.data_hash == prepared.data_hash
    assert again.key != prepared.key


def test_rows_that_were_released_are_read_again_and_are_the_same(pipeline: Make, calls: list[str]) -> None:
    settings = pipeline()
    planned = plan(settings)
    held = training.prepare_reference.fn(settings, planned, MOMENT)
    planned.held.release()
    assert planned.held.reference is None
    read = prepare_reference(settings, planned.window, MOMENT, planned.candidates, planned.asked)
    assert calls == ["read", "hash"] * 2
    assert read == held
