"""Search detectors and parameters within a budget; keep the default if nothing is shown to be better.

The only module that imports Optuna. Trials are judged on one half of the evidence: labels where there are
enough, else injected anomalies. The best trial is compared with the default on the other half
by the gate's own comparison, because the best of many trials looks better than it is. Without labels, a
trial is first vetoed if its scores depend on which rows it was fitted on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pynomaly.config import Candidate, Comparison
from pynomaly.detectors import DETECTORS, TABULAR, Detector
from pynomaly.detectors.catalogue import find_entry, make_detector_for
from pynomaly.detectors.deadline import fit_within
from pynomaly.detectors.numerics.exact import Array
from pynomaly.detectors.past_rows import PastRows, select_rows
from pynomaly.errors import DetectorError
from pynomaly.judging.comparison.compare import Verdict, VerdictOutcome, compare_scores
from pynomaly.judging.comparison.evidence import Evidence, Rung
from pynomaly.judging.jsonable import to_jsonable

__all__ = ["MIN_STABILITY", "Trial", "TrialRows", "TuningResult", "tune_detectors"]

MIN_STABILITY = 0.5
"""Least rank correlation of scores between fits on two halves of the rows."""


@dataclass(frozen=True, eq=False)
class TrialRows:
    """Held-out rows as numbers, ndarray `X` of shape (n, d), and the evidence that trials are judged by.

    Where a detector looks back, `X` is rows with their past.
    """

    X: Array | PastRows
    evidence: Evidence

    def split_halves(self, seed: int) -> tuple[TrialRows, TrialRows]:
        """Returns two parts with whole blocks; blocks with anomalies are split evenly."""
        first = self.evidence.split_halves(seed)
        return self._select(first), self._select(~first)

    def _select(self, rows: npt.NDArray[np.bool_]) -> TrialRows:
        return TrialRows(select_rows(self.X, rows), self.evidence.select(rows))


@dataclass(frozen=True)
class Trial:
    """One candidate that was tried; if it failed or was vetoed, `value` is NaN and `reason` says why."""

    detector: str
    params: Mapping[str, Any]
    value: float
    stability: float
    seconds: float
    reason: str = ""


@dataclass(frozen=True)
class TuningResult:
    """Result of a search.

    Attributes
    ----------
    winner : Candidate
        The default, unless another was shown to be better.
    better : bool
        Whether the winner differs from the default.
    verdict : Verdict or None
        The best trial against the default on rows that chose neither; None if no trial beat the default.
    trials : tuple of Trial
        In order; the first is the default.
    reasons : tuple of str
    """

    winner: Candidate
    better: bool
    verdict: Verdict | None
    trials: tuple[Trial, ...]
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        trials = [to_jsonable(trial) for trial in self.trials]
        verdict = self.verdict.to_dict() if self.verdict else None
        winner = self.winner.model_dump(mode="json")
        return {"winner": winner, "better": self.better, "verdict": verdict, "trials": trials,
                "reasons": list(self.reasons)}  # fmt: skip


def tune_detectors(
    X: Array | PastRows,
    held_out: TrialRows,
    default: Candidate,
    settings: Comparison,
    *,
    seconds: float,
    trials: int | None = None,
    detectors: tuple[str, ...] = (),
    seed: int = 42,
) -> TuningResult:
    """Try detectors and parameters of the catalogue until the budget is spent.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows to fit on, presumed normal.
    held_out : TrialRows
        Rows to judge trials by; none of them is in `X`.
    default : Candidate
        Tried first; kept on a tie.
    settings : Comparison
    seconds : float
        Wall time of the trials; the last fit is stopped at its end.
    trials : int, optional
        Largest number of trials, including the default.
    detectors : tuple of str
        Names to search; empty means all detectors except neural ones and those of quadratic cost.
    seed : int

    Raises
    ------
    DetectorError
        If the default cannot be fitted; FitTimeoutError if not in time.
    UnknownDetectorError
        If a name is not in the catalogue.
    """
    known = DETECTORS if isinstance(X, PastRows) else TABULAR
    names = detectors or tuple(
        name for name, row in known.items() if row.family != "neural" and row.cost != "quadratic"
    )
    for name in (*names, default.detector):
        find_entry(name)
    tuning, confirming = held_out.split_halves(seed)
    run = _TrialRunner(X, tuning, settings, time.monotonic() + seconds, seed)
    first = run.attempt(default, stability=False)  # the default needs no veto
    if first.reason:
        raise DetectorError(f"the default {default.detector} cannot be judged: {first.reason}")
    trial_of = {_label_candidate(default): first}
    _run_trials(run, trial_of, names, first, trials, seed)
    best = max(
        trial_of, key=lambda label: -math.inf if math.isnan(trial_of[label].value) else trial_of[label].value
    )
    all_trials = tuple(trial_of.values())
    if trial_of[best] is first:
        summary = f"no better than the default: none of {len(all_trials) - 1} other trials ranked above it"
        return TuningResult(default, False, None, all_trials, (summary,))
    winner = Candidate(detector=trial_of[best].detector, params=dict(trial_of[best].params))
    verdict = compare_scores(
        confirming.evidence,
        run.fitted[_label_candidate(default)].score(confirming.X),
        run.fitted[best].score(confirming.X),
        settings,
        champion=_label_candidate(default),
        challenger=best,
        seed=seed,
    )
    if verdict.outcome is VerdictOutcome.SUPERIOR:
        return TuningResult(winner, True, verdict, all_trials, verdict.reasons)
    summary = (
        f"no better than the default: {best} led on the rows that chose it; on others it is {verdict.outcome}"
    )
    return TuningResult(default, False, verdict, all_trials, (summary, *verdict.reasons))


def _run_trials(
    run: _TrialRunner,
    trial_of: dict[str, Trial],
    names: tuple[str, ...],
    first: Trial,
    trials: int | None,
    seed: int,
) -> None:
    """Let Optuna propose until time or trials run out; a repeated candidate reuses its value."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    proposals = 0
    most = math.inf if trials is None else trials - 1
    for name in names:  # each detector once with default parameters, before any parameter is tuned
        study.enqueue_trial({"detector": name, "tuned": False})
    while len(trial_of) - 1 < most and proposals < 10 * min(most, 1000) and run.seconds_left() > 0:
        proposals += 1
        trial = study.ask()
        name = trial.suggest_categorical("detector", names)
        space = DETECTORS[name].search_space
        params: dict[str, Any] = {}
        if trial.suggest_categorical("tuned", (False, True)):
            for key, values in space.items():  # indices, as a value may be a list
                params[key] = values[trial.suggest_categorical(f"{name}.{key}", range(len(values)))]
        candidate = Candidate(detector=name, params=params)
        label = _label_candidate(candidate)
        if label not in trial_of:
            trial_of[label] = run.attempt(candidate, stability=run.tuning.evidence.rung is not Rung.LABELS)
        value = trial_of[label].value
        if math.isnan(value):
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, value)


