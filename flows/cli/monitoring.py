"""Command ``monitor``: judges the newest window."""

from __future__ import annotations

from flows.cli.app import AsOf, Config, Json, Wait, command, print_result, run_flow
from pynomaly.config import load_pipeline

__all__ = ["monitor"]


@command("pynomaly monitor configs/quickstart.yaml --as-of 2026-01-26T00:00:00Z")
def monitor(config: Config, as_of: AsOf = "latest", wait: Wait = "", as_json: Json = False) -> None:
    """Judge the newest window: data, scores, alert rate, performance where there are labels."""
    from flows.display.monitoring import show_monitored_window

    print_result(
        run_flow("monitoring", "monitor", load_pipeline(config), as_of=as_of, wait=wait),
        as_json,
        show_monitored_window,
    )
