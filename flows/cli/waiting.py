"""What is being done, on a terminal, while a command takes longer than two seconds.

On standard error and gone at the end, so that what a command prints stays what it was; elsewhere nothing.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from flows.cli.terminal import printable

__all__ = ["waiting"]

PATIENCE = 2.0
"""Seconds in which a person does not ask what is going on."""


@contextmanager
def waiting(work: str, console: Console | None = None) -> Iterator[Callable[[str], None]]:
    """Show that `work` goes on, how long it has, and the steps it has come to.

    Yields
    ------
    callable
        Tells of the next step, from any thread.
    """
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(20), TimeElapsedColumn())
    bar = Progress(*columns, console=console, transient=True)
    row = bar.add_task(printable(work), total=None)
    steps: list[str] = []

    def tell(step: str) -> None:
        steps.append(step)
        bar.update(row, description=f"{printable(work)}, step {len(steps)}: {printable(step)}"[:50])

    timer = threading.Timer(PATIENCE, bar.start)
    timer.daemon = True
    timer.start()
    sys.stdout.flush()
    try:
        yield tell
    finally:
        timer.cancel()
        timer.join()
        bar.stop()
