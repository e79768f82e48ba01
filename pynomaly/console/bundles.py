"""Models that were asked for stay in memory, a few of them: loading one takes a second."""

from __future__ import annotations

import threading

from pynomaly.config import Pipeline
from pynomaly.model.bundle import Bundle
from pynomaly.records.registry import Registry

__all__ = ["BundleCache"]


class BundleCache:
    """Bundles by place, name and version; those not used for longest are forgotten.

    Parameters
    ----------
    most : int
        Bundles that are kept.
    """

    def __init__(self, most: int = 8) -> None:
        self._most, self._lock = most, threading.Lock()
        self._bundles: dict[tuple[str, str, int], Bundle] = {}

    def load_bundle(self, pipeline: Pipeline, version: int) -> Bundle:
        """Return the bundle of a version; errors are those of the registry."""
        key = (pipeline.tracking_uri, pipeline.name, version)
        with self._lock:
            bundle = self._bundles.pop(key, None)
            if bundle is None:
                registry = Registry.open_for(pipeline)
                bundle = registry.load_bundle(registry.find_version(pipeline.name, version))
            self._bundles[key] = bundle
            while len(self._bundles) > self._most:
                del self._bundles[next(iter(self._bundles))]
            return bundle
