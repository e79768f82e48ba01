"""Tasks of a training: plan, prepare, fit, compare, register, promote."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from pynomaly.config import Candidate, Pipeline
from pynomaly.judging.comparison.choice import CandidateChoice
from pynomaly.judging.comparison.compare import Verdict
from pynomaly.records.diff_page import format_example_rows, render_diff
from pynomaly.records.formats import format_number, format_utc, format_words
from pynomaly.records.ledger import Decision, RegistrationResult
from pynomaly.records.ledger.decision_evidence import PendingEvidence
from pynomaly.records.markdown import escape_markdown, format_bullets
from pynomaly.records.registry import Registry
from pynomaly.steps.promotion.promote import promote as promote_step
from pynomaly.steps.training.compare_models import choose_winner as choose_winner_step
from pynomaly.steps.training.compare_models import compare_with_champion as against_champion_step
from pynomaly.steps.training.compare_models import refuse_unusable as refuse_unusable_step
from pynomaly.steps.training.fit_candidates import FittedCandidate
from pynomaly.steps.training.fit_candidates import fit_candidate as fit_candidate_step
from pynomaly.steps.training.fit_candidates import recalibrate_champion as recalibrate_champion_step
from pynomaly.steps.training.planning import TrainingPlan
from pynomaly.steps.training.planning import plan_training as plan_training_step
from pynomaly.steps.training.prepare import PreparedReference
from pynomaly.steps.training.prepare import prepare_reference as prepare_step
from pynomaly.steps.training.recalibration.new_p_values import read_baseline
from pynomaly.steps.training.register import register_training as register_step
from pynomaly.steps.training.tuning_run import TuningRecord
from pynomaly.steps.training.tuning_run import tune_reference as search_reference_step
from tasks.events import announce_event, announce_quality_blocks
from tasks.links import build_run_url
from tasks.step import pipeline_task

__all__ = [
    "compare_candidates",
    "fit_candidate",
    "judge_challenger",
    "plan_training",
    "prepare_reference",
    "promote",
    "recalibrate_champion",
    "refuse_unusable",
    "register_winner",
    "search_detectors",
]


@pipeline_task("plan")
def plan_training(
    pipeline: Pipeline,
    as_of: datetime,
    trigger: str,
    reason: str,
    candidates: tuple[Candidate, ...],
    kind: str = "train",
) -> TrainingPlan:
    """Decide whether to train now; the decision and its reasons are emitted as an event."""
    decided_plan = plan_training_step(pipeline, as_of, trigger, reason, candidates, kind)
    announce_event(pipeline, f"retrain.{decided_plan.decision.remedy}", decided_plan.to_dict())
    create_markdown_artifact(
        key=f"{pipeline.name.replace('_', '-')}-training-decision",
        markdown=f"**{decided_plan.decision.remedy}** at {format_utc(as_of.isoformat())}\n\n"
        + format_bullets(decided_plan.decision.reasons),
        description="Whether a training runs, and why",
    )
    return decided_plan


@pipeline_task("validate and split")
def prepare_reference(pipeline: Pipeline, plan: TrainingPlan, as_of: datetime) -> PreparedReference:
    """Validate the reference, read for the plan, and split its rows."""
    with announce_quality_blocks(pipeline, "train", plan.window):
        reference = plan.held.reference
        recalibrates = plan.decision.remedy == "recalibrate"
        return prepare_step(
            pipeline, plan.window, as_of, plan.candidates, plan.asked, reference, recalibrates
        )


@pipeline_task("search detectors", retries=0, timeout_s=2 * 86_400)
def search_detectors(
    pipeline: Pipeline, prepared: PreparedReference, as_of: datetime, budget: timedelta, actor: str
) -> TuningRecord:
    """Search detectors and parameters within the budget; publish the trials and the answer."""
    result = search_reference_step(pipeline, prepared, as_of, budget, actor)
    outcome = f"better: {result.winner.detector}" if result.better else "no better than the default"
    create_table_artifact(
        key=f"{pipeline.name.replace('_', '-')}-search",
        table=list(map(_format_row, result.trials)),
        description=f"Trials on {result.rung}, the default first: "
        + "; ".join(map(escape_markdown, result.reasons or (outcome,))),
    )
    announce_event(pipeline, f"search.{'better' if result.better else 'none'}", {"key": result.key})
    return result


@pipeline_task(
    "fit a candidate", timeout_s=86_400
)  # long, for it includes the queue; training.timeout limits a fit
def fit_candidate(
    pipeline: Pipeline, prepared: PreparedReference, candidate: Candidate, label: str
) -> FittedCandidate:
    """Fit one candidate and score the judged rows."""
    return fit_candidate_step(pipeline, prepared, candidate, label)


@pipeline_task("recalibrate the champion")
def recalibrate_champion(pipeline: Pipeline, prepared: PreparedReference) -> FittedCandidate:
    """Keep the champion's detector and recalibrate its p-values on newer rows."""
    registry = Registry.open_for(pipeline)
    champion = registry.resolve_alias(pipeline.name, "champion")
    baseline = read_baseline(pipeline, champion)
    return recalibrate_champion_step(pipeline, prepared, registry.load_bundle(champion), baseline)


