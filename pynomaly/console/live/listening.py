"""A thread for each ledger that says by itself what was written to it; the others are asked.

Where the connection is lost the log says so, and that the ledger is asked meanwhile; the thread tries again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from pynomaly.errors import RecordError
from pynomaly.records.ledger import Announced, Ledger

__all__ = ["Listening"]

_WAIT_S = 1.0
"""How long a thread that is to end goes on at most."""
_log = logging.getLogger(__name__)


class Listening:
    """Listens to one ledger until it is stopped.

    Parameters
    ----------
    ledger : Ledger
    on_change : callable
        Is given what was announced; nothing when the ledger begins to be heard, or no longer is.
    retry_s : float
        Seconds until a lost connection is made again.
    """

    def __init__(
        self, ledger: Ledger, on_change: Callable[[tuple[Announced, ...]], None], retry_s: float = 5.0
    ) -> None:
        self._ledger, self._on_change, self._retry_s = ledger, on_change, retry_s
        self._stop = threading.Event()
        self.is_heard = False
        self._thread = threading.Thread(target=self._run, name="changes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end; returns at once."""
        self._stop.set()

    def wait_for_end(self) -> None:
        """Return when the thread that was told to stop has ended."""
        self._thread.join()

    def _run(self) -> None:
        failed = False
        while not self._stop.is_set():
            try:
                with self._ledger.change_listener.open() as listener:
                    self.is_heard = True
                    if failed:
                        _log.warning("the ledger says by itself again what changes")
                    failed = False
                    self._on_change(())
                    while not self._stop.is_set():
                        if announced := listener.wait(_WAIT_S):
                            self._on_change(announced)
            except RecordError as error:
                if not failed:
                    _log.warning("the ledger is asked each second what changed, until it says so: %s", error)
                failed, self.is_heard = True, False
                self._on_change(())
            finally:
                self.is_heard = False
            self._stop.wait(self._retry_s if failed else 0)
