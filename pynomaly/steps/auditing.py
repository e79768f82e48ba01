"""An audit: draw rows that were scored, have them labelled, say how good the alerts are.

Called by the command line. What was drawn, with which chance and seed, is on record before anybody sees it;
labels are only ever added, and the newest of a row stands.
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
from pynomaly.data.frame import digest
from pynomaly.data.quality import validate
from pynomaly.data.sources import read
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError, ConfigError, RecordError, WindowError, allowed
from pynomaly.judging.audit import Judgement, Stratum, draw, judge
from pynomaly.records.ledger import Answers, Audit, Label, Ledger, Partition
from pynomaly.records.registry import Registry
from pynomaly.records.sheet import safe_cell
from pynomaly.records.store import Store, write_atomically
from pynomaly.steps.flags import entities
from pynomaly.steps.labelling import read_table, truth_of

__all__ = ["draw_audit", "judged", "label_audit"]

FEWEST = 4


def draw_audit(
    pipeline: Pipeline, rows: int, last: timedelta, output: Path, author: str, seed: int | None = None
) -> dict[str, Any]:
    """Draw rows of the newest windows, put the draw on record, and write a table to label.

    The table says what a row holds and nothing of its score, so that whoever labels is not led by it.

    Raises
    ------
    ConfigError
        If `rows` is under four or `output` is no ``.csv``.
    RecordError
        If no window was scored in that time.
    """
    if rows < FEWEST:
        raise ConfigError(f"--rows {rows} is not allowed: {FEWEST} or more are needed")
    if output.suffix != ".csv":
        raise ConfigError(f"--output {str(output)!r}: expected a name that ends in .csv")
    store = Store(pipeline.store_root)
    with Ledger.open(pipeline.ledger_url) as ledger:
        every = ledger.partitions(pipeline.name)
        ends = [item.end for item in every if item.end is not None]
        parts = [item for item in every if item.start is None or item.start >= max(ends) - last]
        if not parts:
            raise RecordError(f"{pipeline.name}: no window was scored yet; run score or backfill first")
        frames = [
            store.read_scores(pipeline.name, [item.window], {item.window: item.sha256}).assign(part=number)
            for number, item in enumerate(parts)
        ]
        table = pd.concat(frames, ignore_index=True)
        chosen = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        drawn = draw(table["p_value"], table["is_anomaly"], rows, chosen)
        sample = table.loc[drawn.places].reset_index(drop=True)
        who = entities(pipeline, sample)
        content = {
            "from": parts[0].start,
            "to": parts[-1].end,
            "windows": len(parts),
            "seed": chosen,
            "strata": [vars(item) for item in drawn.strata],
            "rows": [
                {
                    "entity": str(who[place]),
                    "row": _row(pipeline, sample, place),
                    "window": parts[int(sample["part"][place])].window,
                    "stratum": drawn.names[place],
                }
                for place in range(len(sample))
            ],
        }
        name = hashlib.sha256(repr((pipeline.name, content)).encode()).hexdigest()[:8]
        Answers.beside(ledger).add(Audit(f"audit:{pipeline.name}:{name}", pipeline.name, content, author))
    shown = _shown(pipeline, sample, parts)
    shown.insert(0, "audit", name)
    shown.insert(1, "number", range(len(shown)))
    shown["label"] = ""
    shown["note"] = ""
    write_atomically(output, shown.map(safe_cell).to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC).encode())
    return {
        "audit": name,
        "output": str(output),
        "rows": len(shown),
        "windows": len(parts),
        "strata": content["strata"],
    }


def _row(pipeline: Pipeline, sample: pd.DataFrame, place: int) -> str:
    if pipeline.data.time is None:
        return f"row:{int(sample['row'][place])}"
    moment: str = sample[pipeline.data.time][place].to_pydatetime().isoformat()
    return moment


def _shown(pipeline: Pipeline, sample: pd.DataFrame, parts: list[Partition]) -> pd.DataFrame:
    """The drawn rows as their source holds them; time and entity alone where it holds them no more."""
    data = pipeline.data
    known = [name for name in (data.time, data.id) if name and name in sample]
    shown = sample[known].copy() if known else sample[["row"]].copy()
    registry = Registry.of(pipeline)
    for number in sorted(set(sample["part"])):
        part = parts[int(number)]
        window = Window(part.start, part.end) if part.start and part.end else None
        try:
            frame = read(data, window)
        except WindowError:
            continue
        if digest(frame) != part.data_hash:
            continue
        contract = registry.load(registry.version(pipeline.name, part.version)).contract
        clean = validate(frame, contract, pipeline.quality, "score").clean  # as it was scored
        places = sample.index[sample["part"] == number]
        found = clean.iloc[sample["row"][places].to_numpy()]
        for column in contract.features:
            if column not in shown:
                shown[column] = pd.Series(np.nan, index=shown.index, dtype=object)
            shown.loc[places, column] = found[column].astype(object).to_numpy()
    return shown


def label_audit(pipeline: Pipeline, path: Path, author: str) -> int:
    """Add the labels written into the table of an audit; returns how many were new.

    Raises
    ------
    SourceError, ColumnError
        If it is no table of an audit.
    RecordError
        If its audit is not on record; nothing is added.
    """
    table = read_table(path, pipeline.data.limits)
    for name in ("audit", "number", "label"):
        if name not in table:
            raise ColumnError(f"{path}: no column {name!r}; {allowed(name, list(map(str, table)))}")
    with Ledger.open(pipeline.ledger_url) as ledger:
        answers = Answers.beside(ledger)
        audits = {_name(item): item for item in answers.audits(pipeline.name)}
        given = answers.labels(pipeline.name)
        standing = _standing(given)
        labels = []
        for line, row in enumerate(table.to_dict("records"), 1):
            truth = truth_of(row["label"], f"{path}, row {line}")
            if truth is None:
                continue
            audit = audits.get(str(row["audit"]))
            number = str(row["number"])
            if audit is None or not number.isdigit() or int(number) >= len(audit.content["rows"]):
                raise RecordError(
                    f"{path}, row {line}: no row {number!r} of an audit {row['audit']!r} of {pipeline.name}; "
                    f"{allowed(str(row['audit']), audits)}"
                )
            drawn = audit.content["rows"][int(number)]
            stem = f"audit:{pipeline.name}:{row['audit']}:{number}"
            if stem in standing and standing[stem] == truth:
                continue
            nth = sum(label.key.rpartition(":")[0] == stem for label in given)
            labels.append(
                Label(
                    key=f"{stem}:{nth}",
                    pipeline=pipeline.name,
                    entity=drawn["entity"],
                    row=drawn["row"],
                    truth=truth,
                    source="audit",
                    author=str(row.get("author") or author),
                    note=str(row.get("note") or ""),
                )
            )
        return answers.add(*labels)


def judged(pipeline: Pipeline, name: str = "") -> dict[str, Any]:
    """What an audit says of the alerts; the newest one unless it is named.

    Raises
    ------
    RecordError
        If there is none.
    """
    with Ledger.open(pipeline.ledger_url) as ledger:
        answers = Answers.beside(ledger)
        audits = {_name(item): item for item in answers.audits(pipeline.name)}
        standing = _standing(answers.labels(pipeline.name))
    if not audits:
        raise RecordError(f"{pipeline.name} has no audit yet; draw one with --rows 50")
    if name and name not in audits:
        raise RecordError(f"no audit {name!r}; {allowed(name, audits)}")
    chosen = name or list(audits)[-1]
    content = audits[chosen].content
    stem = f"audit:{pipeline.name}:{chosen}"
    found: Judgement = judge(
        [Stratum(**item) for item in content["strata"]],
        [(row["stratum"], standing.get(f"{stem}:{number}")) for number, row in enumerate(content["rows"])],
    )
    facts = {key: content[key] for key in ("from", "to", "windows")}
    return {"pipeline": pipeline.name, "audit": chosen, **facts, **found.to_dict()}


def _name(audit: Audit) -> str:
    return audit.key.rpartition(":")[2]


def _standing(labels: tuple[Label, ...]) -> dict[str, int]:
    """The newest label of every drawn row, by ``audit:PIPELINE:AUDIT:NUMBER``."""
    return {label.key.rpartition(":")[0]: label.truth for label in labels if label.source == "audit"}
