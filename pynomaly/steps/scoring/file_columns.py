"""The columns of a file of scores: where each row stands, its scores, why it has none, and its own columns.

Rows are those of the input, in its order, so that the scores can be laid beside it, and a row can be found
without a time or an id of its own. A column of the input whose name is taken by a column of the scores gets
``input.`` before it. Called by the scoring of files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Data
from pynomaly.data.origin import Origin
from pynomaly.errors import ConfigError, list_allowed

__all__ = ["ALL_COLUMNS", "arrange_file_rows", "choose_columns", "name_input_columns", "tell_quarantine"]

ALL_COLUMNS = "all"
"""Every column of the input stands beside the scores, so that nobody must join them."""

_OWN = (
    *("row", "file", "score", "p_value", "severity", "is_anomaly", "extrapolated", "rarity"),
    *("model_version", "reasons", "quarantine"),
)
"""Columns of a file of scores besides time and id."""


def choose_columns(asked: str, names: Sequence[str]) -> list[str]:
    """Return the columns of the input that ``--columns`` asks for.

    Parameters
    ----------
    asked : str
        ``all``, ``none``, or names with commas between them.
    names : sequence of str
        Columns of the input.

    Raises
    ------
    ConfigError
        If the input has no such column.
    """
    if asked == ALL_COLUMNS:
        return list(names)
    if asked == "none":
        return []
    chosen = list(dict.fromkeys(name.strip() for name in asked.split(",") if name.strip()))
    for name in chosen:
        if name not in names:
            raise ConfigError(
                f"--columns: the input has no column {name!r}; {list_allowed(name, ['all', 'none', *names])}"
            )
    return chosen


def name_input_columns(chosen: Iterable[str], names: Sequence[str], data: Data) -> dict[str, str]:
    """Return the name beside the scores of each chosen column of the input.

    The id is left out, because it stands there already. The time is there in UTC, so the one of the input, as
    it is written, is ``input.TIME``.
    """
    taken = {*_OWN, *(name for name in (data.time, data.id) if name)}
    named: dict[str, str] = {}
    for name in chosen:
        if name == data.id:
            continue
        beside = name
        while beside in taken or (beside != name and beside in names):
            beside = f"input.{beside}"
        named[name] = beside
    return named


def tell_quarantine(quarantine: pd.DataFrame) -> list[str]:
    """Return for each row in quarantine the rule it broke and how."""
    return [
        f"{rule}: {detail}" for rule, detail in zip(quarantine["rule"], quarantine["detail"], strict=True)
    ]


def arrange_file_rows(
    frame: pd.DataFrame, origin: Origin, scores: pd.DataFrame, quarantine: pd.DataFrame, beside: pd.DataFrame
) -> pd.DataFrame:
    """Return every row of the input in its order, with its scores or the reason why it has none.

    Parameters
    ----------
    frame : DataFrame of shape (n, d)
        Rows as they were read.
    origin : Origin
    scores : DataFrame of shape (n - q, k)
        A row's number, keys, scores and model version, of the rows that were scored, in their order.
    quarantine : DataFrame of shape (q, m)
        The others; the index is their position in `frame`.
    beside : DataFrame of shape (n, c)
        Columns of the input, in the order of `frame`.
    """
    scored = np.delete(np.arange(len(frame)), quarantine.index.to_numpy(dtype=np.int64))
    version = int(scores["model_version"].iloc[0])
    table = scores.drop(columns="row").set_axis(scored, axis=0)
    if len(quarantine):
        flags = {name: "boolean" for name in ("is_anomaly", "extrapolated") if name in table}
        table = table.astype(flags).reindex(frame.index)
        names = list(scores.columns)
        keys = {name: frame[name] for name in names[1 : names.index("score")]}  # time and id, if there are
        table = table.assign(**keys, model_version=version)
    why = pd.Series([None] * len(frame), index=table.index, dtype=object)
    why.loc[quarantine.index] = tell_quarantine(quarantine)
    columns: dict[str, Any] = {"row": pd.Series(origin.numbers, index=table.index)}
    if (files := origin.list_files(range(len(frame)))) is not None:
        columns["file"] = pd.Series(files, index=table.index)
    whole = pd.concat([pd.DataFrame(columns), table.assign(quarantine=why), beside], axis=1)
    return whole.iloc[np.argsort(origin.places, kind="stable")].reset_index(drop=True)
