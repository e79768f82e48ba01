"""Which rows of a reference no model may learn as normal: labelled, declared, or alerted by the champion.

The champion's own confident alerts are left out (``training.exclude_alerts``), so that an incident nobody has
labelled yet is not learned; unless they are so many that they are no incident but a new regime
(``training.exclude_alerts_cap``), which a retraining is there to learn. What people answered counts before
what the champion says: rows they confirmed are labelled, rows they called false alarms are learned as normal.
The held-out rows are never chosen here. Called where a training is decided and where its rows are laid out;
reads, and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Pipeline
from pynomaly.data.incidents import covered, declared
from pynomaly.errors import DataError, DetectorError, ModelError
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry import ModelRef, Registry
from pynomaly.steps.champion import champion_of, last_change
from pynomaly.steps.feedback import NO_FEEDBACK, Feedback

__all__ = ["Excluded", "excluded", "held_rows", "teacher"]

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Excluded:
    """Rows before the held-out ones that are not learned as normal; a row has one cause, the first.

    Attributes
    ----------
    labelled, declared, alerted : ndarray of bool, shape (n,)
        Labelled anomalies; other rows of declared incidents; other rows that the champion alerts on.
    said : str
        What a person should know of the champion's alerts, or "".
    """

    labelled: Mask
    declared: Mask
    alerted: Mask
    said: str = ""

    @property
    def any(self) -> Mask:
        """Rows left out for whatever cause."""
        return self.labelled | self.declared | self.alerted

    def to_dict(self) -> dict[str, Any]:
        """Rows by cause, and what is said of them."""
        counts = {name: int(getattr(self, name).sum()) for name in ("labelled", "declared", "alerted")}
        return {**counts, "said": self.said}


def teacher(pipeline: Pipeline, asked: str) -> ModelRef | None:
    """The version whose alerts stay out of the training that answers the request `asked`, or None.

    That is the champion; and once this very request has made a champion, still the one before it, so that
    asking again finds the same training. None with ``training.exclude_alerts: null``.
    """
    if pipeline.training.exclude_alerts is None:
        return None
    registry = Registry.of(pipeline)
    champion = champion_of(pipeline, registry)
    if champion is None or not asked:
        return champion
    with Ledger.open(pipeline.ledger_url) as ledger:
        made = [item for item in ledger.trainings(pipeline.name) if item.version == champion.version]
        change = last_change(ledger, pipeline.name)
    if change is None or not any(item.detail.get("asked") == asked for item in made):
        return champion
    before = change.evidence.get("replaces") if change.evidence.get("version") == champion.version else None
    return registry.version(pipeline.name, int(before)) if before is not None else None


def held_rows(pipeline: Pipeline, frame: pd.DataFrame, rng: np.random.Generator) -> Mask:
    """Which rows are held out to judge on: the newest where there is time, else stratified by `rng`."""
    data, share = pipeline.data, pipeline.training.holdout
    if data.time:
        cut = min(round(len(frame) * (1 - share)), len(frame) - 1)
        # Rows of one moment stay together: nothing judged is as old as anything fitted.
        return np.asarray(frame[data.time] >= frame[data.time].iloc[cut], dtype=bool)
    order = rng.permutation(len(frame))
    label = frame[data.label].fillna(-1).to_numpy() if data.label else np.full(len(frame), -1.0)
    order = order[np.argsort(label[order], kind="stable")]
    held = np.zeros(len(frame), dtype=bool)
    # Every k-th row of the rows sorted by label: the share of each label is kept.
    held[order[(np.arange(len(frame)) * share) % 1 < share]] = True
    return held


def excluded(
    pipeline: Pipeline,
    frame: pd.DataFrame,
    held: Mask,
    by: ModelRef | None,
    feedback: Feedback = NO_FEEDBACK,
) -> Excluded:
    """Sort the rows before the held-out ones by why they are not learned as normal.

    Parameters
    ----------
    pipeline : Pipeline
    frame : DataFrame of shape (n, d)
    held : ndarray of bool, shape (n,)
        Held-out rows: never excluded, never scored here.
    by : ModelRef or None
        Whose alerts stay out (:func:`teacher`). Cost: its scores of the rows that are left.
    feedback : Feedback, optional
        What people answered.
    """
    data = pipeline.data
    odd = (frame[data.label] == 1).to_numpy() if data.label else np.zeros(len(frame), dtype=bool)
    answered = feedback.truth(pipeline, frame)
    odd = odd | (answered == 1)
    labelled = odd & ~held
    incident = covered(data, frame, declared(data)) & ~held & ~odd
    asked = ~held & ~odd & ~incident
    alerted, said = _alerted(pipeline, frame, asked, by)
    kept = alerted & (answered == 0)
    heard = feedback.said(int((labelled & (answered == 1)).sum()), int(kept.sum()))
    return Excluded(labelled, incident, alerted & ~kept, " ".join(filter(None, [said, heard])))


def _alerted(pipeline: Pipeline, frame: pd.DataFrame, asked: Mask, by: ModelRef | None) -> tuple[Mask, str]:
    """Confident alerts of version `by` among the rows `asked` about, up to the cap."""
    bound, cap = pipeline.training.exclude_alerts, pipeline.training.exclude_alerts_cap
    none = np.zeros(len(frame), dtype=bool)
    if by is None or bound is None or not asked.any():
        return none, ""
    registry = Registry.of(pipeline)
    try:
        p_values = registry.load(by).score(frame[asked])["p_value"].to_numpy()
    except (DataError, DetectorError, ModelError) as error:
        return none, f"Alerts of v{by.version} are not left out: it cannot score the reference ({error})."
    found = none.copy()
    found[asked] = p_values <= bound
    count, share = int(found.sum()), float(found.sum() / asked.sum())
    if share > cap:
        return none, (
            f"v{by.version} alerts (p-value at most {bound:g}) on {share:.1%} of the rows to learn from, "
            f"more than {cap:.1%}: a change of regime, not an incident; none of them is left out."
        )
    if not count:
        return none, ""
    return found, f"Rows that v{by.version} alerts on (p-value at most {bound:g}), left out: {count}."
