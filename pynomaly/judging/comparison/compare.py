"""Compare two models on the same rows: which is better, how certain it is, and on what kind of evidence.

Called by the gate and by the choice among candidates. The difference of a ranking metric is resampled in
pairs (by whole blocks where rows depend on each other). Only ``superior`` promotes; a tie keeps the champion,
unless its alerts are broken or it learned too little; what cannot be computed is ``inconclusive``, with the
reason.
"""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from pynomaly import config
from pynomaly.errors import DataError
from pynomaly.judging.comparison.by_anomaly_kind import compare_by_part, explain_one_sided_gain
from pynomaly.judging.comparison.evidence import Evidence, Rung
from pynomaly.judging.comparison.ranking_metrics import Array
from pynomaly.judging.comparison.verdict import Verdict, VerdictOutcome, judge_pair, resample_candidates

__all__ = [
    "Evidence",
    "Rung",
    "Verdict",
    "VerdictOutcome",
    "compare_scores",
    "judge_by_alerts",
    "judge_by_catches",
    "judge_by_kind",
    "judge_by_promise",
    "judge_by_rows",
]


def compare_scores(
    evidence: Evidence,
    champion_scores: npt.ArrayLike,
    challenger_scores: npt.ArrayLike,
    settings: config.Comparison,
    *,
    champion: str = "champion",
    challenger: str = "challenger",
    seed: int = 42,
    among: int = 1,
    attempt: int = 1,
) -> Verdict:
    """Judge the challenger by the paired bootstrap of the metric's difference.

    Parameters
    ----------
    evidence : Evidence
        Where it has injected anomalies, a gain on one kind alone, or with a loss on another kind, is
        ``inconclusive``; :func:`~pynomaly.judging.comparison.by_anomaly_kind.explain_one_sided_gain` has the
        rule.
    champion_scores, challenger_scores : array of shape (n,)
        Scores of the same rows, each in its own unit: only their order matters.
    settings : Comparison
    champion, challenger : str
        Names used in the reasons.
    seed : int
    among : int
        Number of candidates from which the challenger was chosen on these same rows, itself included; 1 when
        it was fixed beforehand. The interval is widened for it (Bonferroni): without that, choosing and
        judging on the same rows promotes the luckiest of equal candidates. Judging on separate rows would
        cost more: with half of the anomalies the interval is 1.41 times as wide, with six candidates 1.35.
    attempt : int
        Which challenger it is since the last promotion that stood, from 1: later ones must show more, so that
        trying again does not promote in the end
        (:func:`~pynomaly.judging.comparison.verdict.count_looks`).

    Returns
    -------
    Verdict
        ``superior``: the interval lies above 0 and the difference is at least ``min_improvement``;
        ``non_inferior``: the interval lies above ``-margin``; ``inferior``: it lies below 0.

    Raises
    ------
    DataError
        If scores are not one for each row, or `among` or `attempt` is below 1.
    """
    if among < 1:
        raise DataError(f"the challenger was chosen among {among} candidates; allowed: 1 or more")
    if attempt < 1:
        raise DataError(f"the challenger is attempt {attempt}; allowed: 1 or more")
    first, second = evidence.check_scores(champion_scores), evidence.check_scores(challenger_scores)
    other = challenger if challenger != champion else f"{challenger} (challenger)"
    sample = resample_candidates(evidence, {champion: first, other: second}, settings, seed)
    verdict = judge_pair(sample, champion, other, among, attempt)
    return judge_by_kind(verdict, evidence, first, second, settings, seed)


def judge_by_alerts(
    verdict: Verdict,
    evidence: Evidence,
    alerts: tuple[npt.ArrayLike, npt.ArrayLike],
    settings: config.Comparison,
) -> Verdict:
    """Return the verdict on two models with the same scores: ``inferior`` if fewer anomalies alert.

    New p-values change no ranking, so that no metric of it sees what they do: where an incident lies among
    the rows that set them, its like alerts no longer.

    Parameters
    ----------
    verdict : Verdict
    evidence : Evidence
    alerts : tuple of two bool arrays of shape (n,)
        Of champion and challenger, each by its own policy; those of a champion that alerts more often than
        promised as :func:`~pynomaly.judging.alerts.recalibration.hold_to_promise` leaves them.
    settings : Comparison
        A loss of recall up to ``margin``, or one that a sign test at ``confidence`` takes for chance, is
        none.
    """
    anomalous = evidence.truth == 1
    first, second = (np.asarray(flags, dtype=bool)[anomalous] for flags in alerts)
    lost, gained, total = int((first & ~second).sum()), int((second & ~first).sum()), int(anomalous.sum())
    if lost - gained <= settings.margin * total or _test_signs(lost, gained) > 1 - settings.confidence:
        return verdict
    caught = int(first.sum()), int(second.sum())
    reason = (
        f"the scores are the same, and {caught[1]} of {total} anomalies alert where {caught[0]} did at the "
        f"promised alert rate: a loss of more than {settings.margin:g} ({evidence.rung}); do the rows that "
        f"set p-values hold incidents?"
    )
    return replace(verdict, outcome=VerdictOutcome.INFERIOR, reasons=(reason, *verdict.reasons))


