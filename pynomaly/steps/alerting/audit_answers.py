"""Answers to audits: labels of drawn rows are added, and alert quality is estimated from them.

Called by the command line, and by :mod:`pynomaly.steps.promotion.deciding_audit`. Labels are only added, and
the newest label of a row is valid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.errors import ColumnError, RecordError, list_allowed
from pynomaly.judging.alerts.audit import AuditStratum
from pynomaly.judging.alerts.audited import AuditedRows, measure_audited_model
from pynomaly.model.dependence.dependence import place_sampled_incidents
from pynomaly.records.ledger import Audit, Label, Ledger
from pynomaly.steps.alerting.labels import parse_truth, read_label_table

__all__ = ["AnsweredAudit", "find_audit", "judge_audit", "label_audit"]


@dataclass(frozen=True, eq=False)
class AnsweredAudit:
    """An audit with the answers so far.

    Attributes
    ----------
    name : str
    audit : Audit
    rows : AuditedRows
    """

    name: str
    audit: Audit
    rows: AuditedRows

    @property
    def against(self) -> Mapping[str, Any] | None:
        """The versions that the draw compares, ``champion`` and ``challenger``; None if it compares none."""
        against: Mapping[str, Any] | None = self.audit.content.get("against")
        return against

    def read_numbers(self, name: str) -> np.ndarray | None:
        """Return what was kept of each drawn row under `name`, float array of shape (m,), or None."""
        rows = self.audit.content["rows"]
        return np.array([row[name] for row in rows], dtype=np.float64) if name in rows[0] else None

    def describe(self, pipeline: str) -> dict[str, Any]:
        """Return pipeline, name and windows, for people."""
        facts = {key: self.audit.content[key] for key in ("from", "to", "windows")}
        return {"pipeline": pipeline, "audit": self.name, **facts, "against": self.against}


def find_audit(pipeline: Pipeline, name: str = "") -> AnsweredAudit:
    """Read the audit called `name`, or the newest, with its answers.

    Raises
    ------
    RecordError
        If there is no such audit.
    """
    with Ledger.open(pipeline.ledger_url) as ledger:
        answers = ledger.answers
        audits = {_get_audit_name(item): item for item in answers.list_audits(pipeline.name)}
        newest_labels = _select_newest_labels(answers.list_labels(pipeline.name))
    if not audits:
        raise RecordError(f"{pipeline.name} has no audit yet; draw one with --rows 50")
    if name and name not in audits:
        raise RecordError(f"no audit {name!r}; {list_allowed(name, audits)}")
    audit_name = name or list(audits)[-1]
    audit = audits[audit_name]
    drawn = audit.content["rows"]
    stem = f"audit:{pipeline.name}:{audit_name}"
    truth = np.array([newest_labels.get(f"{stem}:{place}", -1) for place in range(len(drawn))])
    rows = AuditedRows(
        tuple(AuditStratum(**item) for item in audit.content["strata"]),
        tuple(row["stratum"] for row in drawn),
        truth,
        _join_blocks(drawn, truth, audit.content.get("reach", 0.0)),
    )
    return AnsweredAudit(audit_name, audit, rows)


def _join_blocks(
    drawn: Sequence[Mapping[str, Any]], truth: np.ndarray, reach: float
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the block of each drawn row; the rows of an audit of an earlier edition are single."""
    if "block" not in drawn[0]:
        return np.arange(len(drawn))
    blocks = np.array([row["block"] for row in drawn], dtype=np.int64)
    if drawn[0]["row"].startswith("row:"):
        return blocks
    times = pd.Series(pd.to_datetime([row["row"] for row in drawn], utc=True, format="ISO8601"))
    return place_sampled_incidents(blocks, times, [row["entity"] for row in drawn], truth, reach)


def judge_audit(pipeline: Pipeline, answered: AnsweredAudit) -> dict[str, Any]:
    """Estimate the quality of the alerts, and the average precision of the scores, from an audit."""
    model = measure_audited_model(
        answered.rows,
        answered.read_numbers("score"),
        ("alerted",),
        pipeline.comparison,
        pipeline.training.seed,
        answered.read_numbers("rank"),
    )
    measured = model.to_dict()
    others = {name: measured[name] for name in ("average_precision", "powered")}
    return {**answered.describe(pipeline.name), **measured["alerts"], **others}


def label_audit(pipeline: Pipeline, path: Path, author: str) -> int:
    """Add the labels from an audit's table, and return how many were new.

    Raises
    ------
    SourceError, ColumnError
        If the file is not the table of an audit.
    RecordError
        If its audit is not in the ledger; nothing is added.
    """
    table = read_label_table(path, pipeline.data)
    for name in ("audit", "number", "label"):
        if name not in table:
            raise ColumnError(f"{path}: no column {name!r}; {list_allowed(name, list(map(str, table)))}")
    with Ledger.open(pipeline.ledger_url) as ledger:
        answers = ledger.answers
        audits = {_get_audit_name(item): item for item in answers.list_audits(pipeline.name)}
        known_labels = answers.list_labels(pipeline.name)
        newest_labels = _select_newest_labels(known_labels)
        labels = []
        for line, row in enumerate(table.to_dict("records"), 1):
            truth = parse_truth(row["label"], f"{path}, row {line}")
            if truth is None:
                continue
            audit = audits.get(str(row["audit"]))
            number = str(row["number"])
            if audit is None or not number.isdigit() or int(number) >= len(audit.content["rows"]):
                raise RecordError(
                    f"{path}, row {line}: no row {number!r} of an audit {row['audit']!r} of {pipeline.name}; "
                    f"{list_allowed(str(row['audit']), audits)}"
                )
            drawn_row = audit.content["rows"][int(number)]
            stem = f"audit:{pipeline.name}:{row['audit']}:{number}"
            if stem in newest_labels and newest_labels[stem] == truth:
                continue
            nth = sum(label.key.rpartition(":")[0] == stem for label in known_labels)
            labels.append(
                Label(
                    key=f"{stem}:{nth}",
                    pipeline=pipeline.name,
                    entity=drawn_row["entity"],
                    row=drawn_row["row"],
                    truth=truth,
                    source="audit",
                    author=str(row.get("author") or author),
                    note=str(row.get("note") or ""),
                )
            )
        return answers.add_facts(*labels)


def _get_audit_name(audit: Audit) -> str:
    return audit.key.rpartition(":")[2]


def _select_newest_labels(labels: tuple[Label, ...]) -> dict[str, int]:
    """Return the newest label of every drawn row, by ``audit:PIPELINE:AUDIT:NUMBER``."""
    return {label.key.rpartition(":")[0]: label.truth for label in labels if label.source == "audit"}
