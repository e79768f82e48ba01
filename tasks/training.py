"""Tasks of a training: plan, prepare, fit, compare, register, promote."""

from __future__ import annotations

from datetime import datetime, timedelta

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from pynomaly.config import Candidate, Pipeline
from pynomaly.judging.choice import Choice
from pynomaly.judging.comparison import Verdict
from pynomaly.records.diff_page import diff_markdown, example_rows
from pynomaly.records.ledger import Decision
from pynomaly.records.markdown import bullets, plain
from pynomaly.records.registry import Registry
from pynomaly.steps.candidates import Fitted
from pynomaly.steps.candidates import fit_candidate as fit_candidate_step
from pynomaly.steps.candidates import recalibrate_champion as recalibrate_champion_step
from pynomaly.steps.judge import against_champion as against_champion_step
from pynomaly.steps.judge import choose_winner as choose_winner_step
from pynomaly.steps.prepare import Prepared
from pynomaly.steps.prepare import prepare as prepare_step
from pynomaly.steps.promote import promote as promote_step
from pynomaly.steps.register import Registered
from pynomaly.steps.register import register as register_step
from pynomaly.steps.retrain import Plan
from pynomaly.steps.retrain import plan_training as plan_training_step
from pynomaly.steps.searching import Searched
from pynomaly.steps.searching import search_reference as search_reference_step
from pynomaly.steps.unusable import refuse_unusable as refuse_unusable_step
from tasks.events import announce, blocks_announced
from tasks.links import run_page
from tasks.step import step

__all__ = [
    "compare",
    "fit_candidate",
    "judge_challenger",
    "plan",
    "prepare",
    "promote",
    "recalibrate",
    "refuse_unusable",
    "register",
    "search",
]


@step("plan")
def plan(
    pipeline: Pipeline,
    as_of: datetime,
    trigger: str,
    reason: str,
    candidates: tuple[Candidate, ...],
    kind: str = "train",
) -> Plan:
    """Decide whether to train now; the decision and its reasons are emitted as an event."""
    decided_plan = plan_training_step(pipeline, as_of, trigger, reason, candidates, kind)
    announce(pipeline, f"retrain.{decided_plan.decision.remedy}", decided_plan.to_dict())
    create_markdown_artifact(
        key=f"{pipeline.name.replace('_', '-')}-training-decision",
        markdown=f"**{decided_plan.decision.remedy}** at {as_of.isoformat()}\n\n"
        + bullets(decided_plan.decision.reasons),
        description="Whether a training runs, and why",
    )
    return decided_plan


@step("validate and split")
def prepare(pipeline: Pipeline, plan: Plan, as_of: datetime) -> Prepared:
    """Read and validate the reference, and split its rows."""
    with blocks_announced(pipeline, "train", plan.window):
        return prepare_step(pipeline, plan.window, as_of, plan.candidates, plan.asked)


@step("search detectors", retries=0, timeout_s=2 * 86_400)
def search(
    pipeline: Pipeline, prepared: Prepared, as_of: datetime, budget: timedelta, actor: str
) -> Searched:
    """Search detectors and parameters within the budget; publish the trials and the answer."""
    result = search_reference_step(pipeline, prepared, as_of, budget, actor)
    outcome = f"better: {result.winner.detector}" if result.better else "no better than the default"
    create_table_artifact(
        key=f"{pipeline.name.replace('_', '-')}-search",
        table=[{name: str(value) for name, value in trial.items()} for trial in result.trials],
        description=f"Trials on {result.rung}, the default first; {outcome}. "
        + "; ".join(map(plain, result.reasons)),
    )
    announce(pipeline, f"search.{'better' if result.better else 'none'}", {"key": result.key})
    return result


@step("fit a candidate", timeout_s=86_400)  # long, for it includes the queue; training.timeout limits a fit
def fit_candidate(pipeline: Pipeline, prepared: Prepared, candidate: Candidate, label: str) -> Fitted:
    """Fit one candidate and score the judged rows."""
    return fit_candidate_step(pipeline, prepared, candidate, label)


