"""What one of many processes does to the records at once, for :mod:`tests.faults.test_outages`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pynomaly.records.ledger import Decision, Ledger, Partition

__all__ = ["FIRST", "ROUNDS", "fill", "look", "work"]

FIRST = datetime(2026, 1, 5, tzinfo=UTC)
ROUNDS = 8
"""Windows that each process scores."""


def work(url: str, number: int, together: Any, answers: Any) -> None:
    """Write down what scoring eight windows writes: a lease, a partition, a decision, a beat."""
    together.wait(300)
    error_text = ""
    try:
        for at in range(ROUNDS):
            start = FIRST + timedelta(days=at)
            key = f"{start:%Y%m%dT%H%M%SZ}--{start + timedelta(days=1):%Y%m%dT%H%M%SZ}"
            name = f"p{number:02d}"
            with Ledger.open(url) as ledger, ledger.hold_lease(f"score:{name}:{key}"):
                ledger.put_partition(Partition(name, key, 1, "f", "a" * 64, "b" * 64, 9, 1, 0, start))
                ledger.record_decision(
                    Decision(f"{name}:{key}", name, "score", key, "again", ("why",), {}, start)
                )
                ledger.outbox.record_heartbeat(name, "score")
    except Exception as error:
        error_text = f"{type(error).__name__}: {error}"
    answers.put((number, error_text))


def look(url: str, together: Any, done: Any, answers: Any) -> None:
    """Read as a page that is polled does, until the others are done; what fails is the answer."""
    together.wait(300)
    error_text, looks = "", 0
    try:
        while not done.is_set():
            with Ledger.open(url) as ledger:
                ledger.list_decisions(limit=50)
                ledger.outbox.list_lease_holders()
                assert ledger.verify_chain().intact
            looks += 1
    except Exception as error:
        error_text = f"{type(error).__name__}: {error}"
    answers.put((-looks - 1, error_text))


def fill(folder: str, largest: int, answers: Any) -> None:
    """Write scores and decisions where no file may grow past `largest` bytes; say what came of it."""
    import resource

    import numpy as np
    import pandas as pd

    from pynomaly.errors import RecordError
    from pynomaly.records.store import Store

    url = f"sqlite:///{folder}/ledger.db"
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    errors = []
    rows = pd.DataFrame({"score": np.random.default_rng(1).normal(size=100_000)})
    try:
        Store(Path(folder) / "store").write_scores("machines", "all", rows)
    except RecordError as error:
        errors.append(f"store: {error}")
    written = 0
    try:
        with Ledger.open(url) as ledger:
            for number in range(2_000):
                why = ("x" * 4_000,)
                ledger.record_decision(
                    Decision(f"full{number}", "machines", "retrain", "s", "none", why, {}, FIRST)
                )
                written += 1
    except RecordError as error:
        errors.append(f"ledger: {error}")
    answers.put((written, errors))
