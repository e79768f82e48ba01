"""Flow ``deliver``: hands what is due, or what was refused, to the sinks of a pipeline."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.run_guard import guard_run
from flows.run_moment import format_run_name
from pynomaly.config import load_pipeline
from pynomaly.steps.delivery.delivery_status import describe_delivery, require_sink
from tasks import delivery

__all__ = ["deliver"]


@flow(name="deliver", flow_run_name=format_run_name)
def deliver(
    config: str = "configs/quickstart.yaml", sink: str = "", redeliver: bool = False
) -> dict[str, Any]:
    """Deliver scores, alerts and decisions that sinks have not received; repeating changes nothing.

    Args:
        config: Path of the pipeline YAML.
        sink: Name of one sink; empty means all.
        redeliver: Hand over dead letters again: what a receiver refused, or did not take for too long.
    """
    pipeline = load_pipeline(config)
    require_sink(pipeline, sink)
    with guard_run(pipeline, delivers=False):
        results = delivery.deliver_to_sinks(pipeline, sink, redeliver, at_once=True)
    return {
        "pipeline": pipeline.name,
        "channels": [item.to_dict() for item in results],
        "sinks": list(describe_delivery(pipeline, sink)),
    }
