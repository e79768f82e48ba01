"""Commands about the champion: status, history, alert policy, promotions that wait, and rollback."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.app import Config, Json, Reason, app, get_user_name, print_result, run_flow
from pynomaly.config import load_pipeline

__all__ = ["approve", "history", "pending", "policy", "reject", "rollback", "status"]

Version = Annotated[
    str, typer.Option("--version", help="Number of the version; empty: the only one that waits.")
]


@app.command()
def rollback(config: Config, reason: Reason = "asked for on the command line", as_json: Json = False) -> None:
    """Make the previous champion champion again; a second call takes that back."""
    from flows.display.tables import show_decision

    print_result(
        run_flow("promotion", "rollback", load_pipeline(config), reason=reason, as_of="latest"),
        as_json,
        show_decision,
    )


@app.command()
def policy(config: Config, reason: Reason = "asked for on the command line", as_json: Json = False) -> None:
    """Give the champion the alert policy now in CONFIG: no refit, and every score stays as it is."""
    from flows.display.tables import show_policy_change

    print_result(
        run_flow("promotion", "policy", load_pipeline(config), reason=reason, as_of="latest"),
        as_json,
        show_policy_change,
    )


@app.command()
def pending(config: Config, as_json: Json = False) -> None:
    """Show the promotions that wait for an answer, and what each would change."""
    from datetime import UTC, datetime

    from flows.display.tables import show_pending_promotions as show
    from pynomaly.records.telemetry import disable_telemetry
    from pynomaly.steps.promotion.approve import review_pending_promotions

    disable_telemetry()
    print_result(review_pending_promotions(load_pipeline(config), datetime.now(UTC)), as_json, show)


@app.command()
def approve(
    config: Config, version: Version = "", reason: Reason = "not said", as_json: Json = False
) -> None:
    """Promote the version that waits, if it passes the gate again; exit code 2 if it does not."""
    _answer_promotion("approve", "promote", config, version, reason, as_json)


@app.command()
def reject(config: Config, version: Version = "", reason: Reason = "not said", as_json: Json = False) -> None:
    """Reject the version that waits; exit code 2 if that is too late."""
    _answer_promotion("reject", "reject", config, version, reason, as_json)


def _answer_promotion(flow: str, kind: str, config: str, version: str, reason: str, as_json: bool) -> None:
    from flows.display.tables import show_decision

    answer = {"version": version, "reason": reason, "by": get_user_name()}
    result = run_flow("promotion", flow, load_pipeline(config), **answer)
    print_result(result, as_json, show_decision)
    if result["kind"] != kind:
        raise typer.Exit(2)


@app.command()
def status(config: Config, as_json: Json = False) -> None:
    """Say who is champion, since when and why, and how its recent windows went."""
    from flows.display.tables import show_status
    from pynomaly.records.telemetry import disable_telemetry
    from pynomaly.steps.reporting.overview import describe_status

    disable_telemetry()
    print_result(describe_status(load_pipeline(config)), as_json, show_status)


@app.command()
def history(
    config: Config,
    limit: Annotated[int, typer.Option(min=1, help="Newest decisions to show.")] = 30,
    kind: Annotated[str, typer.Option(help="Only this kind: promote, refuse, rollback, retrain, ...")] = "",
    verify: Annotated[bool, typer.Option("--verify", help="Check the chain of hashes instead.")] = False,
    at: Annotated[str, typer.Option(help="Who was champion at this ISO time, and why.")] = "",
    as_json: Json = False,
) -> None:
    """Every decision with its reasons, newest first."""
    from flows.display import tables
    from pynomaly.data.window import parse_moment
    from pynomaly.steps.reporting.overview import describe_champion_at, read_history, verify_history

    if verify:
        verification = verify_history(load_pipeline(config))
        print_result(verification, as_json, tables.show_chain_check)
        if not verification["intact"]:
            raise typer.Exit(2)
        return
    if at:
        print_result(
            describe_champion_at(load_pipeline(config), parse_moment(at)), as_json, tables.show_past_champion
        )
        return
    print_result(read_history(load_pipeline(config), limit, kind), as_json, tables.show_history)
