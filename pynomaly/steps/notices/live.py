"""Tell people beside live scoring: a thread that sends what is due soon after it was written.

The worker that scores calls :meth:`LiveNotices.wake` when it has written an alert, and waits for nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from pynomaly.config import Pipeline
from pynomaly.errors import PynomalyError
from pynomaly.steps.notices.deliver import Sender, send_to_address
from pynomaly.steps.notices.send import send_notifications

__all__ = ["LiveNotices"]

_LOOK_SECONDS = 15.0
"""How often answers, digests and steps of escalation are looked for."""

_REST_SECONDS = 300.0
"""How long a receiver that did not take a message is left alone, unless there is something new."""


class LiveNotices:
    """Sends the notices of a pipeline while it lasts; use it as a context manager.

    Parameters
    ----------
    pipeline : Pipeline
        Without targets nothing is started.
    through : Sender
    on_problem : callable
        Is given, in words, what was not delivered.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        through: Sender = send_to_address,
        on_problem: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._pipeline, self._through, self._on_problem = pipeline, through, on_problem
        self._stopping, self._waker = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._serve, name="notify", daemon=True)

    def __enter__(self) -> LiveNotices:
        if self._pipeline.notify.targets:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send once more what is due, and end."""
        self._stopping.set()
        self._waker.set()
        if self._thread.ident is not None:
            self._thread.join()

    def wake(self) -> None:
        """Say that something was written that people are to know; returns at once."""
        self._waker.set()

    def _serve(self) -> None:
        while True:
            is_last = self._stopping.is_set()
            self._waker.clear()
            was_taken = self._send()
            if is_last:
                return
            if not self._stopping.is_set():
                self._waker.wait(_LOOK_SECONDS if was_taken else _REST_SECONDS)

    def _send(self) -> bool:
        """Send what is due; returns whether all of it was taken."""
        try:
            deliveries = send_notifications(self._pipeline, self._through)
        except PynomalyError as error:
            self._on_problem(f"nobody was told: {error}")
            return False
        for item in deliveries:
            if not item.delivered:
                self._on_problem(f"{item.target} was not told of {item.event}: {item.reason}")
        return all(item.delivered for item in deliveries)
