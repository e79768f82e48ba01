"""Send one message to one address (mail, chat or web hook) through Apprise.

No other module imports Apprise. It is imported on the first call, because the import takes half a second.
Nothing is stored. An address holds secrets, so no error text contains a part of it.
"""

from __future__ import annotations

import re
import urllib.parse

from pynomaly.errors import ConfigError, RecordError

__all__ = ["send_notice"]


def send_notice(address: str, title: str, body: str) -> None:
    """Send one message to an Apprise URL.

    Raises
    ------
    ConfigError
        If Apprise does not know this kind of address.
    RecordError
        If the message was not accepted. The error text has the reason, but not the address.
    """
    import apprise

    client = apprise.Apprise()
    with apprise.LogCapture(level=apprise.logging.WARNING) as log_capture:
        if not client.add(address):
            raise ConfigError(
                "it holds no address Apprise knows; one looks like 'mailtos://user:password@host'"
            )
        # Declared as text, so that Apprise escapes it for targets that show HTML.
        accepted = client.notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT)
        log_text = log_capture.getvalue()
    if not accepted:
        raise RecordError(f"not accepted: {_redact_address(log_text, address) or 'no reason was given'}")


def _redact_address(log_text: str, address: str) -> str:
    """Return the log of Apprise in one line, without any part of the address."""
    line = " ".join(re.sub(r"^[\d\-:, ]+- ?", "", part) for part in log_text.splitlines())
    pieces = re.split(r"[/:@?&=,]+", address.partition("://")[2])
    for piece in sorted({*pieces, *map(urllib.parse.unquote, pieces)}, key=len, reverse=True):
        if len(piece) > 3:
            line = line.replace(piece, "***")
    return line.strip()[:300]
