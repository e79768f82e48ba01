"""The console of the command line and its tables: nothing is wider than the terminal, and no word is broken.

A word longer than the terminal, like a path, is printed whole on a line of its own, so that it can be copied.
Called by the modules beside this one and by the demo.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from flows.display.terminal import escape_unprintable

__all__ = ["FittingTable", "PlainConsole", "build_table", "make_console"]

_INDENT = "    "


class PlainConsole(Console):
    """Console that prints text literally, and wraps it between words.

    Markup is text, unprintable characters are escaped, and what is wrapped keeps its indent.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        """Print like rich, without markup, with whole words and without unprintable characters."""
        whole = bool(options.pop("soft_wrap", False))
        texts = [self._lay_out(item, whole) if isinstance(item, str) else item for item in objects]
        options |= {"markup": False, "crop": False, "no_wrap": True, "overflow": "ignore"}
        super().print(*texts, **options)

    def _lay_out(self, text: str, whole: bool) -> Text:
        lines = escape_unprintable(text, lines=True).split("\n")
        if not whole:
            lines = [part for line in lines for part in _wrap_line(line, self.width)]
        return Text("\n".join(lines), overflow="ignore", no_wrap=True)


def make_console() -> Console:
    """Returns the console that all commands print to."""
    return PlainConsole(highlight=False)


@dataclass(frozen=True)
class FittingTable:
    """A table that fits the width at which it is printed.

    Columns are narrowed down to their longest word, the widest first. Rows with words too long for that are
    printed as lines, one for each cell, with the column's name before it; where most are, all are.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines; each is at most `options.max_width` wide, unless a single word is wider."""
        bar, rule, cross = ("|", "-", "+") if options.ascii_only else ("┃", "━", "╇")
        separator = "|" if options.ascii_only else "│"
        for line in _wrap_line(self.title, options.max_width):
            yield Text(line, style="italic", no_wrap=True, overflow="ignore")
        gaps = 3 * (len(self.columns) - 1)
        fitting = self._pick_fitting_rows(options.max_width - gaps)
        if any(fitting):
            kept = [row for row, fits in zip(self.rows, fitting, strict=True) if fits]
            widths = _share_width([self.columns, *kept], options.max_width - gaps)
            for line in _lay_out_row(self.columns, widths, bar):
                yield Text(line, style="bold", no_wrap=True, overflow="ignore")
            yield Text(f"{rule}{cross}{rule}".join(rule * width for width in widths), no_wrap=True)
        for row, fits in zip(self.rows, fitting, strict=True):
            lines = (
                _lay_out_row(row, widths, separator) if fits else self._lay_out_record(row, options.max_width)
            )
            for line in lines:
                yield Text(line, no_wrap=True, overflow="ignore")

    def _pick_fitting_rows(self, space: int) -> list[bool]:
        """Returns for each row whether it is part of the table; the ones with the longest words are not."""
        longest = [[_measure_word(cell) for cell in row] for row in self.rows]
        fitting = [True] * len(self.rows)
        heads = [_measure_word(name) for name in self.columns]
        while any(fitting):
            kept = [row for row, fits in zip(longest, fitting, strict=True) if fits]
            if sum(max(words) for words in zip(heads, *kept, strict=True)) <= space:
                break
            excess = [
                sum(max(word - head, 0) for word, head in zip(words, heads, strict=True)) if fits else -1
                for words, fits in zip(longest, fitting, strict=True)
            ]
            widest = max(excess)
            if widest <= 0:  # not even the names of the columns fit
                return [False] * len(self.rows)
            fitting = [fits and size < widest for fits, size in zip(fitting, excess, strict=True)]
        return fitting if 2 * sum(fitting) >= len(fitting) else [False] * len(fitting)

    def _lay_out_record(self, row: tuple[str, ...], width: int) -> Iterator[str]:
        """Yield a line for each cell that is not empty: with its name, all but the first indented."""
        for number, (name, cell) in enumerate(zip(self.columns, row, strict=True)):
            if number and not cell:
                continue
            label = (_INDENT if number else "") + (f"{name}: " if name else "")
            for line in (label + cell.replace("\n", f"\n{_INDENT}{_INDENT}")).split("\n"):
                yield from _wrap_line(line, width)


def build_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> FittingTable:
    """Returns a plain table; floats have three decimals, None is a dash."""
    return FittingTable(title, tuple(columns), tuple(tuple(map(_format_cell, row)) for row in rows))


def _format_cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else escape_unprintable(str(value), lines=True)


def _measure_word(cell: str) -> int:
    return max(map(cell_len, cell.split()), default=0)


def _wrap_line(line: str, width: int) -> list[str]:
    """Returns `line` in parts of at most `width`, broken between words, with its indent before each part."""
    if cell_len(line) <= width:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.wrap(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ) or [line]


def _share_width(rows: Sequence[Sequence[str]], space: int) -> list[int]:
    """Returns a width for each column: all it asks for, or the widest are narrowed to fit `space`."""
    columns = list(zip(*rows, strict=True))
    widths = [max(cell_len(line) for cell in column for line in cell.split("\n")) for column in columns]
    least = [max(map(_measure_word, column)) for column in columns]
    while sum(widths) > space:
        shrinkable = [place for place in range(len(widths)) if widths[place] > least[place]]
        widths[max(shrinkable, key=lambda place: widths[place])] -= 1
    return widths


def _lay_out_row(row: Sequence[str], widths: Sequence[int], bar: str) -> Iterator[str]:
    """Yield the lines of one row; a cell that is longer than its column goes on in the next line."""
    cells = [
        [part for line in cell.split("\n") for part in _wrap_line(line, width)]
        for cell, width in zip(row, widths, strict=True)
    ]
    for number in range(max(map(len, cells))):
        parts = [lines[number] if number < len(lines) else "" for lines in cells]
        padded = (part + " " * (width - cell_len(part)) for part, width in zip(parts, widths, strict=True))
        yield f" {bar} ".join(padded).rstrip()
