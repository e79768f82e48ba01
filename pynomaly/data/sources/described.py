"""Settings that describe one file, or how its cells are written: not every table of a pipeline has them.

Called by :mod:`pynomaly.data.sources` where it reads another file, or rows that were read before.
"""

from __future__ import annotations

from typing import Any

from pynomaly.config import Data

__all__ = ["drop_cell_settings", "drop_file_settings"]


def _list_defaults(*names: str) -> dict[str, Any]:
    return {name: Data.model_fields[name].get_default(call_default_factory=True) for name in names}


_FILE = _list_defaults("sheet", "encoding", "skip_rows", "comment", "header", "names", "unit_rows")

_CELLS = _list_defaults(
    "time_columns",
    "time_format",
    "epoch",
    "label_values",
    "missing_values",
    "missing_in",
    "numbers",
    "magnitudes",
    "decimal",
    "thousands",
)


def drop_file_settings(data: Data) -> Data:
    """Return the settings without those that describe the file of a pipeline, and no file of another kind."""
    return data.model_copy(update=_FILE)


def drop_cell_settings(data: Data) -> Data:
    """Return the settings without those that say how cells are written, for cells that were read already."""
    return data.model_copy(update=_CELLS)
