"""What a truth is, and columns that say the same as the label: in every row, or as one kind of failure.

Called by ``truth``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pynomaly.data.intake.cells.profile import Profile

__all__ = ["Truth", "drop_unrelated", "find_kinds_of", "read_binary", "repeats_label"]

_UNKNOWN = {"-9", "-99", "-999", "-9999", "9", "99", "999", "-999.0", "nan", "na", "n/a", "unknown", "?", ""}


_UNRELATED = 0.02
"""Square of the correlation with the label below which a column tells nothing of it."""


@dataclass(frozen=True)
class Truth:
    """A column that tells the truth.

    Attributes
    ----------
    name : str
    why : str
    meanings : dict
        What its words mean: 1, 0 or None; empty if they are 0 and 1 already.
    rank : float
        How well it serves as the label; 0 if it cannot.
    sure : str
    positives : float or None
        Share of the known rows that are 1, if it can be the label.
    """

    name: str
    why: str
    meanings: Mapping[str, int | None] = field(default_factory=dict)
    rank: float = 0.0
    sure: str = "sure"
    positives: float | None = None


_FEW_RUNS = 3
_FEW_KINDS = 2
"""Flags that must be kinds of the label before the flags beside them count as kinds, too."""


def read_binary(lower: Mapping[str, str]) -> dict[str, float] | None:
    """Return the values of a column of 0 and 1, true and false, or -1 and 1; None if it is none.

    A code for what is not known (-999, `unknown`) is NaN.
    """
    table = {"true": 1.0, "false": 0.0, "t": 1.0, "f": 0.0}
    values: dict[str, float] = {}
    for cell, text in lower.items():
        if text in table:
            values[cell] = table[text]
            continue
        if text in _UNKNOWN:
            values[cell] = np.nan
            continue
        try:
            values[cell] = float(text)
        except ValueError:
            return None
    known = {value for value in values.values() if value == value}
    return values if known and (known <= {0.0, 1.0} or known == {-1.0, 1.0}) else None


def find_kinds_of(
    label: Truth, profiles: Mapping[str, Profile], taken: set[str], truths: dict[str, Truth]
) -> None:
    """Add the flags that are 1 in anomalous rows alone, kinds of failure, and those among them."""
    classes = _read_classes(profiles[label.name], label)
    known = np.isfinite(classes)
    rate = float((classes[known] == 1).mean()) if known.any() else 1.0
    if not 0 < rate < 0.5:
        return
    names = list(profiles)
    flags = {
        name: values
        for name in names
        if name not in taken and (values := _read_flag(profiles[name])) is not None
    }
    seeds = {name for name, values in flags.items() if _is_kind(values, classes, rate)} - {label.name}
    for name in seeds - set(truths):
        truths[name] = Truth(name, f"it is 1 only where {label.name!r} is: a kind of it", sure="likely")
    block = _list_block(names, flags, label.name)
    varying = [name for name in block if len(np.unique(flags[name][np.isfinite(flags[name])])) > 1]
    if len(seeds & set(block)) >= max(_FEW_KINDS, len(varying) / 2):
        for name in block:
            why = f"a flag of 0 and 1 among the kinds of {label.name!r}"
            truths.setdefault(name, Truth(name, why, sure="likely"))


def _is_kind(values: np.ndarray[Any, Any], classes: np.ndarray[Any, Any], rate: float) -> bool:
    """Return whether a flag is 1 in anomalous rows alone, in more of their runs than chance would give."""
    ones = np.isfinite(classes) & (values == 1)
    anomalous = classes == 1
    numbers = np.cumsum(np.diff(anomalous.astype(np.int8), prepend=0) == 1)  # of the run of anomalous rows
    runs = len(np.unique(numbers[ones & anomalous]))
    return runs >= _FEW_RUNS and bool(anomalous[ones].mean() >= 0.95) and rate**runs < 0.001


def _list_block(names: list[str], flags: Mapping[str, np.ndarray[Any, Any]], label: str) -> list[str]:
    """Return the flags that stand beside the label without another column between."""
    place = names.index(label)
    block: list[str] = []
    for step in (1, -1):
        at = place + step
        while 0 <= at < len(names) and names[at] in flags:
            block.append(names[at])
            at += step
    return block


def _read_flag(profile: Profile) -> np.ndarray[Any, Any] | None:
    lower = {cell: cell.lower() for cell in profile.counts}
    values = read_binary(lower) if 1 <= len(lower) <= 4 else None
    if values is None or -1.0 in values.values():
        return None
    return profile.cells.map(values).to_numpy(dtype=float)


def _read_classes(label: Profile, truth: Truth) -> np.ndarray[Any, Any]:
    table = {"0": 0, "0.0": 0, "1": 1, "1.0": 1, "true": 1, "false": 0}
    if truth.meanings:
        return label.cells.map(dict(truth.meanings)).to_numpy(dtype=float)
    return label.cells.str.lower().map(table).to_numpy(dtype=float)


def drop_unrelated(
    label: Truth, profiles: Mapping[str, Profile], truths: dict[str, Truth], names: set[str]
) -> None:
    """Drop those of `names` from the truths whose values have nothing to do with the label."""
    classes = _read_classes(profiles[label.name], label)
    for name in names & set(truths) - {label.name}:
        codes = profiles[name].cells.factorize()[0]
        known = np.isfinite(classes) & (codes >= 0)
        table = np.zeros((codes.max() + 1, 2))
        np.add.at(table, (codes[known], (classes[known] == 1).astype(int)), 1)
        expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / max(1.0, table.sum())
        share = float(((table - expected) ** 2 / np.maximum(expected, 1e-9)).sum() / max(1.0, table.sum()))
        if known.sum() > 100 and share < _UNRELATED:
            del truths[name]


def repeats_label(profile: Profile, label: Profile, truth: Truth) -> bool:
    """Return whether each value of a column belongs to one class alone, and both classes have such values."""
    if not 2 <= profile.distinct <= 20 or profile.name == label.name:
        return False
    classes = _read_classes(label, truth)
    known = np.isfinite(classes)
    if not known.any() or classes[known].min() == classes[known].max() or (classes == 1).sum() < 10:
        return False
    cells = profile.cells.to_numpy()[known]
    classes = classes[known]
    rare = cells[classes == 1]
    values, totals = np.unique(cells.astype(str), return_counts=True)
    shares = {value: (rare == value).sum() / total for value, total in zip(values, totals, strict=True)}
    covered = sum(total for value, total in zip(values, totals, strict=True) if shares[value] > 0.97)
    return bool(covered >= 0.97 * len(rare)) and all(
        share > 0.97 or share < 0.001 for share in shares.values()
    )
