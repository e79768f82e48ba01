"""Alerts and decisions handed over by whoever writes them down outside a run, as the console does.

Scores are left to the runs. A sink is served only where what opens it can be read here: another process may
have it, and a failure noted here would make that one wait. A folder of this machine is left to the runs as
well, and a broker without an address: in another container they are not the same.
"""

from __future__ import annotations

from pynomaly.config import Pipeline, Sink, list_secret_keys, read_variable
from pynomaly.config.delivery import TopicSink
from pynomaly.errors import ConfigError
from pynomaly.steps.delivery.deliverer import ChannelResult, Deliverer

__all__ = ["deliver_events", "list_event_sinks"]

_EVENTS = ("alerts", "decisions")


def list_event_sinks(pipeline: Pipeline) -> tuple[Sink, ...]:
    """Return the sinks that receive alerts or decisions and can be opened by this process."""
    return tuple(
        sink for sink in pipeline.sinks if set(_EVENTS) & set(sink.what) and _can_be_opened_here(sink)
    )


def deliver_events(pipeline: Pipeline) -> tuple[ChannelResult, ...]:
    """Deliver the alerts and decisions that are due, each sink once; one that fails is asked again later.

    Raises
    ------
    RecordError
        If the ledger fails.
    """
    sinks = list_event_sinks(pipeline)
    if not sinks:
        return ()
    with Deliverer(pipeline, patient=False) as deliverer:
        return tuple(
            deliverer.deliver_channel(sink, what) for sink in sinks for what in sink.what if what in _EVENTS
        )


def _can_be_opened_here(sink: Sink) -> bool:
    """Return whether each variable that is named is set, no secret is in a block, and no place is implied."""
    secrets = list_secret_keys(sink).values()
    try:
        if any(block or (variable and not read_variable(variable)) for variable, block in secrets):
            return False
    except ConfigError:  # the next run asks again, and says why
        return False
    if isinstance(sink, TopicSink):
        return bool(sink.address_env)
    return "://" in getattr(sink, "folder", "://")
