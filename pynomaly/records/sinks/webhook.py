"""Web hooks: a batch of CloudEvents in one POST, signed as Standard Webhooks says.

A receiver checks that ``webhook-signature`` is ``v1,`` and the base64 of the HMAC-SHA256, under the shared
secret, of ``webhook-id``, ``webhook-timestamp`` and the body, joined by full stops; that the timestamp is
near its own clock; and that it does not know the id yet. Libraries of many languages do that.

References
----------
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping

from pynomaly.config.delivery import WebhookSink
from pynomaly.errors import ConfigError
from pynomaly.records.sinks.content.cloud_events import build_events, render_batch
from pynomaly.records.sinks.http import HttpClient, check_address
from pynomaly.records.sinks.kind import Part, Receiver, SinkKind

__all__ = ["SINK", "sign_body"]

_PREFIX = "whsec_"
_LEAST_SECRET = 16


def sign_body(secret: str, name: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a body: ``v1,`` and base64.

    Parameters
    ----------
    secret : str
        ``whsec_`` and base64, as Standard Webhooks writes it, or any other text as it is.
    name : str
        The id of the message.
    timestamp : int
        Seconds since 1970.
    body : bytes

    Raises
    ------
    ConfigError
        If the secret is shorter than 16 bytes, or is no base64 after ``whsec_``.
    """
    digest = hmac.new(_read_secret(secret), f"{name}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _read_secret(secret: str) -> bytes:
    try:
        key = (
            base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
            if secret.startswith(_PREFIX)
            else secret.encode()
        )
    except binascii.Error:
        raise ConfigError(f"the secret begins with {_PREFIX} and is no base64 after that") from None
    if len(key) < _LEAST_SECRET:
        raise ConfigError(f"the secret has {len(key)} bytes; at least {_LEAST_SECRET} are needed")
    return key


class WebhookReceiver(Receiver):
    """An address that takes signed batches of CloudEvents."""

    def __init__(self, settings: WebhookSink, secrets: Mapping[str, str]) -> None:
        self._address, self._secret = secrets["address"], secrets["secret"]
        self._host = check_address(self._address)
        _read_secret(self._secret)
        self._client = HttpClient(settings.timeout)

    def deliver(self, part: Part) -> None:
        """POST the events of a part, in one request."""
        body, timestamp = render_batch(build_events(part)), int(time.time())
        name = hashlib.sha256(part.name.encode() + body).hexdigest()[:32]
        headers = {
            "Content-Type": "application/cloudevents-batch+json; charset=utf-8",
            "webhook-id": name,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign_body(self._secret, name, timestamp, body),
        }
        self._client.request("POST", self._address, headers=headers, content=body)

    def check(self) -> str:
        """Ask what the address allows; any answer shows that somebody is there."""
        return f"{self._host} answers {self._client.probe(self._address)}"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


SINK = SinkKind(WebhookReceiver)
