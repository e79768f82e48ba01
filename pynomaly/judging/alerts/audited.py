"""Judge models on the answered rows of an audit: the rung ``audited``. Pure.

Each answered row is weighted by the rows that it stands for, so average precision and recall are those of all
rows of the audited windows, as far as a sample can tell. The verdict on two models is that of
:func:`~pynomaly.judging.comparison.compare.compare_scores` on the weighted rows, resampled by whole blocks
of dependent rows, with an interval that holds at every look: it may be asked for after each answer. Precision
and recall of the alerts have exact intervals.

A stratum in which no answered row is an anomaly may hold some. They would shrink the average precision of
both models, and their difference, by one factor; the lower bound of average precision allows for it. The sign
of a difference they do not turn, unless one model ranks those rows better on which neither alerts.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pynomaly import config
from pynomaly.judging.alerts.audit import AuditEstimate, AuditStratum, bound_total, estimate_audit
from pynomaly.judging.alerts.powered import PoweredShare, estimate_powered_share
from pynomaly.judging.any_time import forecast_answers, reach_at_any_time
from pynomaly.judging.comparison.compare import Verdict, VerdictOutcome, compare_scores
from pynomaly.judging.comparison.evaluation import Interval, compute_metrics, explain_not_computable
from pynomaly.judging.comparison.evidence import Evidence, Rung
from pynomaly.judging.comparison.ranking_metrics import Array, Ints, OperatingPoint
from pynomaly.judging.jsonable import to_jsonable

__all__ = [
    "CHALLENGER_ALERTS",
    "CHAMPION_ALERTS",
    "AuditedComparison",
    "AuditedModel",
    "AuditedRows",
    "compare_by_audit",
    "measure_audited_model",
]

CHAMPION_ALERTS, CHALLENGER_ALERTS = ("both", "champion"), ("both", "challenger")
"""Strata of a draw that decides in which each of the two models alerts."""

MOST_GAPS = 0.05
"""Rows above the newest answer that may be left without one, as a share of the answered rows."""


@dataclass(frozen=True, eq=False)
class AuditedRows:
    """The drawn rows of an audit, in the order of the draw.

    Attributes
    ----------
    strata : tuple of AuditStratum
    names : tuple of str of length m
        Stratum of each drawn row.
    truth : int array of shape (m,)
        1 anomaly, 0 normal, -1 without an answer.
    blocks : int array of shape (m,)
        Blocks of dependent rows.
    """

    strata: tuple[AuditStratum, ...]
    names: tuple[str, ...]
    truth: Ints
    blocks: Ints

    @property
    def answered(self) -> npt.NDArray[np.bool_]:
        """Which rows have an answer, bool array of shape (m,)."""
        return np.asarray(self.truth >= 0)

    def count_gaps(self) -> int:
        """Return the number of rows without an answer above the newest answered one."""
        places = np.flatnonzero(self.answered)
        return int(places[-1] + 1 - places.size) if places.size else 0

    def count_answers(self, name: str, truth: int | None = None) -> int:
        """Return the answered rows of a stratum, or those with this truth."""
        of_stratum = np.asarray(self.names) == name
        wanted = self.answered if truth is None else self.truth == truth
        return int((of_stratum & wanted).sum())

    def build_evidence(self, operation: OperatingPoint | None = None) -> Evidence:
        """Return the answered rows as evidence; each has the weight of the rows that it stands for."""
        by_stratum = {
            item.name: item.population / max(1, self.count_answers(item.name)) for item in self.strata
        }
        weights = np.array([by_stratum[name] for name in self.names])[self.answered]
        truth, blocks = self.truth[self.answered], self.blocks[self.answered]
        return Evidence(truth, blocks, Rung.AUDITED, operation=operation, weights=weights)


@dataclass(frozen=True)
class AuditedModel:
    """Quality of one model on the audited windows.

    Attributes
    ----------
    average_precision : Interval or None
        None where the answers hold one class alone, or a stratum has none.
    alerts : AuditEstimate
        Precision and recall of its alerts, with exact intervals.
    powered : PoweredShare or None
        Precision with the help of the scores; None where ranks of the alerts were not asked for.
    """

    average_precision: Interval | None
    alerts: AuditEstimate
    powered: PoweredShare | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))


@dataclass(frozen=True)
class AuditedComparison:
    """Verdict of an audit so far, the quality of both models, and what more answers would do.

    Attributes
    ----------
    verdict : Verdict
    champion, challenger : AuditedModel
    answered, waiting : int
        Drawn rows with and without an answer.
    more_answers : int or None
        How many more decide, if they come as so far; 0: it is decided. None: more than can be said.
    forecast : str
        The same as a sentence.
    """

    verdict: Verdict
    champion: AuditedModel
    challenger: AuditedModel
    answered: int
    waiting: int
    more_answers: int | None
    forecast: str

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))


def measure_audited_model(
    rows: AuditedRows,
    scores: Array | None,
    alerted: Collection[str],
    settings: config.Comparison,
    seed: int = 42,
    ranks: Array | None = None,
) -> AuditedModel:
    """Measure one model on the answers so far.

    Parameters
    ----------
    rows : AuditedRows
    scores : array of shape (m,) or None
        Of the drawn rows; only their order matters. Without them there is no average precision.
    alerted : collection of str
        The strata whose rows alert.
    settings : Comparison
    seed : int
    ranks : array of shape (m,), optional
        Of the alerted rows among all alerts, see :func:`~pynomaly.judging.alerts.audit_draw.rank_alerted`;
        those of other rows are not read.
    """
    powered = _use_ranks(rows, ranks, settings.confidence) if ranks is not None else None
    answers = [truth if truth >= 0 else None for truth in rows.truth.tolist()]
    labels = list(zip(rows.names, answers, strict=True))
    estimate = estimate_audit(rows.strata, labels, settings.confidence, alerted)
    evidence, answered = rows.build_evidence(), rows.answered
    if (
        scores is None
        or _list_unanswered_strata(rows)
        or explain_not_computable(evidence.truth, scores[answered])
    ):
        return AuditedModel(None, estimate, powered)
    measured = compute_metrics(
        evidence, scores[answered], confidence=settings.confidence, resamples=settings.resamples, seed=seed
    )
    interval = measured.average_precision
    assert interval is not None, "both classes are there"
    low = interval.low * _bound_seen_share(rows, evidence, 1 - settings.confidence)
    return AuditedModel(replace(interval, low=low), estimate, powered)


def _use_ranks(rows: AuditedRows, ranks: Array, confidence: float) -> PoweredShare | None:
    """Return the precision that ranks narrow; None where nothing alerted."""
    alerted = np.asarray(rows.names) == "alerted"
    population = next((item.population for item in rows.strata if item.name == "alerted"), 0)
    if not population:
        return None
    return estimate_powered_share(ranks[alerted], rows.truth[alerted], population, confidence)


def compare_by_audit(
    rows: AuditedRows,
    scores: tuple[Array, Array],
    settings: config.Comparison,
    *,
    names: tuple[str, str] = ("champion", "challenger"),
    operation: OperatingPoint | None = None,
    among: int = 1,
    attempt: int = 1,
    seed: int = 42,
) -> AuditedComparison:
    """Judge the challenger by the answers so far.

    Parameters
    ----------
    rows : AuditedRows
        Of a draw that decides (:func:`~pynomaly.judging.alerts.audit_draw.draw_deciding_rows`).
    scores : tuple of two arrays of shape (m,)
        Of the drawn rows by champion and challenger; only their order matters.
    settings : Comparison
    names : tuple of str
        Of champion and challenger, for people.
    operation : OperatingPoint, optional
    among, attempt, seed : int
        As in :func:`~pynomaly.judging.comparison.compare.compare_scores`; all looks at one audit are one
        attempt.

    Notes
    -----
    The verdict is ``inconclusive`` while a stratum has no answer, or while more than :data:`MOST_GAPS` of the
    rows above the newest answer wait: a choice of which rows to answer would bias every figure.
    """
    evidence, answered = rows.build_evidence(operation), rows.answered
    verdict = compare_scores(
        evidence,
        scores[0][answered],
        scores[1][answered],
        settings,
        champion=names[0],
        challenger=names[1],
        seed=seed,
        among=among,
        attempt=attempt,
    )
    more = _forecast(verdict, evidence, settings)
    if refusals := _list_refusals(rows):
        verdict = replace(verdict, outcome=VerdictOutcome.INCONCLUSIVE, reasons=(*refusals, *verdict.reasons))
        more = None if more is None else max(more, rows.count_gaps(), 1)
    waiting = int((~answered).sum())
    return AuditedComparison(
        verdict,
        measure_audited_model(rows, scores[0], CHAMPION_ALERTS, settings, seed),
        measure_audited_model(rows, scores[1], CHALLENGER_ALERTS, settings, seed),
        evidence.rows,
        waiting,
        more,
        _describe_forecast(verdict, more, waiting),
    )


def _list_unanswered_strata(rows: AuditedRows) -> list[str]:
    return [item.name for item in rows.strata if not rows.count_answers(item.name)]


def _list_refusals(rows: AuditedRows) -> tuple[str, ...]:
    """Return why the answers are no stratified sample yet."""
    refusals = []
    if empty := _list_unanswered_strata(rows):
        refusals.append(f"no row of the stratum {', '.join(empty)} is answered yet: answer from the top")
    gaps, answers = rows.count_gaps(), int(rows.answered.sum())
    if gaps > MOST_GAPS * answers:
        refusals.append(
            f"{gaps} rows above the newest answer wait, more than {MOST_GAPS:.0%} of the {answers} answers: "
            "answer these first, as a choice of rows would bias the figures"
        )
    return tuple(refusals)


def _forecast(verdict: Verdict, evidence: Evidence, settings: config.Comparison) -> int | None:
    """Return how many more answers decide, None if that cannot be said."""
    answered, positives, units = evidence.rows, evidence.positives, evidence.units
    if not math.isnan(verdict.low):
        error = (verdict.high - verdict.low) / 2 / reach_at_any_time(units, verdict.level)
        return forecast_answers(verdict.difference, error, units, answered, verdict.level, settings)
    if not positives:
        return None
    needed = max(settings.min_positives / positives, settings.min_blocks / max(units, 1))
    return max(1, math.ceil(answered * (needed - 1)))


def _describe_forecast(verdict: Verdict, more: int | None, waiting: int) -> str:
    if more == 0:
        ending = "the challenger is superior" if verdict.promotes else "it has no gain worth a promotion"
        return f"decided: {ending}; no more answers are needed"
    if more is None:
        return "how many more answers decide cannot be said yet"
    least = "at least " if math.isnan(verdict.low) else ""
    longer = "" if more <= waiting else f"; {waiting} drawn rows wait, so draw a longer audit"
    return f"{least}{more} more answer{'s decide' if more > 1 else ' decides'}{longer}"


def _bound_seen_share(rows: AuditedRows, evidence: Evidence, error: float) -> float:
    """Return the least share of all anomalies that lie in strata where some were answered."""
    unseen = [item for item in rows.strata if not rows.count_answers(item.name, 1)]
    hidden = sum(
        bound_total(item.population, rows.count_answers(item.name), 0, 0, error / 2 / len(unseen))[1]
        for item in unseen
    )
    assert evidence.weights is not None, "rows of an audit have weights"
    total = float(evidence.weights[evidence.truth == 1].sum())
    return total / (total + hidden)
