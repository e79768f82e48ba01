"""The tokens that clients of the scoring server may send: one, or two while one takes the other's place."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable

from pynomaly.errors import ConfigError

__all__ = ["BearerTokens"]

_LOG = logging.getLogger(__name__)
_READ_AGAIN_S = 1.0


class BearerTokens:
    """Accepts what is a token now; a token a line, read again every second.

    Parameters
    ----------
    read : callable
        Returns the text with the tokens; "" for no check at all. Where it fails later, those known stay.
    clock : callable
        Seconds that only rise.

    Raises
    ------
    ConfigError
        As `read`, at the start.
    """

    def __init__(self, read: Callable[[], str], clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock = read, clock
        self._tokens = _list_tokens(read())
        self._due = clock() + _READ_AGAIN_S
        self._problem = ""

    @property
    def are_needed(self) -> bool:
        """Whether a client must send one."""
        return bool(self._tokens)

    def accept(self, header: str) -> bool:
        """Return whether the header ``Authorization`` names one of them; takes as long for each."""
        if self._clock() >= self._due:
            self._renew()
        sent = header.encode()
        matches = [hmac.compare_digest(sent, f"Bearer {token}".encode()) for token in self._tokens]
        return any(matches)

    def _renew(self) -> None:
        self._due = self._clock() + _READ_AGAIN_S
        try:
            tokens, problem = _list_tokens(self._read()), ""
        except ConfigError as error:
            tokens, problem = (), str(error)
        if problem and problem != self._problem:
            _LOG.warning("the tokens known before stay valid: %s", problem)
        self._problem = problem
        self._tokens = tokens or self._tokens


def _list_tokens(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())
