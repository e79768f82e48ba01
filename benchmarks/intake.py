"""How many tables of a folder ``pynomaly init`` reads rightly in every role, and what it gets wrong.

The folder holds ``files/`` and ``expected.json``: for each file the answers that are right (time, label, id,
numeric and categorical columns, what must not be a feature). Each file goes through the reading that ``init``
uses. Run: ``python -m benchmarks.intake --data DIR [--only NAME] [--verbose]``.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path
from typing import Any

from pynomaly.data.intake import describe_reading, read_table
from pynomaly.errors import DataError

_NUMERIC_SHARE = 0.95


def judge_file(path: Path, right: dict[str, Any]) -> list[str]:
    """Return what is wrong with the reading of one file; empty if all is right."""
    try:
        reading = read_table(path)
    except DataError as error:
        return _judge_refusal(str(error), right)
    shown = json.dumps(describe_reading(reading), ensure_ascii=False, default=str)
    wrong: list[str] = []
    columns = {column.name: column for column in reading.columns}
    features = {name for name, column in columns.items() if column.is_feature}
    categorical = set(reading.data.get("categorical", ()))
    time_columns = list(reading.time.columns) if reading.time else None
    if right["refuse"] is True:
        return ["read, and must be refused"]
    if time_columns not in [list(item) if item else None for item in right["time"]]:
        wrong.append(f"time {time_columns}, right: {right['time']}")
    elif reading.time and time_columns == right["time"][0] and right.get("start"):
        first, last = (_shorten(moment) for moment in (reading.time.first, reading.time.last))
        if (first, last) != (right["start"], right["end"]):
            wrong.append(
                f"span {first} to {last}, right: {right['start']} to {right['end']} ({reading.time.format})"
            )
    wrong += _judge_label(reading, right, columns)
    if reading.id not in right["id"]:
        wrong.append(f"id {reading.id}, right: {right['id']}")
    if truths := [name for name in right["must_not_be_features"] if name in features]:
        wrong.append(f"features that must not be: {truths}")
    numeric = right["numeric"]
    lost = [name for name in numeric if name not in features or name in categorical]
    if numeric and len(lost) > (1 - _NUMERIC_SHARE) * len(numeric):
        wrong.append(f"no numbers: {[(n, columns[n].role if n in columns else 'absent') for n in lost[:6]]}")
    named = [
        name
        for name in [*right["categorical"], *right["codes"]]
        if name in features and name not in categorical
    ]
    if named:
        wrong.append(f"names as numbers: {named}")
    unsaid = [name for name in columns if name not in shown]
    if unsaid:
        wrong.append(f"not named: {unsaid}")
    if right["columns"] and (absent := [name for name in right["columns"] if name not in columns]):
        wrong.append(f"columns absent: {absent[:4]}; has {list(columns)[:6]}")
    for pattern in right["say"]:
        if not re.search(pattern if pattern.startswith("\\") else re.escape(pattern), shown):
            wrong.append(f"does not say {pattern}")
    return wrong


def _shorten(moment: str) -> str:
    return moment[:19].replace("T", " ")


def _judge_refusal(message: str, right: dict[str, Any]) -> list[str]:
    if right["refuse"] is True or (
        right["refuse"] == "may" and any(w in message for w in right["refusal_words"])
    ):
        return []
    return [f"refused: {message}"]


def _judge_label(reading: Any, right: dict[str, Any], columns: dict[str, Any]) -> list[str]:
    if reading.label in right["label"]:
        if reading.label and right.get("label_map") and (values := reading.data.get("label_values")):
            here = {str(key).lower(): value for key, value in values.items()}
            there = {str(key).lower(): value for key, value in right["label_map"].items()}
            if any(here.get(key, value) != value for key, value in there.items()):
                return [f"label means {here}, right: {there}"]
        return []
    if reading.label is None and "ignored" in right["label"]:
        return []
    return [f"label {reading.label}, right: {right['label']}"]


def main() -> None:
    """Print one line for each file that is wrong, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with files/ and expected.json")
    parser.add_argument("--only", default="", help="part of a file's name")
    arguments = parser.parse_args()
    expected = json.loads((arguments.data / "expected.json").read_text(encoding="utf-8"))
    right_files = crashed = total = 0
    started = time.process_time()
    for name, right in expected.items():
        if arguments.only not in name:
            continue
        total += 1
        try:
            wrong = judge_file(arguments.data / "files" / name, right)
        except Exception as error:  # a crash is counted, not hidden
            crashed += 1
            wrong = [f"CRASHED: {type(error).__name__}: {error}"]
        right_files += not wrong
        for item in wrong:
            print(f"{name}: {item}")
    seconds = time.process_time() - started
    print(
        f"{right_files} of {total} files are right in every role, {crashed} crashed; "
        f"{seconds / max(1, total):.2f} s a file"
    )


if __name__ == "__main__":
    main()
