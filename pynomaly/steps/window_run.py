"""What the windows of one run share: one ledger, one registry, each bundle and each whole file once.

A run of many windows makes one and hands it to scoring and to alerting; a step without one makes its own.
Rows never leave the process: what other processes may need is written down as always.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from types import TracebackType

import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.sources import WindowReader
from pynomaly.data.sources.checked_window import CheckedWindow, read_checked_window
from pynomaly.data.window import Window
from pynomaly.judging.alerts.alert import Carrier
from pynomaly.judging.alerts.grouping import RowName
from pynomaly.model.bundle import Bundle
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry import ModelRef, Registry
from pynomaly.steps.pipeline_records import PipelineRecords

__all__ = ["WindowRun", "use_window_run"]

MAX_BUNDLES = 4
"""Bundles that stay in memory: a champion, its predecessor, a shadow, and one more."""


class WindowRun:
    """Open records and loaded models of a run; everything is opened when it is first used.

    Use it as a context manager, so that the ledger is closed.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self._reader = WindowReader(pipeline.data)
        self._bundles: dict[tuple[int, str], Bundle] = {}
        self._alert_rows: dict[tuple[str, str], pd.DataFrame] = {}
        self._carriers: dict[str, Mapping[RowName, tuple[Carrier, ...]]] = {}

    def __enter__(self) -> WindowRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if "records" in self.__dict__:
            self.records.close()

    @cached_property
    def records(self) -> PipelineRecords:
        """Everything on record of the pipeline, open until the run ends."""
        return PipelineRecords.open(self.pipeline)

    @property
    def ledger(self) -> Ledger:
        """The ledger, open until the run ends."""
        return self.records.ledger

    @property
    def registry(self) -> Registry:
        """The registry of models."""
        return self.records.registry

    def load_bundle(self, ref: ModelRef) -> Bundle:
        """Return the bundle of a version, loaded and checked once; errors are those of the registry."""
        key = (ref.version, ref.sha256)
        if key not in self._bundles:
            while len(self._bundles) >= MAX_BUNDLES:
                del self._bundles[next(iter(self._bundles))]
            self._bundles[key] = self.registry.load_bundle(ref)
        return self._bundles[key]

    def read_window(self, window: Window | None) -> CheckedWindow:
        """Return the rows of a window; errors are those of reading the source."""
        return read_checked_window(self.pipeline, window, reader=self._reader)

    def keep_alert_rows(self, window: str, data_hash: str, rows: pd.DataFrame) -> None:
        """Keep the alerting rows of a scored window, so that alerts need not read the window again.

        Parameters
        ----------
        window, data_hash : str
            The window's key, and the hash of all its rows.
        rows : DataFrame of shape (k, d)
            The clean rows that alert; the index is the position of each among the window's clean rows.
        """
        self._alert_rows[window, data_hash] = rows

    def take_alert_rows(self, window: str, data_hash: str) -> pd.DataFrame | None:
        """Return the kept rows and forget them; None if this run did not score exactly this window."""
        return self._alert_rows.pop((window, data_hash), None)

    def keep_carriers(self, window: str, carriers: Mapping[RowName, tuple[Carrier, ...]]) -> None:
        """Keep the columns that carry rows of a window, so that these rows are not explained again."""
        self._carriers[window] = carriers

    def take_carriers(self, window: str) -> Mapping[RowName, tuple[Carrier, ...]]:
        """Return the kept carriers of a window by the name of the row, and forget them."""
        return self._carriers.pop(window, {})


@contextmanager
def use_window_run(pipeline: Pipeline, run: WindowRun | None) -> Iterator[WindowRun]:
    """Yield `run`, which stays open; or a run of its own if it is None."""
    if run is not None:
        yield run
        return
    with WindowRun(pipeline) as own:
        yield own
