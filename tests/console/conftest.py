"""Two pipelines with alerts and decisions on record, and clients of the console; nothing is fitted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
import yaml

from pynomaly.config import Pipeline
from pynomaly.console.app import create_console
from pynomaly.console.pipelines import Pipelines
from pynomaly.data.window import Window
from pynomaly.records.ledger import AlertEvent, Decision, Ledger, Partition
from pynomaly.records.store import Store
from tests.alerts import build_events, build_sighting
from tests.machines import make_machines, make_small_settings
from tests.servers import answering

START = datetime(2026, 1, 5, tzinfo=UTC)
SECRET = "s" * 40
TRAIN = (sys.executable, "-c", "import sys; print('trains', sys.argv[1])")
"""A command that takes the place of a training, and says of what."""
RARITIES = ("one a year", "one a month", "one a week", "one a day")


def write_pipelines(folder: Path) -> Path:
    """Returns the folder of the settings of ``pumps`` and ``payments``."""
    configs = folder / "configs"
    configs.mkdir()
    for name in ("pumps", "payments"):
        settings = make_small_settings(name=name, description=f"The {name} of a plant")
        (configs / f"{name}.yaml").write_text(yaml.safe_dump(settings))
    return configs


def fill_ledger(ledger: Ledger, alerts: int = 40) -> None:
    """Write alerts of both pipelines, a promotion and a verdict of ``pumps``."""
    events: list[AlertEvent] = []
    for place in range(alerts):
        pipeline = ("pumps", "payments")[place % 5 == 0]
        content = build_sighting("abc"[place % 3], place, RARITIES[place % 4], ("heat", "noise")[place % 2])
        events += build_events(f"{place:04x}aa", pipeline, place, content)
    ledger.answers.add_facts(*events)
    evidence = {"version": 2, "replaces": 1, "gate": {}, "verdict": None, "incidents": None}
    for kind, outcome, reasons, content in (
        ("promote", "superior", ("it ranks better", "the gate passes"), evidence),
        ("degradation", "warning", ("heat has drifted",), {"version": 2}),
    ):
        ledger.record_decision(
            Decision(f"{kind}:1", "pumps", kind, "pumps v2", outcome, reasons, content, START, actor="gate")
        )


def score_window(pipeline: Pipeline, ledger: Ledger) -> None:
    """Write a day of rows and their scores, as a window of the pipeline on record."""
    rows = make_machines(1).assign(machine=lambda frame: frame["machine"].replace("d", "a2"))
    rows.to_csv(pipeline.data.path, index=False)
    scores = pd.DataFrame(
        {
            "row": range(len(rows)),
            "time": rows["time"],
            "machine": rows["machine"],
            "score": 1.0,
            "p_value": 0.2,
            "severity": "none",
            "is_anomaly": [place % 32 == 0 for place in range(len(rows))],
            "extrapolated": False,
            "rarity": "usual",
            "model_version": 2,
        }
    )
    store, window = Store(pipeline.store_root), Window(START, START + timedelta(days=1))
    path, sha256 = store.write_scores(pipeline.name, window, scores)
    place = store.relative_path(path)
    ledger.put_partition(
        Partition(pipeline.name, window.key, 2, place, sha256, "b" * 64, len(rows), 3, 0, START)
    )


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    folder = write_pipelines(tmp_path)
    pipelines = Pipelines([folder])
    pumps = pipelines.find_pipeline("pumps")
    ledger = pipelines.open_ledger(pumps.ledger_url)
    fill_ledger(ledger)
    score_window(pumps, ledger)
    pipelines.close()
    return folder


MakeClient = Callable[..., httpx.Client]


@pytest.fixture
def make_client(configs: Path) -> Iterator[MakeClient]:
    """Make clients: ``local`` or of a team, with a token of a role or none."""
    with ExitStack() as stack:

        def make(role: str = "", pipelines: tuple[str, ...] = ("*",), *, local: bool = False) -> httpx.Client:
            app = create_console(
                Pipelines([configs], 0.0), SECRET, home=configs.parent, train=TRAIN, local=local
            )
            headers: dict[str, str] = {}
            if role:
                access = app.state.console.doorkeeper.read_access()
                expires = datetime.now(UTC) + timedelta(days=1)
                headers["authorization"] = (
                    f"Bearer {access.create_token('t', role, role, pipelines, expires)[1]}"
                )
            return stack.enter_context(answering(app, headers))

        yield make


@pytest.fixture
def local(make_client: MakeClient) -> httpx.Client:
    """The person at this machine."""
    return make_client(local=True)


def first_alert(client: httpx.Client, **query: Any) -> dict[str, Any]:
    answer = client.get("/api/v1/alerts", params={"limit": 1, **query})
    return dict(answer.json()["items"][0])


def place_of(alert: dict[str, Any]) -> str:
    return f"/pipelines/{alert['pipeline']}/alerts/{alert['alert']}"
