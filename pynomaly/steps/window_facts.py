"""What a window's page tells, gathered while its rows are at hand: plain, small, kept for good.

Called by :mod:`pynomaly.steps.monitor` once a verdict. What is known from elsewhere (earlier windows, what
was decided since, declared incidents) is not in here: :mod:`pynomaly.steps.reports` adds it whenever the
page is written.
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
"""Alerts that are listed, the rarest first."""
PARTS = 48
"""Equal parts of a window in which alerts are counted."""


def window_name(key: str, version: int) -> str:
    """How the facts and the page of a window under a version are called."""
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
    """Write the facts down; returns "", or why that failed: a page for people never stops a verdict."""
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
    """Facts about one judged window; JSON-able.

    Parameters
    ----------
    frame, scored : DataFrame of shape (n, d), (n, 6)
        The window's rows and :meth:`Bundle.score` of them.
    found : mapping
        The verdict's parts as plain values: ``drift``, ``exchangeability``, ``observation``,
        ``degradation``, ``aspects``, ``as_of``, ``report``, ``run_id``.
    """
    contract, edges = bundle.contract, bounds(key)
    scores, p_values = scored["score"].to_numpy(), scored["p_value"].to_numpy()
    label = contract.label
    usual = (
        (frame[label] != 1).to_numpy() if label is not None and label in frame else np.ones(len(frame), bool)
    )
    held = bundle.calibration
    facts = {
        "format": FORMAT,
        "kind": "window",
        "pipeline": pipeline.name,
        "description": pipeline.description,
        "config": pipeline.origin.name,
        "window": key,
        "start": edges[0] if edges else None,
        "end": edges[1] if edges else None,
        "version": ref.version,
        "sha256": ref.sha256,
        "rows": len(frame),
        "alerts": int(scored["is_anomaly"].sum()),
        "columns": {"time": contract.time, "id": contract.id, "label": label},
        "policy": bundle.policy.to_dict(),
        "limits": {"notice": pipeline.drift.notice, "effect": pipeline.drift.effect}
        | {"strong_effect": pipeline.drift.strong_effect},
        "scores": binned({"held out": held.scores, "window": scores}),
        "uniformity": uniformity(p_values[usual]).to_dict(),
        "parts": _parts(frame, contract.time, edges, scored),
        "listed": _listed(frame, contract.time, contract.id, scored),
        **found,
    }
    said: dict[str, Any] = plain(facts)
    return said


def _parts(
    frame: pd.DataFrame, time: str | None, edges: tuple[Any, Any] | None, scored: pd.DataFrame
) -> list[dict[str, Any]]:
    """Rows and alerts of equal parts of the window; none without times."""
    if time is None or edges is None or time not in frame:
        return []
    ends = pd.date_range(edges[0], edges[1], periods=PARTS + 1, tz="UTC")
    moments = frame[time].dt.tz_convert("UTC").dt.as_unit("ns").astype("int64").to_numpy()
    counted = counts_over(list(ends.as_unit("ns").asi8), moments, scored["is_anomaly"].to_numpy())
    return [
        {
            "start": ends[i].isoformat(),
            "end": ends[i + 1].isoformat(),
            "rows": rows,
            "alerts": alerts,
            "rate": alerts / rows if rows else None,
        }
        for i, (rows, alerts) in enumerate(counted)
    ]


def _listed(
    frame: pd.DataFrame, time: str | None, entity: str | None, scored: pd.DataFrame
) -> list[dict[str, Any]]:
    """The rarest alerts, each with when, whose, and what the model said."""
    place = np.arange(len(scored))
    alerted = place[scored["is_anomaly"].to_numpy(dtype=bool)]
    p_values, scores = scored["p_value"].to_numpy(), scored["score"].to_numpy()
    order = alerted[np.lexsort((alerted, -scores[alerted], p_values[alerted]))][:LISTED]
    listed = []
    for row in order:
        said = scored.iloc[row]
        listed.append(
            {
                "row": int(row),
                "time": frame[time].iloc[row].isoformat() if time and time in frame else None,
                "entity": str(frame[entity].iloc[row]) if entity and entity in frame else None,
                "score": float(said["score"]),
                "p_value": float(said["p_value"]),
                "severity": str(said["severity"]),
                "rarity": str(said["rarity"]) if pd.notna(said["rarity"]) else "",
            }
        )
    return listed
