"""Processes of their own for tests, which import once what they need and take the test's environment.

They are forked from a server that a whole test run shares: left alone, each would find the environment of
whichever test came first.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Any

__all__ = ["context", "process"]


def context(*preloaded: str) -> ForkServerContext:
    """Where processes come from; `preloaded` modules are imported once for all of them."""
    forked = multiprocessing.get_context("forkserver")
    forked.set_forkserver_preload(list(preloaded))
    return forked


def process(forked: ForkServerContext, target: Callable[..., object], *args: Any) -> BaseProcess:
    """A process, not started, that calls ``target(*args)`` under the environment of this moment."""
    return forked.Process(target=_under, args=(dict(os.environ), target, args))


def _under(environment: dict[str, str], target: Callable[..., object], args: tuple[Any, ...]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    target(*args)
