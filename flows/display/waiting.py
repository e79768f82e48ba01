"""Progress on a terminal while a command takes longer than two seconds.

It is shown on standard error and removed at the end, so that the output of a command does not change. Nothing
is shown where standard error is not a terminal.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from flows.display.terminal import escape_unprintable

__all__ = ["track_progress"]

PATIENCE = 2.0
"""Seconds before progress is shown."""


@contextmanager
def track_progress(work: str, console: Console | None = None) -> Iterator[Callable[[str], None]]:
    """Show that `work` runs, for how long, and its current step.

    Yields
    ------
    callable
        Shows the name of the next step; may be called from any thread.
    """
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(20), TimeElapsedColumn())
    bar = Progress(*columns, console=console, transient=True)
    row = bar.add_task(escape_unprintable(work), total=None)
    steps: list[str] = []

    def show_step(step: str) -> None:
        steps.append(step)
        bar.update(
            row, description=f"{escape_unprintable(work)}, step {len(steps)}: {escape_unprintable(step)}"[:50]
        )

    timer = threading.Timer(PATIENCE, bar.start)
    timer.daemon = True
    timer.start()
    sys.stdout.flush()
    try:
        yield show_step
    finally:
        timer.cancel()
        timer.join()
        bar.stop()
