"""The course of one policy during a replay, and the figures that a replay reports of each policy.

Called by :mod:`pynomaly.steps.replay.replay`. Rates are alerting rows and events a day over the windows that
were scored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.config.monitoring import GuaranteeName
from pynomaly.data.window import Window
from pynomaly.judging.account.guarantees import Guarantee
from pynomaly.judging.alerts.episodes import Episodes, find_episodes
from pynomaly.judging.drift.degradation import Observation
from pynomaly.model.calibration.alert_stream import AlertStream
from pynomaly.model.calibration.events import count_events
from pynomaly.model.row_times import RowKeys
from pynomaly.steps.account import Bet
from pynomaly.steps.replay.history import ReplayHistory, TrainedModel

__all__ = ["MemoryAccount", "PolicyRun", "build_report"]


@dataclass(frozen=True)
class MemoryAccount:
    """The account of a champion of a replay, which judges each window once.

    Attributes
    ----------
    shares : mapping
        Chance of a false withdrawal by guarantee.
    entries : dict
        Of each guarantee, how it stands and the state of its bets.
    """

    shares: Mapping[str, float]
    entries: dict[GuaranteeName, tuple[Guarantee, Mapping[str, Any]]] = field(default_factory=dict)

    @classmethod
    def open(cls, pipeline: Pipeline) -> MemoryAccount:
        """Return the account of a new champion."""
        shares: dict[str, float] = dict(pipeline.account.split_alpha().items())
        return cls(shares)

    def bet_on_window(self, name: GuaranteeName, window: str, bet: Bet, as_of: datetime) -> None:
        """Bet on a window, after those before it; what was withdrawn stays withdrawn."""
        known, state = self.entries.get(name, (None, {}))
        guarantee, bets = bet(state)
        self.entries[name] = guarantee.follow(known), bets

    def list_withdrawn(self) -> tuple[str, ...]:
        """Return the names of the guarantees that are withdrawn."""
        return tuple(name for name, (item, _) in self.entries.items() if item.state == "withdrawn")


@dataclass
class PolicyRun:
    """State of one policy during a replay: its champion and that one's account, its decisions, its cost."""

    student: TrainedModel
    account: MemoryAccount
    trained: list[datetime]
    trainings: int = 0
    promoted: list[datetime] = field(default_factory=list)
    recalibrated: list[datetime] = field(default_factory=list)
    replaced: TrainedModel | None = None
    observations: list[Observation] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    rejections: list[datetime] = field(default_factory=list)
    attempts: int = 0
    seconds: float = 0.0
    windows: list[dict[str, Any]] = field(default_factory=list)
    scored: list[pd.DataFrame] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    stream: AlertStream | None = None

    def promote(self, student: TrainedModel, at: datetime) -> None:
        """Make `student` champion; observations of the old champion do not apply to it.

        A recalibration ranks as the old one did, so that challengers refused before still count.
        """
        if student.recalibrated:
            self.recalibrated.append(at)
        else:
            self.replaced, self.rejections, self.attempts = self.student, [], 0
            self.promoted.append(at)
        self.student, self.observations, self.account = student, [], MemoryAccount(self.account.shares)

    def note(self, at: datetime, what: str, reasons: Sequence[str]) -> None:
        """Record a decision with its reasons."""
        self.decisions.append({"at": at.isoformat(), "decision": what, "reasons": list(reasons)})


def build_report(
    history: ReplayHistory, windows: Sequence[Window], runs: dict[str, PolicyRun]
) -> dict[str, Any]:
    """Returns what a replay comes to: the figures of each policy, and the anomaly episodes they share."""
    summaries = {
        policy: _summarize_run(run, windows, history.pipeline.grouping.gap) for policy, run in runs.items()
    }
    spans = next((policy_spans for _, policy_spans in summaries.values() if policy_spans), [])
    return {
        "pipeline": history.pipeline.name,
        "start": windows[0].start.isoformat(),
        "end": windows[-1].end.isoformat(),
        "windows": len(windows),
        "metric": "average_precision",
        "candidates": [candidate.detector for candidate in history.candidates],
        "notes": list(history.notes()),
        "policies": {policy: figures for policy, (figures, _) in summaries.items()},
        "episodes": spans,
    }


def _summarize_run(
    life: PolicyRun, windows: Sequence[Window], gap: timedelta
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Returns the figures of a policy, and the time spans of the anomaly episodes in its windows."""
    judged_windows = [row for row in life.windows if not row["not_computable"]]
    scored_windows = [row for row in life.windows if row["rows"]]
    days = sum((windows[0].length for _ in scored_windows), timedelta(0)) / timedelta(days=1)
    alerts = sum(row["alerts"] for row in scored_windows)
    events = 0
    episode_alerts, spans = Episodes(*(np.zeros(0, dtype=np.int64),) * 2, np.zeros(0, dtype=bool)), []
    if life.scored:
        rows = pd.concat(life.scored, ignore_index=True)
        episode_alerts = find_episodes(rows["entity"], rows["truth"], rows["alert"])
        times, entities = rows["time"], rows["entity"]
        moments = times.dt.as_unit("us").astype("int64").to_numpy(dtype=np.int64)
        keys = RowKeys(pd.factorize(entities)[0].astype(np.int64), moments)
        events = count_events(keys, rows["alert"], gap)
        spans = [
            {"start": times[a].isoformat(), "end": times[b].isoformat(), "entity": str(entities[a])}
            for a, b in zip(episode_alerts.first, episode_alerts.last, strict=True)
        ]
    figures = {
        "average_precision": _average_metric(judged_windows, "average_precision"),
        "roc_auc": _average_metric(judged_windows, "roc_auc"),
        "judged_windows": len(judged_windows),
        "alerts_per_day": alerts / days if days else None,
        "events_per_day": events / days if days else None,
        "episodes": len(episode_alerts.caught),
        "caught": int(episode_alerts.caught.sum()),
        "caught_share": episode_alerts.share,
        "trainings": life.trainings,
        "promotions": len(life.promoted),
        "recalibrations": len(life.recalibrated),
        "failed": sum(item["decision"] == "training failed" for item in life.decisions),
        "seconds": life.seconds,
        "trained_at": [moment.isoformat() for moment in life.trained],
        "promoted_at": [moment.isoformat() for moment in life.promoted],
        "recalibrated_at": [moment.isoformat() for moment in life.recalibrated],
        "gains": [_measure_gain(judged_windows, *stay) for stay in _list_stays(life)],
        "decisions": life.decisions,
        "windows": life.windows,
    }
    return figures, spans


def _list_stays(life: PolicyRun) -> list[tuple[str, str]]:
    """Return from when until when each promoted model ranked, after the first; ISO times."""
    moments = [moment.isoformat() for moment in life.promoted[1:]]
    return list(pairwise([*moments, "9999"]))


def _measure_gain(judged_windows: Sequence[dict[str, Any]], start: str, end: str) -> float | None:
    """Return by how much a promoted model ranked better than what it replaced would have."""
    gains = [
        row["average_precision"] - row["replaced_average_precision"]
        for row in judged_windows
        if start <= row["start"] < end and row["replaced_average_precision"] is not None
    ]
    return float(np.mean(gains)) if gains else None


def _average_metric(rows: Sequence[dict[str, Any]], name: str) -> float | None:
    return float(np.mean([row[name] for row in rows])) if rows else None
