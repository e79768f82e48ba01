"""What an alert is: its kind, how rare it is, what carries it, who is told, what was like it. Pure.

An alert's record is folded from events that are never changed: parts, one a scored window, and people's
answers. Called by :mod:`pynomaly.steps.alerting` and by what shows and exports alerts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pynomaly.errors import RecordError

__all__ = [
    "ENDINGS",
    "LEVELS",
    "Alert",
    "Carrier",
    "category",
    "folded",
    "grade",
    "quiet",
    "severity_of",
    "similar",
]

Ending = Literal["false-alarm", "confirmed"]
ENDINGS: tuple[Ending, ...] = ("false-alarm", "confirmed")
"""How an alert may end."""

TAIL = 0.05
"""A value with a smaller share of the reference as far out is unusual by itself."""

_BY_RARITY = {"one a year": "critical", "one a month": "high", "one a week": "medium", "one a day": "low"}
LEVELS = tuple(_BY_RARITY.values())
"""Severities, the gravest first."""


@dataclass(frozen=True)
class Carrier:
    """One column that carries an alert.

    Attributes
    ----------
    feature : str
    actual, expected : float, str or None
        What the rarest row holds, and what the reference usually holds.
    share : float
        Its part of what the named columns carry, from 0 to 1.
    tail : float or None
        Share of the reference at least as far out as `actual`; None where it is not known.
    """

    feature: str
    actual: float | str | None
    expected: float | str | None
    share: float
    tail: float | None

    def __str__(self) -> str:
        actual, expected = (
            "missing" if value is None else f"{value:.4g}" if isinstance(value, float) else value
            for value in (self.actual, self.expected)
        )
        return f"{self.feature} {actual} instead of {expected} ({self.share:.0%})"


@dataclass(frozen=True)
class Alert:
    """An alert as it stands.

    Attributes
    ----------
    alert : str
        Its name.
    state : {"open", "acknowledged", "resolved", "withdrawn"}
        Withdrawn: its windows were scored again, and its rows alert no more.
    ending, note, by : str
        How it was resolved, why, and who answered last; may be "".
    quiet : str
        Why nobody was told; "" when somebody was, or would have been.
    first, last, peak : datetime or None
        First and last row, and the rarest, to which score, p-value and carriers belong.
    rows : int
    version : int
        Model version that scored the rarest row.
    reasons : tuple of str
        Why this category and severity.
    alike : tuple of mapping
        Past alerts like it, the most alike first, and how they ended.
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

    @property
    def cause(self) -> str:
        """The strongest column, or ""."""
        return self.causes[0] if self.causes else ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        content = asdict(self)
        for name in ("first", "last", "peak", "opened"):
            content[name] = content[name].isoformat() if content[name] else None
        return content | {
            "cause": self.cause,
            "carriers": [asdict(item) for item in self.carriers],
            "row_keys": [list(item) for item in self.row_keys],
        }


def category(rows: int, carriers: Sequence[Carrier], collective: int) -> tuple[str, str]:
    """Point, contextual or collective, and why.

    Parameters
    ----------
    rows : int
        Of the alert.
    carriers : sequence of Carrier
        Of its rarest row, the strongest first.
    collective : int
        Rows from which an alert is collective.

    References
    ----------
    Chandola, Banerjee, Kumar (2009), Anomaly detection: a survey, ACM Computing Surveys 41(3), section 2.2.
    """
    if rows >= collective:
        return "collective", f"{rows} rows belong together, {collective} or more"
    tails = [item for item in carriers if item.tail is not None]
    if not tails:
        return "point", "a row of its own; which columns carry it is not known"
    far = min(tails, key=lambda item: item.tail if item.tail is not None else 1.0)
    if far.tail is not None and far.tail <= TAIL:
        return "point", f"{far.feature} is unusual by itself: {far.tail:.2%} of the reference is as far out"
    return (
        "contextual",
        f"every named column holds what is usual by itself ({far.feature}: {far.tail:.0%} of the reference "
        "is as far out); only together are they rare",
    )


def severity_of(p_value: float, rarity: str, by_p_value: str) -> tuple[str, str]:
    """Severity by how often normal operation brings such a row; by the p-value where that is not known.

    Returns
    -------
    tuple of str
        One of ``critical``, ``high``, ``medium``, ``low``; and why.
    """
    if rarity in _BY_RARITY:
        return _BY_RARITY[rarity], f"normal operation brings such a row at most {rarity}"
    if rarity == "usual":
        return "low", "normal operation brings such a row more than once a day"
    level = by_p_value if by_p_value in LEVELS else "low"
    return level, f"the p-value is {p_value:.2g}; rows a day are not known"


def grade(p_value: float) -> float:
    """How grave, from 0 to 1: 0 at a p-value of 1, 1 at one ten thousandth and below, linear in its log."""
    from math import log10

    return min(1.0, max(0.0, -log10(max(p_value, 1e-300)) / 4.0)) if p_value < 1 else 0.0


