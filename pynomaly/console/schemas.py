"""What the API answers, as pydantic models; the pages are drawn from the same objects.

Times are aware. Fields that may be missing are null, never left out.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from pynomaly.judging.alerts.alert import Alert
from pynomaly.records.ledger import Decision, SavedView

__all__ = ["AlertState", "Gravity", "Severity", "Shown"]
__all__ += ["AlertDetail", "AlertSeries", "AlertSummary", "AlertSurroundings", "Answered", "BulkResult"]
__all__ += ["Lane", "Span", "WindowVerdict"]
__all__ += ["DecisionDetail", "DecisionSummary", "FieldProblem", "FleetPipeline", "Page", "PendingPromotion"]
__all__ += ["PipelineFacts", "Problem"]
__all__ += ["VersionLine", "ViewShown", "WindowLine"]

Gravity = Literal["critical", "warning", "waiting", "new", "healthy"]
Severity = Literal["critical", "high", "medium", "low"]
AlertState = Literal["open", "acknowledged", "resolved", "withdrawn"]

T = TypeVar("T")


class Shown(BaseModel):
    """Base of what is answered."""

    model_config = ConfigDict(frozen=True)


class FieldProblem(Shown):
    """What is wrong with one field of a request."""

    field: str
    message: str


class Problem(Shown):
    """An error, by RFC 9457 (``application/problem+json``)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: tuple[FieldProblem, ...] = ()


class Page(Shown, Generic[T]):
    """A part of a list; ``next`` is the cursor of the part behind it, null at the end."""

    items: tuple[T, ...]
    next: str | None


class FleetPipeline(Shown):
    """One pipeline at a glance."""

    name: str
    description: str
    gravity: Gravity
    reasons: tuple[str, ...]
    state: str | None = Field(description="what monitoring last decided")
    champion: int | None
    since: datetime | None
    open_alerts: dict[Severity, int]
    pending: tuple[int, ...] = Field(description="versions that wait for an approval")
    window: str | None = Field(description="the newest scored window")
    window_end: datetime | None
    rows: int | None
    alerting_rows: int | None
    alert_rate: float | None = Field(description="share of its rows that alert")
    alerts_per_day: float | None
    budget_per_day: float | None = Field(description="what the policy budget allows; null for other policies")
    last_run: datetime | None
    next_run: datetime | None
    late: bool


class AlertSummary(Shown):
    """One alert in a list."""

    pipeline: str
    alert: str
    state: AlertState
    severity: Severity
    entity: str
    cause: str
    category: str
    rows: int
    first: datetime | None
    last: datetime | None
    opened: datetime | None
    p_value: float | None
    version: int
    ending: str
    by: str
    assignee: str
    quiet: str = Field(description="why no notification was sent; empty: one was")
    muted_until: datetime | None
    alike: str = Field(description="how the most similar earlier alert ended; empty: none, or no answer")

    @classmethod
    def of_alert(cls, alert: Alert) -> AlertSummary:
        """Return the summary of an alert."""
        return cls(**_summarize_alert(alert))


class Carried(Shown):
    """A column that contributes to an alert."""

    feature: str
    actual: float | str | None
    expected: float | str | None
    share: float | None
    tail: float | None
    past: str = ""


class AlertDetail(AlertSummary):
    """Everything on record about an alert."""

    peak: datetime | None
    score: float | None
    rarity: str
    extrapolated: bool
    note: str
    reasons: tuple[str, ...]
    carriers: tuple[Carried, ...]
    causes: tuple[str, ...]
    windows: tuple[str, ...]
    similar: tuple[dict[str, Any], ...]
    comments: tuple[dict[str, Any], ...]
    row_keys: tuple[tuple[str, str], ...] = Field(description="entity and time of each row")

    @classmethod
    def of_alert(cls, alert: Alert) -> AlertDetail:
        """Return everything about an alert."""
        content = alert.to_dict()
        names = ("peak", "score", "rarity", "extrapolated", "note", "reasons", "carriers", "causes")
        more = {name: content[name] for name in (*names, "windows", "comments", "row_keys")}
        return cls(**_summarize_alert(alert), **more, similar=content["alike"])


class AlertSeries(Shown):
    """Rows of the entity around an alert, by time; lists of one length, or empty."""

    column: str = Field(description="whose values are given; empty: none could be read")
    times: tuple[float, ...] = Field(description="seconds since 1970, UTC")
    values: tuple[float | None, ...]
    p_values: tuple[float | None, ...]
    alerting: tuple[bool, ...]
    expected: float | None = Field(description="usual value of the rarest row")
    low: float | None = Field(description="below it lies one of twenty values of the reference")
    high: float | None = Field(description="above it lies one of twenty values of the reference")
    first: datetime | None
    last: datetime | None
    notes: tuple[str, ...] = ()

    @classmethod
    def of_note(cls, note: str) -> AlertSeries:
        """Return a series of no rows with the reason."""
        nothing: dict[str, Any] = dict.fromkeys(("expected", "low", "high", "first", "last"))
        return cls(column="", times=(), values=(), p_values=(), alerting=(), **nothing, notes=(note,))


