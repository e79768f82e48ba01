"""Notify people of a new report: one message per target and moment, sent through the outbox.

Called on schedule, after the pages are written. The message holds one line of summary and the address of each
page; it is sent with the other waiting messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pynomaly.config import Pipeline
from pynomaly.records.ledger import Ledger
from pynomaly.steps.notices.queue_notice import Notice, queue_notice
from pynomaly.steps.reporting.reports import WrittenPage

__all__ = ["queue_report"]


def queue_report(
    pipeline: Pipeline, pages: Sequence[WrittenPage], as_of: datetime, links: Mapping[str, str] | None = None
) -> int:
    """Queue a message for every target that subscribes to ``report``; returns the number of new ones.

    Parameters
    ----------
    pages : sequence of WrittenPage
    as_of : datetime
        The moment of the report: a repeated run notifies nobody twice.
    links : mapping of str to str, optional
        Maps the path of a page to an address where it can be opened.
    """
    lines = []
    for page in pages:
        lines.append(f"- {page.summary}")
        lines.append(f"  {page.path}")
        if link := (links or {}).get(page.path):
            lines.append(f"  {link}")
    title = f"[pynomaly] {pipeline.name}: report as of {as_of:%Y-%m-%d %H:%M %Z}"
    with Ledger.open(pipeline.ledger_url) as ledger:
        files = tuple(page.path for page in pages)
        notice = Notice("report", as_of.isoformat(), title, "\n".join(lines), files=files)
        return len(queue_notice(pipeline, ledger, notice))