@pipeline_task("refuse what cannot be compared")
def refuse_unusable(
    pipeline: Pipeline, prepared: PreparedReference, fitted: list[FittedCandidate], as_of: datetime
) -> Decision | None:
    """Refuse a training if none of its candidates can be compared; returns None if one can."""
    decision = refuse_unusable_step(pipeline, prepared, fitted, as_of)
    if decision is not None:
        announce_event(pipeline, "champion.refuse", decision.to_dict())
    return decision


@pipeline_task("compare candidates")
def compare_candidates(
    pipeline: Pipeline, prepared: PreparedReference, fitted: list[FittedCandidate]
) -> CandidateChoice:
    """Choose the candidate that ships and publish the table."""
    choice = choose_winner_step(pipeline, prepared, fitted)
    create_table_artifact(
        key=f"{pipeline.name.replace('_', '-')}-candidates",
        table=list(map(_format_row, choice.table)),
        description=f"Candidates on the same {prepared.judged_rows:,} held-out rows ({prepared.rung}), "
        f"{format_words(pipeline.comparison.metric)}; winner: {choice.winner}",
    )
    return choice


@pipeline_task("register the winner")
def register_winner(
    pipeline: Pipeline, prepared: PreparedReference, fitted: list[FittedCandidate], choice: CandidateChoice
) -> RegistrationResult:
    """Log the training to MLflow and register its winner."""
    registration = register_step(pipeline, prepared, fitted, choice)
    create_link_artifact(
        key=f"{pipeline.name.replace('_', '-')}-training",
        link=build_run_url(pipeline, registration.parent_run_id),
        link_text=f"{pipeline.name} v{registration.version} in MLflow",
        description="The training's parent run: candidates, pictures, model card",
    )
    return registration


@pipeline_task("challenger against champion")
def judge_challenger(
    pipeline: Pipeline, prepared: PreparedReference, challenger: FittedCandidate, among: int
) -> Verdict | None:
    """Compare the winner with the champion on the same rows."""
    verdict = against_champion_step(pipeline, prepared, challenger, among)
    if verdict is not None:
        create_table_artifact(
            key=f"{pipeline.name.replace('_', '-')}-verdict",
            table=[
                {"figure": format_words(name), "value": _format_figure(value)}
                for name, value in verdict.to_dict().items()
            ],
            description=f"{verdict.challenger} against {verdict.champion}: {verdict.outcome}",
        )
    return verdict


def _format_figure(value: object) -> str:
    """Returns a figure as text on one line; Prefect leaves out a cell of several lines."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={format_number(item)}" for name, item in value.items()) or "–"
    return "; ".join(map(str, value)) if isinstance(value, list | tuple) else format_number(value)


def _format_row(row: Mapping[str, object]) -> dict[str, str]:
    """Returns a row of a table as text: names in words, and numbers as the pages write them."""
    return {format_words(name): _format_figure(value) for name, value in row.items()}


@pipeline_task("promote or refuse")
def promote(
    pipeline: Pipeline, registered: RegistrationResult, verdict: Verdict | None, as_of: datetime
) -> Decision:
    """Change the champion if the gate passes, or record why not."""
    decision = promote_step(pipeline, registered, verdict, as_of)
    announce_event(pipeline, f"champion.{decision.kind}", decision.to_dict())
    if decision.kind == "pending":
        _publish_decision_diff(pipeline, decision)
    return decision


def _publish_decision_diff(pipeline: Pipeline, decision: Decision) -> None:
    """Publish what a person needs to approve a promotion: the decision diff, and its rows as a table."""
    evidence = PendingEvidence.of(decision)
    key, diff = pipeline.name.replace("_", "-"), evidence.diff
    waiting_line = f"**{decision.subject}** waits for an answer until {format_utc(str(evidence.expires))}"
    unknown_line = f"What would change is not known: {escape_markdown(evidence.diff_error)}"
    diff_text = render_diff(diff) if diff else unknown_line
    create_markdown_artifact(
        key=f"{key}-pending",
        markdown="\n\n".join([waiting_line, format_bullets(decision.reasons), diff_text]),
        description="A promotion that waits: run the flow approve or reject",
    )
    if diff and diff["examples"]:
        create_table_artifact(
            key=f"{key}-pending-rows",
            table=format_example_rows(diff),
            description="Rows on which the two disagree",
        )
