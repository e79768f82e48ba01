"""Columns that tell the truth afterwards: the label, with what its words mean, and others that are left out.

A truth must never become a feature: a detector that sees it is right on old rows and fails on new ones. It is
told by its name, by its words, or because it says the same as the label. Called by ``reading``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pynomaly.data.intake.cells.profile import Profile
from pynomaly.data.intake.cells.spelling import split_name
from pynomaly.data.intake.roles.truth_kinds import (
    Truth,
    drop_unrelated,
    find_kinds_of,
    read_binary,
    repeats_label,
)
from pynomaly.data.intake.roles.truth_words import (
    ANOMALY_WORDS,
    BARE,
    NORMAL_WORDS,
    is_anomaly_word,
    is_class_name,
    is_medium_name,
    is_normal_word,
    is_telling,
    list_words,
    name_strength,
    rank_name,
)

__all__ = ["find_truths"]

_MOST_CLASSES = 60


@dataclass(frozen=True)
class _TruthWords:
    """Cells of a column that mean normal or anomalous, and those of them that alone show a truth."""

    normal: set[str]
    anomalous: set[str]
    telling: set[str]


def find_truths(
    profiles: Mapping[str, Profile], taken: set[str], requested: str | None, has_header: bool = True
) -> tuple[Truth | None, dict[str, Truth]]:
    """Return the label, if one can be used, and every column that tells the truth.

    Parameters
    ----------
    profiles : mapping
    taken : set of str
        Columns with another role already.
    requested : str or None
        The column that the user names as the label.
    has_header : bool
        Without names the words of a column decide, and a last column of two values is left out.
    """
    truths: dict[str, Truth] = {}
    last = list(profiles)[-1]
    for name, profile in profiles.items():
        if name in taken:
            continue
        truth = (
            _judge_column(profile, name == requested, name == last)
            if has_header or requested
            else _judge_nameless(profile, profiles)
        )
        if truth is not None:
            truths[name] = truth
    label = (
        truths.get(requested)
        if requested
        else max(truths.values(), key=lambda truth: truth.rank, default=None)
    )
    if label is not None and label.rank <= 0 and not requested:
        label = None
    if label is not None:
        for name, profile in profiles.items():
            if (
                name not in taken
                and name not in truths
                and repeats_label(profile, profiles[label.name], label)
            ):
                truths[name] = Truth(name, f"its values tell {label.name!r} in every row", sure="likely")
        drop_unrelated(label, profiles, truths, {name for name in truths if is_medium_name(name)})
        find_kinds_of(label, profiles, taken, truths)
    return label, truths


def _judge_nameless(profile: Profile, profiles: Mapping[str, Profile]) -> Truth | None:
    """Judge a column without a name: by its words, or as the last column if it has two values."""
    counts = dict(profile.counts)
    lower = {cell: cell.lower().strip(" .'\"") for cell in counts}
    normal = {cell for cell, text in lower.items() if is_normal_word(text) and text not in BARE}
    if normal and not profile.is_number and len(counts) <= _MOST_CLASSES:
        return Truth(profile.name, f"words of a truth: {list_words(normal)}", sure="likely")
    if (
        profile.name == list(profiles)[-1]
        and len(counts) == 2
        and read_binary(lower) is not None
        and len(profiles) > 2
    ):
        return Truth(
            profile.name,
            "the last column, of two values and without a name, is mostly a class",
            sure="doubtful",
        )
    return None


def _judge_column(profile: Profile, requested: bool, is_last: bool = False) -> Truth | None:
    strength, inverted = name_strength(profile.name)
    counts = {cell: count for cell, count in profile.counts.items() if cell not in profile.missing}
    total = sum(counts.values())
    if not total:
        return None
    words = set(split_name(profile.name))
    if words & {"rul", "ttf"} and profile.is_number:
        return Truth(profile.name, "a remaining life is known only afterwards")
    if len(counts) > _MOST_CLASSES and not requested:
        return None
    lower = {cell: cell.lower().strip(" .'\"") for cell in counts}
    binary = read_binary(lower) if len(counts) <= _MOST_CLASSES else None
    if binary is not None:
        return _judge_binary(profile, counts, binary, strength, inverted, requested)
    normal = {cell for cell, text in lower.items() if is_normal_word(text)}
    anomalous = {cell for cell, text in lower.items() if is_anomaly_word(text)}
    telling = {lower[cell] for cell in normal | anomalous} - BARE
    if len(counts) <= _MOST_CLASSES and not profile.is_number:
        return _judge_words(
            profile, counts, _TruthWords(normal, anomalous, telling), strength, requested, is_last
        )
    if (
        strength >= 2
        and profile.is_number
        and profile.is_whole
        and len(counts) <= 20
        and is_class_name(words)
    ):
        zeros = {cell for cell in counts if _is_zero(cell)}
        values = {cell: 0 if cell in zeros else 1 for cell in counts} if zeros else {}
        return Truth(
            profile.name,
            f"the name says a truth, and it has {len(counts)} classes",
            values,
            0.5 if values else 0.0,
            "likely",
        )
    if requested:
        return Truth(profile.name, "as asked", rank=1.0)
    return None


def _is_zero(cell: str) -> bool:
    try:
        return float(cell) == 0
    except ValueError:
        return False


def _judge_binary(
    profile: Profile,
    counts: Mapping[str, int],
    values: Mapping[str, float],
    strength: int,
    inverted: bool,
    requested: bool,
) -> Truth | None:
    if strength < 2 and not requested:
        return None
    unknown = {cell: None for cell, value in values.items() if value != value}
    values = {cell: value for cell, value in values.items() if cell not in unknown}
    total = sum(count for cell, count in counts.items() if cell in values)
    ones = sum(count for cell, count in counts.items() if values.get(cell) == 1.0) / total
    distinct = set(values.values())
    if len(distinct) < 2 and is_medium_name(profile.name) and not requested:
        return None  # an alarm that never came is a constant, which alerts when it comes
    mapping: dict[str, int | None] = {}
    sure, why = "sure", "1 = anomaly, 0 = normal"
    if unknown and distinct <= {0.0, 1.0}:
        mapping = {cell: int(value) for cell, value in values.items()}
    if inverted and distinct <= {0.0, 1.0}:
        mapping = {cell: int(1 - value) for cell, value in values.items()}
        ones, why = 1 - ones, "the name calls 1 the normal rows"
    elif distinct == {-1.0, 1.0}:
        rare = 1.0 if ones <= 0.5 else -1.0
        mapping = {cell: int(value == rare) for cell, value in values.items()}
        ones = min(ones, 1 - ones)
        sure = "sure" if ones < 0.3 else "likely"
        why = f"-1 and 1: the rarer, {rare:g}, is the anomaly"
    rank = {3: 3.0, 2: 2.0}.get(strength, 1.0)
    if len(distinct) < 2 and not requested:
        rank = 0.0  # one class alone cannot compare models
        why = "a truth with one value so far"
    elif ones > 0.5 and not inverted and strength < 3:
        rank, sure, why = (
            0.0,
            "doubtful",
            f"{ones:.0%} of the rows are 1, so it is not sure that 1 means an anomaly",
        )
    if unknown and mapping:
        mapping, why = {**mapping, **unknown}, f"{why}, {list_words(set(unknown))} = not known"
    rank += rank_name(profile.name) + min(ones, 0.5)
    return Truth(profile.name, why, mapping, rank if rank >= 1 or requested else 0.0, sure, ones)


def _judge_words(
    profile: Profile,
    counts: Mapping[str, int],
    words: _TruthWords,
    strength: int,
    requested: bool,
    is_last: bool,
) -> Truth | None:
    normal, anomalous, telling = words.normal, words.anomalous, words.telling
    pair = len(counts) == 2 and len(normal) == 1 and len(anomalous) == 1
    is_truth = (
        requested
        or (
            strength == 3
            and (len(counts) <= 2 or normal or anomalous)
            and (telling or pair or len(counts) <= 2)
        )
        or (strength == 2 and (pair or (normal and telling) or (anomalous and telling)))
        or (
            strength == 1 and pair and telling  # a state of `ok` and `fault`
        )
        or (
            strength <= 1
            and normal
            and telling & (NORMAL_WORDS | ANOMALY_WORDS)
            and (anomalous or strength == 1)
            and is_telling(telling)
        )
    )
    if (
        not is_truth
        and len(counts) <= 20
        and is_class_name(set(split_name(profile.name)))
        and (profile.name.lower() != "label" or is_last)
    ):
        return Truth(
            profile.name,
            f"the name says a class, and its words are {list_words(set(counts))}",
            sure="doubtful",
        )
    if not is_truth:
        return None
    if not normal and not (pair or requested):
        return Truth(profile.name, f"words of a truth: {list_words(anomalous or set(counts))}", sure="likely")
    total = sum(counts.values())
    if len(counts) == 2 and len(normal) == 1:
        anomalous = set(counts) - normal
    mapping: dict[str, int | None] = {cell: 0 if cell in normal else 1 for cell in counts}
    ones = sum(count for cell, count in counts.items() if mapping[cell] == 1) / total
    if not normal or len(set(mapping.values())) < 2:
        return Truth(
            profile.name,
            f"a truth whose words cannot be mapped: {list_words(set(counts))}",
            sure="doubtful",
            rank=1.0 if requested else 0.0,
        )
    sure = "sure" if (pair or strength == 3) and ones < 0.6 else "likely"
    rank = 1.0 + 0.5 * strength + rank_name(profile.name) - (0.5 if len(counts) > 2 else 0)
    if ones > 0.9 and not requested:
        rank = 0.0
    why = f"{list_words(normal)} = 0, {list_words(set(counts) - normal)} = 1"
    return Truth(profile.name, why, mapping, max(rank, 0.0), sure, ones)
