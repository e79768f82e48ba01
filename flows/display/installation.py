"""What the command line prints about this installation: catalogue, settings and health."""

from __future__ import annotations

from typing import Any

from flows.display.tables import build_table, make_console

__all__ = ["show_catalogue", "show_health_checks", "show_settings"]


def show_catalogue(result: dict[str, Any]) -> None:
    """Print the catalogue of detectors."""
    columns = ("name", "family", "cost", "max_rows", "deterministic", "keeps_rows", "summary")
    rows = [[item[name] for name in columns] for item in result["detectors"]]
    make_console().print(build_table("detectors", columns, rows))


def show_settings(result: dict[str, Any]) -> None:
    """Print every setting and where its value comes from."""
    rows = [[item["key"], item["value"], item["from"]] for item in result["settings"]]
    title = f"{result['pipeline']} in {result['environment'] or 'no environment'}"
    make_console().print(build_table(title, ("key", "value", "from"), rows))
    make_console().print(f"settings {result['sha256']}")


def show_health_checks(result: dict[str, Any]) -> None:
    """Print the checks of ``pynomaly doctor``."""
    rows = [[item["state"], item["check"], item["found"], item["mend"]] for item in result["checks"]]
    make_console().print(build_table("doctor", ("state", "check", "found", "mend"), rows))
