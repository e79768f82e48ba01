"""Explain a scored row: the model, threshold and reasons of that time, from ledger, partition and bundle.

The score, p-value and verdict are read from the partition, whose hash is in the ledger; the model is the
version that scored it, not the present champion. That version computes the reasons again from the rows of the
window; if these have changed since, there are no reasons and a note says so. Writes nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.sources.checked_window import read_checked_window
from pynomaly.data.window import Window
from pynomaly.errors import DataError, PynomalyError, WindowError, list_allowed
from pynomaly.model.bundle import Bundle
from pynomaly.model.entities.scales import read_row_entities
from pynomaly.model.explanation.explain import ExplainMethod, check_method
from pynomaly.model.explanation.reasons import Explanation
from pynomaly.records.ledger import Ledger, Partition
from pynomaly.records.ledger.rows import to_json
from pynomaly.records.registry import Registry
from pynomaly.records.store import Store
from pynomaly.steps.alerting.alert_rows import read_entities
from pynomaly.steps.champion import find_champion_at
from pynomaly.steps.scoring.due_windows import resolve_moment

__all__ = ["RowExplanation", "explain_row"]


@dataclass(frozen=True)
class RowExplanation:
    """Why one row was, or was not, an alert.

    Attributes
    ----------
    row : dict
        ``number``, ``entity``, ``time``, and its result: ``score``, ``p_value``, ``severity``,
        ``is_anomaly``, ``extrapolated``, ``rarity``.
    window : str
    version : int
        The version that scored it.
    detector : str
    threshold_p : float
        A single row is an alert at this p-value or below.
    threshold_score : float or None
        Lowest score that alerts; None if no score reaches the threshold.
    champion_now : int or None
    method : str
        How the reasons were computed; "" if they could not be.
    reasons : tuple of dict
        See :class:`~pynomaly.model.explanation.reasons.Reason`.
    notes : tuple of str
        The same in sentences, with notes on missing information.
    """

    pipeline: str
    row: dict[str, Any]
    window: str
    version: int
    detector: str
    threshold_p: float
    threshold_score: float | None
    champion_now: int | None
    method: str
    reasons: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        content: dict[str, Any] = to_json(asdict(self))
        return content | {"said": content.pop("notes")}


def explain_row(
    pipeline: Pipeline, row: str, as_of: str = "latest", top: int = 3, method: str = "own"
) -> RowExplanation:
    """Explain why a scored row was, or was not, an alert.

    Parameters
    ----------
    pipeline : Pipeline
    row : str
        An entity (column ``data.id``): its newest scored row at `as_of`. Or the number of a row in the window
        that holds `as_of`.
    as_of : str
        ISO 8601 with an offset, or ``latest``.
    top : int
        Number of columns to name as reasons.
    method : {"own", "occlusion", "shap", "lime"}
        How the score is divided among the columns; see :meth:`~pynomaly.model.bundle.Bundle.explain`.

    Raises
    ------
    ModelError
        If the method's package is not installed.
    WindowError
        If no window was scored by then.
    DataError
        If there is no such row or method.
    RecordError, IntegrityError
        If scores or model are missing, or differ from the records.
    """
    chosen_method = check_method(method)
    moment = resolve_moment(pipeline, as_of, datetime.now().astimezone()) if pipeline.data.time else None
    with Ledger.open(pipeline.ledger_url) as ledger:
        partition, place, scores = _find_row(pipeline, ledger, row, moment)
        current = find_champion_at(ledger, pipeline.name, None)
    registry = Registry.open_for(pipeline)
    bundle = registry.load_bundle(registry.find_version(pipeline.name, partition.version))
    row_scores = scores.iloc[place]
    policy = bundle.policy
    limit = _find_score_limit(bundle, policy.threshold, scores.iloc[[place]])
    sentences = [
        f"v{partition.version} ({bundle.detector.name}) scored the window {partition.window} "
        f"on {partition.scored_at:%Y-%m-%d %H:%M} UTC; champion now: {f'v{current}' if current else 'none'}",
        f"policy {policy.kind}: a row alone alerted at p <= {policy.threshold:.3g}"
        + (f", a score of {limit:.4g} or more" if limit is not None else ", which no score reached"),
    ]
    if policy.level is not None:
        sentences.append(f"alerts of a window were decided together, at a level of {policy.level:g} (fdr)")
    if moment is not None and partition.scored_at > moment and as_of != "latest":
        sentences.append("it was scored, or scored again, after that moment")
    explained, notes = _find_reasons(pipeline, bundle, partition, row_scores, top, chosen_method)
    return RowExplanation(
        pipeline=pipeline.name,
        row=_describe_row(pipeline, scores, place),
        window=partition.window,
        version=partition.version,
        detector=bundle.detector.name,
        threshold_p=policy.threshold,
        threshold_score=limit,
        champion_now=current,
        method=explained.method if explained else "",
        reasons=tuple(reason.to_dict() for reason in explained.reasons) if explained else (),
        notes=(*sentences, *notes),
    )


def _find_row(
    pipeline: Pipeline, ledger: Ledger, row: str, moment: datetime | None
) -> tuple[Partition, int, pd.DataFrame]:
    """Returns the partition of the row, its position in it, and the scores of the partition."""
    partitions = ledger.list_partitions(pipeline.name)
    started = [item for item in partitions if moment is None or item.start is None or item.start <= moment]
    if not started:
        by = f" by {moment.isoformat()}" if moment else ""
        raise WindowError(f"{pipeline.name}: no window was scored{by}; run: pynomaly score")
    store, seen_entities = Store(pipeline.store_root), set[str]()
    for partition in reversed(started):
        scores = store.read_scores(pipeline.name, [partition.window], {partition.window: partition.sha256})
        before_moment = scores[pipeline.data.time] <= moment if moment and pipeline.data.time else None
        known_rows = (
            np.ones(len(scores), dtype=bool) if before_moment is None else before_moment.to_numpy(dtype=bool)
        )
        row_entities = read_entities(pipeline, scores)
        places = np.flatnonzero(known_rows & (row_entities == row))
        if len(places):
            times = scores[pipeline.data.time].iloc[places] if pipeline.data.time else None
            return partition, int(places[-1 if times is None else int(np.argmax(times.to_numpy()))]), scores
        if row.isdecimal() and partition is started[-1]:
            numbered = np.flatnonzero(scores["row"].to_numpy() == int(row))
            if len(numbered):
                return partition, int(numbered[0]), scores
        seen_entities |= set(row_entities[known_rows])
    if pipeline.data.id is None:
        raise DataError(f"no row {row!r} in the window {started[-1].window}; rows are named by their number")
    raise DataError(
        f"no scored row of {row!r} ({pipeline.data.id}); {list_allowed(row, sorted(seen_entities))}"
    )


def _describe_row(pipeline: Pipeline, scores: pd.DataFrame, place: int) -> dict[str, Any]:
    line = scores.iloc[place]
    time = line[pipeline.data.time].isoformat() if pipeline.data.time else ""
    result_columns = ("score", "p_value", "severity", "is_anomaly", "extrapolated", "rarity")
    identity = {
        "number": int(line["row"]),
        "entity": str(read_entities(pipeline, scores)[place]),
        "time": time,
    }
    return identity | {
        name: line[name].item() if hasattr(line[name], "item") else line[name] for name in result_columns
    }


def _find_score_limit(bundle: Bundle, threshold: float, row: pd.DataFrame) -> float | None:
    """Returns the lowest score of the row's entity at or below the threshold, by bisection; None without one.

    The row has one line, with ``score`` and the entity.
    """
    calibration, row_score = bundle.calibration, float(row["score"].iloc[0])
    entity = read_row_entities(row, bundle.contract) if calibration.groups is not None else None
    if not calibration.computable:
        return None
    scores = calibration.scores
    low, high = float(np.min(scores)), max(float(np.max(scores)), row_score)
    high += max(1.0, high - low)
    if float(calibration.p_values([high], entity)[0]) > threshold:
        return None
    for _ in range(200):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        if float(calibration.p_values([middle], entity)[0]) <= threshold:
            high = middle
        else:
            low = middle
    return high


def _find_reasons(
    pipeline: Pipeline,
    bundle: Bundle,
    partition: Partition,
    line: pd.Series[Any],
    top: int,
    method: ExplainMethod,
) -> tuple[Explanation | None, tuple[str, ...]]:
    """Returns the explanation, None where the rows are not there any more, and notes on it."""
    window = Window(partition.start, partition.end) if partition.start and partition.end else None
    try:
        checked = read_checked_window(pipeline, window)
        if checked.data_hash != partition.data_hash:
            return None, ("no reasons: the window's rows were changed after they were scored",)
        rows = checked.check(bundle.contract).clean
        (explanation,) = bundle.explain(rows.loc[[int(line["row"])]], top, method)
    except PynomalyError as error:
        return None, (f"no reasons: the window's rows cannot be read any more: {error}",)
    notes: tuple[str, ...] = ()
    if abs(explanation.score - float(line["score"])) > 1e-9 * max(1.0, abs(float(line["score"]))):
        notes = (f"the model gives {explanation.score!r} today, on record is {float(line['score'])!r}",)
    if not explanation.reasons:
        notes += ("no column raises the score",)
    notes += tuple(f"{reason.column}: {reason.past}" for reason in explanation.reasons if reason.past)
    return explanation, notes
