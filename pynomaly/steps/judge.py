"""Compares fitted models: the candidates among themselves, and the best one with the champion.

All are compared on the same rows. Called once for each training, after every candidate is fitted. Reads
bundles and rows and writes nothing: the steps that act on the verdicts record them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pynomaly.config import Pipeline
from pynomaly.errors import DetectorError
from pynomaly.judging.choice import Choice, choose
from pynomaly.judging.comparison import Verdict, compare
from pynomaly.judging.ranking import Operation
from pynomaly.model.bundle import Bundle
from pynomaly.records.registry import Registry
from pynomaly.steps.candidates import Fitted
from pynomaly.steps.champion import champion_of
from pynomaly.steps.prepare import Judged, Prepared
from pynomaly.steps.refits import over_refits

__all__ = ["against_champion", "choose_winner", "operation_of"]


def choose_winner(pipeline: Pipeline, prepared: Prepared, fitted: Sequence[Fitted]) -> Choice:
    """Choose the winning candidate: the baseline, unless another is superior on the judged rows.

    Raises
    ------
    DetectorError
        If no candidate could be fitted.
    """
    usable = {item.label: item.scores()["score"].to_numpy() for item in fitted if not item.error}
    if not usable:
        failed = "; ".join(f"{item.label}: {item.error}" for item in fitted)
        raise DetectorError(f"{pipeline.name}: no candidate could be fitted: {failed}")
    judged = Judged.load(prepared)
    baseline = fitted[0].label if fitted[0].label in usable else next(iter(usable))
    operation = operation_of(pipeline, fitted)
    return choose(
        judged.truth,
        usable,
        pipeline.comparison,
        rung=judged.rung,
        baseline=baseline,
        seed=pipeline.training.seed,
        blocks=judged.blocks,
        operation=operation,
        injected=judged.injected,
        costs={item.label: item.cost() for item in fitted if not item.error},
        folds=over_refits(pipeline, prepared, fitted, baseline, operation) if len(usable) > 1 else None,
    )


def against_champion(
    pipeline: Pipeline, prepared: Prepared, challenger: Fitted, among: int = 1
) -> Verdict | None:
    """Compare challenger and champion on the judged rows; None if there is no champion yet.

    Parameters
    ----------
    pipeline : Pipeline
    prepared : Prepared
    challenger : Fitted
    among : int
        Number of candidates from which these same rows chose it (:attr:`Choice.among`).
    """
    registry = Registry.of(pipeline)
    reference = champion_of(pipeline, registry)
    if reference is None:
        return None
    judged = Judged.load(prepared)
    champion = registry.load(reference)
    return compare(
        judged.truth,
        champion.score(judged.frame)["score"].to_numpy(),
        challenger.scores()["score"].to_numpy(),
        pipeline.comparison,
        rung=judged.rung,
        champion=f"{pipeline.name} v{reference.version}",
        challenger=challenger.label,
        blocks=judged.blocks,
        seed=pipeline.training.seed,
        among=among,
        operation=operation_of(pipeline, [challenger]),
        injected=judged.injected,
    )


def operation_of(pipeline: Pipeline, fitted: Sequence[Fitted]) -> Operation:
    """Return the share of normal rows that the alert policy flags, and what errors cost, for `fitted`."""
    first = next(item for item in fitted if not item.error)
    policy = Bundle.load(Path(first.folder), first.sha256).policy
    return Operation.of(pipeline.alerts, policy.threshold)
