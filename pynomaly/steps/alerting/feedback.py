"""Reads people's answers about the rows of a reference, for use in a training.

The newest answer about a row is valid; only the newest ``feedback.per_author`` answers of each author count,
so that no single person or stolen account decides what is learned. Labels of the source itself come from
``data.label`` and are not read here. Called when a training is decided and when its rows are split.
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
from pynomaly.records.ledger import Ledger
from pynomaly.steps.alerting.alert_rows import read_entities

__all__ = ["NO_FEEDBACK", "RowFeedback", "read_feedback"]


@dataclass(frozen=True)
class RowFeedback:
    """Answers that a training may use.

    Attributes
    ----------
    rows : mapping of (entity, row) to 1 or 0
        `row` is its time in ISO 8601 and UTC; a table without time has no answers.
    authors, capped : int
        Number of authors; number of answers left out because their author has enough newer ones.
    digest : str
        Hash of the answers; "" if there are none.
    """

    rows: Mapping[tuple[str, str], int] = field(default_factory=dict)
    authors: int = 0
    capped: int = 0
    digest: str = ""

    def read_truth(self, pipeline: Pipeline, frame: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return 1, 0 or NaN (no answer) for every row of `frame`, array of shape (n,)."""
        truth_values = np.full(len(frame), np.nan)
        if not self.rows:
            return truth_values
        for place, key in _find_row_keys(pipeline, frame, {row for _, row in self.rows}):
            if key in self.rows:
                truth_values[place] = self.rows[key]
        return truth_values

    def describe_effect(self, confirmed: int, kept: int) -> str:
        """Return a text on how the answers changed a training; "" if there are no answers."""
        if not self.rows:
            return ""
        capped_text = f"; {self.capped} more are beyond feedback.per_author" if self.capped else ""
        return (
            f"Answers of {self.authors} people: {confirmed} rows they confirmed are left out of the fit and "
            f"teach, {kept} alerts they called false are learned as normal{capped_text}."
        )


NO_FEEDBACK = RowFeedback()


def read_feedback(pipeline: Pipeline, frame: pd.DataFrame, until: datetime | None = None) -> RowFeedback:
    """Return answers about the rows of `frame`, shape (n, d); only those given by `until`, if it is set."""
    with Ledger.open(pipeline.ledger_url) as ledger:
        labels = [
            label
            for label in ledger.answers.list_labels(pipeline.name)
            if until is None or label.at is None or label.at <= until
        ]
    if not labels:
        return NO_FEEDBACK
    known_keys = {key for _, key in _find_row_keys(pipeline, frame, {label.row for label in labels})}
    answers_by_author: dict[str, int] = {}
    rows: dict[tuple[str, str], int] = {}
    authors: set[str] = set()
    capped = 0
    for label in reversed(labels):  # newest first
        key = (label.entity, label.row)
        if key not in known_keys or key in rows:
            continue
        if answers_by_author.get(label.author, 0) >= pipeline.feedback.per_author:
            capped += 1
            continue
        answers_by_author[label.author] = answers_by_author.get(label.author, 0) + 1
        rows[key] = label.truth
        authors.add(label.author)
    return RowFeedback(rows, len(authors), capped, _hash_answers(rows))


def _find_row_keys(
    pipeline: Pipeline, frame: pd.DataFrame, row_texts: set[str]
) -> list[tuple[int, tuple[str, str]]]:
    """Return positions and keys of the rows whose time is in `row_texts`."""
    data = pipeline.data
    if data.time is None:  # positions would mean other rows after the table changes
        return []
    moments = pd.to_datetime([row for row in row_texts if not row.startswith("row:")], utc=True)
    places = [int(place) for place in np.flatnonzero(frame[data.time].isin(moments).to_numpy())]
    times, row_entities = frame[data.time].iloc[places], read_entities(pipeline, frame)
    return [
        (place, (str(row_entities[place]), moment.to_pydatetime().isoformat()))
        for place, moment in zip(places, times, strict=True)
    ]


def _hash_answers(rows: Mapping[tuple[str, str], int]) -> str:
    if not rows:
        return ""
    sorted_answers = sorted((entity, row, truth) for (entity, row), truth in rows.items())
    return hashlib.sha256(json.dumps(sorted_answers).encode()).hexdigest()[:16]
