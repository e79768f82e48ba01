"""The pipelines that the console shows: their settings from a folder, and the open ledgers of their records.

Settings are read again when a file changes. A ledger is opened once for each address and stays open: each
call of it is one short transaction, on a connection of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from pynomaly.config import Pipeline, is_pipeline_file, load_pipeline
from pynomaly.console.brief_cache import BriefCache
from pynomaly.errors import ConfigError, PynomalyError, UnknownNameError, list_allowed
from pynomaly.records.ledger import Ledger

__all__ = ["Pipelines"]


class Pipelines:
    """Settings and ledgers of some pipelines.

    Parameters
    ----------
    files : iterable of Path
        A folder stands for the YAML files in it, also for those that are added later.
    look_every_s : float
        Seconds after which files are looked at again.

    Raises
    ------
    ConfigError
        If none can be read. Of several, those that cannot are in :attr:`problems`, with the reason.
    """

    def __init__(self, files: Iterable[Path], look_every_s: float = 1.0) -> None:
        self._places, self._look_every, self._looked = tuple(files), look_every_s, float("-inf")
        self._lock = threading.Lock()
        self._stamps: dict[Path, tuple[int, int]] = {}
        self._by_file: dict[Path, Pipeline] = {}
        self._ledgers: dict[str, Ledger] = {}
        self._by_ledger: dict[str, tuple[Pipeline, ...]] = {}
        self._recorded = BriefCache(60.0)
        self.problems: Mapping[str, str] = {}
        self._pipelines: tuple[Pipeline, ...] = ()
        self._read()
        if not self._by_file:
            places = ", ".join(map(str, self._places))
            first = next(iter(self.problems.values()), "")
            raise ConfigError(first or f"no pipeline YAML in {places}; `pynomaly init DATA` writes one")

    def close(self) -> None:
        """Close the ledgers."""
        with self._lock:
            for ledger in self._ledgers.values():
                ledger.close()
            self._ledgers.clear()

    def list_pipelines(self) -> tuple[Pipeline, ...]:
        """Return every pipeline, by name; a file that changed is read again, while others go on."""
        if time.monotonic() - self._looked >= self._look_every and self._lock.acquire(blocking=False):
            try:
                self._read()
            finally:
                self._lock.release()
        return self._pipelines

    def find_pipeline(self, name: str) -> Pipeline:
        """Return a pipeline by its name.

        Raises
        ------
        UnknownNameError
            If there is none.
        """
        for pipeline in self.list_pipelines():
            if pipeline.name == name:
                return pipeline
        names = [pipeline.name for pipeline in self.list_pipelines()]
        raise UnknownNameError(f"no pipeline {name!r}; {list_allowed(name, names)}")

    def open_ledger(self, url: str) -> Ledger:
        """Return the open ledger at an address; it is not to be closed.

        Raises
        ------
        RecordError
            If it cannot be opened.
        """
        ledger = self._ledgers.get(url)
        if ledger is None:
            with self._lock:
                if url not in self._ledgers:
                    self._ledgers[url] = Ledger.open(url)
                ledger = self._ledgers[url]
        return ledger

    def list_recorded(self, url: str) -> frozenset[str]:
        """Return the pipelines with alerts in the ledger at an address, also those without settings here.

        Asked again after a minute.
        """
        ledger = self.open_ledger(url)
        return self._recorded.read(url, ledger.alert_states.list_pipelines)

    def are_all_of_ledger(self, pipelines: tuple[Pipeline, ...]) -> bool:
        """Return whether these, which share a ledger, are all that have records there."""
        url = pipelines[0].ledger_url
        if len(pipelines) < len(self._by_ledger.get(url, ())):
            return False
        return self.list_recorded(url) <= {item.name for item in pipelines}

    def group_by_ledger(
        self, pipelines: Iterable[Pipeline]
    ) -> tuple[tuple[Ledger, tuple[Pipeline, ...]], ...]:
        """Return the ledgers of pipelines, each with the pipelines that keep their records there."""
        by_ledger = self._by_ledger if pipelines is self._pipelines else _group_by_ledger(pipelines)
        return tuple((self.open_ledger(url), items) for url, items in by_ledger.items())

    def _read(self) -> None:
        """Read files that are new or changed; a file that cannot be read keeps its last settings."""
        files = [
            file
            for place in self._places
            for file in (sorted(place.glob("*.yaml")) if place.is_dir() else [place])
        ]
        problems: dict[str, str] = {}
        for file in files:
            try:
                status = file.stat()
                stamp = (status.st_mtime_ns, status.st_size)
                if self._stamps.get(file) == stamp:
                    continue
                if file not in self._places and not is_pipeline_file(file):
                    self._by_file.pop(file, None)
                    self._stamps[file] = stamp
                    continue
                pipeline = load_pipeline(file)
                same_name = [other for other, item in self._by_file.items() if item.name == pipeline.name]
                if any(other != file for other in same_name):
                    raise ConfigError(f"{file}: {pipeline.name!r} is the name of {same_name[0]}, too")
                self._by_file[file], self._stamps[file] = pipeline, stamp
            except (PynomalyError, OSError) as error:
                problems[file.name] = str(error)
        for file in set(self._stamps) - set(files):
            self._by_file.pop(file, None)
            del self._stamps[file]
        self.problems = problems
        pipelines = tuple(sorted(self._by_file.values(), key=lambda item: item.name))
        if pipelines != self._pipelines:
            self._by_ledger, self._pipelines = _group_by_ledger(pipelines), pipelines
        self._looked = time.monotonic()


def _group_by_ledger(pipelines: Iterable[Pipeline]) -> dict[str, tuple[Pipeline, ...]]:
    """Return pipelines by the address of their ledger, which takes some looks at the environment."""
    groups: dict[str, list[Pipeline]] = {}
    for pipeline in pipelines:
        groups.setdefault(pipeline.ledger_url, []).append(pipeline)
    return {url: tuple(items) for url, items in groups.items()}
