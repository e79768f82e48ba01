"""A small life cycle in a process of its own: servers, flows and commands, with everything they say kept.

``python -m tests.security.life FOLDER`` reads ``FOLDER/machines.yaml`` and ``FOLDER/lost.yaml``, and leaves
``FOLDER/said/NN-COMMAND.txt`` with the exit code, standard output and standard error of each command.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path
from unittest.mock import patch

__all__ = ["COMMANDS", "walk"]

FIRST, WEEK = "2026-01-19T00:00:00+00:00", "2026-01-26T00:00:00+00:00"

COMMANDS = (
    ("doctor", "machines.yaml"),
    ("train", "machines.yaml", "--as-of", FIRST, "--json"),
    ("score", "machines.yaml", "--start", FIRST, "--end", "2026-01-21T00:00:00+00:00", "--json"),
    ("score", "machines.yaml", "--input", "fresh.csv", "--output", "scores.csv", "--json"),
    ("monitor", "machines.yaml", "--as-of", WEEK, "--json"),
    ("retrain", "machines.yaml", "--as-of", "2026-01-27T00:00:00+00:00", "--detector", "iforest", "--json"),
    ("status", "machines.yaml", "--json"),
    ("history", "machines.yaml", "--json"),
    ("history", "machines.yaml", "--verify"),
    ("pending", "machines.yaml"),
    ("notify", "machines.yaml", "--test", "--json"),
    ("reconcile", "machines.yaml", "--json"),
    ("notify", "machines.yaml"),
    ("doctor", "lost.yaml"),
    ("train", "lost.yaml", "--as-of", FIRST),
    ("status", "nowhere.yaml"),
)
"""What is run, in this order; the last ones cannot succeed."""


def walk(folder: Path) -> None:
    """Start Prefect's server, and run every command against it."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    from flows.cli import main
    from flows.machine.environment import configure_environment
    from flows.machine.servers import run_prefect_server

    os.chdir(folder)
    answers = folder / "said"
    answers.mkdir()
    home = Path(os.environ["PYNOMALY_HOME"])
    configure_environment(home, quiet=False)
    with run_prefect_server(home) as address:
        os.environ["PREFECT_API_URL"] = f"{address}/api"
        for number, command in enumerate(COMMANDS):
            out, code = io.StringIO(), 0
            with (
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(out),
                patch.object(sys, "argv", ["pynomaly", *command]),
            ):
                try:
                    main()
                except SystemExit as ended:
                    code = int(ended.code or 0)
            (answers / f"{number:02}-{command[0]}.txt").write_text(f"{code}\n{out.getvalue()}")
        for worker in (APILogWorker, EventsWorker):  # else they try a server that is gone, for a minute
            worker.drain_all(timeout=30)


if __name__ == "__main__":
    walk(Path(sys.argv[1]))
