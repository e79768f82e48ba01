"""A command that takes long says on a terminal what it does, and nowhere else."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from flows.display import waiting as module
from flows.display.waiting import track_progress
from tests.machines import make_machines, make_small_settings


def shown(monkeypatch: pytest.MonkeyPatch, patience: float, *steps: str, terminal: bool = True) -> str:
    monkeypatch.setattr(module, "PATIENCE", patience)
    began, out = threading.Event(), io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=100)
    from rich.progress import Progress

    start = Progress.start
    monkeypatch.setattr(Progress, "start", lambda bar: (start(bar), began.set()))
    with track_progress("pumps: train", console) as tell:
        if patience < 1 and terminal:
            assert began.wait(30)
        for step in steps:
            tell(step)
    return out.getvalue()


def test_a_terminal_shows_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = shown(monkeypatch, 0.0, "prepare", "fit\x1b[2J candidate")
    assert "pumps: train" in printed
    assert "step 2: fit\\x1b[2J candidate" in printed


def test_what_is_quick_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "pumps" not in shown(monkeypatch, 1000.0, "prepare")


def test_elsewhere_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, 0.0, "prepare", terminal=False) == ""


@pytest.mark.flow
@pytest.mark.timeout(300)
def test_a_training_shows_its_steps_and_prints_what_it_prints(tmp_path: Path) -> None:
    make_machines(28).to_csv(tmp_path / "machines.csv", index=False)
    (tmp_path / "machines.yaml").write_text(yaml.safe_dump(make_small_settings()))
    ours, terminal = pty.openpty()
    command = [sys.executable, "-m", "flows.cli", "train", "machines.yaml", "--json"]
    environment = os.environ | {"PYNOMALY_HOME": str(tmp_path / "home"), "TERM": "xterm", "COLUMNS": "100"}
    environment.pop("PREFECT_API_URL", None)  # it starts a server of its own
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=terminal,
        stdin=subprocess.DEVNULL,
    )
    os.close(terminal)
    blocks = []

    def read() -> None:
        while True:
            try:
                block = os.read(ours, 4096)
            except OSError:  # the other end is closed
                return
            blocks.append(block)

    reader = threading.Thread(target=read)
    reader.start()
    output, _ = process.communicate()
    reader.join()
    os.close(ours)
    assert process.returncode == 0
    assert json.loads(output)["registered"]["version"] == 1
    assert "machines: train, step" in b"".join(blocks).decode()
