"""The examples of ``--help``, each run as it stands there, in the order in which they are written down."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.cli import app
from flows.cli.app import EXAMPLES
from flows.cli.app import command as register_command
from pynomaly.config import load_pipeline
from pynomaly.records.ledger import Ledger
from pynomaly.steps.alerting.raise_alerts import read_alerts
from tests import exports
from tests.flows.conftest import Answer
from tests.machines import make_machines, make_small_settings

pytestmark = [pytest.mark.flow, pytest.mark.timeout(600), pytest.mark.usefixtures("prefect_api")]

ELSEWHERE = {
    "pynomaly up --configs configs": "tests/flows/machine/test_up.py",
    "pynomaly demo --home .pynomaly-demo": "tests/security/test_life_under_guard.py",
    "pynomaly demo --live": "tests/flows/test_demo_live.py",
    "pynomaly serve configs/quickstart.yaml --port 8000": "tests/serving/test_serving.py",
    "pynomaly console --port 4300": "tests/console/test_command.py",
    "pynomaly console configs --host 0.0.0.0 --team --https": "tests/console/test_command.py",
    "pynomaly metrics --port 9410": "tests/serving/test_exporter.py",
    "pynomaly stream configs/live.yaml": "tests/flows/cli/test_stream.py",
    "pynomaly stream configs/live.yaml --until-idle 5 --json": "tests/flows/cli/test_stream.py",
}
"""Commands that go on until they are stopped or take minutes, and who runs them."""

NOTHING_WAITS = {
    "approve": "no promotion waits for an answer",
    "reject": "no promotion waits for an answer",
    "rollback": "nothing to roll back to",
}
"""What these say of a pipeline with one version; with more, see tests/flows/test_promotion.py."""

NO_CHALLENGER = {
    "--to-decide": "no scored window of the newest 60 days holds",
    "--decide": "was drawn for the alerts, not for a challenger",
}
"""What an audit says right after a training; later, see tests/steps/promotion/test_deciding_audit.py."""

TEXT_ALONE = {"version", "metrics", "serve", "console", "up", "demo"}
"""Commands without ``--json``: one word, Prometheus' own format, servers, a walk that is watched."""

BOTH_WAYS = (
    "alerts",
    "audit",
    "config",
    "detectors",
    "history",
    "labels",
    "notify",
    "pending",
    "preview",
    "prune",
)
"""Commands that change nothing: run for people, too."""

