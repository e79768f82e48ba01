"""Secrets and addresses that the environment holds, itself or by the file that it names.

A container is given secrets as files: with ``NAME_FILE`` set to a path, the text of that file stands for the
variable ``NAME``. It is read whenever the secret is needed: who writes the file anew changes the secret.
"""

from __future__ import annotations

import os
from pathlib import Path

from pynomaly.errors import ConfigError

__all__ = ["FILE_ENDING", "read_variable"]

FILE_ENDING = "_FILE"
_LARGEST = 64 * 1024
"""Bytes of a file that holds a secret; larger ones are another file."""


def read_variable(name: str) -> str:
    """Return what an environment variable holds, or the file that ``NAME_FILE`` names; "" for neither.

    White space around it is no part of it: editors end a file with a line break.

    Raises
    ------
    ConfigError
        If both are set, or the file cannot be read, is empty, is no text, or has more than 64 KiB. No message
        holds what is in it.
    """
    value, path = os.environ.get(name, "").strip(), os.environ.get(f"{name}{FILE_ENDING}", "").strip()
    if not path:
        return value
    if value:
        raise ConfigError(f"${name} and ${name}{FILE_ENDING} are both set; unset one of them")
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise ConfigError(
                f"${name}{FILE_ENDING}: {path} has more than {_LARGEST} bytes; name the secret's own file"
            )
        text = content.decode("utf-8").strip()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"${name}{FILE_ENDING}: {path} cannot be read: {reason}") from error
    except UnicodeDecodeError:
        raise ConfigError(f"${name}{FILE_ENDING}: {path} is no text; write the secret in UTF-8") from None
    if not text:
        raise ConfigError(f"${name}{FILE_ENDING}: {path} is empty; write the secret into it")
    return text