def quiet(
    entity: str,
    causes: Sequence[str],
    first: datetime | None,
    last: datetime | None,
    past: Iterable[Alert],
    planned: Iterable[tuple[datetime, datetime, str, str]],
    *,
    mute: timedelta,
    flapping: int,
    within: timedelta,
) -> str:
    """Why nobody is told of a new alert, or "".

    Parameters
    ----------
    entity, causes, first, last
        Of the new alert.
    past : iterable of Alert
        Those opened before it.
    planned : iterable of (start, end, entity, name)
        Planned work; an empty entity means all.
    mute : timedelta
        How long after the last row of a false alarm the like of it stays quiet.
    flapping : int
        Alike alerts that began at most `within` before this one, from which on it is flapping.
    """
    if first is None or last is None:
        return ""
    for start, end, whose, name in planned:
        if whose in ("", entity) and start <= last and first < end:
            return f"planned work: {name or 'not named'}, until {end:%Y-%m-%d %H:%M} UTC"
    like = [
        item
        for item in past
        if item.entity == entity
        and item.first is not None
        and item.first < first
        and item.state != "withdrawn"
        and item.cause == (causes[0] if causes else "")
    ]
    false = [item for item in like if item.ending == "false-alarm" and item.last]
    false = [item for item in false if item.last and first - item.last <= mute]
    if false:
        newest = max(false, key=lambda item: item.last or first)
        return f"muted: {newest.alert}, the like of it, was a false alarm"
    near = [item for item in like if item.first is not None and first - item.first <= within]
    if len(near) >= flapping:
        return f"flapping: {len(near)} alike alerts in the {_spelled(within)} before it"
    return ""


def _spelled(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours / 24:g} days" if hours >= 48 else f"{hours:g} hours"


def similar(entity: str, causes: Sequence[str], past: Iterable[Alert], most: int = 3) -> tuple[Alert, ...]:
    """Past alerts carried by the same columns, the most alike first.

    Likeness is the share of columns they have in common (Jaccard); of equals those of the same entity, then
    those somebody answered, then the newest. Alerts that have no column in common are not alike.
    """
    mine = set(causes)

    def likeness(item: Alert) -> float:
        theirs = set(item.causes)
        return len(mine & theirs) / len(mine | theirs) if mine | theirs else 0.0

    found = [item for item in past if likeness(item) > 0 and item.state != "withdrawn"]
    found.sort(
        key=lambda item: (
            -likeness(item),
            item.entity != entity,
            not item.ending,
            -(item.first.timestamp() if item.first else 0.0),
            item.alert,
        )
    )
    return tuple(found[:most])


def folded(name: str, events: Sequence[Mapping[str, Any]]) -> Alert:
    """An alert from its events, oldest first.

    Parameters
    ----------
    name : str
    events : sequence of mapping
        Each with ``pipeline``, ``event`` (``opened``, ``seen``, ``acknowledged`` or ``resolved``),
        ``window``, ``actor``, ``at`` and ``content``.

    Raises
    ------
    RecordError
        If none of them is a part of it.
    """
    parts: dict[str, Mapping[str, Any]] = {}
    state, ending, note, by = "open", "", "", ""
    opened: Mapping[str, Any] = {}
    moment: datetime | None = None
    for event in events:
        content = event["content"]
        if event["event"] == "seen":
            parts[event["window"]] = content
        elif event["event"] == "opened":
            opened, moment = content, event["at"]
        elif event["event"] == "acknowledged" and state == "open":
            state, note, by = "acknowledged", content.get("note", ""), event["actor"]
        elif event["event"] == "resolved":
            state, ending, note, by = "resolved", content["as"], content.get("note", ""), event["actor"]
    if not parts:
        raise RecordError(f"the alert {name} has no rows on record")
    kept = [part for _, part in sorted(parts.items()) if part["rows"]]
    if not kept:
        state, kept = "withdrawn", [next(iter(parts.values()))]
    rarest = min((part for part in kept), key=lambda part: part["p_value"])
    rows = sum(part["rows"] for part in kept)
    carriers = tuple(Carrier(**item) for item in rarest["carriers"])
    kind, why = category(rows, carriers, rarest["collective"])
    severity, because = severity_of(rarest["p_value"], rarest["rarity"], rarest["severity"])
    times = [_moment(part[side]) for part in kept for side in ("first", "last")]
    known = [item for item in times if item is not None]
    return Alert(
        alert=name,
        pipeline=events[0]["pipeline"],
        entity=rarest["entity"],
        state=state,
        ending=ending,
        note=note,
        by=by,
        quiet=opened.get("quiet", ""),
        first=min(known, default=None),
        last=max(known, default=None),
        peak=_moment(rarest["peak"]),
        rows=rows,
        windows=tuple(sorted(window for window, part in parts.items() if part["rows"])),
        version=rarest["version"],
        score=rarest["score"],
        p_value=rarest["p_value"],
        severity=severity,
        rarity=rarest["rarity"],
        extrapolated=rarest["extrapolated"],
        category=kind,
        reasons=(why, because),
        carriers=carriers,
        causes=tuple(next((part["causes"] for part in kept if part["causes"]), ())),
        alike=tuple(opened.get("alike", ())),
        opened=moment,
        row_keys=tuple((key[0], key[1]) for part in kept for key in part["row_keys"]),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
