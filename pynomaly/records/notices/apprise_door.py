"""Send one message to one address (mail, chat or web hook) through Apprise.

No other module imports Apprise. It is imported on the first call, because the import takes half a second.
Nothing is stored.
"""

from __future__ import annotations

import re
import urllib.parse
from contextlib import ExitStack
from typing import Any

from pynomaly.data.places import resolve_place
from pynomaly.errors import ConfigError, RecordError
from pynomaly.records.ledger import QueuedNotice

__all__ = ["check_apprise_address", "send_by_apprise"]

_WORDS = {"critical": "failure", "high": "failure", "medium": "warning", "low": "info"}
_MAIL = ("mailto://", "mailtos://")


def check_apprise_address(address: str) -> None:
    """Raise ConfigError if Apprise does not know this kind of address."""
    import apprise

    with apprise.LogCapture(level=apprise.logging.WARNING):
        _open_client(address)


def send_by_apprise(address: str, message: QueuedNotice, *, attach: bool = True) -> None:
    """Send one message to an Apprise URL; only mail takes the files of a message.

    Raises
    ------
    ConfigError
        If Apprise does not know this kind of address.
    RecordError
        If the message was not accepted. The error text has the reason, but not the address.
    """
    import apprise

    word = "success" if message.action == "resolve" else _WORDS[message.severity]
    body = "\n\n".join(filter(None, (message.body, message.link)))
    with ExitStack() as stack:
        files = None
        if attach and message.files and address.lower().startswith(_MAIL):
            files, missing = _open_files(stack, message.files)
            body = "\n".join(
                [body, *(f"not attached, as it is not there any more: {item}" for item in missing)]
            )
        with apprise.LogCapture(level=apprise.logging.WARNING) as log_capture:
            # Declared as text, so that Apprise escapes it for targets that show HTML.
            accepted = _open_client(address).notify(
                body=body,
                title=message.title,
                notify_type=apprise.NotifyType(word),
                body_format=apprise.NotifyFormat.TEXT,
                attach=files,
            )
            log_text = log_capture.getvalue()
    if not accepted:
        raise RecordError(f"not accepted: {_redact_address(log_text, address) or 'no reason was given'}")


def _open_client(address: str) -> Any:
    import apprise

    client = apprise.Apprise()
    if not client.add(address):
        raise ConfigError("it holds no address Apprise knows; one looks like 'mailtos://user:password@host'")
    return client


def _open_files(stack: ExitStack, paths: tuple[str, ...]) -> tuple[Any, list[str]]:
    """Return the files as attachments, from the store if they lie there; and those that are gone."""
    import apprise
    from apprise.attachment.file import AttachFile

    attachments, missing = apprise.AppriseAttachment(), []
    for path in paths:
        try:
            local = stack.enter_context(resolve_place(path).open_local())
        except OSError:
            missing.append(path)
            continue
        attachments.add(AttachFile(path=str(local), name=path.rsplit("/", 1)[-1]))
    return attachments, missing


def _redact_address(log_text: str, address: str) -> str:
    """Return the log of Apprise in one line, without any part of the address."""
    line = " ".join(re.sub(r"^[\d\-:, ]+- ?", "", part) for part in log_text.splitlines())
    pieces = re.split(r"[/:@?&=,]+", address.partition("://")[2])
    for piece in sorted({*pieces, *map(urllib.parse.unquote, pieces)}, key=len, reverse=True):
        if len(piece) > 3:
            line = line.replace(piece, "***")
    return line.strip()[:300]
