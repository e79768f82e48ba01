"""The rows of one window, read once: their hash and their validation are computed when asked, and kept.

Called by the steps of scoring, alerting, monitoring and reporting.
"""

from __future__ import annotations

from datetime import datetime
from functools import cached_property

import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.frame import FrameContract, hash_frame
from pynomaly.data.origin import Origin
from pynomaly.data.quality import CheckedRows, validate
from pynomaly.data.sources import WindowReader
from pynomaly.data.window import Window
from pynomaly.errors import QualityError

__all__ = ["CheckedWindow", "read_checked_window"]


class CheckedWindow:
    """Rows of a window as they were read.

    Attributes
    ----------
    key : str
        The window's key; ``all`` for a whole table.
    frame : DataFrame of shape (n, d)
        Every row, also those that validation rejects.
    origin : Origin or None
        Where each row stands in the source.
    """

    def __init__(
        self, pipeline: Pipeline, key: str, frame: pd.DataFrame, origin: Origin | None = None
    ) -> None:
        self.key, self.frame, self.origin = key, frame, origin
        self._pipeline = pipeline
        self._checked: dict[FrameContract, CheckedRows] = {}

    @cached_property
    def data_hash(self) -> str:
        """SHA-256 of the rows."""
        return hash_frame(self.frame)

    def check(self, contract: FrameContract) -> CheckedRows:
        """Validate the rows for scoring by a model with this contract; the outcome may be ``block``."""
        if contract not in self._checked:
            self._checked[contract] = validate(
                self.frame, contract, self._pipeline.quality, "score", self.origin
            )
        return self._checked[contract]

    def require_clean(self, contract: FrameContract) -> pd.DataFrame:
        """Return the rows that pass validation.

        Raises
        ------
        QualityError
            If validation blocks the window; the message has the reasons.
        """
        checked = self.check(contract)
        if checked.report.outcome == "block":
            reasons = "; ".join(checked.report.reasons)
            raise QualityError(f"{self._pipeline.name}: window {self.key} is blocked: {reasons}")
        return checked.clean


def read_checked_window(
    pipeline: Pipeline,
    window: Window | None,
    as_of: datetime | None = None,
    reader: WindowReader | None = None,
) -> CheckedWindow:
    """Read the rows of `window` (None: the whole table) from the pipeline's source.

    Parameters
    ----------
    pipeline : Pipeline
    window : Window or None
    as_of : datetime, optional
        Labels that became known later are missing.
    reader : WindowReader, optional
        Shared by the windows of one run, so that a text file is read once for all.

    Raises
    ------
    DataError
        As :func:`pynomaly.data.sources.read_source`.
    """
    rows = (reader or WindowReader(pipeline.data)).trace(window, as_of)
    return CheckedWindow(pipeline, window.key if window else "all", rows.frame, rows.origin)
