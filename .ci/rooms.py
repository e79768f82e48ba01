"""The rooms of the house: which may import which, and which module is the door to which vendor's library.

This table is the only place where the rules stand. `tests/test_architecture.py` holds every import to it,
`picture.py` draws it, and the floors in `docs/architecture.md` are printed from it.

A *wing* is a package of the library, or `tasks`, or `flows`. A *room* is a sub-package of a wing, or a module
that stands above one. All other modules of a wing are its *ground*, the room named `GROUND`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

__all__ = [
    "DOORS",
    "GROUND",
    "WINGS",
    "Wing",
    "allowed_wings",
    "draw_floors",
    "list_rooms_below",
    "sort_by_floor",
]

GROUND = "modules"
"""The modules of a wing that are no room of their own."""


@dataclass(frozen=True)
class Wing:
    """One row of the table.

    Attributes
    ----------
    holds : str
        What the wing holds, in a few words.
    below : tuple of str
        The wings that it imports. What those import, it may import too.
    rooms : mapping of str to tuple of str
        Each room, and the rooms of the same wing that it imports; what those import, it may import too. A
        wing without sub-packages has none.
    """

    holds: str
    below: tuple[str, ...] = ()
    rooms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


WINGS: Mapping[str, Wing] = {
    "flows": Wing(
        "Prefect flows and the command line: wiring alone",
        ("tasks", "serving", "console"),
        {
            "machine": (),
            "display": (),
            GROUND: ("machine",),
            "demo": (GROUND, "display"),
            "serve": (GROUND,),
            "cli": ("demo",),
        },
    ),
    "console": Wing(
        "what waits for people, as pages and as an API",
        ("steps",),
        {
            GROUND: (),
            "queries": (GROUND,),
            "access": (GROUND,),
            "own_data": (GROUND,),
            "live": (GROUND,),
            "client": ("own_data",),
            "context": ("access", "own_data", "live"),
            "actions": ("context",),
            "api": ("actions", "queries"),
            "pages": ("api",),
            "graph": ("api",),
            "app": ("pages", "graph"),
        },
    ),
    "tasks": Wing("steps as Prefect tasks: retries, artifacts, events", ("steps",)),
    "serving": Wing("the champion's scores over HTTP", ("records",)),
    "steps": Wing(
        "gather facts, ask, write down",
        ("records",),
        {
            GROUND: (),
            "notices": (GROUND,),
            "alerting": ("notices",),
            "training": ("alerting",),
            "promotion": ("training",),
            "delivery": ("alerting",),
            "scoring": ("promotion",),
            "monitoring": ("promotion",),
            "reporting": ("scoring", "monitoring", "delivery"),
            "operations": ("scoring", "monitoring", "delivery"),
            "replay": ("monitoring",),
            "streaming": ("scoring", "delivery"),
        },
    ),
    "records": Wing(
        "what is kept: ledger, registry, store, pages",
        ("judging",),
        {
            GROUND: (),
            "databases": (GROUND,),
            "ledger": (GROUND,),
            "registry": ("databases",),
            "pages": (GROUND,),
            "store": ("ledger",),
            "sinks": ("store",),
            "notices": ("sinks",),
        },
    ),
    "judging": Wing(
        "pure decisions",
        ("model",),
        {
            GROUND: (),
            "comparison": (GROUND,),
            "drift": ("comparison",),
            "account": ("drift",),
            "alerts": ("comparison",),
        },
    ),
    "model": Wing(
        "the bundle that is registered",
        ("detectors", "data"),
        {
            "entities": (),
            GROUND: ("entities",),
            "dependence": (GROUND,),
            "sketch": ("dependence",),
            "calibration": ("dependence",),
            "provenance": ("calibration",),
            "scoring": ("calibration",),
            "fitting": ("scoring",),
            "explanation": ("sketch", "scoring"),
            "bundle_files": ("calibration", "sketch"),
            "bundle": ("bundle_files", "fitting", "explanation", "provenance"),
            "isolated_check": ("bundle",),
            "window_alerts": ("bundle",),
            "serving": ("bundle",),
        },
    ),
    "detectors": Wing(
        "methods that give rows a score",
        ("config",),
        {
            "numerics": (),
            GROUND: ("numerics",),
            "methods": (GROUND,),
            "series": ("methods",),
            "contract": (GROUND,),
            "catalogue_page": ("contract",),
        },
    ),
    "data": Wing(
        "windows, sources, quality",
        ("config",),
        {
            GROUND: (),
            "places": (),
            "shape": (GROUND,),
            "relations": (GROUND,),
            "sources": (GROUND, "places", "shape", "relations"),
            "brokers": (GROUND,),
            "intake": ("sources",),
            "migration": ("sources",),
            "streams": ("sources", "brokers"),
        },
    ),
    "config": Wing("settings and their bounds", ("errors",), {"spelling": (), GROUND: ("spelling",)}),
    "errors": Wing("one tree of errors"),
}
"""Wings from the top of the house to the bottom."""

DOORS: Mapping[str, tuple[str, ...]] = {
    "pyod": ("pynomaly/detectors/pyod_door.py",),
    "torch": ("pynomaly/detectors/torch_door.py",),
    "great_expectations": ("pynomaly/data/expectations.py",),
    "icalendar": ("pynomaly/data/incidents.py",),
    "holidays": ("pynomaly/data/holidays_door.py",),
    "optuna": ("pynomaly/steps/training/tuning.py",),
    "yaml": ("pynomaly/config/spelling/plain_yaml.py",),
    "boto3": ("pynomaly/data/places/bucket.py",),
    "fsspec": ("pynomaly/data/places/remote.py",),
    "deltalake": ("pynomaly/records/sinks/delta.py",),
    "google": ("pynomaly/records/sinks/google_token.py",),
    "faststream": ("pynomaly/data/brokers",),
    "confluent_kafka": ("pynomaly/data/brokers",),
    "redis": ("pynomaly/data/brokers",),
    "aio_pika": ("pynomaly/data/brokers",),
    "nats": ("pynomaly/data/brokers",),
    "zmqtt": ("pynomaly/data/brokers",),
    "openpyxl": ("pynomaly/records/sheet.py",),
    "matplotlib": ("pynomaly/records/figures.py",),
    "evidently": ("pynomaly/records/evidently_report.py", "pynomaly/records/evidently_pages.py"),
    "mlflow": ("pynomaly/records/registry", "pynomaly/model/serving.py"),
    "sqlalchemy": (
        "pynomaly/records/ledger",
        "pynomaly/records/sinks/sql.py",
        "pynomaly/data/sources/sql.py",
    ),
    "alembic": ("pynomaly/records/ledger/migrations",),
    "shap": ("pynomaly/model/explanation/shap_door.py",),
    "lime": ("pynomaly/model/explanation/lime_door.py",),
    "apprise": ("pynomaly/records/notices/apprise_door.py",),
    "httpx": (
        "pynomaly/records/sinks/http.py",
        "pynomaly/console/client.py",
        "pynomaly/console/access/provider.py",
        "flows/machine",
    ),
    "authlib": ("pynomaly/console/access/provider.py",),
    "joserfc": ("pynomaly/console/access/provider.py",),
    "fastavro": ("pynomaly/data/streams/records.py",),
    "prefect": ("tasks", "flows"),
    "distributed": ("pynomaly/steps/runner.py",),
    "fastapi": ("pynomaly/serving/web.py", "pynomaly/serving/openapi.py", "pynomaly/console"),
    "starlette": ("pynomaly/serving/web.py", "pynomaly/console"),
    "strawberry": ("pynomaly/console/graph",),
    "graphql": ("pynomaly/console/graph",),
    "itsdangerous": ("pynomaly/console/access/sessions.py",),
    "uvicorn": ("pynomaly/serving/web.py", "pynomaly/console/app.py", "flows/machine/temporary_server.py"),
    "prometheus_client": ("pynomaly/serving/web.py", "pynomaly/serving/exporter.py"),
}
"""Vendors, and the only files or folders that import them; MLflow loads `model/serving.py` by itself."""


def allowed_wings(name: str) -> set[str]:
    """Returns the wings that the wing `name` may import: those below it, and what they may import."""
    return _collect_below(name, {wing: row.below for wing, row in WINGS.items()})


def list_rooms_below(wing: str, room: str) -> set[str]:
    """Returns the rooms of `wing` that its `room` may import."""
    return _collect_below(room, WINGS[wing].rooms)


def sort_by_floor(wing: str) -> list[list[str]]:
    """Returns the rooms of `wing` by floor, the lowest first; a room stands above all that it imports."""
    rooms = WINGS[wing].rooms
    floors: list[list[str]] = []
    left = list(rooms)
    while left:
        below = {room for floor in floors for room in floor}
        floor = [room for room in left if set(rooms[room]) <= below]
        if not floor:
            raise ValueError(f"the rooms of {wing} import each other in a circle: {left}")
        floors.append(floor)
        left = [room for room in left if room not in floor]
    return floors


def draw_floors() -> str:
    """Returns the house as text: each wing from the top, and under it its floors, the lowest first."""
    return "\n".join(_describe_wings()) + "\n"


def _describe_wings() -> Iterator[str]:
    for name, wing in WINGS.items():
        yield f"{name:<11}{wing.holds}"
        if wing.below:
            yield f"{'':<11}imports {', '.join(wing.below)}"
        for number, floor in enumerate(sort_by_floor(name)):
            yield f"{'':<13}{number}  {'  '.join(floor)}"


def _collect_below(name: str, arrows: Mapping[str, tuple[str, ...]]) -> set[str]:
    below = set(arrows[name])
    for next_name in arrows[name]:
        below |= _collect_below(next_name, arrows)
    return below


if __name__ == "__main__":
    print(draw_floors(), end="")
