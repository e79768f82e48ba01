"""Columns that tell the truth afterwards: the label, with what its words mean, and others that are left out.

A truth must never become a feature: a detector that sees it is right on old rows and fails on new ones. It is
told by its name, by its words, or because it says the same as the label. Called by ``reading``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pynomaly.data.intake.cells import Profile
from pynomaly.data.intake.spelling import split_name

__all__ = ["Truth", "find_truths"]

_STRONG = {
    "label", "labels", "anomaly", "anomalies", "anomalous", "isanomaly", "outlier", "outliers", "isoutlier", "attack",
    "attacks", "isattack", "fraud", "isfraud", "fraudulent", "fault", "faults", "faulty", "failure", "failures",
    "failed", "truth", "groundtruth", "intrusion", "malicious", "malware", "defect", "defective", "defects", "breakdown",
    "changepoint", "anomalylabel", "incident", "incidents", "abnormal", "isflaggedfraud", "chargeback", "scam",
    "passfail", "novelty", "hacked", "botnet", "rul", "ttf", "attacktype", "attackcat", "binaryclassification",
}  # fmt: skip
"""Words of a name that tell a truth, whatever its values."""

_MEDIUM = {"class", "target", "classification", "category_label", "outcome", "y", "gt", "groundtruth", "normal",
           "isnormal", "default", "churn", "diagnosis", "classlabel", "maintenance", "malfunction", "broken", "damage",
           "error", "errors", "alarm", "alert", "warning", "event", "detected"}  # fmt: skip
"""Words that tell a truth if the column has two values, or words of one."""

_WEAK = {
    "status",
    "state",
    "type",
    "result",
    "reason",
    "condition",
    "flag",
    "quality",
    "verdict",
    "mode",
    "cat",
    "id",
}
"""Words that tell a truth only together with words of one among the values."""

_NORMAL_WORDS = {
    "normal", "benign", "ok", "okay", "good", "healthy", "pass", "passed", "no failure", "nofailure", "no fault", "none",
    "no anomaly", "legit", "legitimate", "clean", "regular", "inlier", "fine", "no attack", "normal.", "background",
    "success", "non-fraud", "not fraud", "genuine", "no defect", "no", "false", "n", "negative", "no error", "nominal",
    "normal operation", "healthy state", "good condition", "safe", "io",
}  # fmt: skip
_ANOMALY_WORDS = {
    "anomaly", "anomalous", "attack", "malicious", "fail", "failed", "failure", "fault", "faulty", "broken", "bad", "nok",
    "nio", "abnormal", "outlier", "fraud", "fraudulent", "intrusion", "defect", "defective", "recovering", "error", "not ok",
    "ng", "breakdown", "critical", "anomaly.", "malware", "a ttack", "damaged", "yes", "true", "y", "positive", "spam",
    "phishing", "alert", "alarm", "unhealthy", "down",
}  # fmt: skip
_BARE = {
    "yes",
    "no",
    "true",
    "false",
    "y",
    "n",
    "none",
    "ok",
    "good",
    "bad",
    "success",
    "io",
    "down",
    "positive",
    "negative",
}
"""Words that alone do not show that a column is a truth."""

_NOT_TRUTHS = {
    "score",
    "rate",
    "count",
    "count_",
    "number",
    "code",
    "codes",
    "total",
    "temperature",
    "duration",
    "time",
    "hours",
}
_MOST_CLASSES = 60


@dataclass(frozen=True)
class Truth:
    """A column that tells the truth.

    Attributes
    ----------
    name : str
    why : str
    values : dict
        What its words mean: 1, 0 or None; empty if they are 0 and 1 already.
    rank : float
        How well it serves as the label; 0 if it cannot.
    sure : str
    positives : float or None
        Share of the known rows that are 1, if it can be the label.
    """

    name: str
    why: str
    values: Mapping[str, int | None] = field(default_factory=dict)
    rank: float = 0.0
    sure: str = "sure"
    positives: float | None = None


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
                and _repeats_label(profile, profiles[label.name], label)
            ):
                truths[name] = Truth(name, f"its values tell {label.name!r} in every row", sure="likely")
        _find_kinds_of(label, profiles, taken, truths)
    return label, truths


def _judge_nameless(profile: Profile, profiles: Mapping[str, Profile]) -> Truth | None:
    """Judge a column without a name: by its words, or as the last column if it has two values."""
    counts = dict(profile.counts)
    lower = {cell: cell.lower().strip(" .'\"") for cell in counts}
    normal = {cell for cell, text in lower.items() if _is_normal_word(text) and text not in _BARE}
    if normal and not profile.is_number and len(counts) <= _MOST_CLASSES:
        return Truth(profile.name, f"words of a truth: {_list_words(normal)}", sure="likely")
    if (
        profile.name == list(profiles)[-1]
        and len(counts) == 2
        and _read_binary(lower) is not None
        and len(profiles) > 2
    ):
        return Truth(
            profile.name,
            "the last column, of two values and without a name, is mostly a class",
            sure="doubtful",
        )
    return None


def _find_kinds_of(
    label: Truth, profiles: Mapping[str, Profile], taken: set[str], truths: dict[str, Truth]
) -> None:
    """Add the flags that are 1 in anomalous rows alone (kinds of failure), and the flags that stand among them."""
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
    for name, values in flags.items():
        ones = known & (values == 1)
        if (
            name not in truths
            and ones.sum()
            and (classes[ones] == 1).mean() >= 0.95
            and rate ** ones.sum() < 0.001
        ):
            truths[name] = Truth(name, f"it is 1 only where {label.name!r} is: a kind of it", sure="likely")
    for step in (1, -1):
        for place in range(len(names)) if step == 1 else reversed(range(len(names))):
            name, before = names[place], place - step
            if name in truths or name not in flags or not 0 <= before < len(names):
                continue
            if names[before] in truths and names[before] in flags and names[before] != label.name:
                truths[name] = Truth(
                    name,
                    f"a flag of 0 and 1 beside {names[before]!r}, a kind of {label.name!r}",
                    sure="likely",
                )


def _read_flag(profile: Profile) -> np.ndarray[Any, Any] | None:
    lower = {cell: cell.lower() for cell in profile.counts}
    values = _read_binary(lower) if 1 <= len(lower) <= 4 else None
    if values is None or -1.0 in values.values():
        return None
    return profile.cells.map(values).to_numpy(dtype=float)


def _read_classes(label: Profile, truth: Truth) -> np.ndarray[Any, Any]:
    table = {"0": 0, "0.0": 0, "1": 1, "1.0": 1, "true": 1, "false": 0}
    if truth.values:
        return label.cells.map(dict(truth.values)).to_numpy(dtype=float)
    return label.cells.str.lower().map(table).to_numpy(dtype=float)


def _name_strength(name: str) -> tuple[int, bool]:
    """Return how strongly a name tells a truth (0 to 3), and whether it names the normal rows."""
    words = split_name(name)
    joined = "".join(words)
    inverted = bool({"normal", "isnormal", "healthy", "ok"} & {*words, joined}) and not {
        "attack",
        "abnormal",
    } & set(words)
    if {*words, joined} & _STRONG:
        return (3 if not set(words) & _NOT_TRUTHS else 1), inverted
    if joined in _STRONG or "groundtruth" in joined or ("pass" in words and "fail" in words):
        return 3, inverted
    if {*words, joined} & _MEDIUM:
        return (2 if not set(words) & _NOT_TRUTHS else 0), inverted
    if words and set(words) & _WEAK:
        return 1, inverted
    return 0, inverted


def _judge_column(profile: Profile, requested: bool, is_last: bool = False) -> Truth | None:
    strength, inverted = _name_strength(profile.name)
    counts = {cell: count for cell, count in profile.counts.items() if cell not in profile.missing}
    total = sum(counts.values())
    if not total:
        return None
    words = set(split_name(profile.name))
    if words & {"rul", "ttf"} and profile.is_number:
        return Truth(profile.name, "a remaining life is known only afterwards")
    lower = {cell: cell.lower().strip(" .'\"") for cell in counts}
    binary = _read_binary(lower)
    if binary is not None:
        return _judge_binary(profile, counts, binary, strength, inverted, requested)
    normal = {cell for cell, text in lower.items() if _is_normal_word(text)}
    anomalous = {cell for cell, text in lower.items() if _is_anomaly_word(text)}
    telling = {lower[cell] for cell in normal | anomalous} - _BARE
    if len(counts) <= _MOST_CLASSES and not profile.is_number:
        return _judge_words(profile, counts, normal, anomalous, telling, strength, requested, is_last)
    if strength >= 2 and profile.is_number and profile.is_whole and len(counts) <= 20 and _is_class_name(words):
        values = (
            {cell: (0 if float(cell) == 0 else 1) for cell in counts}
            if any(float(c) == 0 for c in counts)
            else {}
        )
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


def _read_binary(lower: Mapping[str, str]) -> dict[str, float] | None:
    """Return the values of a column of 0 and 1, true and false, or -1 and 1; None if it is none."""
    table = {"true": 1.0, "false": 0.0, "t": 1.0, "f": 0.0}
    values: dict[str, float] = {}
    for cell, text in lower.items():
        if text in table:
            values[cell] = table[text]
            continue
        try:
            values[cell] = float(text)
        except ValueError:
            return None
    return values if set(values.values()) <= {0.0, 1.0} or set(values.values()) == {-1.0, 1.0} else None


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
    total = sum(counts.values())
    ones = sum(count for cell, count in counts.items() if values[cell] == 1.0) / total
    distinct = set(values.values())
    mapping: dict[str, int | None] = {}
    sure, why = "sure", "1 = anomaly, 0 = normal"
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
    rank += _rank_name(profile.name) + min(ones, 0.5)
    return Truth(profile.name, why, mapping, rank if rank >= 1 or requested else 0.0, sure, ones)


def _rank_name(name: str) -> float:
    """Return a bonus for names that mean the whole truth and not one kind of failure."""
    words = set(split_name(name))
    bonus = 0.6 * bool(words & {"label", "anomaly", "outlier", "isanomaly", "truth", "attack", "fraud"})
    bonus += 0.5 * bool(words & {"machine", "overall", "any", "is", "binary", "ground"})
    return bonus - 0.8 * bool(words & {"changepoint", "flagged", "type", "reason", "cat", "predicted"})


def _is_normal_word(text: str) -> bool:
    return (
        text in _NORMAL_WORDS
        or text.startswith(("normal", "no ", "benign"))
        or text.replace("_", " ") in _NORMAL_WORDS
    )


def _is_anomaly_word(text: str) -> bool:
    parts = set(text.replace("_", " ").replace("-", " ").split())
    return (
        text in _ANOMALY_WORDS
        or bool(parts & (_ANOMALY_WORDS - _BARE))
        or "failure" in text
        or "attack" in text
    )


def _judge_words(
    profile: Profile, counts: Mapping[str, int], normal: set[str], anomalous: set[str], telling: set[str], strength: int,
    requested: bool, is_last: bool = False,
) -> Truth | None:  # fmt: skip
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
            strength <= 1
            and normal
            and telling & (_NORMAL_WORDS | _ANOMALY_WORDS)
            and (anomalous or strength == 1)
            and _is_telling(telling)
        )
    )
    if not is_truth and len(counts) <= 20 and _is_class_name(set(split_name(profile.name))) and (profile.name.lower() != "label" or is_last):
        return Truth(profile.name, f"the name says a class, and its words are {_list_words(set(counts))}", sure="doubtful")
    if not is_truth:
        return None
    if not normal and not (pair or requested):
        return Truth(
            profile.name, f"words of a truth: {_list_words(anomalous or set(counts))}", sure="likely"
        )
    total = sum(counts.values())
    if len(counts) == 2 and len(normal) == 1:
        anomalous = set(counts) - normal
    mapping: dict[str, int | None] = {cell: 0 if cell in normal else 1 for cell in counts}
    ones = sum(count for cell, count in counts.items() if mapping[cell] == 1) / total
    if not normal or len(set(mapping.values())) < 2:
        return Truth(
            profile.name,
            f"a truth whose words cannot be mapped: {_list_words(set(counts))}",
            sure="doubtful",
            rank=1.0 if requested else 0.0,
        )
    sure = "sure" if (pair or strength == 3) and ones < 0.6 else "likely"
    rank = 1.0 + 0.5 * strength + _rank_name(profile.name) - (0.5 if len(counts) > 2 else 0)
    if ones > 0.9 and not requested:
        rank = 0.0
    why = f"{_list_words(normal)} = 0, {_list_words(set(counts) - normal)} = 1"
    return Truth(profile.name, why, mapping, max(rank, 0.0), sure, ones)


def _is_class_name(words: set[str]) -> bool:
    """Return whether a name is that of a class alone, or of a truth."""
    return bool(words & _STRONG) or words <= {"class", "target", "classification", "outcome", "diagnosis", "y", "gt", "label",
                                              "id", "name", "type", "attack", "fault"} and bool(words - {"id", "name", "type"})  # fmt: skip


def _is_telling(words: set[str]) -> bool:
    return any(word.startswith(("normal", "benign", "no failure", "nofailure", "no fault")) or word in
               ("anomaly", "attack", "broken", "faulty", "fraud", "malicious", "recovering") for word in words)  # fmt: skip


def _list_words(words: set[str]) -> str:
    listed = sorted(words)
    return ", ".join(map(repr, listed[:3])) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")


def _repeats_label(profile: Profile, label: Profile, truth: Truth) -> bool:
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
    told = sum(total for value, total in zip(values, totals, strict=True) if shares[value] > 0.97)
    return bool(told >= 0.97 * len(rare)) and all(share > 0.97 or share < 0.001 for share in shares.values())