_SENSORS = [("Timestamp", "DATETIME"), ("flow", "DOUBLE"), ("heat", "DOUBLE")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the examples take it for granted."""
    table = make_machines(28).replace({"machine": {name: f"m0{n}" for n, name in enumerate("abcd")}})
    (tmp_path / "data").mkdir()
    (tmp_path / "configs" / "production").mkdir(parents=True)
    table.to_csv(tmp_path / "data" / "machines.csv", index=False)
    table.tail(200).to_csv(tmp_path / "new.csv", index=False)
    machines_export = {
        "DatasetName": "Sensors",
        "Schema": json.dumps(exports.make_equipment_schema(sensors=_SENSORS)),
    }
    exports.write_json(tmp_path / "export" / "dataset.json", machines_export)
    (tmp_path / "export" / "labels.csv").write_text("2026-01-02T00:00:00.000000,2026-01-02T06:00:00.000000\n")
    columns = {
        "Timestamp": exports.list_hours(96),
        "flow": exports.make_wave(96),
        "heat": exports.make_wave(96, 5),
    }
    exports.write_csv(tmp_path / "export" / "sensors.csv", columns)
    answers = table.head(20)[["time", "machine", "anomaly"]].rename(columns={"anomaly": "label"})
    answers.to_csv(tmp_path / "answers.csv", index=False)
    settings = make_small_settings(
        data={"path": "../data/machines.csv"},
        search={"trials": 2, "detectors": ["hbos"]},
        windows={"monitor": "7d"},
        promotion={"mode": "never"},  # one version stays champion, whatever the examples train
    )
    settings["name"] = "quickstart"
    (tmp_path / "configs" / "quickstart.yaml").write_text(yaml.safe_dump(settings))
    overlay = {"retraining": {"cooldown": "1d"}}
    live = {
        **settings,
        "name": "live",
        "data": {**settings["data"], "source": "stream", "path": "../rows"},
        "stream": {"broker": "memory", "topic": "readings"},
    }
    (tmp_path / "configs" / "live.yaml").write_text(yaml.safe_dump(live))
    (tmp_path / "configs" / "production" / "quickstart.yaml").write_text(yaml.safe_dump(overlay))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands() -> dict[str, Any]:
    return {item.name or item.callback.__name__: item for item in app.registered_commands}  # type: ignore[union-attr]


def test_every_command_has_an_example() -> None:
    without = sorted(name for name in commands() if not EXAMPLES.get(name))
    assert not without, (
        f"no example for {', '.join(without)}: write it where the command is, as @command('pynomaly ...')"
    )
    assert set(EXAMPLES) == set(commands())


def test_a_command_without_an_example_leaves_every_other_command_as_it_is(
    command: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "registered_commands", list(app.registered_commands))
    monkeypatch.delitem(EXAMPLES, "unfinished", raising=False)

    @register_command()
    def unfinished() -> None:
        """Does nothing yet."""

    assert EXAMPLES.pop("unfinished") == ()
    assert command("unfinished").code == 0
    assert "Does nothing yet" in command("unfinished", "--help").out
    assert command("version").code == 0


def test_help_shows_each_example_on_one_line_of_eighty(
    command: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    for name, examples in EXAMPLES.items():
        shown = [line.strip() for line in command(name, "--help").out.splitlines()]
        for example in examples:
            assert shlex.split(example)[:2] == ["pynomaly", name]
            assert example in shown, example


def test_every_example_runs(command: Callable[..., Answer], folder: Path) -> None:
    ran, empty = 0, folder / "empty"
    empty.mkdir()
    for name, examples in EXAMPLES.items():
        for example in examples:
            if example in ELSEWHERE:
                assert Path(__file__).parents[3].joinpath(ELSEWHERE[example]).is_file()
                continue
            words = [alert() if word == "3f2a" else word for word in shlex.split(example)[1:]]
            if "audit.csv" in words and "--labels" in words:
                label(folder / "audit.csv")
            unmet = [text for option, text in NO_CHALLENGER.items() if option in words]
            if (
                name in BOTH_WAYS
                and not unmet
                and "--output" not in words
                and "--csv" not in words
                and "--labels" not in words
            ):
                plain_answer = command(*(word for word in words if word != "--json"))
                assert plain_answer.code == 0, (example, plain_answer.err)
                assert plain_answer.out.strip()
                lines = plain_answer.out.splitlines()
                wide = [
                    line for line in lines if len(line.rstrip()) > 80 and len(line.split()) > 1
                ]  # no path
                assert not wide, example
            machine = name not in TEXT_ALONE and "--json" not in words
            with chdir(empty if "--example" in words else folder):  # it would write over quickstart.yaml
                answer = command(*words, *(["--json"] if machine else []))
            ran += 1
            if name in NOTHING_WAITS or unmet:
                assert answer.code == 2, example
                assert (NOTHING_WAITS.get(name) or unmet[0]) in answer.err
                continue
            assert answer.code in ((0, 1) if name == "drill" else (0,)), (example, answer.err)
            if name not in TEXT_ALONE:
                assert isinstance(json.loads(answer.out), dict), (
                    example
                )  # one document, and nothing beside it
    assert ran == sum(map(len, EXAMPLES.values())) - len(ELSEWHERE)
    assert (folder / "alerts.xlsx").is_file()
    assert (folder / "out.csv").is_file()
    assert (folder / "configs" / "machines.yaml").is_file()


def alert() -> str:
    """The newest alert's name, as a person would shorten it."""
    settings = load_pipeline("configs/quickstart.yaml")
    with Ledger.open(settings.ledger_url) as ledger:
        every = read_alerts(ledger.answers, settings.name)
    return next(item.alert for item in every.values() if item.state in ("open", "acknowledged"))


def label(table: Path) -> None:
    """Answer what an audit asks, as a person would."""
    import pandas as pd

    rows = pd.read_csv(table)
    rows["label"] = rows["label"].astype(object)
    rows["label"] = 0
    rows.to_csv(table, index=False)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("pynomaly retr", {"retrain"}),
        ("pynomaly train ", {"configs/live.yaml", "configs/quickstart.yaml", "configs/production/"}),
        ("pynomaly train configs/q", {"configs/quickstart.yaml"}),
        ("pynomaly retrain configs/quickstart.yaml --detector hb", {"hbos"}),
        ("pynomaly retrain configs/quickstart.yaml --det", {"--detector"}),
    ],
)
def test_the_shell_completes_commands_pipelines_and_detectors(
    folder: Path, typed: str, offered: set[str]
) -> None:
    asked = {"_PYNOMALY_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    answer = subprocess.run(
        [Path(sys.executable).with_name("pynomaly")],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(answer.stdout.split()) == offered


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["trian"], "Did you mean 'train'"),
        (["train", "configs/x.yaml", "--jsn"], "--json"),
        (["train"], "Missing argument 'CONFIG'"),
        (["serve", "x.yaml", "--port", "99999999"], "65535"),
        (["detectors", "more"], "unexpected extra argument"),
        (["alerts", "x.yaml", "--limit", "few"], "--limit"),
        (["--env"], "requires an argument"),
    ],
)
def test_what_is_mistyped_ends_in_one_line_that_helps(
    command: Callable[..., Answer], words: list[str], sentence: str
) -> None:
    answer = command(*words)
    assert (answer.code, answer.out) == (2, "")
    [line] = answer.err.splitlines()
    assert line.startswith("pynomaly: ")
    assert sentence in line
    assert "--help` shows what there is" in line
