"""Commands about the champion: alert policy, promotions that wait, and rollback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.app import Config, Json, Reason, command, find_console, get_user_name, print_result, run_flow
from pynomaly.config import load_pipeline

if TYPE_CHECKING:
    from pynomaly.console.client import ConsoleClient

__all__ = ["approve", "pending", "policy", "reject", "rollback"]

Version = Annotated[
    str, typer.Option("--version", help="Number of the version; empty: the only one that waits.")
]


@command("pynomaly rollback configs/quickstart.yaml --reason 'night shift'")
def rollback(config: Config, reason: Reason = "asked for on the command line", as_json: Json = False) -> None:
    """Make the previous champion champion again; a second call takes that back."""
    from flows.display.promotion import show_decision
    from pynomaly.errors import NoChampionError

    if elsewhere := find_console(config):
        client, name = elsewhere
        with client:
            champion = next((item.champion for item in client.list_pipelines() if item.name == name), None)
            if champion is None:
                raise NoChampionError(f"{name} has no champion that could be rolled back")
            decision = client.roll_back(name, champion, reason)
        print_result(decision.model_dump(mode="json"), as_json, show_decision)
        return
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

    if elsewhere := find_console(config):
        print_result(_read_pending_of_console(*elsewhere), as_json, show)
        return
    from pynomaly.records.telemetry import disable_telemetry
    from pynomaly.steps.promotion.approve import review_pending_promotions

    disable_telemetry()
    print_result(review_pending_promotions(load_pipeline(config), datetime.now(UTC)), as_json, show)


def _read_pending_of_console(client: ConsoleClient, pipeline: str) -> dict[str, Any]:
    """Return what waits by the console of ``$PYNOMALY_URL``, as beside the records."""
    with client:
        waiting = client.list_promotions(pipeline)
    items = [
        item.decision.model_dump(mode="json")
        | {
            "standing": [item.obstacle] if item.obstacle else [],
            "needed": item.needed,
            "approvals": list(item.approvals),
            "evidence": {"diff": item.diff, "diff_error": item.diff_error},
        }
        for item in waiting
    ]
    return {"pipeline": pipeline, "pending": items, "ended": []}  # a read of the console closes none


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

    if elsewhere := find_console(config):
        result = _answer_in_console(*elsewhere, flow == "approve", version, reason)
    else:
        answer = {"version": version, "reason": reason, "by": get_user_name()}
        result = run_flow("promotion", flow, load_pipeline(config), **answer)
    print_result(result, as_json, show_decision)
    if result["kind"] != kind:
        raise typer.Exit(2)


def _answer_in_console(
    client: ConsoleClient, pipeline: str, approve: bool, version: str, reason: str
) -> dict[str, Any]:
    """Return the decision that answers the only promotion that waits, or that of a version."""
    from pynomaly.errors import ConfigError, NothingPendingError

    with client:
        if not version:
            waiting = [item.version for item in client.list_promotions(pipeline)]
            if len(waiting) != 1:
                raise NothingPendingError(
                    f"{len(waiting)} promotions of {pipeline} wait; name one by --version"
                    if waiting
                    else f"no promotion of {pipeline} waits for an answer"
                )
            version = str(waiting[0])
        if not version.isdecimal():
            raise ConfigError(f"--version {version!r} is no whole number")
        decision = client.answer_promotion(pipeline, int(version), reason, approve=approve)
    return decision.model_dump(mode="json")
