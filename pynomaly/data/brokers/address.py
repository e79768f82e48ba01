"""Where a broker is: its address out of the settings, and the extra that its client comes with.

Called by the modules of the kinds. An address may hold a password: messages show it without.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from pynomaly.config import BROKERS, read_variable
from pynomaly.errors import BrokerError

__all__ = ["SILENT", "BrokerAddress", "hide_password", "need_stream_extra", "read_address"]

SILENT: Any = None
"""No logger for FastStream: what happens to a connection is said by this package."""


class BrokerAddress(Protocol):
    """Settings that name a broker: :class:`pynomaly.config.Stream`, or those of a sink."""

    @property
    def broker(self) -> str:
        """Kind of the broker, a name of ``BROKERS``."""

    @property
    def address(self) -> str:
        """Its address, without a password; empty for the usual one."""

    @property
    def address_env(self) -> str:
        """Name of the environment variable with its address; empty for none."""


def read_address(settings: BrokerAddress) -> str:
    """Returns the address of the broker: from the environment, the settings, or the usual one of its kind.

    Raises
    ------
    BrokerError
        If the environment variable is not set.
    """
    if settings.address_env:
        address = read_variable(settings.address_env)
        if not address:
            raise BrokerError(
                f"the environment variable {settings.address_env!r} is not set, and address_env takes the "
                f"address of the {settings.broker} broker from it; set it, like {BROKERS[settings.broker]!r}"
            )
        return address
    return settings.address or BROKERS[settings.broker]


def hide_password(text: object) -> str:
    """Returns the text without the user and password of the addresses in it.

    >>> hide_password("redis://me:secret@host:6379/1 does not answer")
    'redis://***@host:6379/1 does not answer'
    """
    return re.sub(r"://[^\s/'\"]*@", "://***@", str(text))


@contextmanager
def need_stream_extra(kind: str) -> Iterator[None]:
    """Around the import of a client: says which extra has it.

    Raises
    ------
    BrokerError
        If the client is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise BrokerError(
            f"stream.broker: {kind} needs an extra: pip install 'pynomaly-mlops[stream]' ({error})"
        ) from error
