"""Guard around every flow's work: a lease while it runs, and notices to people when it ends.

A run holds its own lease while its process lives, so that reconcile can tell a dead run from a slow one.
Afterwards successful work is noted for the dead man's switch, and people are notified of new decisions, also
when the run failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from prefect.runtime import flow_run

from pynomaly.config import Pipeline
from pynomaly.errors import LeaseHeldError
from pynomaly.records.ledger import Ledger
from pynomaly.steps.operations.reconcile import name_run_lease, record_heartbeat
from tasks.operations import notify_people

__all__ = ["guard_run"]


@contextmanager
def guard_run(pipeline: Pipeline, work: str = "") -> Iterator[None]:
    """Guard the body of a flow; `work` ("score", "monitor") names the work that its success proves alive."""
    with ExitStack() as stack:
        if flow_run.id:
            ledger = stack.enter_context(Ledger.open(pipeline.ledger_url))
            # Suppressed: an earlier process of this run, killed moments ago, still holds the lease.
            with suppress(LeaseHeldError):
                stack.enter_context(ledger.hold_lease(name_run_lease(pipeline, str(flow_run.id))))
        try:
            yield
            if work:
                record_heartbeat(pipeline, work)
        finally:
            if pipeline.notify.targets:
                notify_people(pipeline)
