"""Gather the facts of a window's page while its rows are in memory: plain, small, stored permanently.

Called by :mod:`pynomaly.steps.monitor` once per verdict. Facts from other records (earlier windows, later
decisions, declared incidents) are not included: :mod:`pynomaly.steps.reports` adds them whenever the page is
written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.judging.plain import plain
from pynomaly.judging.shape import binned, counts_over
from pynomaly.judging.uniformity import uniformity
from pynomaly.model.bundle import Bundle
from pynomaly.records.ledger import bounds
from pynomaly.records.registry import ModelRef
from pynomaly.records.store import Store
from pynomaly.steps.training_facts import FORMAT

__all__ = ["LISTED", "PARTS", "keep_window_facts", "window_facts", "window_name"]

LISTED = 20
"""Largest number of alerts that are listed, the rarest first."""
PARTS = 48
"""Number of equal parts of a window in which alerts are counted."""


def window_name(key: str, version: int) -> str:
    """Returns the name of the facts and the page of a window under a version."""
    return f"window-{key}-v{version}"


def keep_window_facts(
    pipeline: Pipeline,
    bundle: Bundle,
    ref: ModelRef,
    key: str,
    frame: pd.DataFrame,
    scored: pd.DataFrame,
    found: Mapping[str, Any],
) -> str:
    """Store the facts; returns "", or why that failed: a failed page never stops a verdict."""
    try:
        facts = window_facts(pipeline, bundle, ref, key, frame, scored, found)
        Store(pipeline.store_root).write_facts(pipeline.name, window_name(key, ref.version), facts)
    except Exception as error:
        return f"the window's page: {type(error).__name__}: {error}"
    return ""


def window_facts(
    pipeline: Pipeline,
    bundle: Bundle,
    ref: ModelRef,
    key: str,
    frame: pd.DataFrame,
    scored: pd.DataFrame,
    found: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns facts about one judged window; JSON-serializable.

    Parameters
    ----------
    frame, scored : DataFrame of shape (n, d), (n, 6)
        The window's rows and :meth:`Bundle.score` of them.
    found : mapping
        The verdict's parts as plain values: ``drift``, ``exchangeability``, ``observation``,
        ``degradation``, ``aspects``, ``as_of``, ``report``, ``run_id``.
    """
    contract, window_bounds = bundle.contract, bounds(key)
    scores, p_values = scored["score"].to_numpy(), scored["p_value"].to_numpy()
    label = contract.label
    presumed_normal = (
        (frame[label] != 1).to_numpy() if label is not None and label in frame else np.ones(len(frame), bool)
    )
    calibration = bundle.calibration
    facts = {
        "format": FORMAT,
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
        "scores": binned({"held out": calibration.scores, "window": scores}),
        "uniformity": uniformity(p_values[presumed_normal]).to_dict(),
        "parts": _parts(frame, contract.time, window_bounds, scored),
        "listed": _listed(frame, contract.time, contract.id, scored),
        **found,
    }
    plain_facts: dict[str, Any] = plain(facts)
    return plain_facts


def _parts(
    frame: pd.DataFrame, time: str | None, edges: tuple[Any, Any] | None, scored: pd.DataFrame
) -> list[dict[str, Any]]:
    """Returns rows and alerts of equal parts of the window; empty without times."""
    if time is None or edges is None or time not in frame:
        return []
    ends = pd.date_range(edges[0], edges[1], periods=PARTS + 1, tz="UTC")
    moments = frame[time].dt.tz_convert("UTC").dt.as_unit("ns").astype("int64").to_numpy()
    counts = counts_over(list(ends.as_unit("ns").asi8), moments, scored["is_anomaly"].to_numpy())
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


def _listed(
    frame: pd.DataFrame, time: str | None, entity: str | None, scored: pd.DataFrame
) -> list[dict[str, Any]]:
    """Returns the rarest alerts, each with time, entity and result of the model."""
    place = np.arange(len(scored))
    alerted = place[scored["is_anomaly"].to_numpy(dtype=bool)]
    p_values, scores = scored["p_value"].to_numpy(), scored["score"].to_numpy()
    rarest = alerted[np.lexsort((alerted, -scores[alerted], p_values[alerted]))][:LISTED]
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
