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
        self._urls: dict[str, str] = {}
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
        """Return every pipeline, by name; a file that changed is read again."""
        with self._lock:
            if time.monotonic() - self._looked >= self._look_every:
                self._read()
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
        with self._lock:
            if url not in self._ledgers:
                self._ledgers[url] = Ledger.open(url)
            return self._ledgers[url]

    def list_recorded(self, url: str) -> frozenset[str]:
        """Return the pipelines with alerts in the ledger at an address, also those without settings here.

        Asked again after a minute.
        """
        ledger = self.open_ledger(url)
        return self._recorded.read(url, ledger.alert_states.list_pipelines)

    def find_ledger_url(self, pipeline: Pipeline) -> str:
        """Return the address of a pipeline's ledger, made once: it takes some looks at the environment."""
        url = self._urls.get(pipeline.name)
        if url is None:
            url = self._urls[pipeline.name] = pipeline.ledger_url
        return url

    def count_at(self, url: str) -> int:
        """Return how many pipelines keep their records at an address."""
        return sum(self.find_ledger_url(item) == url for item in self.list_pipelines())

    def group_by_ledger(
        self, pipelines: Iterable[Pipeline]
    ) -> tuple[tuple[Ledger, tuple[Pipeline, ...]], ...]:
        """Return the ledgers of pipelines, each with the pipelines that keep their records there."""
        groups: dict[str, list[Pipeline]] = {}
        for pipeline in pipelines:
            groups.setdefault(self.find_ledger_url(pipeline), []).append(pipeline)
        return tuple((self.open_ledger(url), tuple(items)) for url, items in groups.items())

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
                self._urls.pop(pipeline.name, None)
            except (PynomalyError, OSError) as error:
                problems[file.name] = str(error)
        for file in set(self._stamps) - set(files):
            self._by_file.pop(file, None)
            del self._stamps[file]
        self.problems = problems
        self._pipelines = tuple(sorted(self._by_file.values(), key=lambda item: item.name))
        self._looked = time.monotonic()
