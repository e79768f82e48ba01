"""What people answered about the rows of a reference, as a training may use it.

The newest answer about a row stands; of each author only the newest ``feedback.per_author`` count, so that no
one person, and no account that was taken over, decides what is learned. Labels of the source itself come from
``data.label`` and are no part of this. Called where a training is decided and where its rows are laid out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.records.ledger import Answers, Ledger
from pynomaly.steps.flags import entities

__all__ = ["NO_FEEDBACK", "Feedback", "feedback_of"]


@dataclass(frozen=True)
class Feedback:
    """Answers that count.

    Attributes
    ----------
    rows : mapping of (entity, row) to 1 or 0
        Row as its time in ISO 8601 and UTC; a table without time has none.
    authors, capped : int
        Who gave them; answers left out because their author has given newer ones enough.
    digest : str
        Names them by content; "" without any.
    """

    rows: Mapping[tuple[str, str], int] = field(default_factory=dict)
    authors: int = 0
    capped: int = 0
    digest: str = ""

    def truth(self, pipeline: Pipeline, frame: pd.DataFrame) -> npt.NDArray[np.float64]:
        """1, 0 or NaN for every row of `frame`, array of shape (n,)."""
        found = np.full(len(frame), np.nan)
        if not self.rows:
            return found
        for place, key in _keys(pipeline, frame, {row for _, row in self.rows}):
            if key in self.rows:
                found[place] = self.rows[key]
        return found

    def said(self, confirmed: int, kept: int) -> str:
        """What the answers did to a training, for people; "" where they did nothing."""
        if not self.rows:
            return ""
        left = f"; {self.capped} more are beyond feedback.per_author" if self.capped else ""
        return (
            f"Answers of {self.authors} people: {confirmed} rows they confirmed are left out of the fit and "
            f"teach, {kept} alerts they called false are learned as normal{left}."
        )


NO_FEEDBACK = Feedback()


def feedback_of(pipeline: Pipeline, frame: pd.DataFrame, until: datetime | None = None) -> Feedback:
    """Answers about the rows of `frame`, DataFrame of shape (n, d); those given by `until`, or all."""
    with Ledger.open(pipeline.ledger_url) as ledger:
        labels = [
            label
            for label in Answers.beside(ledger).labels(pipeline.name)
            if until is None or label.at is None or label.at <= until
        ]
    if not labels:
        return NO_FEEDBACK
    there = {key for _, key in _keys(pipeline, frame, {label.row for label in labels})}
    given: dict[str, int] = {}
    rows: dict[tuple[str, str], int] = {}
    authors: set[str] = set()
    capped = 0
    for label in reversed(labels):  # the newest first
        key = (label.entity, label.row)
        if key not in there or key in rows:
            continue
        if given.get(label.author, 0) >= pipeline.feedback.per_author:
            capped += 1
            continue
        given[label.author] = given.get(label.author, 0) + 1
        rows[key] = label.truth
        authors.add(label.author)
    return Feedback(rows, len(authors), capped, _digest(rows))


def _keys(pipeline: Pipeline, frame: pd.DataFrame, wanted: set[str]) -> list[tuple[int, tuple[str, str]]]:
    """Positions of the rows whose time is `wanted`, with their keys."""
    data = pipeline.data
    if data.time is None:  # positions alone would name other rows once the table changes
        return []
    moments = pd.to_datetime([row for row in wanted if not row.startswith("row:")], utc=True)
    places = [int(place) for place in np.flatnonzero(frame[data.time].isin(moments).to_numpy())]
    times, who = frame[data.time].iloc[places], entities(pipeline, frame)
    return [
        (place, (str(who[place]), moment.to_pydatetime().isoformat()))
        for place, moment in zip(places, times, strict=True)
    ]


def _digest(rows: Mapping[tuple[str, str], int]) -> str:
    if not rows:
        return ""
    spelled = sorted((entity, row, truth) for (entity, row), truth in rows.items())
    return hashlib.sha256(json.dumps(spelled).encode()).hexdigest()[:16]
