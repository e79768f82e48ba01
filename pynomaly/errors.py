"""Every error Pynomaly raises on purpose, in one tree.

Each error also inherits the builtin that a caller would expect. Its message says what is wrong, the value,
and what is allowed. Any other exception that escapes is a bug in Pynomaly. The command line turns a
:class:`PynomalyError` into one message and exit code 2::

    PynomalyError
    ├── ConfigError (ValueError)               a wrong pipeline YAML or command-line value
    ├── DataError (ValueError)                 the data cannot be used
    │   ├── SourceError (OSError)              missing, unreadable or empty source
    │   ├── ColumnError (LookupError)          missing, duplicated, unknown or mistyped column
    │   ├── WindowError                        naive time, empty or reversed window
    │   ├── RequestError                       a row or field of a request that cannot be scored
    │   └── QualityError                       validation blocked the window
    ├── DetectorError (ValueError)             a detector refused its input or its parameters
    │   ├── UnknownDetectorError (LookupError) no such name in the catalogue
    │   ├── NotFittedError (RuntimeError)      scored before it was fitted
    │   └── FitTimeoutError (TimeoutError)     the fit did not end within its limit
    ├── ModelError (ValueError)                a bundle that cannot be used
    │   └── IntegrityError                     content does not match its recorded hash, or is not allowed
    ├── BrokerError (OSError)                  a message broker refuses, or cannot be reached
    └── RecordError (RuntimeError)             registry, ledger or store
        ├── NoChampionError (LookupError)      nothing has been promoted yet
        ├── NothingPendingError (LookupError)  no promotion waits for an answer
        ├── LeaseHeldError                     another process holds the lease for this work
        ├── ReceiverError                      a receiver did not take what was handed over, this time
        └── RefusedError                       a receiver will never take it
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from difflib import get_close_matches

__all__ = [
    "BrokerError",
    "ColumnError",
    "ConfigError",
    "DataError",
    "DetectorError",
    "FitTimeoutError",
    "IntegrityError",
    "LeaseHeldError",
    "ModelError",
    "NoChampionError",
    "NotFittedError",
    "NothingPendingError",
    "PynomalyError",
    "QualityError",
    "ReceiverError",
    "RecordError",
    "RefusedError",
    "RequestError",
    "SourceError",
    "UnknownDetectorError",
    "UnknownNameError",
    "WindowError",
    "list_allowed",
    "mask_addresses",
]


class PynomalyError(Exception):
    """Base of every error raised on purpose."""


class ConfigError(PynomalyError, ValueError):
    """A pipeline YAML or a command-line value is not usable."""


class UnknownNameError(ConfigError, LookupError):
    """Nothing on record has this name, or several things begin with it."""


class DataError(PynomalyError, ValueError):
    """The data cannot be used."""


class SourceError(DataError, OSError):
    """A source is missing, unreadable or empty."""


class ColumnError(DataError, LookupError):
    """A column is missing, duplicated, unknown or of the wrong type."""


class WindowError(DataError):
    """A time is naive, or a window is reversed or holds no rows."""


class RequestError(DataError):
    """A request over HTTP cannot be scored.

    Attributes
    ----------
    place : tuple
        Position of the wrong value, like ``("rows", 3, "speed")``.
    status : int
        HTTP status of the answer: 400 not readable, 413 too large, 422 a wrong field.
    """

    def __init__(self, message: str, place: tuple[str | int, ...] = (), status: int = 422) -> None:
        super().__init__(message)
        self.place, self.status = place, status


class QualityError(DataError):
    """Validation blocked the data."""


class DetectorError(PynomalyError, ValueError):
    """A detector refused its input or its parameters."""


class UnknownDetectorError(DetectorError, LookupError):
    """No detector of that name is in the catalogue."""


class NotFittedError(DetectorError, RuntimeError):
    """A detector was asked to score or save before it was fitted."""


class FitTimeoutError(DetectorError, TimeoutError):
    """A fit did not end within its limit."""


class ModelError(PynomalyError, ValueError):
    """A model bundle cannot be used."""


class IntegrityError(ModelError):
    """Content does not match its recorded hash, or holds something that is not allowed."""


class BrokerError(PynomalyError, OSError):
    """A message broker refuses, does not know the topic, or cannot be reached."""


class RecordError(PynomalyError, RuntimeError):
    """The registry, the ledger or the store refused or failed."""


class NoChampionError(RecordError, LookupError):
    """Nothing has been promoted for this pipeline yet."""


class NothingPendingError(RecordError, LookupError):
    """No promotion waits for an answer, or the named one does not."""


class ApprovalError(PynomalyError):
    """An approval does not count: nobody vouches for who gives it, or they asked for it themselves."""


class LeaseHeldError(RecordError):
    """Another process holds the lease for this work.

    Attributes
    ----------
    lease : str
        Name of the lease; "" where it is not known.
    """

    def __init__(self, message: str, lease: str = "") -> None:
        super().__init__(message)
        self.lease = lease


class ReceiverError(RecordError):
    """A receiver did not take what was handed over; another try may succeed.

    Attributes
    ----------
    retry_after : timedelta or None
        How long the receiver asks to wait.
    """

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RefusedError(RecordError):
    """A receiver will never take what was handed over: it is wrong for it."""


_ALL_LISTED, _LISTED_OF_MANY = 60, 20


def list_allowed(value: object, options: Iterable[object]) -> str:
    """Return a text that lists the allowed options and suggests the nearest one.

    Parameters
    ----------
    value : object
        The value that is not allowed.
    options : iterable
        The allowed values.

    Returns
    -------
    str
        ``"did you mean 'iforest'? allowed: 'hbos', 'iforest'"``, without the question when no option is near.
        Of more than 60 options, as entities may be, the first 20 and how many there are besides.
    """
    names = sorted(str(option) for option in options)
    near = get_close_matches(str(value), names, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}? " if near else ""
    shown = names if len(names) <= _ALL_LISTED else names[:_LISTED_OF_MANY]
    more = f" and {len(names) - len(shown)} more" if len(shown) < len(names) else ""
    return f"{hint}allowed: {', '.join(repr(name) for name in shown) or 'nothing'}{more}"


def mask_addresses(text: object) -> str:
    """Return `text` with everything after ``://`` in its addresses hidden; it may hold a password or a token.

    >>> masked("postgresql://me:secret@host/name is no ledger")
    'postgresql://*** is no ledger'
    """
    return re.sub(r"://[^\s'\"]+", "://***", str(text))
