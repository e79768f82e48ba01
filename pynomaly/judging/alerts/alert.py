"""An alert's state, category, severity and contributing columns. Pure.

An alert is rebuilt from an append-only list of events: one part for each scored window, and people's answers.
Called by :mod:`pynomaly.steps.alerting.raise_alerts` and by the code that shows and exports alerts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pynomaly.config import SEVERITIES
from pynomaly.errors import RecordError

__all__ = [
    "ENDINGS",
    "Alert",
    "Carrier",
    "assess_severity",
    "build_alert",
    "categorize_alert",
    "grade_p_value",
]

Ending = Literal["false-alarm", "confirmed"]
ENDINGS: tuple[Ending, ...] = ("false-alarm", "confirmed")
"""Values that an answer may give as the ending of an alert."""

UNUSUAL_TAIL = 0.05
"""A value is unusual by itself when at most this share of the reference is at least as extreme."""

_TIMES = ("first", "last", "peak", "opened", "muted_until")
"""Fields of an alert that are times."""

_BY_RARITY = dict(zip(("one a year", "one a month", "one a week", "one a day"), SEVERITIES, strict=True))


@dataclass(frozen=True)
class Carrier:
    """One column that contributes to an alert.

    Attributes
    ----------
    feature : str
    actual, expected : float, str or None
        Value in the row with the smallest p-value, and the usual value in the reference.
    share : float
        Share of the contribution of all named columns, from 0 to 1.
    tail : float or None
        Share of the reference at least as extreme as `actual`; None where it is not known.
    past : str
        What a detector that looks back compares, and the nearest window of the reference; "" for others.
    """

    feature: str
    actual: float | str | None
    expected: float | str | None
    share: float
    tail: float | None
    past: str = ""

    def __str__(self) -> str:
        actual, expected = (
            "missing" if value is None else f"{value:.4g}" if isinstance(value, float) else value
            for value in (self.actual, self.expected)
        )
        past = f"; {self.past}" if self.past else ""
        return f"{self.feature} {actual} instead of {expected} ({self.share:.0%}){past}"


@dataclass(frozen=True)
class Alert:
    """The current state of an alert.

    Attributes
    ----------
    alert : str
        Name of the alert.
    state : {"open", "acknowledged", "resolved", "withdrawn"}
        Withdrawn: its windows were scored again, and none of its rows alerts any more.
    ending, note, by : str
        How it was resolved, why, and who answered last; may be "".
    quiet : str
        Why no notification was sent; "" when one was sent, or would have been.
    first, last, peak : datetime or None
        Times of the first row, the last row and the row with the smallest p-value.
    rows : int
    version : int
        Model version that scored the row at `peak`; `score`, `p_value` and `carriers` are also of this row.
    reasons : tuple of str
        Why this category and severity.
    alike : tuple of mapping
        Similar past alerts, the most similar first, and how they ended.
    assignee : str
        Who is to look at it; "" for nobody.
    muted_until : datetime or None
        Until when an alert like it, of the same entity and cause, sends no notification.
    comments : tuple of mapping
        What people wrote about it, oldest first: ``at`` (ISO 8601), ``by`` and ``text``.
    """

    alert: str
    pipeline: str
    entity: str
    state: str
    ending: str
    note: str
    by: str
    quiet: str
    first: datetime | None
    last: datetime | None
    peak: datetime | None
    rows: int
    windows: tuple[str, ...]
    version: int
    score: float
    p_value: float
    severity: str
    rarity: str
    extrapolated: bool
    category: str
    reasons: tuple[str, ...]
    carriers: tuple[Carrier, ...]
    causes: tuple[str, ...]
    alike: tuple[Mapping[str, Any], ...]
    opened: datetime | None
    row_keys: tuple[tuple[str, str], ...] = ()
    assignee: str = ""
    muted_until: datetime | None = None
    comments: tuple[Mapping[str, Any], ...] = ()

    @property
    def cause(self) -> str:
        """The column with the largest contribution, or ""."""
        return self.causes[0] if self.causes else ""

    def to_dict(self) -> dict[str, Any]:
        """Return the alert as JSON-serialisable values."""
        content = dict(vars(self))
        for name in _TIMES:
            content[name] = content[name].isoformat() if content[name] else None
        return content | {
            "cause": self.cause,
            "carriers": [dict(vars(item)) for item in self.carriers],
            "row_keys": [list(item) for item in self.row_keys],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Alert:
        """Return the alert that :meth:`to_dict` wrote."""
        values = {name: value for name, value in content.items() if name != "cause"}
        for name in _TIMES:
            values[name] = _parse_time(values[name])
        for name in ("windows", "reasons", "causes", "alike", "comments"):
            values[name] = tuple(values[name])
        values["carriers"] = tuple(Carrier(**item) for item in values["carriers"])
        values["row_keys"] = tuple((entity, row) for entity, row in values["row_keys"])
        return cls(**values)


def categorize_alert(rows: int, carriers: Sequence[Carrier], collective: int) -> tuple[str, str]:
    """Return the category (point, contextual or collective) and the reason.

    Parameters
    ----------
    rows : int
        Number of rows of the alert.
    carriers : sequence of Carrier
        Columns of the row with the smallest p-value, the largest contribution first.
    collective : int
        Number of rows from which an alert is collective.

    References
    ----------
    Chandola, Banerjee, Kumar (2009), Anomaly detection: a survey, ACM Computing Surveys 41(3), section 2.2.
    """
    if rows >= collective:
        return "collective", f"{rows} rows belong together, {collective} or more"
    tails = [item for item in carriers if item.tail is not None]
    if not tails:
        return "point", "a row of its own; which columns carry it is not known"
    column = min(tails, key=lambda item: item.tail if item.tail is not None else 1.0)
    if column.tail is not None and column.tail <= UNUSUAL_TAIL:
        reason = f"{column.feature} is unusual by itself: {column.tail:.2%} of the reference is as far out"
        return "point", reason
    rare = "only after the rows before it is the row rare" if column.past else "only together are they rare"
    return (
        "contextual",
        f"every named column holds what is usual by itself ({column.feature}: {column.tail:.0%} of the "
        f"reference is as far out); {rare}",
    )


def assess_severity(p_value: float, rarity: str, by_p_value: str) -> tuple[str, str]:
    """Return the severity by how often normal operation has such a row, else by the p-value.

    Returns
    -------
    tuple of str
        One of ``critical``, ``high``, ``medium``, ``low``; and the reason.
    """
    if rarity in _BY_RARITY:
        return _BY_RARITY[rarity], f"normal operation brings such a row at most {rarity}"
    if rarity == "usual":
        return "low", "normal operation brings such a row more than once a day"
    level = by_p_value if by_p_value in SEVERITIES else "low"
    return level, f"the p-value is {p_value:.2g}; rows a day are not known"


def grade_p_value(p_value: float) -> float:
    """Map a p-value to 0..1, linearly in its logarithm: 1 and NaN give 0; 0.0001 and below give 1."""
    return min(1.0, max(0.0, -math.log10(max(p_value, 1e-300)) / 4.0))


def build_alert(name: str, events: Sequence[Mapping[str, Any]]) -> Alert:
    """Build an alert from its events, oldest first.

    Parameters
    ----------
    name : str
    events : sequence of mapping
        Each with ``pipeline``, ``event`` (``opened``, ``seen``, ``acknowledged``, ``resolved``, ``assigned``,
        ``muted`` or ``commented``), ``window``, ``actor``, ``at`` and ``content``.

    Raises
    ------
    RecordError
        If no event has the rows of the alert.
    """
    parts: dict[str, Mapping[str, Any]] = {}
    state, ending, note, by = "open", "", "", ""
    assignee, muted_until = "", None
    comments: list[Mapping[str, Any]] = []
    opened: Mapping[str, Any] = {}
    opened_at: datetime | None = None
    for event in events:
        content = event["content"]
        if event["event"] == "seen":
            parts[event["window"]] = content
        elif event["event"] == "opened":
            opened, opened_at = content, event["at"]
        elif event["event"] == "acknowledged" and state == "open":
            state, note, by = "acknowledged", content.get("note", ""), event["actor"]
        elif event["event"] == "resolved":
            state, ending, note, by = "resolved", content["as"], content.get("note", ""), event["actor"]
        elif event["event"] == "assigned":
            assignee = content["to"]
        elif event["event"] == "muted":
            muted_until = _parse_time(content["until"])
        elif event["event"] == "commented":
            at = event["at"].isoformat() if event["at"] else None
            comments.append({"at": at, "by": event["actor"], "text": content["text"]})
    if not parts:
        raise RecordError(f"the alert {name} has no rows on record")
    active_parts = [part for _, part in sorted(parts.items()) if part["rows"]]
    if not active_parts:
        state, active_parts = "withdrawn", [next(iter(parts.values()))]
    rarest = min((part for part in active_parts), key=lambda part: part["p_value"])
    rows = sum(part["rows"] for part in active_parts)
    carriers = tuple(Carrier(**item) for item in rarest["carriers"])
    kind, category_reason = categorize_alert(rows, carriers, rarest["collective"])
    severity, severity_reason = assess_severity(rarest["p_value"], rarest["rarity"], rarest["severity"])
    times = [_parse_time(part[side]) for part in active_parts for side in ("first", "last")]
    known_times = [item for item in times if item is not None]
    return Alert(
        alert=name,
        pipeline=events[0]["pipeline"],
        entity=rarest["entity"],
        state=state,
        ending=ending,
        note=note,
        by=by,
        quiet=opened.get("quiet", ""),
        first=min(known_times, default=None),
        last=max(known_times, default=None),
        peak=_parse_time(rarest["peak"]),
        rows=rows,
        windows=tuple(sorted(window for window, part in parts.items() if part["rows"])),
        version=rarest["version"],
        score=rarest["score"],
        p_value=rarest["p_value"],
        severity=severity,
        rarity=rarest["rarity"],
        extrapolated=rarest["extrapolated"],
        category=kind,
        reasons=(category_reason, severity_reason),
        carriers=carriers,
        causes=tuple(next((part["causes"] for part in active_parts if part["causes"]), ())),
        alike=tuple(opened.get("alike", ())),
        opened=opened_at,
        row_keys=tuple((key[0], key[1]) for part in active_parts for key in part["row_keys"]),
        assignee=assignee,
        muted_until=muted_until,
        comments=tuple(comments),
    )


def _parse_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
