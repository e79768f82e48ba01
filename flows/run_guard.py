"""Guard around every flow's work: a lease while it runs, and notices to people when it ends.

A run holds its own lease while its process lives, so that reconcile can tell a dead run from a slow one.
Afterwards successful work is noted for the dead man's switch, people are notified of new decisions, and sinks
receive what was written down, also when the run failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from prefect.runtime import flow_run

from pynomaly.config import Pipeline
from pynomaly.errors import LeaseHeldError
from pynomaly.records.ledger import Ledger
from pynomaly.steps.operations.reconcile import name_run_lease, record_heartbeat
from tasks.delivery import deliver_to_sinks, open_channels
from tasks.operations import notify_people

__all__ = ["guard_run"]


@contextmanager
def guard_run(pipeline: Pipeline, work: str = "", *, delivers: bool = True) -> Iterator[None]:
    """Guard the body of a flow.

    Parameters
    ----------
    work : str
        The work that its success proves alive: "score" or "monitor".
    delivers : bool
        Whether what it wrote down is delivered to the sinks when it ends.
    """
    with ExitStack() as stack:
        if flow_run.id:
            ledger = stack.enter_context(Ledger.open(pipeline.ledger_url))
            # Suppressed: an earlier process of this run, killed moments ago, still holds the lease.
            with suppress(LeaseHeldError):
                stack.enter_context(ledger.hold_lease(name_run_lease(pipeline, str(flow_run.id))))
        if pipeline.sinks:
            open_channels(pipeline)
        try:
            yield
            if work:
                record_heartbeat(pipeline, work)
        finally:
            if pipeline.notify.targets:
                notify_people(pipeline)
            if pipeline.sinks and delivers:
                deliver_to_sinks(pipeline)
