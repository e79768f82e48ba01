"""At least one example for every command: shown by ``--help``, run by a test.

They are in the order in which a person types them for a new pipeline.
"""

from __future__ import annotations

import typer

__all__ = ["EXAMPLES", "add_examples"]

EXAMPLES: dict[str, tuple[str, ...]] = {
    "init": ("pynomaly init data/machines.csv --time time --id machine --label anomaly",),
    "convert": ("pynomaly convert export/dataset.json export/labels.csv export/sensors.csv",),
    "config": (
        "pynomaly config configs/quickstart.yaml",
        "pynomaly config configs/quickstart.yaml --env production --json",
    ),
    "doctor": ("pynomaly doctor", "pynomaly doctor configs/quickstart.yaml"),
    "detectors": ("pynomaly detectors",),
    "version": ("pynomaly version",),
    "train": ("pynomaly train configs/quickstart.yaml --as-of 2026-01-19T00:00:00Z",),
    "score": (
        "pynomaly score configs/quickstart.yaml --as-of 2026-01-22T00:00:00Z",
        "pynomaly score configs/quickstart.yaml --input new.csv --output out.csv",
    ),
    "monitor": ("pynomaly monitor configs/quickstart.yaml --as-of 2026-01-26T00:00:00Z",),
    "alerts": (
        "pynomaly alerts configs/quickstart.yaml",
        "pynomaly alerts configs/quickstart.yaml --state all --output alerts.xlsx",
    ),
    "ack": ("pynomaly ack configs/quickstart.yaml 3f2a --note 'looking at pump 3'",),
    "resolve": ("pynomaly resolve configs/quickstart.yaml 3f2a --as confirmed",),
    "why": ("pynomaly why configs/quickstart.yaml m03 --as-of 2026-01-20T08:00:00Z",),
    "preview": ("pynomaly preview configs/quickstart.yaml --policy budget:20/day --last 14d",),
    "audit": (
        "pynomaly audit configs/quickstart.yaml --rows 50 --output audit.csv",
        "pynomaly audit configs/quickstart.yaml --labels audit.csv --by ann",
    ),
    "labels": (
        "pynomaly labels configs/quickstart.yaml",
        "pynomaly labels configs/quickstart.yaml --csv answers.csv --by ann",
        "pynomaly labels configs/quickstart.yaml --mlflow",
    ),
    "backfill": ("pynomaly backfill configs/quickstart.yaml 2026-01-22..2026-01-24",),
    "drill": ("pynomaly drill configs/quickstart.yaml --as-of 2026-01-26T00:00:00Z",),
    "report": ("pynomaly report configs/quickstart.yaml --version 1",),
    "retrain": ("pynomaly retrain configs/quickstart.yaml --detector hbos --params 'n_bins=20'",),
    "search": ("pynomaly search configs/quickstart.yaml --budget 10m",),
    "policy": ("pynomaly policy configs/quickstart.yaml --reason 'half the alerts'",),
    "pending": ("pynomaly pending configs/quickstart.yaml",),
    "approve": ("pynomaly approve configs/quickstart.yaml --reason 'fewer alerts'",),
    "reject": ("pynomaly reject configs/quickstart.yaml --reason 'too many alerts'",),
    "rollback": ("pynomaly rollback configs/quickstart.yaml --reason 'night shift'",),
    "status": ("pynomaly status configs/quickstart.yaml --json",),
    "history": (
        "pynomaly history configs/quickstart.yaml --kind promote",
        "pynomaly history configs/quickstart.yaml --at 2026-02-01T08:00:00Z",
        "pynomaly history configs/quickstart.yaml --verify",
    ),
    "reproduce": ("pynomaly reproduce configs/quickstart.yaml 1",),
    "replay": ("pynomaly replay configs/quickstart.yaml --from 2026-01-19 --to 2026-02-02",),
    "reconcile": ("pynomaly reconcile configs/quickstart.yaml",),
    "prune": (
        "pynomaly prune configs/quickstart.yaml --keep scores=30d",
        "pynomaly prune configs/quickstart.yaml --apply",
    ),
    "notify": ("pynomaly notify configs/quickstart.yaml",),
    "metrics": ("pynomaly metrics --port 9410", "pynomaly metrics configs/quickstart.yaml --once"),
    "serve": ("pynomaly serve configs/quickstart.yaml --port 8000",),
    "up": ("pynomaly up --configs configs",),
    "demo": ("pynomaly demo --home .pynomaly-demo",),
}


def add_examples(app: typer.Typer) -> None:
    """Add the examples to the help of each command.

    Raises
    ------
    KeyError
        If a command has no example.
    """
    for command in app.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "")
        command.epilog = "\n\n".join(("Examples:", *EXAMPLES[name]))
