"""Commands of governing: who is champion and why, what was decided, taking it back, alerting otherwise."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.app import Config, Json, Reason, app, run_flow, say
from pynomaly.config import load

__all__ = ["history", "policy", "rollback", "status"]


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
        found = verify_history(load(config))
        say(found, as_json, show.verification)
        if not found["intact"]:
            raise typer.Exit(2)
        return
    if at:
        say(champion_at(load(config), parse_moment(at)), as_json, show.champion)
        return
    decisions = show.decisions
    say(history_of(load(config), limit, kind), as_json, decisions)
