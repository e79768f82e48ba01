"""A child that cannot outlive its parent: ``python -m flows.leash COMMAND ...``.

The parent holds the other end of this process's standard input. When that pipe closes, however the parent
ended (also by ``kill -9``, after which it can tidy nothing), the command and everything it started in this
process group are asked to end, and made to after a grace. Standard library alone: it starts in milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from types import FrameType

__all__ = ["lead"]

GRACE_S = 15.0


def lead(command: list[str]) -> int:
    """Run `command` until it ends or standard input closes; signals to the group are the command's to obey.

    Returns
    -------
    int
        The command's exit status, 128 and the signal's number if a signal ended it.

    Notes
    -----
    Must lead its own process group (``start_new_session=True``): the whole group is ended.
    """
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def stay(number: int, frame: FrameType | None) -> None:
        """The command got the group's signal too, and may take its time: a second one would hurry it."""

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stay)
    threading.Thread(target=_watch, args=(child,), daemon=True).start()
    status = child.wait()
    return status if status >= 0 else 128 - status


def _watch(child: subprocess.Popen[bytes]) -> None:
    while os.read(0, 1024):
        pass
    with contextlib.suppress(ProcessLookupError):
        os.killpg(0, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(lead(sys.argv[1:]))
