"""Send one message through the channel of a target."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import Any

from pynomaly.config import Target
from pynomaly.errors import ConfigError, ReceiverError, RefusedError
from pynomaly.records.ledger import QueuedNotice
from pynomaly.records.notices.apprise_door import check_apprise_address, send_by_apprise
from pynomaly.records.notices.pagerduty import build_request
from pynomaly.records.notices.slack import build_slack_message
from pynomaly.records.notices.teams import build_teams_message
from pynomaly.records.sinks.http import HttpClient, check_address
from pynomaly.records.sinks.secrets import hide_secrets

__all__ = ["check_secret", "send_notice"]

_TIMEOUT = timedelta(seconds=10)


def send_notice(target: Target, secret: str, message: QueuedNotice) -> None:
    """Send one message.

    Parameters
    ----------
    target : Target
    secret : str
        Its address; for PagerDuty its integration key.
    message : QueuedNotice

    Raises
    ------
    ConfigError
        If the secret has not the form of its kind.
    RecordError
        If the message was not accepted. The error text has the reason, but no part of the secret.
    """
    check_secret(target, secret)
    match target.kind:
        case "pagerduty":
            path, body = build_request(secret, message)
            _post(target.address.rstrip("/") + path, body, secret)
        case "slack":
            _post(secret, build_slack_message(message), secret)
        case "teams":
            _post(secret, build_teams_message(message), secret)
        case _:
            send_by_apprise(secret, message, attach=target.attach)


def check_secret(target: Target, secret: str) -> None:
    """Raise ConfigError if what opens a target has not the form of its kind; nothing is sent."""
    if target.kind == "apprise":
        check_apprise_address(secret)
    elif target.kind != "pagerduty":
        check_address(secret)
    elif not (secret.isascii() and secret.isalnum()):
        raise ConfigError("it holds no integration key of PagerDuty: letters and digits, of Events API v2")


def _post(address: str, body: dict[str, Any], secret: str) -> None:
    with closing(HttpClient(_TIMEOUT, waits_for_login=True)) as client:
        try:
            client.request("POST", address, json=body)
        except (ReceiverError, RefusedError) as error:
            raise type(error)(hide_secrets(str(error), (secret,))) from None
