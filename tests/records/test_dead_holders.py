"""The lease of a process that ended is taken over at once; that of one that may be alive never is."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from pynomaly.errors import LeaseHeldError
from pynomaly.records import process_identity
from pynomaly.records.ledger import Ledger
from pynomaly.records.ledger.database import read_utc_now
from pynomaly.records.process_identity import describe_own_process, has_ended
from pynomaly.steps.patient_lease import repeat_when_free
from tests.processes import make_fork_context, make_process
from tests.records.holders import hold_until_killed, take_once

LEASE = "train:machines"
FORKED = make_fork_context("tests.records.holders")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux about processes")


@contextmanager
def run_holder(address: str) -> Iterator[Any]:
    """A process that holds the lease; it is killed at the end."""
    is_held = FORKED.Event()
    holder = make_process(FORKED, hold_until_killed, address, LEASE, is_held)
    holder.start()
    try:
        assert is_held.wait(120)
        yield holder
    finally:
        holder.kill()
        holder.join()
        holder.close()


def write_process(address: str, process: str) -> None:
    """Let the lease be that of another process."""
    engine = create_engine(address)
    with engine.begin() as connection:
        connection.execute(text("UPDATE leases SET process = :process"), {"process": process})
    engine.dispose()


def is_free(ledger: Ledger) -> bool:
    try:
        with ledger.hold_lease(LEASE, "another", renew=False):
            return True
    except LeaseHeldError:
        return False


def test_the_lease_of_a_killed_process_is_taken_over_at_once_and_that_is_on_record(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Ledger.open(address) as ledger:
        with run_holder(address) as holder:
            assert not is_free(ledger)
            os.kill(holder.pid, signal.SIGKILL)
            holder.join()
            with caplog.at_level(logging.WARNING), ledger.hold_lease(LEASE, "the next") as lease:
                (dead,) = ledger.list_decisions("machines", "lease")
                assert [item.name for item in ledger.outbox.list_lease_holders()] == [LEASE]
                lease.renew()
            reason = f"process {holder.pid} on"
        assert (dead.subject, dead.outcome, dead.evidence["taken_by"]) == (LEASE, "taken over", "the next")
        assert dead.reasons[0].startswith(reason)
        assert dead.reasons[0] in caplog.text
        assert is_free(ledger)
        assert len(ledger.list_decisions("machines", "lease")) == 1
        assert ledger.verify_chain().intact


def test_a_process_that_stands_still_keeps_its_lease_until_its_time_is_over(address: str) -> None:
    later = read_utc_now() + timedelta(minutes=6)
    with run_holder(address) as holder, Ledger.open(address) as ledger:
        os.kill(holder.pid, signal.SIGSTOP)
        assert not is_free(ledger)
        with Ledger.open(address, clock=lambda: later) as past_its_time:
            assert is_free(past_its_time)
        assert ledger.list_decisions("machines", "lease") == ()


def test_a_killed_process_whose_parent_has_not_asked_for_it_has_ended() -> None:
    command = "from pynomaly.records.process_identity import *; print(describe_own_process()); input()"
    child = subprocess.Popen([sys.executable, "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    with child.stdin, child.stdout:
        process = child.stdout.readline().decode().strip()
        assert not has_ended(process)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and still in the table
        assert has_ended(process)
        child.wait()
    assert has_ended(process)


def test_a_process_id_that_somebody_else_has_by_now_does_not_keep_the_lease(address: str) -> None:
    system, number, start = describe_own_process().split()
    with Ledger.open(address) as ledger, ledger.hold_lease(LEASE, renew=False):
        write_process(address, f"{system} {number} {int(start) - 1}")
        assert is_free(ledger)


@pytest.mark.parametrize("process", ["", "another-system 1 2", "no sense", "{system} 1", "{system} x 2"])
def test_of_another_system_or_an_older_edition_nothing_is_known(address: str, process: str) -> None:
    system = describe_own_process().split()[0]
    with Ledger.open(address) as ledger, ledger.hold_lease(LEASE, renew=False):
        write_process(address, process.format(system=system))
        assert not is_free(ledger)
        assert not ledger.outbox.list_lease_holders()[0].is_dead()


@pytest.mark.parametrize("link", ["/proc/self/ns/pid", "/proc/self/ns/time"])
def test_another_container_on_the_same_machine_is_another_system(
    link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the same host name and boot, and a process with the id of the holder is dead there."""
    process = describe_own_process()
    dead = f"{process.split()[0]} {find_free_process_id()} 7"
    assert has_ended(dead)
    read_link = os.readlink
    monkeypatch.setattr(os, "readlink", lambda path: "pid:[1]" if str(path) == link else read_link(path))
    assert not has_ended(dead)
    assert describe_own_process().split()[0] != process.split()[0]


