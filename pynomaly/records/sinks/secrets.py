"""What opens a receiver, and texts without it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

__all__ = ["hide_secrets"]

_SHORTEST = 4


def hide_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with ``***`` for every secret, and for what of an address is none of its host."""
    pieces: set[str] = set()
    for secret in secrets:
        pieces |= {secret, *secret.split()}
        if "://" in secret:
            rest = urlsplit(secret)
            pieces |= {rest.password or "", rest.username or ""}
            pieces |= set(re.split(r"[/?&=,;]+", f"{rest.path}&{rest.query}"))
    pieces |= {unquote(piece) for piece in pieces}
    for piece in sorted(pieces, key=len, reverse=True):
        if len(piece) >= _SHORTEST:
            text = text.replace(piece, "***")
    return text
