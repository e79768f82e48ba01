"""Scores, alerts and decisions written down without a model, for tests of what becomes of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.window import Window
from pynomaly.records.ledger import AlertEvent, Decision, Ledger, Partition
from pynomaly.records.store import Store

FIRST = datetime(2026, 1, 5, tzinfo=UTC)
ENTITIES = ("a", "pump, 3", 'the "big" one', "two\nlines", "=1+1", "größe 🙂", "tab\tand\\slash")


def window_of(hour: int) -> Window:
    start = FIRST + timedelta(hours=hour)
    return Window(start, start + timedelta(hours=1))


def make_scores(hour: int, rows: int = 10, version: int = 1, seed: int = 0) -> pd.DataFrame:
    """Scores as the store holds them: names of entities with every kind of character, one p-value missing."""
    rng = np.random.default_rng([seed, hour])
    step = timedelta(hours=1) / max(rows, 1)
    p_values = rng.random(rows)
    if rows > 2:
        p_values[2] = np.nan
    scores = rng.normal(size=rows)
    if rows > 3:
        scores[3] = np.inf
    return pd.DataFrame(
        {
            "row": np.arange(rows),
            "time": pd.to_datetime([window_of(hour).start + step * place for place in range(rows)], utc=True),
            "machine": [ENTITIES[place % len(ENTITIES)] for place in range(rows)],
            "score": scores,
            "p_value": p_values,
            "severity": "low",
            "rarity": "usual",
            "is_anomaly": np.arange(rows) % 5 == 1,
            "extrapolated": False,
            "model_version": version,
        }
    )


def write_window(pipeline: Pipeline, hour: int, rows: int = 10, version: int = 1, seed: int = 0) -> Partition:
    """Write the scores of an hour, as scoring does; again with another seed, they are other scores."""
    window, scores = window_of(hour), make_scores(hour, rows, version, seed)
    store = Store(pipeline.store_root)
    path, sha256 = store.write_scores(pipeline.name, window, scores)
    partition = Partition(
        pipeline.name,
        window.key,
        version,
        store.relative_path(path),
        sha256,
        f"data{seed}",
        rows,
        int(scores["is_anomaly"].sum()),
        0,
        datetime.now(UTC),
    )
    with Ledger.open(pipeline.ledger_url) as ledger:
        return ledger.put_partition(partition)


def write_alert(pipeline: Pipeline, name: str, entity: str = "a", hour: int = 0) -> None:
    """Write an alert that opens with one row, as alerting does."""
    window = window_of(hour)
    moment = window.start.isoformat()
    sighting = {
        "entity": entity,
        "rows": 1,
        "first": moment,
        "last": moment,
        "peak": moment,
        "score": 3.5,
        "p_value": 0.001,
        "severity": "high",
        "rarity": "one a week",
        "extrapolated": False,
        "version": 1,
        "carriers": [
            {"feature": "heat", "actual": 31.0, "expected": 20.0, "share": 1.0, "tail": 0.001, "past": ""}
        ],
        "causes": ["heat"],
        "collective": 3,
        "row_keys": [[entity, moment]],
    }
    with Ledger.open(pipeline.ledger_url) as ledger:
        ledger.answers.add_facts(
            AlertEvent(
                f"opened:{name}", pipeline.name, name, "opened", window.key, {"quiet": "", "alike": []}
            ),
            AlertEvent(f"seen:{name}", pipeline.name, name, "seen", window.key, sighting),
            AlertEvent(f"grouped:{name}", pipeline.name, "", "grouped", window.key),
        )


def answer_alert(pipeline: Pipeline, name: str, note: str = "") -> None:
    content = {"as": "confirmed", "note": note}
    event = AlertEvent(f"resolved:{name}", pipeline.name, name, "resolved", "", content, actor="ann")
    with Ledger.open(pipeline.ledger_url) as ledger:
        ledger.answers.add_facts(event)


def write_decision(pipeline: Pipeline, key: str) -> None:
    decision = Decision(
        key, pipeline.name, "degradation", "w1", "critical", ("It is so.", "And so."), {"version": 1}, FIRST
    )
    with Ledger.open(pipeline.ledger_url) as ledger:
        ledger.record_decision(decision)
