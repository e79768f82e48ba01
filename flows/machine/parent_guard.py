"""Runs a command that ends when its parent ends: ``python -m flows.machine.parent_guard COMMAND ...``.

The parent holds the other end of this process's standard input. That pipe closes whenever the parent ends,
also by ``kill -9``, when the parent cannot clean up. The command and everything it started in this process
group then get SIGTERM, and SIGKILL after `GRACE_S` seconds. Only the standard library is used, so that the
process starts in milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from types import FrameType

__all__ = ["run_guarded_command"]

GRACE_S = 15.0


def run_guarded_command(command: list[str]) -> int:
    """Run `command` until it ends or standard input closes.

    Returns
    -------
    int
        The command's exit status, 128 and the signal's number if a signal ended it.

    Notes
    -----
    This process must lead its own process group (``start_new_session=True``): the whole group is ended.
    It ignores signals to the group, which the command receives too.
    """
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def ignore_signal(number: int, frame: FrameType | None) -> None:
        """Ignore the signal: the command received it too, and a second one would cut its shutdown short."""

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ignore_signal)
    threading.Thread(target=_end_group_with_parent, args=(child,), daemon=True).start()
    status = child.wait()
    return status if status >= 0 else 128 - status


def _end_group_with_parent(child: subprocess.Popen[bytes]) -> None:
    """Wait until standard input closes, then end the process group."""
    while os.read(0, 1024):
        pass
    with contextlib.suppress(ProcessLookupError):
        os.killpg(0, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(run_guarded_command(sys.argv[1:]))
