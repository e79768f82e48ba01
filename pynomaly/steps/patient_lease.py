"""Hold a lease as soon as its holder is done with it: for work of which every process has its turn.

Called by the steps that change the champion, take a share of false alerts or bet for an account.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

from pynomaly.errors import LeaseHeldError
from pynomaly.records.ledger import Lease, Ledger

__all__ = ["wait_for_lease"]


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
