"""Processes that hold a lease until they are killed, for :mod:`tests.records.test_dead_holders`."""

from __future__ import annotations

import signal
from typing import Any

from pynomaly.errors import LeaseHeldError
from pynomaly.records.ledger import Ledger

__all__ = ["hold_until_killed", "take_once"]


def hold_until_killed(address: str, name: str, is_held: Any) -> None:
    """Hold a lease for ever; `is_held` is set once this process has it."""
    with Ledger.open(address) as ledger, ledger.hold_lease(name, renew=False):
        is_held.set()
        signal.pause()


def take_once(address: str, name: str, start: Any, results: Any) -> None:
    """Try to take a lease when all are there; hold it until killed."""
    with Ledger.open(address) as ledger:
        start.wait()
        try:
            with ledger.hold_lease(name, renew=False):
                results.put("held")
                signal.pause()
        except LeaseHeldError:
            results.put("refused")
