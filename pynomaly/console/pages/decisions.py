"""The page of decisions: what waits for an approval, the ledger as a timeline, one decision's evidence."""

from __future__ import annotations

import json
from datetime import datetime
from functools import partial
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import ValidationError

from pynomaly.console.actions import answer_promotion, roll_back
from pynomaly.console.api.decisions import show_decision as read_decision
from pynomaly.console.api.routing import AskedBy
from pynomaly.console.context import Asked
from pynomaly.console.pages.forms import SentForm, describe_invalid
from pynomaly.console.pages.rendering import render_page
from pynomaly.console.queries.decisions import list_promotions, page_decisions
from pynomaly.console.wishes import Reasoned, Rollback
from pynomaly.errors import ConfigError, PynomalyError
from pynomaly.records.ledger import DECISION_KINDS, DecisionFilter, Ledger

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
_CHAIN_SECONDS = 600.0
Text = Annotated[str, Query(max_length=400)]


@router.get("/decisions")
def show_decisions(
    asked: AskedBy,
    pipeline: Text = "",
    kind: Text = "",
    actor: Text = "",
    cursor: Text = "",
    part: Text = "",
) -> Response:
    """Return what waits and the timeline; ``part=lines`` returns the next lines alone."""
    return _render_decisions(asked, pipeline, kind, actor, cursor, part)


@router.get("/decisions/chain")
def show_chain(asked: AskedBy) -> Response:
    """Return whether the ledgers are whole, checked from the first decision on in the last ten minutes."""
    lines = [
        asked.console.cache.read(
            ("chain", items[0].ledger_url), partial(_verify_chain, ledger, asked.now), _CHAIN_SECONDS
        )
        for ledger, items in asked.pipelines.group_by_ledger(asked.choose())
    ]
    return render_page("chain", asked, lines=lines)


@router.get("/pipelines/{pipeline}/decisions/{seq}")
def show_decision(asked: AskedBy, pipeline: str, seq: int) -> Response:
    """Return one decision with its evidence."""
    item = read_decision(asked, pipeline, seq)
    evidence = json.dumps(item.evidence, indent=2, ensure_ascii=False, sort_keys=True)
    return render_page("decision", asked, here="/decisions", item=item, evidence=evidence)


@router.post("/pipelines/{pipeline}/promotions/{version}")
def post_promotion(asked: AskedBy, pipeline: str, version: int, form: SentForm) -> Response:
    """Approve or reject a promotion."""
    approve = form.read("answer") == "approve"
    effect, problem = "", ""
    try:
        answer = Reasoned(reason=form.read("reason"))
        decision = answer_promotion(asked, pipeline, version, answer.reason, approve=approve)
        shown = 2 if decision.kind == "approval" else 1  # an approval that others must follow says so
        effect = f"{decision.kind} of {decision.subject}: {'; '.join(decision.reasons[:shown])}"
    except (ValidationError, PynomalyError) as error:
        problem = str(describe_invalid(error) if isinstance(error, ValidationError) else error)
    return _render_decisions(asked, effect=effect, problem=problem)


@router.post("/pipelines/{pipeline}/rollback")
def post_rollback(asked: AskedBy, pipeline: str, form: SentForm) -> Response:
    """Take the champion back."""
    effect, problem = "", ""
    try:
        text = form.read("version")
        if not text.isdecimal():
            raise ConfigError(f"version {text[:40]!r} is no whole number")
        answer = Rollback(reason=form.read("reason"), version=int(text))
        decision = roll_back(asked, pipeline, answer.version, answer.reason)
        effect = f"{decision.subject} is champion again"
    except (ValidationError, PynomalyError) as error:
        problem = str(describe_invalid(error) if isinstance(error, ValidationError) else error)
    return _render_decisions(asked, pipeline, effect=effect, problem=problem)


def _render_decisions(
    asked: Asked,
    pipeline: str = "",
    kind: str = "",
    actor: str = "",
    cursor: str = "",
    part: str = "",
    effect: str = "",
    problem: str = "",
) -> Response:
    visible = asked.choose()
    chosen = asked.choose((pipeline,)) if pipeline else visible
    if not pipeline and len(groups := asked.pipelines.group_by_ledger(visible)) > 1:
        chosen = groups[0][1]  # decisions of several ledgers have no common order
        problem = (
            problem or f"These are decisions of {chosen[0].name} and those beside it; choose a pipeline."
        )
    wanted = DecisionFilter(kinds=(kind,) if kind else (), actor=actor)
    page = page_decisions(asked.pipelines, chosen, wanted, 50, cursor)
    kept = {"pipeline": pipeline, "kind": kind, "actor": actor}

    def link(**changes: str) -> str:
        values = {name: value for name, value in (kept | changes).items() if value}
        return f"/decisions?{urlencode(values)}"

    if part == "lines":
        return render_page("decision_lines", asked, page=page, link=link)
    return render_page(
        "decisions",
        asked,
        here="/decisions",
        page=page,
        promotions=list_promotions(asked.pipelines, visible, asked.now, asked.actor.identity),
        names=[item.name for item in visible],
        kinds=DECISION_KINDS,
        link=link,
        effect=effect,
        problem=problem,
        pipeline=pipeline,
        kind=kind,
        actor=actor,
    )


def _verify_chain(ledger: Ledger, now: datetime) -> dict[str, object]:
    chain, when = ledger.verify_chain(), f"{now:%H:%M} UTC"
    if chain.intact:
        text = f"The chain of {chain.decisions:,} decisions is whole: none was changed or removed ({when})."
    else:
        text = f"The chain is broken at decision {chain.broken_at}: {chain.reason} ({when})."
    return {"intact": chain.intact, "text": text}