class _TrialRunner:
    """Runs the trials of one search on the same rows and evidence, until `end` (monotonic seconds)."""

    def __init__(
        self, X: Array | PastRows, tuning: TrialRows, settings: Comparison, end: float, seed: int
    ) -> None:
        self.X, self.tuning, self.settings, self.end, self.seed = X, tuning, settings, end, seed
        self.fitted: dict[str, Detector] = {}

    def seconds_left(self) -> float:
        """Returns the remaining seconds of the budget."""
        return self.end - time.monotonic()

    def attempt(self, candidate: Candidate, *, stability: bool) -> Trial:
        """Fit and judge one candidate; a failure or a timeout is returned as a trial."""
        started, rank_corr = time.monotonic(), math.nan
        try:
            detector = self._fit(candidate, self.X)
            scores = detector.score(self.tuning.X)
            if stability and (rank_corr := self._stability(candidate)) < MIN_STABILITY:
                reason = (
                    f"vetoed: fits on two halves of the rows agree by {rank_corr:.2f}; "
                    f"needed: {MIN_STABILITY}"
                )
                return self._trial(candidate, math.nan, rank_corr, started, reason)
        except DetectorError as error:
            return self._trial(candidate, math.nan, rank_corr, started, str(error))
        if float(np.ptp(scores)) == 0.0:
            return self._trial(candidate, math.nan, rank_corr, started, "all scores are equal")
        value = self.tuning.evidence.rank(scores).value(self.settings.metric)
        self.fitted[_label_candidate(candidate)] = detector
        return self._trial(candidate, value, rank_corr, started)

    def _fit(self, candidate: Candidate, X: Array | PastRows) -> Detector:
        fresh = make_detector_for(X, candidate.detector, self.seed, candidate.params)
        return fit_within(fresh, X, max(self.seconds_left(), 1e-3))

    def _stability(self, candidate: Candidate) -> float:
        """Returns the rank correlation, on normal rows, of scores by fits on either half of the rows."""
        from scipy.stats import spearmanr

        order = np.random.default_rng(self.seed).permutation(len(self.X))
        normal = select_rows(self.tuning.X, self.tuning.evidence.truth == 0)
        one, two = (
            self._fit(candidate, select_rows(self.X, np.sort(order[start::2]))).score(normal)
            for start in (0, 1)
        )
        if float(np.ptp(one)) == 0.0 or float(np.ptp(two)) == 0.0:
            return 0.0
        return float(spearmanr(one, two).statistic)

    @staticmethod
    def _trial(
        candidate: Candidate, value: float, agreement: float, started: float, reason: str = ""
    ) -> Trial:
        duration = time.monotonic() - started
        return Trial(candidate.detector, dict(candidate.params), value, agreement, duration, reason)


def _label_candidate(candidate: Candidate) -> str:
    """Returns detector and parameters as one string that does not depend on their order."""
    params = ", ".join(f"{key}={value}" for key, value in sorted(candidate.params.items()))
    return f"{candidate.detector}({params})"