def test_the_same_container_after_the_machine_has_started_again_is_another_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dead = f"{describe_own_process().split()[0]} {find_free_process_id()} 7"
    read_text = Path.read_text

    def read_later_boot(path: Path, *arguments: Any, **named: Any) -> str:
        return "another boot" if path.name == "boot_id" else read_text(path, *arguments, **named)

    monkeypatch.setattr(Path, "read_text", read_later_boot)
    assert not has_ended(dead)


def test_where_the_table_is_that_of_other_processes_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    dead = f"{describe_own_process().split()[0]} {find_free_process_id()} 7"
    monkeypatch.setattr(os, "readlink", lambda path: "17")  # /proc of the machine, seen from a container
    assert (describe_own_process(), has_ended(dead)) == ("", False)


def test_a_process_whose_start_is_hidden_counts_as_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    system, number, start = describe_own_process().split()
    other_start = f"{system} {number} {int(start) - 1}"
    assert has_ended(other_start)
    monkeypatch.setattr(process_identity, "_read_state", lambda number: None)
    assert not has_ended(other_start)
    assert has_ended(f"{system} {find_free_process_id()} 7")  # that there is none is known all the same


def test_on_a_mac_a_process_that_is_gone_has_ended_and_one_that_is_there_has_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Library:
        """The C library of macOS."""

        def __init__(self, name: None) -> None:
            assert name is None

        def sysctlbyname(self, name: bytes, value: Any, *_: Any) -> int:
            assert name == b"kern.bootsessionuuid"
            value.value = b"6E2A"
            return 0

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", Library)
    monkeypatch.setattr(process_identity, "_read_state", lambda number: None)
    system, number, start = describe_own_process().split()
    assert (number, start) == (str(os.getpid()), "-")
    assert not has_ended(f"{system} {number} -")
    assert has_ended(f"{system} {find_free_process_id()} -")
    monkeypatch.setattr(sys, "platform", "win32")
    assert (describe_own_process(), has_ended(f"{system} {find_free_process_id()} -")) == ("", False)


def test_of_four_that_want_the_lease_of_a_dead_process_one_gets_it(address: str) -> None:
    with run_holder(address):
        pass
    start, results = FORKED.Event(), FORKED.Queue()
    workers = [make_process(FORKED, take_once, address, LEASE, start, results) for _ in range(4)]
    for worker in workers:
        worker.start()
    start.set()
    answers = sorted(results.get(timeout=120) for _ in workers)
    for worker in workers:
        worker.kill()
        worker.join()
        worker.close()
    results.close()
    results.join_thread()
    assert answers == ["held", "refused", "refused", "refused"]


def test_work_that_may_wait_is_done_once_the_lease_is_free(address: str) -> None:
    with Ledger.open(address) as ledger:
        held = ledger.hold_lease(LEASE, renew=False)
        held.__enter__()
        tries: list[bool] = []

        def work() -> str:
            """It meets the holder, which is done a moment later."""
            try:
                with ledger.hold_lease(LEASE, renew=False):
                    return "done"
            finally:
                tries.append(True)
                if len(tries) == 1:
                    held.__exit__(None, None, None)

        with pytest.raises(LeaseHeldError):
            repeat_when_free(lambda: list(map(is_refused, [ledger])), address, 0)
        assert repeat_when_free(work, address, 60) == "done"
        assert len(tries) == 2


def is_refused(ledger: Ledger) -> None:
    with ledger.hold_lease(LEASE, renew=False):
        pass


def find_free_process_id() -> int:
    """The id of a process that has just ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    return child.pid
