"""No server outlives the process that started it, not even one that is killed without a chance to tidy."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

# Starts a child on a leash, as `pynomaly up` does; the child starts a child of its own and says both ids.
PARENT = """
import sys, time
from pathlib import Path
from flows.machine.servers import _run_child
code = '''
import os, subprocess, sys, time
inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
print(os.getpid(), inner.pid, flush=True)
time.sleep(300)
'''
with _run_child([sys.executable, "-c", code], Path(sys.argv[1])) as child:
    print(child.pid, flush=True)
    if sys.argv[2] == "wait":
        time.sleep(300)
"""


def alive(pid: int) -> bool:
    """Whether `pid` runs; one that ended and was not yet collected does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def until(check, within_s: float = 30.0):
    for attempt in Retrying(
        stop=stop_after_delay(within_s),
        wait=wait_fixed(0.1),
        retry=retry_if_exception_type((AssertionError, ValueError, FileNotFoundError)),
        reraise=True,
    ):
        with attempt:
            return check()
    raise AssertionError("unreachable")


def started(log: Path) -> list[int]:
    first, second = log.read_text().split()
    return [int(first), int(second)]


def test_children_and_grandchildren_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(log), "wait"], stdout=subprocess.PIPE, start_new_session=True
    )
    assert parent.stdout is not None
    leash = int(parent.stdout.readline())
    family = [leash, *until(lambda: started(log))]
    assert all(alive(pid) for pid in family)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()

    def gone() -> None:
        assert not [pid for pid in family if alive(pid)]

    until(gone)


def test_a_command_that_ends_by_itself_is_reported_with_its_status() -> None:
    def status(code: str) -> int:
        command = [sys.executable, "-m", "flows.machine.parent_guard", sys.executable, "-c", code]
        with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as leash:
            return leash.wait(30)

    assert status("raise SystemExit(7)") == 7
    assert status("import os, signal; os.kill(os.getpid(), signal.SIGKILL)") == 128 + 9
