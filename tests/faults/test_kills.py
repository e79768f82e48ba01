"""Killed at any write, run again: one version, one partition, one decision for each piece of work.

``make test`` kills at a few boundaries of each act, spread over it; ``make faults`` (``PYNOMALY_KILLS=all``)
at every one.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.faults.life import ACTS, perform, settle, state_of, write_pipeline

A_LEASE_LATER = 5 * 60 + 1.0
FEW = 1
"""Kills an act in ``make test``."""


def run(config: Path, act: str, kill_at: int = 0, later: float = 0.0) -> tuple[int, int]:
    """Exit code of a process that performs `act`, and the boundaries it met (0 when it was killed)."""
    counted = config.parent / "counted"
    counted.unlink(missing_ok=True)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.life"])
    process = context.Process(target=perform, args=(str(config), act, kill_at, later, str(counted)))
    process.start()
    process.join()
    code = process.exitcode
    process.close()
    assert code is not None
    return code, int(counted.read_text()) if counted.exists() else 0


def seen(config: Path) -> dict[str, Any]:
    settle(str(config))
    return state_of(str(config))


@pytest.mark.parametrize("act", ACTS)
def test_an_act_killed_at_any_write_and_run_again_leaves_what_one_run_leaves(act, tmp_path, monkeypatch):
    monkeypatch.delenv("PYNOMALY_HOME")
    before = tmp_path / "before"
    before.mkdir()
    config = write_pipeline(before)
    (before / ".pynomaly").mkdir()
    for earlier in ACTS:
        if earlier == act:
            break
        assert run(config, earlier)[0] == 0
    # Paths inside the stores are absolute, so every trial lives at one place, in turn.
    home, kept = before / ".pynomaly", tmp_path / "kept"
    shutil.copytree(home, kept)
    code, boundaries = run(config, act)
    assert code == 0
    whole = seen(config)
    assert whole["intact"]
    assert not whole["running"]
    everywhere = os.environ.get("PYNOMALY_KILLS") == "all"
    step = 1 if everywhere else max(1, boundaries // (FEW + 1))
    points = range(1, boundaries + 1, step) if everywhere else range(step, boundaries, step)
    wrong = {}
    for kill_at in points:
        shutil.rmtree(home)
        shutil.copytree(kept, home)
        code, _ = run(config, act, kill_at)
        assert code == -signal.SIGKILL, f"boundary {kill_at} of {boundaries} was not met"
        code, _ = run(config, act, later=A_LEASE_LATER)
        after = seen(config)
        if after["decisions"][-1][0::2] == ("retrain", "none"):
            after["decisions"].pop()  # all was done but the last release: asked again, it is not done again
        differs = {name: (after[name], whole[name]) for name in whole if after[name] != whole[name]}
        drafts = [str(path.relative_to(home)) for path in (home / "store").rglob("*.draft")]
        if code or differs:
            wrong[kill_at] = {"exit code": code, **differs}
        if drafts:
            wrong.setdefault(kill_at, {})["drafts"] = drafts
    print(f"{act}: killed at {len(points)} of {boundaries} boundaries")
    assert not wrong
