"""Finds the reference rows that no model may learn as normal: labelled, declared, or alerted by the champion.

The champion's own confident alerts are left out (``training.exclude_alerts``), so that an incident nobody has
labelled yet is not learned. But if there are too many of them (``training.exclude_alerts_cap``), they are not
an incident but a new regime, which a retraining must learn. People's answers take precedence over the
champion's alerts: confirmed rows are labelled, false alarms are learned as normal. Held-out rows are never
excluded. Called when a training is decided and when its rows are split; writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Pipeline
from pynomaly.data.incidents import mark_incident_rows, read_incidents
from pynomaly.errors import DataError, DetectorError, ModelError
from pynomaly.model.bundle import Bundle
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry import ModelRef, Registry
from pynomaly.steps.alerting.feedback import NO_FEEDBACK, RowFeedback
from pynomaly.steps.champion import find_champion, find_last_change

__all__ = ["AlertingModel", "ExcludedRows", "exclude_rows", "find_reference_champion", "hold_out_rows"]

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ExcludedRows:
    """Fit rows that are not learned as normal; a row has one cause, the first that applies.

    Attributes
    ----------
    labelled, declared, alerted : ndarray of bool, shape (n,)
        Labelled anomalies; other rows of declared incidents; other rows that the champion alerts on.
    ranked : ndarray of bool, shape (n,)
        Of the alerted ones those that normal operation explains: their scores still count in p-values, which
        would otherwise get smaller from training to training.
    note : str
        Text for people about the champion's alerts and the answers, or "".
    """

    labelled: Mask
    declared: Mask
    alerted: Mask
    ranked: Mask
    note: str = ""

    @property
    def any(self) -> Mask:
        """Rows left out for any cause."""
        return self.labelled | self.declared | self.alerted

    def to_dict(self) -> dict[str, Any]:
        """Return the number of rows by cause, and the text for people."""
        counts = {name: int(getattr(self, name).sum()) for name in ("labelled", "declared", "alerted")}
        return {**counts, "said": self.note}


@dataclass(frozen=True)
class AlertingModel:
    """A champion whose confident alerts stay out of a training: its name for people, and how to load it."""

    name: str
    load: Callable[[], Bundle]

    @classmethod
    def of(cls, pipeline: Pipeline, ref: ModelRef | None) -> AlertingModel | None:
        """Return the registered version `ref`, loaded only where rows are scored; None for None."""
        if ref is None:
            return None
        registry = Registry.open_for(pipeline)
        return cls(f"v{ref.version}", lambda: registry.load_bundle(ref))


def find_reference_champion(pipeline: Pipeline, asked: str) -> ModelRef | None:
    """Return the version whose alerts stay out of the training for the request `asked`, or None.

    That is the champion. If this request has already produced the champion, it is still the previous one, so
    that repeating the request finds the same training. None with ``training.exclude_alerts: null``.
    """
    if pipeline.training.exclude_alerts is None:
        return None
    registry = Registry.open_for(pipeline)
    champion = find_champion(pipeline, registry)
    if champion is None or not asked:
        return champion
    with Ledger.open(pipeline.ledger_url) as ledger:
        training = ledger.find_version_training(pipeline.name, champion.version)
        change = find_last_change(ledger, pipeline.name)
    if change is None or training is None or training.facts.asked != asked:
        return champion
    previous = change.replaces if change.version == champion.version else None
    return registry.find_version(pipeline.name, previous) if previous is not None else None


def hold_out_rows(pipeline: Pipeline, frame: pd.DataFrame, rng: np.random.Generator) -> Mask:
    """Return a mask of held-out rows: the newest if there is a time column, else stratified by `rng`."""
    data, share = pipeline.data, pipeline.training.holdout
    if data.time:
        cut = min(round(len(frame) * (1 - share)), len(frame) - 1)
        # Rows of one moment stay together: every judged row is newer than every fitted row.
        return np.asarray(frame[data.time] >= frame[data.time].iloc[cut], dtype=bool)
    order = rng.permutation(len(frame))
    label = frame[data.label].fillna(-1).to_numpy() if data.label else np.full(len(frame), -1.0)
    order = order[np.argsort(label[order], kind="stable")]
    is_held_out = np.zeros(len(frame), dtype=bool)
    # Every k-th row of the rows sorted by label keeps the share of each label.
    is_held_out[order[(np.arange(len(frame)) * share) % 1 < share]] = True
    return is_held_out


def exclude_rows(
    pipeline: Pipeline,
    frame: pd.DataFrame,
    held: Mask,
    by: AlertingModel | None,
    feedback: RowFeedback = NO_FEEDBACK,
) -> ExcludedRows:
    """Return the rows outside the held-out ones that are not learned as normal, by cause.

    Parameters
    ----------
    pipeline : Pipeline
    frame : DataFrame of shape (n, d)
    held : ndarray of bool, shape (n,)
        Held-out rows: never excluded, never scored here.
    by : AlertingModel or None
        Model whose alerts stay out. Cost: it scores the remaining rows.
    feedback : RowFeedback, optional
        People's answers about the rows.
    """
    data = pipeline.data
    anomalous = (frame[data.label] == 1).to_numpy() if data.label else np.zeros(len(frame), dtype=bool)
    answers = feedback.read_truth(pipeline, frame)
    anomalous = anomalous | (answers == 1)
    labelled = anomalous & ~held
    incident = mark_incident_rows(data, frame, read_incidents(data)) & ~held & ~anomalous
    candidates = ~held & ~anomalous & ~incident
    alerted, ranked, alerts_text = _flag_champion_alerts(pipeline, frame, candidates, by)
    overruled = alerted & (answers == 0)
    answers_text = feedback.describe_effect(int((labelled & (answers == 1)).sum()), int(overruled.sum()))
    note = " ".join(filter(None, [alerts_text, answers_text]))
    return ExcludedRows(labelled, incident, alerted & ~overruled, ranked & ~overruled, note)


def _flag_champion_alerts(
    pipeline: Pipeline, frame: pd.DataFrame, candidates: Mask, by: AlertingModel | None
) -> tuple[Mask, Mask, str]:
    """Return confident alerts of the model `by` among the `candidates`, none above the cap; and a text.

    The second mask has those of them that normal operation explains. Where there are more than three times
    as many as expected of normal rows, something happened: of these, the least extreme ones count.
    """
    bound, cap = pipeline.training.exclude_alerts, pipeline.training.exclude_alerts_cap
    none = np.zeros(len(frame), dtype=bool)
    if by is None or bound is None or not candidates.any():
        return none, none, ""
    try:
        p_values = by.load().score(frame[candidates])["p_value"].to_numpy()
    except (DataError, DetectorError, ModelError) as error:
        return none, none, f"Alerts of {by.name} are not left out: it cannot score the reference ({error})."
    excluded_rows = none.copy()
    excluded_rows[candidates] = p_values <= bound
    count, share = int(excluded_rows.sum()), float(excluded_rows.sum() / candidates.sum())
    if share > cap:
        return (
            none,
            none,
            (
                f"{by.name} alerts (p-value at most {bound:g}) on {share:.1%} of the rows to learn from, "
                f"more than {cap:.1%}: a change of regime, not an incident; none of them is left out."
            ),
        )
    if not count:
        return none, none, ""
    ranked, places = none.copy(), np.flatnonzero(candidates)
    expected = bound * len(places)
    least_extreme = np.argsort(-p_values[p_values <= bound], kind="stable")
    kept = count if count <= 3 * max(1.0, expected) else round(expected)
    ranked[places[p_values <= bound][least_extreme[:kept]]] = True
    return (
        excluded_rows,
        ranked,
        f"Rows that {by.name} alerts on (p-value at most {bound:g}), left out: {count}.",
    )
