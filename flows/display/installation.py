"""What the command line prints about this installation: catalogue, settings and health."""

from __future__ import annotations

from typing import Any

from flows.display.tables import build_table, make_console

__all__ = ["show_catalogue", "show_health_checks", "show_settings"]


def show_catalogue(result: dict[str, Any]) -> None:
    """Print the catalogue of detectors: one line of properties each, and what it finds below it."""
    console = make_console()
    for item in result["detectors"]:
        properties = [item["family"], f"cost {item['cost']}"]
        if item["max_rows"] is not None:
            properties.append(f"at most {item['max_rows']} rows")
        properties += [] if item["deterministic"] else ["random by seed"]
        properties += ["keeps rows"] if item["keeps_rows"] else []
        console.print(f"{item['name']}: {', '.join(properties)}")
        console.print(f"    {item['summary']}")


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
