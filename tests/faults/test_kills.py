"""Killed at any write, run again: one version, one partition, one decision for each piece of work.

``make test`` kills at a few boundaries of each act, spread over it; ``make faults`` (``PYNOMALY_KILLS=all``)
at every one, and then at random instants of each act, from a seed that is printed (``PYNOMALY_SEED``).
``PYNOMALY_KILLS=20`` kills at twenty boundaries of each act, ``PYNOMALY_INSTANTS=8`` at eight instants.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.life import ACTS, perform, settle, state_of, write_pipeline
from tests.processes import make_fork_context, make_process

pytestmark = pytest.mark.slow

KILLS = os.environ.get("PYNOMALY_KILLS", "1")
"""Kills an act at boundaries, or "all"."""
INSTANTS = int(os.environ.get("PYNOMALY_INSTANTS", "12" if KILLS == "all" else "0"))
"""Kills an act at instants that are no boundary."""


def run(config: Path, act: str, kill_at: int = 0, instant: float | None = None) -> tuple[int, int]:
    """Exit code of a process that performs `act`, and the boundaries it met (0 when it was killed).

    It dies at boundary `kill_at`, or `instant` seconds after its start.
    """
    counted = config.parent / "counted"
    counted.unlink(missing_ok=True)
    acting = make_process(
        make_fork_context("tests.faults.life"), perform, str(config), act, kill_at, str(counted)
    )
    acting.start()
    acting.join(instant)
    if acting.exitcode is None:
        acting.kill()
        acting.join()
    code = acting.exitcode
    acting.close()
    assert code is not None
    return code, int(counted.read_text()) if counted.exists() else 0


def spread(boundaries: int) -> list[int]:
    """Boundaries to die at: as many as are asked for, at equal distances."""
    wanted = boundaries if KILLS == "all" else min(int(KILLS), boundaries)
    return [round((place + 1) * (boundaries + 1) / (wanted + 1)) for place in range(wanted)]


def read_state(config: Path) -> dict[str, Any]:
    settle(str(config))
    return state_of(str(config))


@pytest.mark.timeout(300 if (KILLS, INSTANTS) == ("1", 0) else 7200)
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
    begun = time.monotonic()
    code, boundaries = run(config, act)
    lasted = time.monotonic() - begun
    assert code == 0
    whole = read_state(config)
    assert whole["intact"]
    assert not whole["running"]
    points = spread(boundaries)
    seed = os.environ.get("PYNOMALY_SEED", "20260119")
    draw = random.Random(f"{seed}:{act}")
    trials = [(at, None) for at in points] + [(0, draw.uniform(0, lasted)) for _ in range(INSTANTS)]
    wrong: dict[str, Any] = {}
    killed = 0
    for kill_at, instant in trials:
        name = (
            f"boundary {kill_at} of {boundaries}" if instant is None else f"{instant:.3f} s of {lasted:.1f}"
        )
        shutil.rmtree(home)
        shutil.copytree(kept, home)
        code, _ = run(config, act, kill_at, instant=instant)
        assert code == -signal.SIGKILL or (instant is not None and code == 0), f"{name} was not met"
        killed += code == -signal.SIGKILL
        code, _ = run(config, act)
        after = read_state(config)
        if after["decisions"][-1][0::2] == ("retrain", "none"):
            after["decisions"].pop()  # all was done but the last release: asked again, it is not done again
        differs = {name: (after[name], whole[name]) for name in whole if after[name] != whole[name]}
        drafts = [str(path.relative_to(home)) for path in (home / "store").rglob("*.draft")]
        if code or differs:
            wrong[name] = {"exit code": code, **differs}
        if drafts:
            wrong.setdefault(name, {})["drafts"] = drafts
    print(
        f"{act}: killed {killed} times, at {len(points)} of {boundaries} boundaries "
        f"and {INSTANTS} instants; seed {seed}"
    )
    assert not wrong
