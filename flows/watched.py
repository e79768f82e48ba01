"""What surrounds every flow's work: a sign of life while it runs, and people told when it ends.

A run holds a lease of its own while its process lives, so that reconcile can tell a dead one from a slow
one. Afterwards work that ended well is noted, for the dead man's switch, and new decisions are told of, also
when the run failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from prefect.runtime import flow_run

from pynomaly.config import Pipeline
from pynomaly.errors import LeaseHeldError
from pynomaly.records.ledger import Ledger
from pynomaly.steps.reconcile import beat, run_lease
from tasks.operating import tell

__all__ = ["watched"]


@contextmanager
def watched(pipeline: Pipeline, work: str = "") -> Iterator[None]:
    """Surround a flow's body; `work` names what its end in good order proves alive ("score", "monitor")."""
    with ExitStack() as stack:
        if flow_run.id:
            ledger = stack.enter_context(Ledger.open(pipeline.ledger_url))
            with suppress(LeaseHeldError):  # the run's earlier process was killed moments ago
                stack.enter_context(ledger.lease(run_lease(pipeline, str(flow_run.id))))
        try:
            yield
            if work:
                beat(pipeline, work)
        finally:
            if pipeline.notify.targets:
                tell(pipeline)
