"""Commands about the champion: status, history, alert policy, promotions that wait, and rollback."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.app import Config, Json, Reason, app, run_flow, say, user_name
from pynomaly.config import load

__all__ = ["approve", "history", "pending", "policy", "reject", "rollback", "status"]

Version = Annotated[
    str, typer.Option("--version", help="Number of the version; empty: the only one that waits.")
]


@app.command()
def rollback(config: Config, reason: Reason = "asked for on the command line", as_json: Json = False) -> None:
    """Make the previous champion champion again; a second call takes that back."""
    from flows.show import decision

    say(run_flow("review", "rollback", load(config), reason=reason, as_of="latest"), as_json, decision)


@app.command()
def policy(config: Config, reason: Reason = "asked for on the command line", as_json: Json = False) -> None:
    """Give the champion the alert policy now in CONFIG: no refit, and every score stays as it is."""
    from flows.show import policy_applied

    say(run_flow("review", "policy", load(config), reason=reason, as_of="latest"), as_json, policy_applied)


@app.command()
def pending(config: Config, as_json: Json = False) -> None:
    """Show the promotions that wait for an answer, and what each would change."""
    from datetime import UTC, datetime

    from flows.show import pending_promotions as show
    from pynomaly.records.telemetry import switch_off
    from pynomaly.steps.approve import pending_promotions

    switch_off()
    say(pending_promotions(load(config), datetime.now(UTC)), as_json, show)


@app.command()
def approve(
    config: Config, version: Version = "", reason: Reason = "not said", as_json: Json = False
) -> None:
    """Promote the version that waits, if it passes the gate again; exit code 2 if it does not."""
    _answer("approve", "promote", config, version, reason, as_json)


@app.command()
def reject(config: Config, version: Version = "", reason: Reason = "not said", as_json: Json = False) -> None:
    """Reject the version that waits; exit code 2 if that is too late."""
    _answer("reject", "reject", config, version, reason, as_json)


def _answer(flow: str, kind: str, config: str, version: str, reason: str, as_json: bool) -> None:
    from flows.show import decision

    answer = {"version": version, "reason": reason, "by": user_name()}
    result = run_flow("review", flow, load(config), **answer)
    say(result, as_json, decision)
    if result["kind"] != kind:
        raise typer.Exit(2)


@app.command()
def status(config: Config, as_json: Json = False) -> None:
    """Say who is champion, since when and why, and how its recent windows went."""
    from flows.show import overview
    from pynomaly.records.telemetry import switch_off
    from pynomaly.steps.overview import status_of

    switch_off()
    say(status_of(load(config)), as_json, overview)


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
    from flows import show
    from pynomaly.data.window import parse_moment
    from pynomaly.steps.overview import champion_at, history_of, verify_history

    if verify:
        verification = verify_history(load(config))
        say(verification, as_json, show.verification)
        if not verification["intact"]:
            raise typer.Exit(2)
        return
    if at:
        say(champion_at(load(config), parse_moment(at)), as_json, show.champion)
        return
    say(history_of(load(config), limit, kind), as_json, show.decisions)
