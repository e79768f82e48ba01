"""Which process holds a lease, written so that another process can know that it has ended.

A text names the running system, the process and when the process started. Only a process of the same running
system that looks at the same process ids is judged; of any other, nothing is known. Where nothing is known a
process counts as alive, so that a lease of it ends by its time alone:

- in another container, on another machine, or after the machine has started again;
- under a system other than Linux and macOS, or where ``/proc`` shows another container's processes;
- where the process id exists and its start cannot be read (on macOS it never is).

Called by the leases of the ledger and by the console. Imports no other part of the package.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["describe_own_process", "describe_process", "has_ended", "is_running"]

_UNKNOWN_START = "-"


def describe_own_process() -> str:
    """Return the text of this process: system, process id and start; "" where one of them is not known."""
    return describe_process(os.getpid())


def describe_process(number: int) -> str:
    """Return the text of a process that runs here, as :func:`describe_own_process`."""
    system = _describe_system()
    if not system:
        return ""
    state = _read_state(number)
    return f"{system} {number} {state.start if state else _UNKNOWN_START}"


def is_running(process: str) -> bool:
    """Return whether the process of a text is known to run: it is of this system, and has not ended."""
    return _split(process) is not None and not has_ended(process)


def has_ended(process: str) -> bool:
    """Return whether the process of a text by :func:`describe_own_process` is known to have ended.

    A process that has the process id by now is told apart by its start. One that was killed and whose parent
    has not asked how it ended has ended.
    """
    parts = _split(process)
    if parts is None:
        return False
    number, start = parts
    try:
        os.kill(int(number), 0)  # the signal 0 is not sent: it asks whether the process is there
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        pass  # it is there and belongs to somebody else
    state = _read_state(int(number))
    if state is None or start == _UNKNOWN_START:
        return False
    return state.start != start or state.is_corpse


def _split(process: str) -> tuple[str, str] | None:
    """Return process id and start of a text; None where it is of another system, or no such text."""
    system, _, rest = process.partition(" ")
    number, _, start = rest.partition(" ")
    if not (system and number.isdigit() and start) or system != _describe_system():
        return None
    return number, start


@dataclass(frozen=True)
class _ProcessState:
    """What Linux says of a process: clock ticks from the machine's start to its own, and whether it ended."""

    start: str
    is_corpse: bool


def _read_state(number: int) -> _ProcessState | None:
    """Return the state of a process; None where the system does not say."""
    try:
        # Behind the name, which stands in brackets and may hold any character.
        values = Path(f"/proc/{number}/stat").read_bytes().rpartition(b")")[2].split()
        state, threads, start = values[0], int(values[17]), int(values[19])
    except (OSError, IndexError, ValueError):
        return None
    # The first thread may have ended while others still work.
    return _ProcessState(str(start), state in (b"Z", b"X") and threads <= 1)


def _describe_system() -> str:
    """Return a hash of what tells this running system and its process ids apart; "" where it is not known."""
    describe = _SYSTEMS.get(sys.platform)
    try:
        parts = describe() if describe else ()
    except (OSError, AttributeError):
        parts = ()
    if not all(parts) or not parts:
        return ""
    return hashlib.sha256("\n".join((socket.gethostname(), *parts)).encode()).hexdigest()[:32]


def _describe_linux() -> tuple[str, ...]:
    if os.readlink("/proc/self") != str(os.getpid()):
        return ()  # these are the processes of another namespace, under other numbers
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    # A container has process ids of its own, and may have a clock of its own, which shifts every start.
    clock = Path("/proc/self/ns/time")
    return boot, os.readlink("/proc/self/ns/pid"), os.readlink(clock) if clock.is_symlink() else "one clock"


def _describe_mac() -> tuple[str, ...]:
    session, size = ctypes.create_string_buffer(64), ctypes.c_size_t(64)
    failed = ctypes.CDLL(None).sysctlbyname(
        b"kern.bootsessionuuid", session, ctypes.byref(size), None, ctypes.c_size_t(0)
    )
    return () if failed else (session.value.decode("ascii"),)


_SYSTEMS: Mapping[str, Callable[[], tuple[str, ...]]] = {"linux": _describe_linux, "darwin": _describe_mac}
