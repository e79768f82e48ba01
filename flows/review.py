"""Flows of review: decisions of a person about the champion. Each is one short run and safe to repeat."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.moment import moment, named
from flows.watched import watched
from pynomaly.config import load
from pynomaly.errors import ConfigError
from tasks import governing, reporting

__all__ = ["approve", "policy", "reject", "rollback"]


@flow(name="rollback", flow_run_name=named)
def rollback(
    config: str = "configs/quickstart.yaml", reason: str = "asked for by hand", as_of: str = ""
) -> dict[str, Any]:
    """Make the previous champion champion again; a second run undoes that.

    Args:
        config: Path of the pipeline YAML.
        reason: Why, in a few words; kept with the decision.
        as_of: Moment the run stands for, with an offset; empty means the scheduled time.
    """
    pipeline = load(config)
    with watched(pipeline):
        decision = governing.rollback(pipeline, moment(pipeline, as_of), reason)
        reporting.decided_pages(pipeline, decision)
    return decision.to_dict()


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
    with watched(pipeline):
        policy_change = governing.apply_policy(pipeline, moment(pipeline, as_of), reason)
        if policy_change.decision is not None:
            reporting.decided_pages(pipeline, policy_change.decision)
    return policy_change.to_dict()


@flow(name="approve", flow_run_name=named)
def approve(
    config: str = "configs/quickstart.yaml", version: str = "", reason: str = "not said", by: str = ""
) -> dict[str, Any]:
    """Promote the version that waits for an answer, if it passes the gate again; repeating changes nothing.

    Args:
        config: Path of the pipeline YAML.
        version: Number of the version, like 3; empty means the only one that waits.
        reason: Why, in a few words; kept with the decision.
        by: Who decides; empty means this flow run, by its name.
    """
    pipeline = load(config)
    with watched(pipeline):
        decision = governing.approve(pipeline, moment(pipeline, ""), reason, _who(by), _number(version))
        reporting.decided_pages(pipeline, decision)
    return decision.to_dict()


@flow(name="reject", flow_run_name=named)
def reject(
    config: str = "configs/quickstart.yaml", version: str = "", reason: str = "not said", by: str = ""
) -> dict[str, Any]:
    """Reject the version that waits for an answer; the champion stays.

    Args:
        config: Path of the pipeline YAML.
        version: Number of the version, like 3; empty means the only one that waits.
        reason: Why, in a few words; kept with the decision.
        by: Who decides; empty means this flow run, by its name.
    """
    pipeline = load(config)
    with watched(pipeline):
        decision = governing.reject(pipeline, moment(pipeline, ""), reason, _who(by), _number(version))
        reporting.decided_pages(pipeline, decision)
    return decision.to_dict()


def _who(by: str) -> str:
    return (by.strip() or f"flow run {flow_run.name}")[:200]


def _number(version: str) -> int | None:
    text = version.strip().removeprefix("v")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ConfigError(f"version {version!r} is not a version number; write one like 3, or nothing")
    return int(text)
