"""The cells of a table that are looked at: names of columns, text cells, numbers of their lines.

A text is read through its encoding and dialect; a workbook as a grid; Parquet, Feather and JSON lines by
their readers. Of a long file the head, pieces at even distances and the end are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.data.intake.findings import Choice
from pynomaly.data.sources import SOURCES, infer_source_kind
from pynomaly.data.sources.text.files import is_glob, require_path
from pynomaly.data.sources.text.files import list_files as list_source_files

__all__ = ["EDGE", "FILES", "MOST_ROWS", "Sample", "list_files"]

MOST_ROWS = 24_000

FILES = 8

EDGE = 3_000


@dataclass
class Sample:
    """The cells of a table that are looked at.

    Attributes
    ----------
    cells : DataFrame of shape (n, d), object
        Text without blanks around it; the empty text where a cell is empty.
    lines : ndarray of shape (n,), int
        Line of the file on which each row starts, from 1; of a typed table the row.
    rows : int
        Rows of the whole table, counted or estimated.
    whole : bool
        Whether `cells` holds every row.
    typed : dict
        Columns that the file itself types: ``number``, ``moment``, ``flag``.
    header_line : int or None
    settings : dict
        Settings under ``data`` that are found already: encoding, separator and the like.
    choices, notes : list
    """

    cells: pd.DataFrame
    lines: np.ndarray[Any, np.dtype[np.int64]]
    rows: int
    whole: bool
    typed: dict[str, str] = field(default_factory=dict)
    header_line: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    choices: list[Choice] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Names of the columns in the order of the file."""
        return [str(name) for name in self.cells.columns]


def list_files(path: str | Path, kind: str | None = None) -> tuple[str, list[Path]]:
    """Return the kind of source and the files of a path: one file, a folder, or a pattern with `*`.

    Raises
    ------
    SourceError
        If nothing lies there.
    """
    text = str(path)
    if not is_glob(text):
        require_path(text, folder=True)
    chosen = kind or infer_source_kind(text, "csv")
    endings = SOURCES[chosen].endings if chosen in SOURCES else ()
    return chosen, [Path(item).expanduser() for item in list_source_files(text, endings)]
