"""The same life cycle where ledger and MLflow live in PostgreSQL: nothing but two addresses differs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pynomaly.records.ledger import Ledger
from pynomaly.records.registry import Registry
from pynomaly.steps.monitor import monitor_window, monitored_window
from tests.databases import new_database
from tests.steps.conftest import MOMENT, learn, plan


@pytest.fixture
def shared(pipeline, postgres):
    """A pipeline whose records lie on a server, each part in a database of its own."""
    return pipeline(records={"ledger": new_database(postgres), "tracking": new_database(postgres)})


def test_a_life_in_postgresql(shared):
    first, decision = learn(shared, plan(shared))
    assert (first.version, decision.kind) == (1, "promote")
    later = MOMENT + timedelta(days=7)
    judged = monitor_window(shared, monitored_window(shared, later), later)
    assert judged.version == 1
    again = monitor_window(shared, monitored_window(shared, later), later)
    assert again.degradation == judged.degradation
    with Ledger.open(shared.ledger_url) as ledger:
        assert ledger.verify().intact
        assert len(ledger.decisions(kind="degradation")) == 1
    registry = Registry.open(shared.tracking_uri, shared.home)
    assert registry.alias(shared.name, "champion").version == 1
    assert not list(shared.home.rglob("*.db"))
