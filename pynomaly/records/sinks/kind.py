"""What delivery needs to know of a kind of sink; each module of a kind has one, called `SINK`.

Called by :mod:`pynomaly.records.sinks.kinds`, which lists the kinds, and by the kinds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import pandas as pd

__all__ = ["Part", "Receiver", "SinkKind"]


@dataclass(frozen=True)
class Part:
    """Rows that are handed over together.

    Attributes
    ----------
    what : {"scores", "alerts", "decisions"}
    subject : str
        What the rows are of: the key of a window, or the first and the last position in the ledger. Safe as
        a file name.
    revision : str
        SHA-256 of the scores of the window, "" for alerts and decisions: another one replaces the window.
    rows : DataFrame of shape (n, d)
        The first column is ``key``: text that names the row, the same however often it is sent. ``time`` is
        aware, or missing. Cells are text, numbers, truth values, times, or missing.
    first, total : int
        Position of the first row among the `total` rows of the subject.
    """

    pipeline: str
    what: str
    subject: str
    revision: str
    rows: pd.DataFrame
    first: int = 0
    total: int = 0

    @property
    def is_last(self) -> bool:
        """Whether no rows of the subject follow."""
        return self.first + len(self.rows) >= self.total

    @property
    def name(self) -> str:
        """Text that names the part."""
        return f"{self.pipeline}/{self.what}/{self.subject}/{self.revision[:16] or 0}/{self.first}"


class Receiver(ABC):
    """An open receiver; use it as a context manager, so that its connections are closed.

    Several threads may hand parts over at once, each those of another table.
    """

    @abstractmethod
    def deliver(self, part: Part) -> None:
        """Hand a part over; returns when the receiver has it.

        Raises
        ------
        ReceiverError
            If the receiver did not take it now: another try may succeed.
        RefusedError
            If it will never take it.
        """

    @abstractmethod
    def check(self) -> str:
        """Return what answers, without changing anything; errors are those of `deliver`."""

    @abstractmethod
    def close(self) -> None:
        """Close what is open."""

    def __enter__(self) -> Receiver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class SinkKind:
    """How a kind of receiver is opened.

    Attributes
    ----------
    open_receiver : callable
        ``(settings, secrets)`` to a receiver: the settings of this kind, and by name what opens it.
    takes_windows_whole : bool
        Whether the scores of a window come in one part, whatever ``batch`` says.
    """

    open_receiver: Callable[[Any, Mapping[str, str]], Receiver]
    takes_windows_whole: bool = False
