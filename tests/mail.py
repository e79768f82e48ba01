"""A mail server on this machine that keeps what it receives."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from flows.machine.servers import find_free_port


@dataclass
class MailServer:
    """Mails in order, and the answer to the next ones; 250 accepts."""

    address: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    answer: str = "250 fine"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.answer.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            mail = email.message_from_bytes(content, policy=email.policy.default)
            assert isinstance(mail, EmailMessage)
            self.mails.append(mail)
        return self.answer


@contextmanager
def run_mail_server() -> Iterator[MailServer]:
    """A server on a free port; `address` is what Apprise sends to."""
    mails, port = MailServer(), find_free_port()
    controller = Controller(mails, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        mails.address = f"mailto://127.0.0.1:{port}?from=pynomaly@example.org&to=ops@example.org"
        yield mails
    finally:
        controller.stop()
