"""Decorator that makes a Prefect task of a library step, with the same retry policy for all.

Failed infrastructure is retried with back-off; invalid input is not, because it stays invalid.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from pynomaly.errors import PynomalyError, RecordError

__all__ = ["STEP_LISTENERS", "is_worth_retrying", "pipeline_task"]

STEP_LISTENERS: list[Callable[[str], None]] = []
"""Called with the name of each step that starts in this process, for the progress display of a terminal."""

P = ParamSpec("P")
R = TypeVar("R")


def is_worth_retrying(task: Task[Any, Any], run: TaskRun, state: State[Any]) -> bool:
    """Returns whether a retry of a failed task may succeed: failed records may, invalid input may not."""
    try:
        state.result()
    except RecordError as error:
        return not isinstance(error, LookupError)
    except PynomalyError:
        return False
    except Exception:  # an unknown error, not a refusal of ours: a second try costs little
        return True
    return False


def pipeline_task(
    name: str, *, retries: int = 2, timeout_s: int = 3600
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Decorate a library step as a task called `name`.

    Notes
    -----
    There is no cache policy: the default one hashes every input, which takes a second for a large frame, and
    frame hashes differ between processes.
    """

    def decorate(library_step: Callable[P, R]) -> Task[P, R]:
        @wraps(library_step)
        def notify_and_run(*args: P.args, **kwargs: P.kwargs) -> R:
            for listener in tuple(STEP_LISTENERS):
                listener(name)
            return library_step(*args, **kwargs)

        return as_task(notify_and_run)

    as_task: Callable[[Callable[P, R]], Task[P, R]] = task(
        name=name,
        retries=retries,
        retry_delay_seconds=[2, 10][:retries],
        retry_condition_fn=is_worth_retrying,
        timeout_seconds=timeout_s,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    return decorate
