"""Child processes for tests: modules are imported once for all, and each gets the test's environment.

They are forked from a server that the whole test run shares. Without this, each would have the environment
of the test that started the server.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Any

__all__ = ["make_fork_context", "make_process"]


def make_fork_context(*preloaded: str) -> ForkServerContext:
    """Returns the context that makes processes; `preloaded` modules are imported once for all of them."""
    fork_context = multiprocessing.get_context("forkserver")
    fork_context.set_forkserver_preload(list(preloaded))
    return fork_context


def make_process(forked: ForkServerContext, target: Callable[..., object], *args: Any) -> BaseProcess:
    """Returns a process, not started, that calls ``target(*args)`` with the current environment."""
    return forked.Process(target=_run_with_environment, args=(dict(os.environ), target, args))


def _run_with_environment(
    environment: dict[str, str], target: Callable[..., object], args: tuple[Any, ...]
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    target(*args)
