"""The only door to Apprise: one message to one address, which may be mail, a chat or a web hook.

Imported late, for it takes half a second. Sends and says whether it was accepted; keeps nothing. An address
holds secrets: no error repeats a part of it.
"""

from __future__ import annotations

import re
import urllib.parse

from pynomaly.errors import ConfigError, RecordError

__all__ = ["send"]


def send(address: str, title: str, body: str) -> None:
    """Send one message to an Apprise URL.

    Raises
    ------
    ConfigError
        If the address is none that Apprise knows.
    RecordError
        If it was not accepted; what the other side said is in the message, the address is not.
    """
    import apprise

    door = apprise.Apprise()
    with apprise.LogCapture(level=apprise.logging.WARNING) as said:
        if not door.add(address):
            raise ConfigError(
                "it holds no address Apprise knows; one looks like 'mailtos://user:password@host'"
            )
        # Said to be text, it is escaped for those who read HTML.
        accepted = door.notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT)
        words = said.getvalue()
    if not accepted:
        raise RecordError(f"not accepted: {_safe(words, address) or 'no reason was given'}")


def _safe(words: str, address: str) -> str:
    """What Apprise said, in one line, without a piece of the address."""
    line = " ".join(re.sub(r"^[\d\-:, ]+- ?", "", part) for part in words.splitlines())
    pieces = re.split(r"[/:@?&=,]+", address.partition("://")[2])
    for piece in sorted({*pieces, *map(urllib.parse.unquote, pieces)}, key=len, reverse=True):
        if len(piece) > 3:
            line = line.replace(piece, "***")
    return line.strip()[:300]
