"""Review: what a person decides about a champion. Each is one short run, safe to repeat."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.moment import moment, named
from pynomaly.config import load
from tasks import governing

__all__ = ["policy", "rollback"]


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


@flow(name="policy", flow_run_name=named)
def policy(
    config: str = "configs/quickstart.yaml", reason: str = "asked for by hand", as_of: str = ""
) -> dict[str, Any]:
    """Give the champion the alert policy now in the YAML: no refit, and every score stays as it is.

    Args:
        config: Path of the pipeline YAML.
        reason: Why, in a few words; kept with the decision.
        as_of: Moment the run stands for, with an offset; empty means the scheduled time.
    """
    pipeline = load(config)
    return governing.apply_policy(pipeline, moment(pipeline, as_of), reason).to_dict()
