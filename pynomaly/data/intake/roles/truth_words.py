"""Words that tell a truth: in the name of a column, and among its values. Pure. Called by ``truth``."""

from __future__ import annotations

from pynomaly.data.intake.cells.spelling import split_name

__all__ = [
    "ANOMALY_WORDS",
    "BARE",
    "NORMAL_WORDS",
    "is_anomaly_word",
    "is_class_name",
    "is_medium_name",
    "is_normal_word",
    "is_telling",
    "list_words",
    "name_strength",
    "rank_name",
]

_STRONG = {
    "label", "labels", "anomaly", "anomalies", "anomalous", "isanomaly", "outlier", "outliers",
    "isoutlier", "attack", "attacks", "isattack", "fraud", "isfraud", "fraudulent", "fault", "faults",
    "faulty", "failure", "failures", "failed", "truth", "groundtruth", "intrusion", "malicious",
    "malware", "defect", "defective", "defects", "breakdown", "changepoint", "anomalylabel", "incident",
    "incidents", "abnormal", "isflaggedfraud", "chargeback", "scam", "passfail", "novelty", "hacked",
    "botnet", "rul", "ttf", "attacktype", "attackcat", "attflag", "binaryclassification",
}  # fmt: skip
"""Words of a name that tell a truth, whatever its values."""

_MEDIUM = {
    "class", "target", "classification", "category_label", "outcome", "y", "gt", "groundtruth",
    "normal", "isnormal", "default", "churn", "diagnosis", "classlabel", "maintenance", "malfunction",
    "broken", "damage", "error", "errors", "alarm", "alert", "warning", "event", "detected",
}  # fmt: skip
"""Words that tell a truth if the column has two values, or words of one."""

_WEAK = {
    "status", "state", "type", "result", "reason", "condition", "flag", "quality", "verdict", "mode",
    "cat", "id",
}  # fmt: skip
"""Words that tell a truth only together with words of one among the values."""

NORMAL_WORDS = {
    "normal", "benign", "ok", "okay", "good", "healthy", "pass", "passed", "no failure", "nofailure",
    "no fault", "none", "no anomaly", "legit", "legitimate", "clean", "regular", "inlier", "fine",
    "no attack", "normal.", "background", "success", "non-fraud", "not fraud", "genuine", "no defect",
    "no", "false", "n", "negative", "no error", "nominal", "normal operation", "healthy state",
    "good condition", "safe", "io",
}  # fmt: skip

ANOMALY_WORDS = {
    "anomaly", "anomalous", "attack", "malicious", "fail", "failed", "failure", "fault", "faulty",
    "broken", "bad", "nok", "nio", "abnormal", "outlier", "fraud", "fraudulent", "intrusion", "defect",
    "defective", "recovering", "error", "not ok", "ng", "breakdown", "critical", "anomaly.", "malware",
    "a ttack", "damaged", "yes", "true", "y", "positive", "spam", "phishing", "alert", "alarm",
    "unhealthy", "down",
}  # fmt: skip

BARE = {
    "yes", "no", "true", "false", "y", "n", "none", "ok", "good", "bad", "success", "io", "down",
    "positive", "negative",
}  # fmt: skip
"""Words that alone do not show that a column is a truth."""

_CLASS_NAMES = {"class", "target", "classification", "outcome", "diagnosis", "y", "gt", "label"} | {
    "id",
    "name",
    "type",
    "attack",
    "fault",
}
_TELLING = {"anomaly", "attack", "broken", "faulty", "fraud", "malicious", "recovering"}
_NOT_TRUTHS = {
    "score", "rate", "count", "count_", "number", "code", "codes", "total", "temperature", "duration",
    "time", "hours",
}  # fmt: skip


def name_strength(name: str) -> tuple[int, bool]:
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


def is_medium_name(name: str) -> bool:
    """Return whether a name tells a truth in some tables and a feature in others (`default`, `alarm`)."""
    return name_strength(name)[0] == 2 and not is_class_name(set(split_name(name)))


def rank_name(name: str) -> float:
    """Return a bonus for names that mean the whole truth and not one kind of failure."""
    words = set(split_name(name))
    bonus = 0.6 * bool(words & {"label", "anomaly", "outlier", "isanomaly", "truth", "attack", "fraud"})
    bonus += 0.2 * bool(words & {"y", "class", "target", "outcome"})
    bonus += 0.5 * bool(words & {"machine", "overall", "any", "is", "binary", "ground"})
    return bonus - 0.8 * bool(words & {"changepoint", "flagged", "type", "reason", "cat", "predicted"})


def is_normal_word(text: str) -> bool:
    """Return whether a word means a normal row."""
    return (
        text in NORMAL_WORDS
        or text.startswith(("normal", "no ", "benign"))
        or text.replace("_", " ") in NORMAL_WORDS
    )


def is_anomaly_word(text: str) -> bool:
    """Return whether a word means an anomalous row."""
    parts = set(text.replace("_", " ").replace("-", " ").split())
    return (
        text in ANOMALY_WORDS or bool(parts & (ANOMALY_WORDS - BARE)) or "failure" in text or "attack" in text
    )


def is_class_name(words: set[str]) -> bool:
    """Return whether a name is that of a class alone, or of a truth."""
    return bool(words & _STRONG) or (words <= _CLASS_NAMES and bool(words - {"id", "name", "type"}))


def is_telling(words: set[str]) -> bool:
    """Return whether one of the words shows a truth under any name."""
    starts = ("normal", "benign", "no failure", "nofailure", "no fault")
    return any(word.startswith(starts) or word in _TELLING for word in words)


def list_words(words: set[str]) -> str:
    """Return the first words, for a message."""
    listed = sorted(words)
    return ", ".join(map(repr, listed[:3])) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")
