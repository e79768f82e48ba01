"""Audits of alert quality: draws scored rows, reads their labels, and estimates how good the alerts are.

Called by the command line. The drawn rows, their probabilities and the seed are recorded before anybody sees
the rows; labels are only added, and the newest label of a row is valid.
"""

from __future__ import annotations

import csv
import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.sources.checked_window import read_checked_window
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError, ConfigError, RecordError, WindowError, list_allowed
from pynomaly.judging.alerts.audit import AuditEstimate, AuditStratum, draw_audit_rows, estimate_audit
from pynomaly.records.ledger import Audit, Label, Ledger, Partition
from pynomaly.records.registry import Registry
from pynomaly.records.sheet import escape_cell
from pynomaly.records.store import Store, write_atomically
from pynomaly.steps.alerting.alert_rows import read_entities
from pynomaly.steps.alerting.labels import parse_truth, read_label_table

__all__ = ["draw_audit", "judge_audit", "label_audit"]

MIN_AUDIT_ROWS = 4


def draw_audit(
    pipeline: Pipeline, rows: int, last: timedelta, output: Path, author: str, seed: int | None = None
) -> dict[str, Any]:
    """Draw rows of the newest windows, record the draw, and write a CSV table to label.

    The table holds the values of a row but not its score, so that the score does not influence the labels.

    Raises
    ------
    ConfigError
        If `rows` is under four or `output` does not end in ``.csv``.
    RecordError
        If no window was scored in the time range.
    """
    if rows < MIN_AUDIT_ROWS:
        raise ConfigError(f"--rows {rows} is not allowed: {MIN_AUDIT_ROWS} or more are needed")
    if output.suffix != ".csv":
        raise ConfigError(f"--output {str(output)!r}: expected a name that ends in .csv")
    store = Store(pipeline.store_root)
    with Ledger.open(pipeline.ledger_url) as ledger:
        partitions = ledger.list_partitions(pipeline.name)
        ends = [item.end for item in partitions if item.end is not None]
        parts = [item for item in partitions if item.start is None or item.start >= max(ends) - last]
        if not parts:
            raise RecordError(f"{pipeline.name}: no window was scored yet; run score or backfill first")
        frames = [
            store.read_scores(pipeline.name, [item.window], {item.window: item.sha256}).assign(part=number)
            for number, item in enumerate(parts)
        ]
        table = pd.concat(frames, ignore_index=True)
        used_seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        draw_result = draw_audit_rows(table["p_value"], table["is_anomaly"], rows, used_seed)
        sample = table.loc[draw_result.places].reset_index(drop=True)
        row_entities = read_entities(pipeline, sample)
        content = {
            "from": parts[0].start,
            "to": parts[-1].end,
            "windows": len(parts),
            "seed": used_seed,
            "strata": [vars(item) for item in draw_result.strata],
            "rows": [
                {
                    "entity": str(row_entities[place]),
                    "row": _make_row_key(pipeline, sample, place),
                    "window": parts[int(sample["part"][place])].window,
                    "stratum": draw_result.names[place],
                }
                for place in range(len(sample))
            ],
        }
        name = hashlib.sha256(repr((pipeline.name, content)).encode()).hexdigest()[:8]
        ledger.answers.add_facts(Audit(f"audit:{pipeline.name}:{name}", pipeline.name, content, author))
    sheet = _build_sheet(pipeline, sample, parts)
    sheet.insert(0, "audit", name)
    sheet.insert(1, "number", range(len(sheet)))
    sheet["label"] = ""
    sheet["note"] = ""
    write_atomically(
        output, sheet.map(escape_cell).to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC).encode()
    )
    return {
        "audit": name,
        "output": str(output),
        "rows": len(sheet),
        "windows": len(parts),
        "strata": content["strata"],
    }


def _make_row_key(pipeline: Pipeline, sample: pd.DataFrame, place: int) -> str:
    if pipeline.data.time is None:
        return f"row:{int(sample['row'][place])}"
    moment: str = sample[pipeline.data.time][place].to_pydatetime().isoformat()
    return moment


def _build_sheet(pipeline: Pipeline, sample: pd.DataFrame, parts: list[Partition]) -> pd.DataFrame:
    """Return the drawn rows with their source values; only time and entity if the source has changed."""
    data = pipeline.data
    key_columns = [name for name in (data.time, data.id) if name and name in sample]
    sheet = sample[key_columns].copy() if key_columns else sample[["row"]].copy()
    registry = Registry.open_for(pipeline)
    for number in sorted(set(sample["part"])):
        part = parts[int(number)]
        window = Window(part.start, part.end) if part.start and part.end else None
        try:
            checked = read_checked_window(pipeline, window)
        except WindowError:
            continue
        if checked.data_hash != part.data_hash:
            continue
        contract = registry.load_bundle(registry.find_version(pipeline.name, part.version)).contract
        clean = checked.check(contract).clean  # the rows as scoring saw them
        places = sample.index[sample["part"] == number]
        source_rows = clean.iloc[sample["row"][places].to_numpy()]
        for column in contract.features:
            if column not in sheet:
                sheet[column] = pd.Series(np.nan, index=sheet.index, dtype=object)
            sheet.loc[places, column] = source_rows[column].astype(object).to_numpy()
    return sheet


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


def judge_audit(pipeline: Pipeline, name: str = "") -> dict[str, Any]:
    """Estimate alert quality from an audit: the one called `name`, or the newest.

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
    content = audits[audit_name].content
    stem = f"audit:{pipeline.name}:{audit_name}"
    judgement: AuditEstimate = estimate_audit(
        [AuditStratum(**item) for item in content["strata"]],
        [
            (row["stratum"], newest_labels.get(f"{stem}:{number}"))
            for number, row in enumerate(content["rows"])
        ],
    )
    facts = {key: content[key] for key in ("from", "to", "windows")}
    return {"pipeline": pipeline.name, "audit": audit_name, **facts, **judgement.to_dict()}


def _get_audit_name(audit: Audit) -> str:
    return audit.key.rpartition(":")[2]


def _select_newest_labels(labels: tuple[Label, ...]) -> dict[str, int]:
    """Return the newest label of every drawn row, by ``audit:PIPELINE:AUDIT:NUMBER``."""
    return {label.key.rpartition(":")[0]: label.truth for label in labels if label.source == "audit"}
