"""Cursors of lists: opaque text that says where the next page begins."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any

import orjson

from pynomaly.errors import ConfigError
from pynomaly.records.ledger import AlertPlace

__all__ = ["read_alert_cursor", "read_number_cursor", "write_alert_cursor", "write_number_cursor"]


def write_alert_cursor(place: AlertPlace) -> str:
    """Return the cursor of the page behind an alert."""
    return _encode([place.severity, place.newest.isoformat(), place.pipeline, place.alert])


def read_alert_cursor(cursor: str) -> AlertPlace | None:
    """Return the place that a cursor names; None for "".

    Raises
    ------
    ConfigError
        If it is none of ours.
    """
    if not cursor:
        return None
    try:
        severity, newest, pipeline, alert = _decode(cursor)
        moment = datetime.fromisoformat(newest)
        if moment.tzinfo is None:
            raise ValueError("a time without an offset")
        return AlertPlace(int(severity), moment, str(pipeline), str(alert))
    except (ValueError, TypeError, OverflowError) as error:
        raise _describe_bad_cursor(cursor) from error


def write_number_cursor(number: int) -> str:
    """Return the cursor of the page behind a numbered row."""
    return _encode([number])


def read_number_cursor(cursor: str) -> int | None:
    """Return the number that a cursor names; None for ""; errors as :func:`read_alert_cursor`."""
    if not cursor:
        return None
    try:
        (number,) = _decode(cursor)
        if not isinstance(number, int) or not 0 <= number < 2**63:
            raise ValueError("no number of a row")
        return number
    except (ValueError, TypeError) as error:
        raise _describe_bad_cursor(cursor) from error


def _describe_bad_cursor(cursor: str) -> ConfigError:
    return ConfigError(f"cursor {cursor[:40]!r} is none that a page gave; leave it out for the first page")


def _encode(values: list[object]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(values)).decode().rstrip("=")


def _decode(cursor: str) -> list[Any]:
    try:
        content = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (binascii.Error, ValueError) as error:
        raise ValueError("no base64") from error
    values = orjson.loads(content)
    if not isinstance(values, list):
        raise ValueError("no list")
    return values