class Span(Shown):
    """A span of time that somebody declared; of all entities where ``entity`` is empty."""

    start: datetime
    end: datetime
    entity: str
    name: str


class WindowVerdict(Shown):
    """A scored window, and what monitoring decided about it; ``state`` is empty where it did not."""

    window: str
    state: str
    version: int | None
    seq: int | None = Field(description="of the decision")
    reasons: tuple[str, ...]


class AlertSurroundings(Shown):
    """What was going on within a day of an alert."""

    incidents: tuple[Span, ...]
    planned: tuple[Span, ...] = Field(description="planned work and holidays, in which alerts stay quiet")
    windows: tuple[WindowVerdict, ...]
    runbook: str = Field(description="address of what to do about it; empty: `console.runbook` names none")
    notes: tuple[str, ...]


class Lane(Shown):
    """Alerts of one entity over time: number by beginning of the day or hour, and severity."""

    pipeline: str
    entity: str
    total: int
    counts: dict[str, dict[Severity, int]]


class ViewShown(Shown):
    """A saved view of the inbox."""

    name: str
    query: str = Field(description="its filters, as they stand in the address of /alerts behind the ?")
    saved: datetime

    @classmethod
    def of_view(cls, view: SavedView) -> ViewShown:
        """Return what is shown of a view."""
        return cls(**vars(view))


class DecisionSummary(Shown):
    """One decision in a list."""

    seq: int
    key: str
    pipeline: str
    kind: str
    subject: str
    outcome: str
    reasons: tuple[str, ...]
    actor: str
    as_of: datetime
    at: datetime | None
    version: int | None

    @classmethod
    def of_decision(cls, decision: Decision) -> DecisionSummary:
        """Return the summary of a decision."""
        return cls(**_summarize_decision(decision))


class DecisionDetail(DecisionSummary):
    """A decision with its evidence and its place in the chain."""

    evidence: dict[str, Any]
    previous: str
    hash: str

    @classmethod
    def of_decision(cls, decision: Decision) -> DecisionDetail:
        """Return everything about a decision."""
        more = {"evidence": dict(decision.evidence), "previous": decision.previous, "hash": decision.hash}
        return cls(**_summarize_decision(decision), **more)


class PendingPromotion(Shown):
    """A promotion that waits for an approval."""

    pipeline: str
    version: int
    replaces: int | None
    expires: datetime
    decision: DecisionSummary
    verdict: dict[str, Any] | None
    diff: dict[str, Any] | None = Field(description="alerts gained, lost and kept by it")
    diff_error: str
    approvals: tuple[str, ...] = Field(description="names of the people who have approved it so far")
    needed: int = Field(description="people who must approve it")
    obstacle: str = Field(description="why an approval of who asks would not count; empty: it would")


class WindowLine(Shown):
    """One scored window; ``state`` is what monitoring decided, empty where it did not."""

    window: str
    start: datetime | None
    end: datetime | None
    version: int
    rows: int
    alerts: int
    quarantined: int
    rate: float | None
    state: str


class VersionLine(Shown):
    """One registered version, and what was decided about it."""

    version: int
    outcome: str
    at: datetime | None
    as_of: datetime
    detector: str
    champion: bool


class PipelineFacts(Shown):
    """What is on record about a pipeline."""

    name: str
    description: str
    champion: int | None
    since: datetime | None
    because: tuple[str, ...]
    before: int | None = Field(description="the version that a roll back leads to")
    detector: str
    policy: str
    promises: tuple[dict[str, Any], ...]
    windows: tuple[WindowLine, ...]
    versions: tuple[VersionLine, ...]


class Answered(Shown):
    """An alert after an answer."""

    alert: AlertDetail
    new: bool = Field(description="false where the same was on record")
    labelled: int = Field(description="labels of rows that it added")


class BulkResult(Shown):
    """What became of each."""

    answered: tuple[Answered, ...]
    failed: dict[str, str] = Field(description="PIPELINE/ALERT: why")


def _summarize_alert(alert: Alert) -> dict[str, Any]:
    alike = next((str(item.get("ending") or "") for item in alert.alike if item.get("ending")), "")
    names = ("pipeline", "alert", "state", "severity", "entity", "cause", "category", "rows", "first", "last")
    more = ("opened", "p_value", "version", "ending", "by", "assignee", "quiet", "muted_until")
    return {name: getattr(alert, name) for name in (*names, *more)} | {"alike": alike}


def _summarize_decision(decision: Decision) -> dict[str, Any]:
    names = ("seq", "key", "pipeline", "kind", "subject", "outcome", "reasons", "actor", "as_of", "at")
    return {name: getattr(decision, name) for name in (*names, "version")}
