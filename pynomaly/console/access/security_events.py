"""Events of security, each one line of JSON in the log ``pynomaly.security``. No secret is among them.

Every line has the same keys; what is not known is empty. Texts that somebody else chose are cut and escaped,
so that a name makes no second line.
"""

from __future__ import annotations

import json
import logging
from typing import Literal

from pynomaly.records.ledger import Identity
from pynomaly.records.ledger.database import read_utc_now

__all__ = ["SECURITY_LOG", "SecurityEvent", "log_event"]

SECURITY_LOG = "pynomaly.security"
"""Name of the log."""

SecurityEvent = Literal[
    "signed_in",
    "signed_out",
    "sign_in_refused",
    "token_made",
    "token_revoked",
    "token_refused",
    "locked_out",
    "role_refused",
    "request_refused",
    "host_refused",
]

_EXPECTED = frozenset(("signed_in", "signed_out", "token_made", "token_revoked"))
_LONGEST = 300
_log = logging.getLogger(SECURITY_LOG)


def log_event(
    event: SecurityEvent, who: Identity | None = None, *, address: str = "", about: str = "", reason: str = ""
) -> None:
    """Write an event; what was refused is a warning.

    Parameters
    ----------
    event : SecurityEvent
    who : Identity, optional
        Who did it, as far as it is known.
    address : str
        Where the request came from.
    about : str
        What it was about: a token, a pipeline, a path.
    reason : str
        Why something was refused, or what was granted.
    """
    line = {
        "at": read_utc_now().isoformat(timespec="milliseconds"),
        "event": event,
        "name": who.name if who else "",
        "way": who.way if who else "",
        "issuer": who.issuer if who else "",
        "subject": who.subject if who else "",
        "token": who.token if who else "",
        "address": address,
        "about": about,
        "reason": reason,
    }
    level = logging.INFO if event in _EXPECTED else logging.WARNING
    _log.log(level, "%s", json.dumps({key: text[:_LONGEST] for key, text in line.items()}))