@step("recalibrate the champion")
def recalibrate(pipeline: Pipeline, prepared: Prepared) -> Fitted:
    """Keep the champion's detector and recalibrate its p-values on newer rows."""
    registry = Registry.of(pipeline)
    return recalibrate_champion_step(
        pipeline, prepared, registry.load(registry.alias(pipeline.name, "champion"))
    )


@step("refuse what cannot be compared")
def refuse_unusable(
    pipeline: Pipeline, prepared: Prepared, fitted: list[Fitted], as_of: datetime
) -> Decision | None:
    """Refuse a training if none of its candidates can be compared; returns None if one can."""
    decision = refuse_unusable_step(pipeline, prepared, fitted, as_of)
    if decision is not None:
        announce(pipeline, "champion.refuse", decision.to_dict())
    return decision


@step("compare candidates")
def compare(pipeline: Pipeline, prepared: Prepared, fitted: list[Fitted]) -> Choice:
    """Choose the candidate that ships and publish the table."""
    choice = choose_winner_step(pipeline, prepared, fitted)
    create_table_artifact(
        key=f"{pipeline.name.replace('_', '-')}-candidates",
        table=[dict(row) for row in choice.table],
        description=f"Candidates on the same {prepared.judged_rows} held-out rows ({prepared.rung}); "
        f"winner: {choice.winner}",
    )
    return choice


@step("register the winner")
def register(pipeline: Pipeline, prepared: Prepared, fitted: list[Fitted], choice: Choice) -> Registered:
    """Log the training to MLflow and register its winner."""
    registration = register_step(pipeline, prepared, fitted, choice)
    create_link_artifact(
        key=f"{pipeline.name.replace('_', '-')}-training",
        link=run_page(pipeline, registration.parent_run_id),
        link_text=f"{pipeline.name} v{registration.version} in MLflow",
        description="The training's parent run: candidates, pictures, model card",
    )
    return registration


@step("challenger against champion")
def judge_challenger(
    pipeline: Pipeline, prepared: Prepared, challenger: Fitted, among: int
) -> Verdict | None:
    """Compare the winner with the champion on the same rows."""
    verdict = against_champion_step(pipeline, prepared, challenger, among)
    if verdict is not None:
        create_table_artifact(
            key=f"{pipeline.name.replace('_', '-')}-verdict",
            table=[
                {"figure": name.replace("_", " "), "value": _said(value)}
                for name, value in verdict.to_dict().items()
            ],
            description=f"{verdict.challenger} against {verdict.champion}: {verdict.outcome}",
        )
    return verdict


def _said(value: object) -> str:
    """Returns a figure as text on one line; Prefect leaves out a cell of several lines."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return "; ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


@step("promote or refuse")
def promote(pipeline: Pipeline, registered: Registered, verdict: Verdict | None, as_of: datetime) -> Decision:
    """Change the champion if the gate passes, or record why not."""
    decision = promote_step(pipeline, registered, verdict, as_of)
    announce(pipeline, f"champion.{decision.kind}", decision.to_dict())
    if decision.kind == "pending":
        _publish_difference(pipeline, decision)
    return decision


def _publish_difference(pipeline: Pipeline, decision: Decision) -> None:
    """Publish what a person needs to approve a promotion: the decision diff, and its rows as a table."""
    key, diff = pipeline.name.replace("_", "-"), decision.evidence["diff"]
    waiting_line = f"**{decision.subject}** waits for an answer until {decision.evidence['expires']}"
    unknown_line = f"What would change is not known: {plain(decision.evidence.get('diff_error', ''))}"
    diff_text = diff_markdown(diff) if diff else unknown_line
    create_markdown_artifact(
        key=f"{key}-pending",
        markdown="\n\n".join([waiting_line, bullets(decision.reasons), diff_text]),
        description="A promotion that waits: run the flow approve or reject",
    )
    if diff and diff["examples"]:
        create_table_artifact(
            key=f"{key}-pending-rows", table=example_rows(diff), description="Rows on which the two disagree"
        )
