from __future__ import annotations

import fcntl
import os

import pytest

from pynomaly.errors import RecordError
from pynomaly.records.locks import hold_file_lock


def test_the_lock_is_free_again_after_its_body(tmp_path):
    for _ in range(2):
        with hold_file_lock(tmp_path / "a" / "lock"):
            pass


def test_a_lock_that_stays_held_is_named(tmp_path):
    path = tmp_path / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(RecordError, match="another process has held"), hold_file_lock(path, timeout=0.01):
        pytest.fail("two holders")
    os.close(descriptor)
    with hold_file_lock(path, timeout=0.01):
        pass
