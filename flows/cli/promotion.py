"""Commands about the champion: alert policy, promotions that wait, and rollback."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.app import Config, Json, Reason, command, get_user_name, print_result, run_flow
from pynomaly.config import load_pipeline

__all__ = ["approve", "pending", "policy", "reject", "rollback"]

Version = Annotated[
    str, typer.Option("--version", help="Number of the version; empty: the only one that waits.")
]


@command("pynomaly rollback configs/quickstart.yaml --reason 'night shift'")
def rollback(config: Config, reason: Reason = "asked for on the command line", as_json: Json = False) -> None:
    """Make the previous champion champion again; a second call takes that back."""
    from flows.display.promotion import show_decision

    print_result(
        run_flow("promotion", "rollback", load_pipeline(config), reason=reason, as_of="latest"),
        as_json,
        show_decision,
    )


@command("pynomaly policy configs/quickstart.yaml --reason 'half the alerts'")
def policy(config: Config, reason: Reason = "asked for on the command line", as_json: Json = False) -> None:
    """Give the champion the alert policy now in CONFIG: no refit, and every score stays as it is."""
    from flows.display.promotion import show_policy_change

    print_result(
        run_flow("promotion", "policy", load_pipeline(config), reason=reason, as_of="latest"),
        as_json,
        show_policy_change,
    )


@command("pynomaly pending configs/quickstart.yaml")
def pending(config: Config, as_json: Json = False) -> None:
    """Show the promotions that wait for an answer, and what each would change."""
    from datetime import UTC, datetime

    from flows.display.promotion import show_pending_promotions as show
    from pynomaly.records.telemetry import disable_telemetry
    from pynomaly.steps.promotion.approve import review_pending_promotions

    disable_telemetry()
    print_result(review_pending_promotions(load_pipeline(config), datetime.now(UTC)), as_json, show)


@command("pynomaly approve configs/quickstart.yaml --reason 'fewer alerts'")
def approve(
    config: Config, version: Version = "", reason: Reason = "not said", as_json: Json = False
) -> None:
    """Promote the version that waits, if it passes the gate again; exit code 2 if it does not."""
    _answer_promotion("approve", "promote", config, version, reason, as_json)


@command("pynomaly reject configs/quickstart.yaml --reason 'too many alerts'")
def reject(config: Config, version: Version = "", reason: Reason = "not said", as_json: Json = False) -> None:
    """Reject the version that waits; exit code 2 if that is too late."""
    _answer_promotion("reject", "reject", config, version, reason, as_json)


def _answer_promotion(flow: str, kind: str, config: str, version: str, reason: str, as_json: bool) -> None:
    from flows.display.promotion import show_decision

    answer = {"version": version, "reason": reason, "by": get_user_name()}
    result = run_flow("promotion", flow, load_pipeline(config), **answer)
    print_result(result, as_json, show_decision)
    if result["kind"] != kind:
        raise typer.Exit(2)