def judge_by_promise(
    verdict: Verdict,
    evidence: Evidence,
    alerts: tuple[npt.ArrayLike, npt.ArrayLike],
    promised: float,
    factor: float,
    settings: config.Comparison,
) -> Verdict:
    """Return ``superior`` where the champion's alerts are broken, and the challenger ranks no worse.

    Metrics of a ranking do not see that a champion alerts on every row since the world has changed. It is
    replaced where it alerts on normal rows more than `factor` times as often as it promised, and as the
    challenger does, by more than chance, over blocks of dependent rows (one-sided Student's test of the
    excess at the verdict's level), and the challenger's value is at least the champion's.

    Parameters
    ----------
    verdict : Verdict
        By the metric; ``inferior`` stays, and so does one on fewer anomalies than ``min_positives``. In too
        few blocks to test a difference, they have a value.
    evidence : Evidence
    alerts : tuple of two bool arrays of shape (n,)
        Of champion and challenger, each by its own policy.
    promised : float
        Share of normal rows on which the champion's policy alerts.
    factor : float
        What a bake takes a version back for (``degradation.alert_rate_factor``).
    settings : Comparison
        Fewer than ``min_blocks`` blocks give no verdict.
    """
    from scipy.special import stdtrit

    if not _is_open(verdict, settings) or verdict.difference < 0:
        return verdict
    normal = evidence.truth == 0
    first, second = (np.asarray(flags, dtype=bool)[normal] for flags in alerts)
    member = np.unique(evidence.number_units()[normal], return_inverse=True)[1]
    rows, old, new = (np.bincount(member, weights=each) for each in (np.ones(first.size), first, second))
    if rows.size < settings.min_blocks:
        return verdict
    excess = old - factor * np.maximum(new, promised * rows)
    error = math.sqrt(rows.size) * float(excess.std(ddof=1))
    reach = -float(stdtrit(rows.size - 1, (1 - verdict.level) / 2)) * error
    if excess.sum() <= reach:
        return verdict
    reason = (
        f"{verdict.champion} alerts on {first.mean():.2%} of the normal rows, where it promised "
        f"{promised:.2%} and {verdict.challenger} alerts on {second.mean():.2%}: its promise is broken "
        f"beyond chance ({rows.size} blocks), and a challenger that ranks no worse replaces it"
    )
    return replace(verdict, outcome=VerdictOutcome.SUPERIOR, reasons=(reason, verdict.reasons[0]))


def judge_by_catches(
    verdict: Verdict,
    evidence: Evidence,
    alerts: tuple[npt.ArrayLike, npt.ArrayLike],
    promised: float,
    factor: float,
    settings: config.Comparison,
) -> Verdict:
    """Return ``superior`` where a champion that alerts too rarely misses what the challenger catches.

    Metrics of a ranking do not see either that nothing alerts any more. Where normal rows alert far more
    rarely than the champion promised, it is replaced by a challenger that catches at least `factor` times as
    many incidents of the judged rows, more of them than by chance (five where the champion catches none),
    keeps the same promise, and whose value is at least the champion's.

    Parameters
    ----------
    verdict : Verdict
        By the metric and the promise; ``inferior`` stays, and so does one on fewer anomalies than
        ``min_positives``. In too few blocks to test a difference, they have a value.
    evidence : Evidence
        An incident is the anomalies of one block.
    alerts : tuple of two bool arrays of shape (n,)
        Of champion and challenger, each by its own policy.
    promised : float
        Share of normal rows on which the champion's policy alerts.
    factor : float
        The challenger may alert on so many times as many normal rows (``degradation.alert_rate_factor``).
    settings : Comparison
        What a sign test at ``confidence`` takes for chance is none; earlier attempts do not raise it.
    """
    if not _is_open(verdict, settings) or verdict.difference < 0:
        return verdict
    first, second = (np.asarray(evidence.find_catches(flags), dtype=bool) for flags in alerts)
    caught = int(first.sum()), int(second.sum())
    gained, lost = int((second & ~first).sum()), int((first & ~second).sum())
    rate = float(np.asarray(alerts[1], dtype=bool)[evidence.truth == 0].mean())
    if caught[1] < factor * caught[0] or rate > factor * promised:
        return verdict
    if _test_signs(gained, lost) > 1 - settings.confidence:
        return verdict
    reason = (
        f"{verdict.champion} alerts far more rarely than it promised and catches {caught[0]} of "
        f"{first.size} incidents, {verdict.challenger} {caught[1]}, which alerts on {rate:.2%} of the "
        f"normal rows where {promised:.2%} are promised: a challenger that ranks no worse replaces it"
    )
    return replace(verdict, outcome=VerdictOutcome.SUPERIOR, reasons=(reason, verdict.reasons[0]))


