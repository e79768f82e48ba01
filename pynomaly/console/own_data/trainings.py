"""First trainings that were started from the console: a process each, with its words in a file.

The process is that of ``pynomaly train``: it holds the lease, writes the records and goes on when the console
stops. What is kept here is what it printed, and how it ended.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pynomaly.errors import ConfigError
from pynomaly.records.store import write_atomically

__all__ = ["TrainingRun", "Trainings", "split_output"]

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
        ``unknown``: the console was started again meanwhile, and nobody waits for the process.
    started : datetime
    by : str
    code : int or None
        Exit code.
    steps : tuple of str
        The steps that have ended, in their order; one that was done for several candidates comes as often.
    words : str
        The end of what it printed.
    """

    state: Literal["running", "done", "failed", "unknown"]
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
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()

    def start_training(self, pipeline: str, config: Path, by: str) -> None:
        """Start the training of a pipeline.

        Raises
        ------
        ConfigError
            If it is in training already, or as many trainings run as this machine is to carry.
        """
        with self._lock:
            if pipeline in self._running:
                raise ConfigError(f"{pipeline} is in training already")
            if len(self._running) >= _MOST_AT_ONCE:
                names = ", ".join(sorted(self._running))
                raise ConfigError(f"{names} are in training; wait until one of them has ended")
            self._folder.mkdir(parents=True, exist_ok=True)
            words = self._folder / f"{pipeline}.log"
            self._write_fate(pipeline, {"started": datetime.now(UTC).isoformat(), "by": by, "code": None})
            with words.open("wb") as output:
                # In a session of its own: it is not stopped by what stops the console.
                process = subprocess.Popen(  # nosec B603  # our own command, no shell
                    [*self._command, str(config)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    # Its steps are read from Prefect's log, which is silent on a terminal.
                    env={**os.environ, "PREFECT_LOGGING_LEVEL": "INFO", "NO_COLOR": "1"},
                )
            self._running[pipeline] = process
        threading.Thread(target=self._await_end, args=(pipeline, process), daemon=True).start()

    def find_training(self, pipeline: str) -> TrainingRun | None:
        """Return how the last training of a pipeline that was started here goes; None if there was none."""
        try:
            fate = json.loads((self._folder / f"{pipeline}.json").read_text(encoding="utf-8"))
            words = (self._folder / f"{pipeline}.log").read_bytes()[-_TAIL_BYTES:]
        except FileNotFoundError:
            return None
        code = fate["code"]
        state: Literal["running", "done", "failed", "unknown"] = "unknown"
        if code is not None:
            state = "failed" if code else "done"
        elif pipeline in self._running:
            state = "running"
        return TrainingRun(
            state,
            datetime.fromisoformat(fate["started"]),
            fate["by"],
            code,
            *split_output(words.decode("utf-8", "replace")),
        )

    def _await_end(self, pipeline: str, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        fate = json.loads((self._folder / f"{pipeline}.json").read_text(encoding="utf-8"))
        with self._lock:
            self._write_fate(pipeline, {**fate, "code": code})
            del self._running[pipeline]

    def _write_fate(self, pipeline: str, fate: dict[str, object]) -> None:
        write_atomically(self._folder / f"{pipeline}.json", json.dumps(fate).encode())


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
