"""Gather the facts of a window's page while its rows are in memory: plain, small, stored permanently.

Called by :mod:`pynomaly.steps.monitoring.monitor_window` once per verdict. Facts from other records (earlier
windows, later decisions, declared incidents) are not included: :mod:`pynomaly.steps.reporting.reports` adds
them whenever the page is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.judging.curve_shapes import bin_scores, count_over_time
from pynomaly.judging.drift.uniformity import measure_uniformity
from pynomaly.judging.jsonable import to_jsonable
from pynomaly.model.bundle import Bundle
from pynomaly.records.ledger import parse_window_key
from pynomaly.records.registry import ModelRef
from pynomaly.records.store import Store
from pynomaly.steps.obstacles import count_pooled_rows, describe_pooled_rows, list_scoring_obstacles
from pynomaly.steps.training.training_facts import FACTS_FORMAT

__all__ = [
    "MAX_LISTED_ALERTS",
    "WINDOW_PARTS",
    "build_window_facts",
    "name_window_page",
    "write_window_facts",
]

MAX_LISTED_ALERTS = 20
"""Largest number of alerts that are listed, the rarest first."""
WINDOW_PARTS = 48
"""Number of equal parts of a window in which alerts are counted."""


def name_window_page(key: str, version: int) -> str:
    """Returns the name of the facts and the page of a window under a version."""
    return f"window-{key}-v{version}"


def write_window_facts(
    pipeline: Pipeline,
    bundle: Bundle,
    ref: ModelRef,
    key: str,
    frame: pd.DataFrame,
    scored: pd.DataFrame,
    verdicts: Mapping[str, Any],
) -> str:
    """Store the facts; returns "", or why that failed: a failed page never stops a verdict."""
    try:
        facts = build_window_facts(pipeline, bundle, ref, key, frame, scored, verdicts)
        Store(pipeline.store_root).write_facts(pipeline.name, name_window_page(key, ref.version), facts)
    except Exception as error:
        return f"the window's page: {type(error).__name__}: {error}"
    return ""


def build_window_facts(
    pipeline: Pipeline,
    bundle: Bundle,
    ref: ModelRef,
    key: str,
    frame: pd.DataFrame,
    scored: pd.DataFrame,
    verdicts: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns facts about one judged window; JSON-serializable.

    Parameters
    ----------
    frame, scored : DataFrame of shape (n, d), (n, 6)
        The window's rows and :meth:`Bundle.score` of them.
    verdicts : mapping
        The verdict's parts as plain values: ``drift``, ``exchangeability``, ``observation``,
        ``degradation``, ``aspects``, ``as_of``, ``report``, ``run_id``.
    """
    contract, window_bounds = bundle.contract, parse_window_key(key)
    scores, p_values = scored["score"].to_numpy(), scored["p_value"].to_numpy()
    label = contract.label
    presumed_normal = (
        (frame[label] != 1).to_numpy() if label is not None and label in frame else np.ones(len(frame), bool)
    )
    calibration = bundle.calibration
    facts = {
        "format": FACTS_FORMAT,
        "kind": "window",
        "pipeline": pipeline.name,
        "description": pipeline.description,
        "config": pipeline.origin.name,
        "window": key,
        "start": window_bounds[0] if window_bounds else None,
        "end": window_bounds[1] if window_bounds else None,
        "version": ref.version,
        "sha256": ref.sha256,
        "rows": len(frame),
        "alerts": int(scored["is_anomaly"].sum()),
        "columns": {"time": contract.time, "id": contract.id, "label": label},
        "policy": bundle.policy.to_dict(),
        "limits": {"notice": pipeline.drift.notice, "effect": pipeline.drift.effect}
        | {"strong_effect": pipeline.drift.strong_effect},
        "scores": bin_scores({"held out": calibration.scores, "window": scores}),
        "uniformity": measure_uniformity(p_values[presumed_normal]).to_dict(),
        "parts": _count_parts(frame, contract.time, window_bounds, scored),
        "obstacles": (
            *list_scoring_obstacles(bundle, contract.conform(frame), scored["is_anomaly"]),
            *describe_pooled_rows(count_pooled_rows(bundle, frame), len(frame)),
        ),
        "listed": _list_alerts(frame, contract.time, contract.id, scored),
        **verdicts,
    }
    plain_facts: dict[str, Any] = to_jsonable(facts)
    return plain_facts


def _count_parts(
    frame: pd.DataFrame, time: str | None, edges: tuple[Any, Any] | None, scored: pd.DataFrame
) -> list[dict[str, Any]]:
    """Returns rows and alerts of equal parts of the window; empty without times."""
    if time is None or edges is None or time not in frame:
        return []
    ends = pd.date_range(edges[0], edges[1], periods=WINDOW_PARTS + 1, tz="UTC")
    moments = frame[time].dt.tz_convert("UTC").dt.as_unit("ns").astype("int64").to_numpy()
    counts = count_over_time(list(ends.as_unit("ns").asi8), moments, scored["is_anomaly"].to_numpy())
    return [
        {
            "start": ends[i].isoformat(),
            "end": ends[i + 1].isoformat(),
            "rows": rows,
            "alerts": alerts,
            "rate": alerts / rows if rows else None,
        }
        for i, (rows, alerts) in enumerate(counts)
    ]


def _list_alerts(
    frame: pd.DataFrame, time: str | None, entity: str | None, scored: pd.DataFrame
) -> list[dict[str, Any]]:
    """Returns the rarest alerts, each with time, entity and result of the model."""
    place = np.arange(len(scored))
    alerted = place[scored["is_anomaly"].to_numpy(dtype=bool)]
    p_values, scores = scored["p_value"].to_numpy(), scored["score"].to_numpy()
    rarest = alerted[np.lexsort((alerted, -scores[alerted], p_values[alerted]))][:MAX_LISTED_ALERTS]
    entries = []
    for row in rarest:
        result = scored.iloc[row]
        entries.append(
            {
                "row": int(row),
                "time": frame[time].iloc[row].isoformat() if time and time in frame else None,
                "entity": str(frame[entity].iloc[row]) if entity and entity in frame else None,
                "score": float(result["score"]),
                "p_value": float(result["p_value"]),
                "severity": str(result["severity"]),
                "rarity": str(result["rarity"]) if pd.notna(result["rarity"]) else "",
            }
        )
    return entries
