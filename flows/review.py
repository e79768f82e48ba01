"""Review: what a person decides about a champion. Rolling back is one short run, safe to repeat."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.moment import moment, named
from pynomaly.config import load
from tasks import governing

__all__ = ["rollback"]


@flow(name="rollback", flow_run_name=named)
def rollback(
    config: str = "configs/quickstart.yaml", reason: str = "asked for by hand", as_of: str = ""
) -> dict[str, Any]:
    """Make the previous champion champion again; run it once more to take that back.

    Args:
        config: Path of the pipeline YAML.
        reason: Why, in a few words; kept with the decision.
        as_of: Moment the run stands for, with an offset; empty means the scheduled time.
    """
    pipeline = load(config)
    return governing.rollback(pipeline, moment(pipeline, as_of), reason).to_dict()
