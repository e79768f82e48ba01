"""Runs a training and writes how it ended, whether or not the console that started it still runs.

Run by ``trainings.py`` as ``python -m``, with the file of the training's fate and the command. Imports
little: it waits for as long as the training takes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pynomaly.records.process_identity import describe_own_process, describe_process

__all__ = ["run_watched"]

_NOT_STARTED = 127


def run_watched(fate: Path, command: Sequence[str]) -> int:
    """Run a command, and note in the file `fate` which processes run it and its exit code; returns that."""
    try:
        process = subprocess.Popen(command)  # nosec B603  # the console's own command, no shell
    except OSError as error:
        print(f"{command[0]} cannot be started: {error}", flush=True)
        _note(fate, code=_NOT_STARTED)
        return _NOT_STARTED
    _note(fate, processes=[describe_own_process(), describe_process(process.pid)])
    code = process.wait()
    _note(fate, code=code)
    return code


def _note(fate: Path, **facts: object) -> None:
    content = json.loads(fate.read_text(encoding="utf-8")) | facts
    draft = fate.with_suffix(".draft")
    draft.write_text(json.dumps(content), encoding="utf-8")
    os.replace(draft, fate)


if __name__ == "__main__":
    sys.exit(run_watched(Path(sys.argv[1]), sys.argv[2:]))
