"""A pipeline's life in acts, each run by a process that may be killed at any write it makes.

A *boundary* is a write that lasts: a database commit (the ledger's or MLflow's) or a file that takes its
name. A process is killed just before one of them, with the signal that no handler sees; what it had written
until then is what the next process finds, a moment later.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from sqlalchemy import Engine, event

from pynomaly.config import Pipeline, load_pipeline
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry import Registry
from pynomaly.steps.champion import honour_alias
from pynomaly.steps.monitoring.monitor_window import find_monitoring_window, monitor_window
from pynomaly.steps.operations.reconcile import sweep_drafts
from pynomaly.steps.promotion.promote import promote, rollback
from pynomaly.steps.scoring.due_windows import find_due_windows
from pynomaly.steps.scoring.score_windows import score_window
from pynomaly.steps.training.compare_models import choose_winner, compare_with_champion
from pynomaly.steps.training.fit_candidates import fit_candidate
from pynomaly.steps.training.planning import hold_training_lease, plan_training
from pynomaly.steps.training.prepare import prepare_reference
from pynomaly.steps.training.register import register_training
from tests.machines import make_machines, make_small_settings

__all__ = ["ACTS", "perform", "settle", "state_of", "write_pipeline"]

MOMENT = datetime(2026, 1, 19, tzinfo=UTC)
WEEK = timedelta(days=7)


def write_pipeline(folder: Path) -> Path:
    """Six weeks of machines whose regime shifts after three, and the settings over them."""
    make_machines(42, shift_day=21).to_csv(folder / "machines.csv", index=False)
    file = folder / "machines.yaml"
    settings = make_small_settings(
        windows={"reference": "14d", "score": "7d", "monitor": "7d"},
        retraining={"min_rows": 300, "cooldown": "1d"},
        data={"label_delay": "1d"},
        comparison={"resamples": 200, "min_positives": 10},
        training={"candidates": ["gmm"], "known_anomalies": "leave_out"},
    )
    file.write_text(yaml.safe_dump(settings))
    return file


def _train(settings: Pipeline, at: datetime, trigger: Any) -> None:
    with hold_training_lease(settings):
        plan = plan_training(settings, at, trigger, "a fault test")
        if not plan.should_train:
            return
        prepared = prepare_reference(settings, plan.window, at, plan.candidates, plan.asked)
        fitted = [fit_candidate(settings, prepared, item, label) for label, item in prepared.labelled()]
        registered = register_training(settings, prepared, fitted, choose_winner(settings, prepared, fitted))
        winner = next(item for item in fitted if item.sha256 == registered.sha256)
        promote(settings, registered, compare_with_champion(settings, prepared, winner), at)


def _score(settings: Pipeline, at: datetime) -> None:
    for window in find_due_windows(settings, at).windows:
        score_window(settings, window)


def _monitor(settings: Pipeline, at: datetime) -> None:
    monitor_window(settings, find_monitoring_window(settings, at), at)


ACTS: dict[str, Callable[[Pipeline], None]] = {
    "train": lambda settings: _train(settings, MOMENT, "schedule"),
    "score": lambda settings: _score(settings, MOMENT + WEEK),
    "monitor": lambda settings: _monitor(settings, MOMENT + WEEK),
    "retrain": lambda settings: _train(settings, MOMENT + 3 * WEEK, "manual"),
    "rollback": lambda settings: _undo(settings),
}


def _undo(settings: Pipeline) -> None:
    """Go back to the first champion; who asks again because the first call died must not undo the undoing."""
    honour_alias(settings)
    registry = Registry.open_for(settings)
    if registry.resolve_alias(settings.name, "champion").version != 1:
        rollback(settings, MOMENT + 3 * WEEK, "a fault test")


def perform(config: str, act: str, kill_at: int, counted: str) -> None:
    """Run an act in this process; die at boundary `kill_at` (0: never).

    The number of boundaries that were met is written into the file `counted`.
    """
    met = 0

    def boundary(*_: Any) -> None:
        nonlocal met
        met += 1
        if met == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "commit", boundary)
    for name in ("replace", "rename", "link"):
        setattr(os, name, _before(boundary, getattr(os, name)))
    ACTS[act](load_pipeline(config))
    Path(counted).write_text(str(met))


def _before(boundary: Callable[[], None], act: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*arguments: Any, **named: Any) -> Any:
        boundary()
        return act(*arguments, **named)

    return wrapped


def settle(config: str) -> None:
    """What the next scheduled run does first: finish what was cut off, close what was left open."""
    settings = load_pipeline(config)
    honour_alias(settings)
    sweep_drafts(settings, datetime.now(UTC) + timedelta(hours=2))
    Registry.open_for(settings).close_orphans(settings.name, datetime.now(UTC) + timedelta(seconds=1))


def state_of(config: str) -> dict[str, Any]:
    """Everything a person can see of a pipeline, without moments, ids, hashes of runs and who died."""
    settings = load_pipeline(config)
    registry = Registry.open_for(settings)
    with Ledger.open(settings.ledger_url) as ledger:
        decisions = [
            (item.kind, item.subject, item.outcome)
            for item in reversed(ledger.list_decisions(settings.name))
            if item.kind != "lease"
        ]
        partitions = {
            item.window: (item.version, item.rows, item.alerts, item.sha256)
            for item in ledger.list_partitions(settings.name)
        }
        trainings = sorted((item.version, item.outcome) for item in ledger.list_trainings(settings.name))
        observed = [
            item["window"] for item in ledger.list_recent_observations(settings.name, MOMENT + 9 * WEEK, 99)
        ]
        intact = ledger.verify_chain().intact
    aliases = {}
    for alias in ("champion", "previous", "challenger"):
        try:
            aliases[alias] = registry.resolve_alias(settings.name, alias).version
        except LookupError:
            continue
    client = registry._client
    versions = sorted(int(item.version) for item in client.search_model_versions(f"name='{settings.name}'"))
    experiment = registry.ensure_experiment(settings.name)
    running = client.search_runs([experiment], "attributes.status = 'RUNNING'")
    store = Path(settings.store_root)
    for window, (_, rows, _, _) in partitions.items():
        assert (
            len(pd.read_parquet(store / settings.name / "scores" / f"window={window}" / "scores.parquet"))
            == rows
        )
    return {
        "decisions": decisions,
        "partitions": partitions,
        "trainings": trainings,
        "observed": observed,
        "intact": intact,
        "aliases": aliases,
        "versions": versions,
        "running": len(running),
        "scored": sorted(path.parent.name for path in store.rglob("scores.parquet")),
        "reports": sorted(path.name for path in store.rglob("*.html")),
    }
