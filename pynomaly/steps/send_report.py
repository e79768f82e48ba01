"""Tell people that a report is there: one message a target and moment, through the outbox like any other.

Called on schedule, once the pages are written. The message holds what the pages say in a line each, and
where they are; it is sent with the other messages that wait.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pynomaly.config import Pipeline
from pynomaly.records.ledger import Ledger
from pynomaly.steps.notify import queue
from pynomaly.steps.reports import Page

__all__ = ["queue_report"]


def queue_report(
    pipeline: Pipeline, pages: Sequence[Page], as_of: datetime, links: Mapping[str, str] | None = None
) -> int:
    """Write a message for every target that wants ``report``; returns how many are new.

    Parameters
    ----------
    pages : sequence of Page
    as_of : datetime
        The moment the report stands for: a run that is repeated tells nobody twice.
    links : mapping of str to str, optional
        Path of a page to an address where it can be opened.
    """
    lines = []
    for page in pages:
        lines.append(f"- {page.summary}")
        lines.append(f"  {page.path}")
        if link := (links or {}).get(page.path):
            lines.append(f"  {link}")
    title = f"[pynomaly] {pipeline.name}: report as of {as_of:%Y-%m-%d %H:%M %Z}"
    with Ledger.open(pipeline.ledger_url) as ledger:
        new = queue(pipeline, ledger, "report", as_of.isoformat(), title, "\n".join(lines))
    return len(new)
