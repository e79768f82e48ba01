"""Routes of pipelines and decisions: the fleet, the ledger, and what waits for an approval."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from pynomaly.console.actions import answer_promotion, roll_back
from pynomaly.console.api.routing import PROBLEMS, ApiRoute, AskedBy, Cursor, Limit
from pynomaly.console.context import Asked
from pynomaly.console.queries.decisions import list_promotions, page_decisions
from pynomaly.console.queries.fleet import list_fleet
from pynomaly.console.schemas import DecisionDetail, DecisionSummary, FleetPipeline, Page, PendingPromotion
from pynomaly.console.wishes import Reasoned, Rollback
from pynomaly.errors import ConfigError, UnknownNameError, list_allowed
from pynomaly.records.ledger import DECISION_KINDS, DecisionFilter

__all__ = ["read_fleet", "router"]

router = APIRouter(tags=["decisions"], route_class=ApiRoute, responses=PROBLEMS)

Version = Annotated[int, Path(ge=1, le=2**31 - 1)]
Names = Annotated[list[str], Query(default_factory=list, description="names; all that you may see without")]


def read_fleet(asked: Asked) -> tuple[FleetPipeline, ...]:
    """Return the state of each pipeline that the actor may see, at most two seconds old."""
    chosen = asked.choose()
    key = ("fleet", *(item.name for item in chosen))
    return asked.read_kept(key, lambda: list_fleet(asked.pipelines, chosen, asked.now))


@router.get("/pipelines", summary="Every pipeline, the gravest first", tags=["fleet"])
def show_fleet(asked: AskedBy) -> tuple[FleetPipeline, ...]:
    """Return the state of each pipeline."""
    return read_fleet(asked)


@router.get("/pipelines/{pipeline}", summary="One pipeline at a glance", tags=["fleet"])
def show_pipeline(asked: AskedBy, pipeline: str) -> FleetPipeline:
    """Return the state of one pipeline."""
    return list_fleet(asked.pipelines, [asked.find(pipeline)], asked.now)[0]


@router.get("/decisions", summary="Decisions with their reasons, the newest first")
def list_decisions(
    asked: AskedBy,
    pipeline: Names,
    kind: Annotated[list[str], Query(default_factory=list, description=", ".join(DECISION_KINDS))],
    actor: Annotated[str, Query(max_length=200)] = "",
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Page[DecisionSummary]:
    """Return a page of decisions."""
    for name in kind:
        if name not in DECISION_KINDS:
            raise ConfigError(f"{name!r} is no kind of decision; {list_allowed(name, DECISION_KINDS)}")
    wanted = DecisionFilter(kinds=kind, actor=actor)
    return page_decisions(asked.pipelines, asked.choose(pipeline), wanted, limit, cursor)


@router.get("/pipelines/{pipeline}/decisions/{seq}", summary="One decision with its evidence")
def show_decision(
    asked: AskedBy, pipeline: str, seq: Annotated[int, Path(ge=1, le=2**31 - 1)]
) -> DecisionDetail:
    """Return one decision."""
    ledger = asked.pipelines.open_ledger(asked.find(pipeline).ledger_url)
    decision = ledger.across.find_decision(seq)
    if decision is None or decision.pipeline != pipeline:
        raise UnknownNameError(f"no decision {seq} of {pipeline}")
    return DecisionDetail.of_decision(decision)


@router.get("/pipelines/{pipeline}/chain", summary="Whether the ledger's chain of hashes is whole")
def verify_chain(asked: AskedBy, pipeline: str) -> dict[str, Any]:
    """Check the decisions of the ledger that the pipeline is in."""
    ledger = asked.pipelines.open_ledger(asked.find(pipeline).ledger_url)
    return ledger.verify_chain().to_dict()


@router.get("/promotions", summary="Promotions that wait for an approval")
def show_promotions(asked: AskedBy, pipeline: Names) -> tuple[PendingPromotion, ...]:
    """Return what waits."""
    return list_promotions(asked.pipelines, asked.choose(pipeline), asked.now, asked.actor.identity)


@router.post(
    "/pipelines/{pipeline}/promotions/{version}/approve", summary="Approve a promotion; for an approver"
)
def approve(asked: AskedBy, pipeline: str, version: Version, answer: Reasoned) -> DecisionSummary:
    """Approve a promotion."""
    return answer_promotion(asked, pipeline, version, answer.reason, approve=True)


@router.post(
    "/pipelines/{pipeline}/promotions/{version}/reject", summary="Reject a promotion; for an approver"
)
def reject(asked: AskedBy, pipeline: str, version: Version, answer: Reasoned) -> DecisionSummary:
    """Reject a promotion."""
    return answer_promotion(asked, pipeline, version, answer.reason, approve=False)


@router.post("/pipelines/{pipeline}/rollback", summary="Take the champion back; for an approver")
def post_rollback(asked: AskedBy, pipeline: str, answer: Rollback) -> DecisionSummary:
    """Make the previous champion champion again."""
    return roll_back(asked, pipeline, answer.version, answer.reason)
