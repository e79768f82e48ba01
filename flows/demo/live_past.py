"""What the live demo begins with: its settings, and days of the fleet as past windows of a stream.

Imports nothing of Prefect, which reads its address once: this is made while the server of Prefect starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pynomaly.config import Pipeline, load_pipeline
from pynomaly.data.fleet import SHIFT, generate_fleet
from pynomaly.data.window import Window
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry import Registry
from pynomaly.steps.streaming.past_rows import import_rows

__all__ = ["DAY", "FIRST", "LivePast", "find_unused_name", "make_live_past", "write_live_config"]

DAY = timedelta(days=1)
FIRST = SHIFT - 3 * DAY
"""Time of the first row that comes as a message; the ones before are imported."""

_SETTINGS = """\
name: {name}
data: {{source: stream, path: rows-{name}, time: timestamp, id: machine, label: anomaly}}
stream: {{broker: memory, topic: {name}, linger_ms: 20, correct: 3650d, ahead: 3650d}}
windows: {{monitor: 4d, reference: 18d}}
training: {{candidates: [iforest]}}
alerts: {{policy: quantile, quantile: 0.005}}
grouping: {{explained: 10}}
serving: {{refresh: 1s}}
sinks:
  - {{name: screen, kind: topic, what: [alerts], broker: memory, topic: {name}.alerts}}
"""


@dataclass(frozen=True)
class LivePast:
    """What was made.

    Attributes
    ----------
    config : Path
    line : str
        Says which rows are there.
    """

    config: Path
    line: str


def make_live_past(home: Path) -> LivePast:
    """Write the configuration, keep the rows before :data:`FIRST`, and create the registry of models."""
    config = write_live_config(home)
    pipeline = load_pipeline(config)
    start = FIRST - pipeline.windows.reference
    file = config.with_suffix(".csv")
    generate_fleet(Window(start, FIRST)).to_csv(file, index=False)
    kept = import_rows(pipeline, file)
    Registry.open_for(pipeline)
    return LivePast(
        config,
        f"{kept.rows} rows of {start:%d %b} to {FIRST:%d %b} are kept as {kept.windows} past windows",
    )


def write_live_config(home: Path) -> Path:
    """Write the configuration of the demo under `home`, by a name that no pipeline there has."""
    folder = home / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "live.yaml"
    file.write_text(_SETTINGS.format(name="live"))
    pipeline = load_pipeline(file)
    with Ledger.open(pipeline.ledger_url) as ledger:
        used_names = {decision.pipeline for decision in ledger.list_decisions()}
    name = find_unused_name(pipeline, used_names)
    file = folder / f"{name}.yaml"
    file.write_text(_SETTINGS.format(name=name))
    return file


def find_unused_name(pipeline: Pipeline, taken: set[str]) -> str:
    """Returns `pipeline`'s name, with a number added if `taken` holds the name already."""
    number = 1
    while (name := pipeline.name if number == 1 else f"{pipeline.name}-{number}") in taken:
        number += 1
    return name
