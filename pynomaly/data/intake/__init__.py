"""Reads a table as people have it and says why: encoding, marks, times, truth, entity, roles of columns.

A reading is made once by :func:`read_table`; it drives the drafted YAML and what the screen shows. A later
file is read the same way, by the settings that the reading decides.

Called by `flows`, `console.own_data`, `console.api`, `console.pages` and `steps`. May import `places`,
`shape`, `relations`, `sources`, the modules of `data` and the wings below `data`.
"""

from __future__ import annotations

from pynomaly.data.intake.describe import describe_reading
from pynomaly.data.intake.draft import CANDIDATES, list_settings, make_slug, render_draft
from pynomaly.data.intake.findings import ROLES, Choice, ColumnReading, Reading, TimeReading
from pynomaly.data.intake.reading import read_table
from pynomaly.data.intake.sample import list_files
from pynomaly.data.intake.trial import try_reading

__all__ = [
    "CANDIDATES",
    "ROLES",
    "Choice",
    "ColumnReading",
    "Reading",
    "TimeReading",
    "describe_reading",
    "list_files",
    "list_settings",
    "make_slug",
    "read_table",
    "render_draft",
    "try_reading",
]