def _test_signs(more: int, fewer: int) -> float:
    """Return the chance of at least `more` of the `more` + `fewer` changes where both ways are as likely."""
    changed = more + fewer
    return float(sum(math.comb(changed, count) for count in range(more, changed + 1)) / 2**changed)


def _is_open(verdict: Verdict, settings: config.Comparison) -> bool:
    """Return whether the metric leaves it open which of two models is better, on anomalies that count."""
    tie = verdict.outcome in (VerdictOutcome.INCONCLUSIVE, VerdictOutcome.NON_INFERIOR)
    return tie and verdict.positives >= settings.min_positives and not math.isnan(verdict.difference)


def judge_by_rows(verdict: Verdict, settings: config.Comparison, grown: bool) -> Verdict:
    """Return ``superior`` where nothing decides, and the challenger learned the rows that count.

    A tie keeps the champion as long as what it learned is all there is. Where the columns have drifted for
    ``retraining.settled``, it goes to the challenger that learned them as they are; where there are twice the
    rows by now that the champion learned, and none drifted, to the one that learned them all. Then it is the
    champion that has to show that it ranks better: at ``confidence``, which earlier attempts do not raise.

    Parameters
    ----------
    verdict : Verdict
        By the metric and the alerts; ``inferior`` stays, and so does one on fewer anomalies than
        ``min_positives``.
    settings : Comparison
    grown : bool
        Whether it is for the number of rows; else for the change.
    """
    if not _is_open(verdict, settings):
        return verdict
    own, asked = (NormalDist().inv_cdf((1 + level) / 2) for level in (verdict.level, settings.confidence))
    if verdict.difference + (verdict.high - verdict.difference) * asked / own < 0:
        return verdict
    reason = (
        f"the columns have drifted from what {verdict.champion} learned, and stay so; {verdict.challenger} "
        f"learned them as they are, and nothing shows that it ranks worse"
    )
    if grown:
        reason = (
            f"{verdict.champion} learned few rows; {verdict.challenger} learned those and at least as many "
            f"since, in which no column drifted, and nothing shows that it ranks worse"
        )
    return replace(verdict, outcome=VerdictOutcome.SUPERIOR, reasons=(reason, verdict.reasons[0]))


def judge_by_kind(
    verdict: Verdict,
    evidence: Evidence,
    champion: Array,
    challenger: Array,
    settings: config.Comparison,
    seed: int,
) -> Verdict:
    """Add the results by kind and size; superiority on one kind alone becomes inconclusive."""
    injected = evidence.injected
    if injected is None or verdict.rung is not Rung.INJECTED or math.isnan(verdict.low):
        return verdict
    kinds, sizes = (
        compare_by_part(evidence, champion, challenger, parts, settings, level=verdict.level, seed=seed)
        for parts in (injected.kinds, injected.sizes)
    )
    verdict = replace(verdict, kinds=kinds, sizes=sizes)
    summary = "by kind: " + ", ".join(part.describe() for part in kinds)
    limits = (injected.note,) if injected.note else ()
    reasons = (*verdict.reasons, *limits, summary)
    if verdict.outcome is not VerdictOutcome.SUPERIOR:
        return replace(verdict, reasons=reasons)
    if objection := explain_one_sided_gain(evidence, champion, challenger, kinds, settings):
        return replace(
            verdict,
            outcome=VerdictOutcome.INCONCLUSIVE,
            reasons=(verdict.reasons[0], objection, *limits, summary),
        )
    return replace(verdict, reasons=reasons)
