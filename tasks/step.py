"""How a step of the library becomes a Prefect task: one decorator, one policy.

Infrastructure that fails is tried again with back-off; bad input is not, for it will not get better.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from pynomaly.errors import PynomalyError, RecordError

__all__ = ["LISTENERS", "step", "worth_retrying"]

LISTENERS: list[Callable[[str], None]] = []
"""Who is told the name of each step that begins in this process: a command line that somebody looks at."""

P = ParamSpec("P")
R = TypeVar("R")


def worth_retrying(task: Task[Any, Any], run: TaskRun, state: State[Any]) -> bool:
    """Whether a failed task may succeed on another try: records may, input that is wrong may not."""
    try:
        state.result()
    except RecordError as error:
        return not isinstance(error, LookupError)
    except PynomalyError:
        return False
    except Exception:  # whatever it was, it was not our refusal: a second try costs little
        return True
    return False


def step(name: str, *, retries: int = 2, timeout_s: int = 3600) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Decorate a library step as a task called `name`.

    Notes
    -----
    No cache policy: the default one hashes every input, a second for a large frame, and frame hashes are
    not stable from process to process.
    """

    def decorate(do: Callable[P, R]) -> Task[P, R]:
        @wraps(do)
        def told(*given: P.args, **named: P.kwargs) -> R:
            for listener in tuple(LISTENERS):
                listener(name)
            return do(*given, **named)

        return as_task(told)

    as_task: Callable[[Callable[P, R]], Task[P, R]] = task(
        name=name,
        retries=retries,
        retry_delay_seconds=[2, 10][:retries],
        retry_condition_fn=worth_retrying,
        timeout_seconds=timeout_s,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    return decorate
