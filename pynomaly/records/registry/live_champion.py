"""The current champion, refreshed from the registry at regular intervals, outside of requests.

A request uses the model that is loaded when it starts, until its end. A new champion replaces the old one as
a whole, after its hash and its golden rows are verified. While the registry cannot be reached, the last
champion is still served, and :attr:`LiveChampion.problem` says why it may be out of date.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from pynomaly.config import Pipeline
from pynomaly.config.series import PAST_FEATURES
from pynomaly.detectors.numerics.compiled import expect_much_work
from pynomaly.errors import ColumnError, PynomalyError
from pynomaly.model.bundle import Bundle
from pynomaly.records.registry import ModelRef, Registry

__all__ = ["LiveChampion", "ServedModel"]


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A champion that is loaded and verified."""

    ref: ModelRef
    bundle: Bundle


class LiveChampion:
    """The champion of a pipeline, kept up to date; called by ``web`` and the workers of streams.

    Parameters
    ----------
    pipeline : Pipeline
    warm : bool
        Whether a new champion scores and explains a row before it is served, so that none waits for that.

    Attributes
    ----------
    served : ServedModel or None
        None until a model has been promoted and loaded.
    problem : str
        Why the last refresh failed (registry or load); empty if it did not fail.
    asked_at : float
        Time of the last successful refresh, from `time.monotonic`.
    """

    def __init__(self, pipeline: Pipeline, *, warm: bool = False) -> None:
        self.pipeline, self._warm = pipeline, warm
        self.served: ServedModel | None = None
        self.problem = ""
        self.asked_at = time.monotonic()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def refresh(self) -> bool:
        """Ask the registry for the champion and load it if it is new; return whether the served one changed.

        A PynomalyError is not raised but stored in :attr:`problem`, and the old champion stays.
        """
        try:
            registry = Registry.open_for(self.pipeline)
            ref = registry.resolve_alias(self.pipeline.name, "champion")
            if self.served is not None and self.served.ref.sha256 == ref.sha256:
                changed = self.served.ref.version != ref.version
                if changed:
                    self.served = ServedModel(ref, self.served.bundle)
            else:
                bundle = registry.load_bundle(ref)
                _check_readable(self.pipeline, bundle)
                bundle.verify_golden()
                if self._warm:
                    _warm_up(bundle)
                self.served, changed = ServedModel(ref, bundle), True
        except PynomalyError as error:
            self.problem = str(error)
            return False
        self.problem, self.asked_at = "", time.monotonic()
        return changed

    def follow(self) -> None:
        """Refresh now, and every ``serving.refresh`` until :meth:`close`."""
        self.refresh()
        interval = self.pipeline.serving.refresh.total_seconds()

        def refresh_repeatedly() -> None:
            while not self._ended.wait(interval):
                self.refresh()

        self._thread = threading.Thread(target=refresh_repeatedly, name="champion", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop refreshing and wait for the thread to end."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()


def _warm_up(bundle: Bundle) -> None:
    """Score and explain a golden row by the loops that many rows take: what they load is then loaded."""
    expect_much_work()
    bundle.score(bundle.golden.iloc[:1])
    bundle.explain(bundle.golden.iloc[:1])


def _check_readable(pipeline: Pipeline, bundle: Bundle) -> None:
    """Raise ColumnError if the model reads a past that this configuration does not give it."""
    if bundle.detector.looks_back and not pipeline.data.series.past:
        raise ColumnError(
            f"the champion ({bundle.detector.name}) looks back on earlier rows and data.series.past is 0; "
            "serve it with the configuration it was trained with"
        )
    model_columns = bundle.contract.numeric
    for name in model_columns:
        column, _, feature = name.rpartition(":")
        if feature in PAST_FEATURES and column in model_columns and name not in pipeline.data.series.names:
            raise ColumnError(
                f"the champion reads {name!r}, a feature of a row's past that data.series does not make; "
                "serve it with the configuration it was trained with"
            )
    learned = bundle.facts.get("graph")
    now = None if pipeline.data.graph is None else pipeline.data.graph.to_record()
    if learned is not None and now != learned:
        raise ColumnError(
            f"the champion learned edges by data.graph {learned}, and it is {now}; serve it with the "
            "configuration it was trained with"
        )
