"""The receivers of sinks: opened when they are first needed, kept open, asked again when they fail."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from pynomaly.config import Sink, list_secret_keys, read_variable
from pynomaly.errors import ConfigError, PynomalyError, ReceiverError
from pynomaly.records.sinks import SINKS, Part, Receiver
from pynomaly.records.sinks.secrets import hide_secrets

__all__ = ["BlockReader", "Receivers", "read_secrets", "refuse_block"]

_LONGEST_ERROR = 500

BlockReader = Callable[[str], str]
"""Returns what a Prefect block of this name (type/name) holds; raises a PynomalyError if it cannot."""


def refuse_block(name: str) -> str:
    """Raise ConfigError: only a Prefect flow can open a block."""
    raise ConfigError(f"the block {name!r} can be opened by a Prefect flow only")


def read_secrets(sink: Sink, read_block: BlockReader) -> dict[str, str]:
    """Return by name what opens the receiver of a sink.

    Raises
    ------
    ConfigError
        If an environment variable is not set. The message names the variable.
    """
    secrets = {}
    for name, (variable, block) in list_secret_keys(sink).items():
        if block:
            secrets[name] = read_block(block)
        elif variable:
            secrets[name] = read_variable(variable)
            if not secrets[name]:
                raise ConfigError(
                    f"the environment variable {variable} is not set; sinks: {sink.name} names it as "
                    f"{name}_env"
                )
    return secrets


class Receivers:
    """The receivers of a pipeline's sinks, which stay open until :meth:`close`.

    Parameters
    ----------
    read_block : callable
        Returns what a Prefect block holds.
    patient : bool
        Whether a receiver that does not answer is asked again, after a pause.
    pause : callable
        Waits so many seconds.
    """

    def __init__(self, read_block: BlockReader, patient: bool, pause: Callable[[float], None]) -> None:
        self._read_block, self._patient, self._pause = read_block, patient, pause
        self._receivers: dict[str, Receiver] = {}
        self._secrets: dict[str, tuple[str, ...]] = {}
        self._failed: set[str] = set()
        self._opening = threading.Lock()

    def close(self) -> None:
        """Close what is open."""
        for receiver in self._receivers.values():
            receiver.close()

    def hand_over(self, sink: Sink, part: Part) -> None:
        """Hand a part over, patiently, or once if the sink failed before; errors are those of `deliver`."""
        most = sink.retry.attempts if self._patient and sink.name not in self._failed else 1
        attempt = 0
        while True:
            attempt += 1
            try:
                receiver = self.open(sink)
                with _translate_unknown():
                    receiver.deliver(part)
                self._failed.discard(sink.name)
                return
            except ReceiverError as error:
                wait = self.next_pause(sink, attempt, error)
                if attempt >= most or wait > sink.retry.longest:
                    self._failed.add(sink.name)
                    raise
                self._pause(wait.total_seconds())

    def next_pause(self, sink: Sink, attempt: int, error: PynomalyError) -> timedelta:
        """Return how long to wait after so many failures, or longer where the receiver asks for it."""
        doubled: timedelta = min(sink.retry.wait * 2 ** min(attempt - 1, 20), sink.retry.longest)
        asked = error.retry_after if isinstance(error, ReceiverError) else None
        return max(doubled, asked or timedelta(0))

    def open(self, sink: Sink) -> Receiver:
        """Return the open receiver of a sink; ConfigError if what opens it is not set."""
        with self._opening:
            if sink.name not in self._receivers:
                secrets = read_secrets(sink, self._read_block)
                self._secrets[sink.name] = tuple(secrets.values())
                with _translate_unknown():
                    self._receivers[sink.name] = SINKS[sink.kind].open_receiver(sink, secrets)
            return self._receivers[sink.name]

    def check(self, sink: Sink) -> str:
        """Return why a sink cannot be reached, "" if it answers."""
        try:
            receiver = self.open(sink)
            with _translate_unknown():
                receiver.check()
        except PynomalyError as error:
            return self.tidy(sink, error)
        return ""

    def tidy(self, sink: Sink, error: PynomalyError) -> str:
        """Return the text of an error in one line, without anything that opens the receiver."""
        return hide_secrets(" ".join(str(error).split()), self._secrets.get(sink.name, ()))[:_LONGEST_ERROR]


@contextmanager
def _translate_unknown() -> Iterator[None]:
    """Turn an error that no kind foresees into a ReceiverError: a vendor's failure stops no other sink."""
    try:
        yield
    except PynomalyError:
        raise
    except Exception as error:
        raise ReceiverError(f"{type(error).__name__}: {error}") from None
