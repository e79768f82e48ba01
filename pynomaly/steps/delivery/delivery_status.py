"""How far each sink of a pipeline is: what waits, why, and what is a dead letter. Reads only."""

from __future__ import annotations

from typing import Any

from pynomaly.config import Pipeline
from pynomaly.errors import ConfigError, list_allowed
from pynomaly.records.ledger import Channel, Ledger
from pynomaly.steps.delivery.channels import count_due
from pynomaly.steps.delivery.deliverer import Deliverer

__all__ = ["describe_delivery", "plan_delivery", "require_sink"]


def require_sink(pipeline: Pipeline, name: str) -> None:
    """Raise ConfigError if the pipeline has no sink of that name; "" means all that there are."""
    names = [sink.name for sink in pipeline.sinks]
    if name and name not in names:
        raise ConfigError(f"--sink {name!r} is no sink of {pipeline.name}; {list_allowed(name, names)}")


def describe_delivery(pipeline: Pipeline, only: str = "") -> tuple[dict[str, Any], ...]:
    """Return for each channel of the sinks in the settings how far it is.

    Returns
    -------
    tuple of dict
        ``sink``, ``kind``, ``what``, ``due`` (windows, events or decisions that wait; None before the first
        run), ``dead`` (parts that are files), ``attempts``, ``error``, ``retry_at`` and ``delivered`` (the
        last success).
    """
    if not pipeline.sinks:
        return ()
    with Ledger.open(pipeline.ledger_url) as ledger:
        letters = ledger.deliveries.list_states(pipeline.name, dead=True)
        rows = []
        for sink in pipeline.sinks:
            for what in sink.what if only in ("", sink.name) else ():
                cursor = ledger.deliveries.find_state(Channel(pipeline.name, sink.name, what))
                rows.append(
                    {
                        "sink": sink.name,
                        "kind": sink.kind,
                        "what": what,
                        "due": count_due(ledger.deliveries, cursor) if cursor else None,
                        "dead": sum((item.sink, item.what) == (sink.name, what) for item in letters),
                        "attempts": cursor.attempts if cursor else 0,
                        "error": cursor.error if cursor else "",
                        "retry_at": cursor.retry_at.isoformat() if cursor and cursor.retry_at else None,
                        "delivered": cursor.delivered.isoformat() if cursor and cursor.delivered else None,
                    }
                )
    return tuple(rows)


def plan_delivery(pipeline: Pipeline, only: str = "") -> dict[str, Any]:
    """Return what waits for each sink, and by sink why it does not answer ("" if it does)."""
    with Deliverer(pipeline, only=only) as deliverer:
        answers = deliverer.check_sinks()
    return {
        "pipeline": pipeline.name,
        "sinks": list(describe_delivery(pipeline, only)),
        "answers": answers,
    }
