"""Hold a lease as soon as its holder is done with it: for work of which every process has its turn.

Called by the steps that change the champion, take a share of false alerts or bet for an account, and by the
command line for work that was asked to wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

from pynomaly.errors import LeaseHeldError
from pynomaly.records.ledger import Lease, Ledger

__all__ = ["repeat_when_free", "wait_for_lease"]

Result = TypeVar("Result")


@contextmanager
def wait_for_lease(ledger: Ledger, name: str, patience_s: float, *, renew: bool = True) -> Iterator[Lease]:
    """Hold the lease `name` during the ``with`` body.

    Parameters
    ----------
    ledger : Ledger
    name : str
    patience_s : float
        Seconds to wait while somebody else holds it.
    renew : bool
        As for :meth:`~pynomaly.records.ledger.Ledger.hold_lease`.

    Raises
    ------
    LeaseHeldError
        If somebody else holds it for longer than that.
    """
    with ExitStack() as stack:
        for attempt in Retrying(
            retry=retry_if_exception_type(LeaseHeldError),
            stop=stop_after_delay(patience_s),
            wait=wait_random(0.02, 0.2),
            reraise=True,
        ):
            with attempt:
                lease = stack.enter_context(ledger.hold_lease(name, renew=renew))
        yield lease


def repeat_when_free(work: Callable[[], Result], ledger_url: str, patience_s: float) -> Result:
    """Return the result of `work`, which is repeated once the lease that refused it is free.

    Parameters
    ----------
    work : callable
        Safe to run again.
    patience_s : float
        Seconds after which it is not repeated any more.

    Raises
    ------
    LeaseHeldError
        If somebody else is at it for longer than that.
    """
    until = time.monotonic() + patience_s
    while True:
        try:
            return work()
        except LeaseHeldError as error:
            rest_s = until - time.monotonic()
            if not error.lease or rest_s <= 0:
                raise
            lease = error.lease
        with Ledger.open(ledger_url) as ledger, wait_for_lease(ledger, lease, rest_s, renew=False):
            pass  # it is free now; the work takes it itself
