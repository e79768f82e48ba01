"""Flows of review: decisions of a person about the champion. Each is one short run and safe to repeat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.run_guard import guard_run
from flows.run_moment import format_run_name, resolve_run_moment
from pynomaly.config import Pipeline, load_pipeline
from pynomaly.errors import ConfigError
from pynomaly.records.ledger import Decision
from pynomaly.steps.promotion.apply_policy import PolicyChange
from tasks import promotion, reporting

__all__ = ["approve", "decide_audit", "policy", "reject", "rollback"]


@flow(name="rollback", flow_run_name=format_run_name)
def rollback(
    config: str = "configs/quickstart.yaml", reason: str = "asked for by hand", as_of: str = ""
) -> dict[str, Any]:
    """Make the previous champion champion again; a second run undoes that.

    Args:
        config: Path of the pipeline YAML.
        reason: Why, in a few words; kept with the decision.
        as_of: Moment the run stands for, with an offset; empty means the scheduled time.
    """
    return _decide_and_publish(
        config,
        lambda pipeline: promotion.rollback(pipeline, resolve_run_moment(pipeline, as_of), reason),
    )


@flow(name="policy", flow_run_name=format_run_name)
def policy(
    config: str = "configs/quickstart.yaml", reason: str = "asked for by hand", as_of: str = ""
) -> dict[str, Any]:
    """Give the champion the alert policy now in the YAML: no refit, and every score stays as it is.

    Args:
        config: Path of the pipeline YAML.
        reason: Why, in a few words; kept with the decision.
        as_of: Moment the run stands for, with an offset; empty means the scheduled time.
    """
    return _decide_and_publish(
        config,
        lambda pipeline: promotion.apply_policy(pipeline, resolve_run_moment(pipeline, as_of), reason),
    )


@flow(name="approve", flow_run_name=format_run_name)
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
    return _decide_and_publish(
        config,
        lambda pipeline: promotion.approve_promotion(
            pipeline, resolve_run_moment(pipeline, ""), reason, _name_actor(by), _parse_version(version)
        ),
    )


@flow(name="reject", flow_run_name=format_run_name)
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
    return _decide_and_publish(
        config,
        lambda pipeline: promotion.reject_promotion(
            pipeline, resolve_run_moment(pipeline, ""), reason, _name_actor(by), _parse_version(version)
        ),
    )


@flow(name="decide-audit", flow_run_name=format_run_name)
def decide_audit(
    config: str = "configs/quickstart.yaml", audit: str = "", as_of: str = "", by: str = ""
) -> dict[str, Any]:
    """Take the verdict of a decided audit to the gate; repeating changes nothing.

    Args:
        config: Path of the pipeline YAML.
        audit: Its name; empty means the newest.
        as_of: Moment the run stands for, with an offset; empty means the scheduled time.
        by: Who decides; empty means this flow run, by its name.
    """
    return _decide_and_publish(
        config,
        lambda pipeline: promotion.decide_by_audit(
            pipeline, resolve_run_moment(pipeline, as_of), audit, _name_actor(by)
        ),
    )


def _decide_and_publish(config: str, decide: Callable[[Pipeline], Decision | PolicyChange]) -> dict[str, Any]:
    """Run `decide` under the guard of a run, write the pages that its decision changes, and return it."""
    pipeline = load_pipeline(config)
    with guard_run(pipeline):
        result = decide(pipeline)
        decision = result.decision if isinstance(result, PolicyChange) else result
        if decision is not None:  # a policy that the champion has already changes nothing
            reporting.publish_decision_pages(pipeline, decision)
    return result.to_dict()


def _name_actor(by: str) -> str:
    return (by.strip() or f"flow run {flow_run.name}")[:200]


def _parse_version(version: str) -> int | None:
    text = version.strip().removeprefix("v")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ConfigError(f"version {version!r} is not a version number; write one like 3, or nothing")
    return int(text)
