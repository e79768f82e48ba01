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
from pynomaly.steps.candidates import Fitted, recalibrate_champion
from pynomaly.steps.candidates import fit_candidate as fit_candidate_step
from pynomaly.steps.judge import against_champion, choose_winner
from pynomaly.steps.prepare import Prepared
from pynomaly.steps.prepare import prepare as prepare_step
from pynomaly.steps.promote import promote as promote_step
from pynomaly.steps.register import Registered
from pynomaly.steps.register import register as register_step
from pynomaly.steps.retrain import Plan, plan_training
from pynomaly.steps.searching import Searched, search_reference
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
    """Decide whether to train now; a no is announced with its reasons."""
    planned = plan_training(pipeline, as_of, trigger, reason, candidates, kind)
    announce(pipeline, f"retrain.{planned.decision.remedy}", planned.to_dict())
    create_markdown_artifact(
        key=f"{pipeline.name.replace('_', '-')}-training-decision",
        markdown=f"**{planned.decision.remedy}** at {as_of.isoformat()}\n\n"
        + bullets(planned.decision.reasons),
        description="Whether a training runs, and why",
    )
    return planned


@step("validate and split")
def prepare(pipeline: Pipeline, plan: Plan, as_of: datetime) -> Prepared:
    """Read and validate the reference; lay out its rows."""
    with blocks_announced(pipeline, "train", plan.window):
        return prepare_step(pipeline, plan.window, as_of, plan.candidates, plan.asked)


@step("search detectors", retries=0, timeout_s=2 * 86_400)
def search(
    pipeline: Pipeline, prepared: Prepared, as_of: datetime, budget: timedelta, actor: str
) -> Searched:
    """Search detectors and parameters within the budget; publish the trials and the answer."""
    searched = search_reference(pipeline, prepared, as_of, budget, actor)
    outcome = f"better: {searched.winner.detector}" if searched.better else "no better than the default"
    create_table_artifact(
        key=f"{pipeline.name.replace('_', '-')}-search",
        table=[{name: str(value) for name, value in trial.items()} for trial in searched.trials],
        description=f"Trials on {searched.rung}, the default first; {outcome}. "
        + "; ".join(map(plain, searched.reasons)),
    )
    announce(pipeline, f"search.{'better' if searched.better else 'none'}", {"key": searched.key})
    return searched


@step("fit a candidate", timeout_s=86_400)  # its own limit is training.timeout; here it may wait its turn
def fit_candidate(pipeline: Pipeline, prepared: Prepared, candidate: Candidate, label: str) -> Fitted:
    """Fit one candidate and score the judged rows."""
    return fit_candidate_step(pipeline, prepared, candidate, label)


@step("recalibrate the champion")
def recalibrate(pipeline: Pipeline, prepared: Prepared) -> Fitted:
    """Keep the champion's detector; take p-values from newer rows."""
    registry = Registry.of(pipeline)
    return recalibrate_champion(pipeline, prepared, registry.load(registry.alias(pipeline.name, "champion")))


@step("refuse what cannot be compared")
def refuse_unusable(
    pipeline: Pipeline, prepared: Prepared, fitted: list[Fitted], as_of: datetime
) -> Decision | None:
    """Refuse a training of whose candidates none can be compared; None when one can."""
    decision = refuse_unusable_step(pipeline, prepared, fitted, as_of)
    if decision is not None:
        announce(pipeline, "champion.refuse", decision.to_dict())
    return decision


@step("compare candidates")
def compare(pipeline: Pipeline, prepared: Prepared, fitted: list[Fitted]) -> Choice:
    """Choose the candidate that ships and publish the table."""
    choice = choose_winner(pipeline, prepared, fitted)
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
    registered = register_step(pipeline, prepared, fitted, choice)
    create_link_artifact(
        key=f"{pipeline.name.replace('_', '-')}-training",
        link=run_page(pipeline, registered.parent_run_id),
        link_text=f"{pipeline.name} v{registered.version} in MLflow",
        description="The training's parent run: candidates, pictures, model card",
    )
    return registered


@step("challenger against champion")
def judge_challenger(
    pipeline: Pipeline, prepared: Prepared, challenger: Fitted, among: int
) -> Verdict | None:
    """Compare the winner with the champion on the same rows."""
    verdict = against_champion(pipeline, prepared, challenger, among)
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
    """A figure as a person reads it; Prefect leaves out a column without a name, and a cell of many lines."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return "; ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


@step("promote or refuse")
def promote(pipeline: Pipeline, registered: Registered, verdict: Verdict | None, as_of: datetime) -> Decision:
    """Pass the gate and change the champion, or say why not."""
    decision = promote_step(pipeline, registered, verdict, as_of)
    announce(pipeline, f"champion.{decision.kind}", decision.to_dict())
    if decision.kind == "pending":
        _publish_difference(pipeline, decision)
    return decision


def _publish_difference(pipeline: Pipeline, decision: Decision) -> None:
    """What a person who is to approve should see: the page, and the rows as a table."""
    key, diff = pipeline.name.replace("_", "-"), decision.evidence["diff"]
    waits = f"**{decision.subject}** waits for an answer until {decision.evidence['expires']}"
    unknown = f"What would change is not known: {plain(decision.evidence.get('diff_error', ''))}"
    shown = diff_markdown(diff) if diff else unknown
    create_markdown_artifact(
        key=f"{key}-pending",
        markdown="\n\n".join([waits, bullets(decision.reasons), shown]),
        description="A promotion that waits: run the flow approve or reject",
    )
    if diff and diff["examples"]:
        create_table_artifact(
            key=f"{key}-pending-rows", table=example_rows(diff), description="Rows on which the two disagree"
        )
