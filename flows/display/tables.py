"""The console of the command line and its tables: nothing is wider than the terminal, no word is broken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.display.terminal import escape_unprintable

__all__ = ["PlainConsole", "build_table", "make_console"]


class PlainConsole(Console):
    """Console that prints text literally: no markup, and unprintable characters are escaped."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print like rich, without markup and with unprintable characters escaped."""
        printable_objects = [
            escape_unprintable(item, lines=True) if isinstance(item, str) else item for item in objects
        ]
        super().print(*printable_objects, **{**options, "markup": False})


def make_console() -> Console:
    """Returns the console that all commands print to."""
    return PlainConsole(highlight=False)


def build_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Returns a plain table; floats have three decimals, None is a dash."""
    rich_table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for column in columns:
        rich_table.add_column(column, overflow="fold")
    for row in rows:
        rich_table.add_row(*(_format_cell(value) for value in row))
    return rich_table


def _format_cell(value: object) -> Text:
    if value is None:
        return Text("-")
    return Text(f"{value:.3f}" if isinstance(value, float) else escape_unprintable(str(value), lines=True))
