"""A reading as plain values, for ``init --json``. Called by ``flows``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pynomaly.data.intake.context import Context
from pynomaly.data.intake.findings import Reading

__all__ = ["describe_reading"]


def describe_reading(reading: Reading) -> dict[str, Any]:
    """Return a reading as a dict that JSON can hold: each choice with its reason."""
    data = reading.data
    return {
        "file": reading.file,
        "kind": reading.kind,
        "rows": reading.rows,
        "rows_looked_at": reading.sampled,
        "encoding": data.get("encoding", "utf-8"),
        "separator": data.get("separator"),
        "header_line": reading.header_line,
        "time": None
        if reading.time is None
        else {
            **asdict(reading.time),
            "columns": list(reading.time.columns),
            "otherwise": list(reading.time.otherwise),
        },
        "label": reading.label,
        "label_values": data.get("label_values"),
        "id": reading.id,
        "columns": [_describe_column(column) for column in reading.columns],
        "left_out": [
            {"name": column.name, "role": column.role, "why": column.why} for column in reading.left_out
        ],
        "context": _describe_context(reading.context),
        "choices": [asdict(choice) for choice in reading.choices],
        "notes": list(reading.notes),
        "problems": list(reading.problems),
    }


def _describe_column(column: Any) -> dict[str, Any]:
    return {**asdict(column), "cells": [asdict(cell) for cell in column.cells]}


def _describe_context(context: Context) -> dict[str, Any]:
    step = context.step
    return {
        "past": context.past,
        "why": context.why,
        "step": None if step is None else step.usual_length,
        "regular": None if step is None else round(step.regular, 3),
        "period": context.period,
        "columns": {name: asdict(item) for name, item in context.columns.items()},
    }
