"""First trainings that were started from the console: a process each, with its words in a file.

The process is that of ``pynomaly train``: it holds the lease, writes the records and goes on when the console
stops. A second one waits for it (``watch_training.py``) and writes how it ended, so that a console that was
started again meanwhile knows it. What is kept here is what it printed, and how it ended.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pynomaly.console.own_data import watch_training
from pynomaly.errors import ConfigError
from pynomaly.records.process_identity import is_running
from pynomaly.records.store import write_atomically

__all__ = ["TrainingRun", "Trainings", "split_output"]

TrainingState = Literal["running", "done", "failed", "unknown"]
_MOST_AT_ONCE = 2
_TAIL_BYTES = 200_000
_LOGGED = re.compile(r"\d\d:\d\d:\d\d\.\d+ \| \w+ *\| (?:(Task) run '(.+)'|.+?) - (.*)")
_GOES_ON = re.compile(
    r"\s|$|See https?:|Traceback |During handling|The above exception|[\w.]+(Error|Exception)\b"
)


@dataclass(frozen=True)
class TrainingRun:
    """How a training that was started here goes.

    Attributes
    ----------
    state : {"running", "done", "failed", "unknown"}
        ``unknown``: the process was killed together with the one that waits for it, or runs elsewhere.
    started : datetime
    by : str
    code : int or None
        Exit code.
    steps : tuple of str
        The steps that have ended, in their order; one that was done for several candidates comes as often.
    words : str
        The end of what it printed.
    """

    state: TrainingState
    started: datetime
    by: str
    code: int | None
    steps: tuple[str, ...]
    words: str


class Trainings:
    """Starts trainings and says how they go.

    Parameters
    ----------
    folder : Path
        Of what they print.
    command : sequence of str
        Trains a pipeline when the path of its YAML is put behind it.
    """

    def __init__(self, folder: Path, command: Sequence[str]) -> None:
        self._folder, self._command = folder, tuple(command)
        self._own: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()

    def start_training(self, pipeline: str, config: Path, by: str) -> None:
        """Start the training of a pipeline.

        Raises
        ------
        ConfigError
            If it is in training already, or as many trainings run as this machine is to carry.
        """
        with self._lock:
            running = self._list_running()
            if pipeline in running:
                raise ConfigError(f"{pipeline} is in training already")
            if len(running) >= _MOST_AT_ONCE:
                names = ", ".join(running)
                raise ConfigError(f"{names} are in training; wait until one of them has ended")
            self._folder.mkdir(parents=True, exist_ok=True)
            fate = self._name_fate(pipeline)
            content: dict[str, Any] = {
                "started": datetime.now(UTC).isoformat(),
                "by": by,
                "code": None,
                "processes": [],
            }
            write_atomically(fate, json.dumps(content).encode())
            with (self._folder / f"{pipeline}.log").open("wb") as output:
                # In a session of its own: it is not stopped by what stops the console.
                process = subprocess.Popen(  # nosec B603  # our own command, no shell
                    [sys.executable, "-m", watch_training.__name__, str(fate), *self._command, str(config)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    # Its steps are read from Prefect's log, which is silent on a terminal.
                    env={**os.environ, "PREFECT_LOGGING_LEVEL": "INFO", "NO_COLOR": "1"},
                )
            self._own[pipeline] = process
        threading.Thread(target=process.wait, daemon=True).start()

    def find_training(self, pipeline: str) -> TrainingRun | None:
        """Return how the last training of a pipeline that was started here goes; None if there was none."""
        try:
            fate = json.loads(self._name_fate(pipeline).read_text(encoding="utf-8"))
            words = (self._folder / f"{pipeline}.log").read_bytes()[-_TAIL_BYTES:]
        except FileNotFoundError:
            return None
        return TrainingRun(
            self._find_state(pipeline, fate),
            datetime.fromisoformat(fate["started"]),
            fate["by"],
            fate["code"],
            *split_output(words.decode("utf-8", "replace")),
        )

    def _find_state(self, pipeline: str, fate: Mapping[str, Any]) -> TrainingState:
        if fate["code"] is not None:
            return "failed" if fate["code"] else "done"
        own = self._own.get(pipeline)
        if (own and own.poll() is None) or any(map(is_running, fate.get("processes", ()))):
            return "running"
        # It may have written how it ended between the two looks.
        code = json.loads(self._name_fate(pipeline).read_text(encoding="utf-8"))["code"]
        return "unknown" if code is None else "failed" if code else "done"

    def _list_running(self) -> list[str]:
        """Return the pipelines in training, also those that a console before this one started."""
        names = sorted(path.stem for path in self._folder.glob("*.json"))
        runs = {name: self.find_training(name) for name in names}
        return [name for name, run in runs.items() if run is not None and run.state == "running"]

    def _name_fate(self, pipeline: str) -> Path:
        return self._folder / f"{pipeline}.json"


def split_output(text: str) -> tuple[tuple[str, ...], str]:
    """Return the steps that ended, and what was printed for people, from the output of a training.

    Lines of Prefect's log, with what goes on below them, are in neither: why a training fails is printed.
    """
    steps: list[str] = []
    words: list[str] = []
    is_log = False
    for line in text.splitlines():
        if logged := _LOGGED.match(line):
            is_task, run, message = logged.groups()
            is_log = True
            if is_task and message == "Finished in state Completed()":
                steps.append(run.rpartition("-")[0])
        elif not (is_log and _GOES_ON.match(line)):
            is_log = False
            words.append(line)
    return tuple(steps), "\n".join(words).strip("\n")
