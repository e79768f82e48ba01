"""A small table of machines, its pipeline, and the command line run in this process."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest
import yaml

from tests.machines import make_machines, make_small_settings


@dataclass(frozen=True)
class Answer:
    """What a command left: exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.out.strip().splitlines()[-1]))


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """Run ``pynomaly ARGUMENTS`` in this process."""
    from flows.cli import main

    # Here warnings are errors.
    monkeypatch.setattr(sys.modules["flows.cli.app"], "silence_warnings", lambda: None)

    def run(*arguments: object) -> Answer:
        monkeypatch.setattr("sys.argv", ["pynomaly", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        streams = capsys.readouterr()
        return Answer(code, streams.out, streams.err)

    return run


@pytest.fixture
def pipeline_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a table and a small pipeline over it; keyword arguments change blocks of the settings."""

    def write(frame: pd.DataFrame | None = None, **blocks: Any) -> Path:
        frame = make_machines(28) if frame is None else frame
        frame.to_csv(tmp_path / "machines.csv", index=False)
        settings = make_small_settings(training={"candidates": ["iforest", "hbos"]})
        for name, block in blocks.items():
            settings[name] = {**settings.get(name, {}), **block} if isinstance(block, dict) else block
        file = tmp_path / "machines.yaml"
        file.write_text(yaml.safe_dump(settings))
        return file

    return write


@pytest.fixture
def live_file(tmp_path: Path) -> Iterator[Path]:
    """Write a pipeline that reads the topic `readings` of the broker in this process; the topic is there."""
    from pynomaly.data.brokers import memory

    settings = make_small_settings(stream={"broker": "memory", "topic": "readings", "correct": "3650d"})
    settings["data"] |= {"source": "stream", "path": "rows"}
    file = tmp_path / "live.yaml"
    file.write_text(yaml.safe_dump(settings))
    memory.create_topic("readings")
    yield file
    memory.drop_topics()


def publish_rows(file: Path, rows: pd.DataFrame, *others: bytes) -> None:
    """Publish rows of machines without their labels, and other messages, to the topic of a live pipeline."""
    from pynomaly.config import load_pipeline
    from pynomaly.data.brokers import Outgoing, open_publisher

    records = rows.drop(columns="anomaly").assign(time=rows["time"].map(str)).to_dict("records")
    messages = [Outgoing(orjson.dumps(record), str(record["machine"])) for record in records]
    messages += [Outgoing(body, "a") for body in others]
    asyncio.run(open_publisher(load_pipeline(file).stream).publish("readings", messages))
