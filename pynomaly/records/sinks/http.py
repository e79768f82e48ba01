"""Requests to receivers over HTTP, and what their answers mean. The only module of sinks that imports httpx.

2xx is delivered. 408, 425, 429 and 5xx, like no answer at all, are tried again, not before ``Retry-After``
says. Any other status is a refusal: the same request would be refused again. No error text holds an address,
because addresses may hold secrets; it names the host only.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from pynomaly.errors import ConfigError, ReceiverError, RefusedError

__all__ = ["HttpClient"]

_RETRIED = (408, 425, 429)
_LOGIN = (401, 403)
_SHOWN = 200


_sending: ContextVar[bool] = ContextVar("sending", default=False)


def _leave_out_address(record: logging.LogRecord) -> bool:
    """Leave the address out of what httpx logs of each request: it may hold a secret."""
    if _sending.get() and isinstance(record.args, tuple) and len(record.args) > 1:
        record.args = (record.args[0], "(address left out)", *record.args[2:])
    return True


class HttpClient:
    """A client that keeps its connections open.

    Parameters
    ----------
    timeout : timedelta
        For connecting and for each answer.
    headers : mapping, optional
        Sent with every request.
    waits_for_login : bool
        Whether 401 and 403 are failures to be tried again: what was sent is right, and who sends is wrong.

    Raises
    ------
    ConfigError
        If an address is not one of HTTP.
    """

    def __init__(
        self,
        timeout: timedelta,
        headers: Mapping[str, str] | None = None,
        *,
        waits_for_login: bool = False,
    ) -> None:
        import httpx

        logging.getLogger("httpx").addFilter(_leave_out_address)  # a filter that is there is not added again
        self._waits = (*_RETRIED, *(_LOGIN if waits_for_login else ()))
        self._client = httpx.Client(
            timeout=timeout.total_seconds(),
            headers={"User-Agent": "pynomaly", **(headers or {})},
            follow_redirects=False,
            trust_env=True,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def request(
        self, method: str, address: str, *, headers: Mapping[str, str] | None = None, **content: Any
    ) -> Any:
        """Send a request, and return the answer of httpx if its status is 2xx.

        Parameters
        ----------
        method, address : str
        headers : mapping, optional
        **content
            ``content``, ``json``, ``data`` or ``params`` of httpx.

        Raises
        ------
        ConfigError
            If the address is none of HTTP.
        ReceiverError
            If nobody answers, or the answer asks for another try later.
        RefusedError
            If the answer is a refusal.
        """
        answer = self._send(method, address, headers=dict(headers or {}), **content)
        if answer.is_success:
            return answer
        text = f"{check_address(address)} answers {answer.status_code}{_describe_body(answer)}"
        if answer.status_code in self._waits or answer.status_code >= 500:
            raise ReceiverError(text, _read_retry_after(answer.headers.get("Retry-After", "")))
        raise RefusedError(text)

    def probe(self, address: str, method: str = "OPTIONS") -> int:
        """Return the status of an answer, a refusal too; ReceiverError if there is none."""
        return int(self._send(method, address).status_code)

    def _send(self, method: str, address: str, **content: Any) -> Any:
        import httpx

        host = check_address(address)
        token = _sending.set(True)
        try:
            return self._client.request(method, address, **content)
        except httpx.InvalidURL:
            raise ConfigError("the address is none of HTTP; write one like https://host/path") from None
        except httpx.HTTPError as error:  # its own text may hold the address
            raise ReceiverError(f"{host} does not answer: {type(error).__name__}") from None
        finally:
            _sending.reset(token)


def check_address(address: str) -> str:
    """Return the host of an address; ConfigError if it is none of HTTP."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        host, parts = "", urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError("the address is none of HTTP; write one like https://host/path")
    return f"{host}:{parts.port}" if parts.port else host


def _describe_body(answer: Any) -> str:
    text = " ".join(answer.text.split())[:_SHOWN]
    return f": {text}" if text else ""


def _read_retry_after(text: str) -> timedelta | None:
    """Return how long to wait: ``Retry-After`` holds seconds, or a date."""
    if text.strip().isdigit():
        return timedelta(seconds=min(int(text), 86_400))
    try:
        return max(parsedate_to_datetime(text) - datetime.now(UTC), timedelta(0))
    except (TypeError, ValueError):
        return None
