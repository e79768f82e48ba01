"""Who is champion right now: asked of the registry again and again, outside of any request.

A request takes the model that is loaded at that moment and keeps it to its end; a new one takes its place as
a whole, once it has passed its hash and its golden rows. While the registry cannot be reached, the last
champion goes on serving, and :attr:`Live.problem` says why it may be old.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from pynomaly.config import Pipeline
from pynomaly.config.data import PAST
from pynomaly.errors import ColumnError, PynomalyError
from pynomaly.model.bundle import Bundle
from pynomaly.records.registry import ModelRef, Registry

__all__ = ["Live", "Served"]


@dataclass(frozen=True, eq=False)
class Served:
    """A champion that is loaded and checked."""

    ref: ModelRef
    bundle: Bundle


class Live:
    """The champion of a pipeline, kept up to date.

    Attributes
    ----------
    served : Served or None
        None until something was promoted and could be loaded.
    problem : str
        Why the last question to the registry, or the load it led to, failed; empty when it did not.
    asked_at : float
        When the registry last said who is champion, as `time.monotonic`.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.served: Served | None = None
        self.problem = ""
        self.asked_at = time.monotonic()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def refresh(self) -> bool:
        """Ask who is champion, and load it if it is another one; True where that changed what is served.

        Nothing is raised: whatever goes wrong is kept as :attr:`problem`, and the old champion stays.
        """
        try:
            registry = Registry.of(self.pipeline)
            ref = registry.alias(self.pipeline.name, "champion")
            if self.served is not None and self.served.ref.sha256 == ref.sha256:
                changed = self.served.ref.version != ref.version
                if changed:
                    self.served = Served(ref, self.served.bundle)
            else:
                bundle = registry.load(ref)
                _readable(self.pipeline, bundle)
                bundle.verify_golden()
                self.served, changed = Served(ref, bundle), True
        except PynomalyError as error:
            self.problem = str(error)
            return False
        self.problem, self.asked_at = "", time.monotonic()
        return changed

    def follow(self) -> None:
        """Refresh now, and every ``serving.refresh`` until :meth:`close`."""
        self.refresh()
        every = self.pipeline.serving.refresh.total_seconds()

        def again() -> None:
            while not self._ended.wait(every):
                self.refresh()

        self._thread = threading.Thread(target=again, name="champion", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop asking."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()


def _readable(pipeline: Pipeline, bundle: Bundle) -> None:
    """The features of a row's past that the model reads must be those that this configuration makes."""
    read = bundle.contract.numeric
    for name in read:
        column, _, feature = name.rpartition(":")
        if feature in PAST and column in read and name not in pipeline.data.series.names:
            raise ColumnError(
                f"the champion reads {name!r}, a feature of a row's past that data.series does not make; "
                "serve it with the configuration it was trained with"
            )
