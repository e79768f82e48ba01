"""Read what opens the receivers of sinks: environment variables, or blocks that a caller can read."""

from __future__ import annotations

import os
from collections.abc import Callable

from pynomaly.config import Sink, list_secret_keys
from pynomaly.errors import ConfigError

__all__ = ["BlockReader", "read_secrets", "refuse_block"]

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
            secrets[name] = os.environ.get(variable, "").strip()
            if not secrets[name]:
                raise ConfigError(
                    f"the environment variable {variable} is not set; sinks: {sink.name} names it as "
                    f"{name}_env"
                )
    return secrets
