"""Champion and challenger on the answered rows of an audit: weighted figures, and a verdict that may wait."""

from __future__ import annotations

import numpy as np
import pytest

from pynomaly.config import Comparison
from pynomaly.errors import DataError
from pynomaly.judging.alerts.audit import AuditStratum
from pynomaly.judging.alerts.audit_draw import draw_audit_rows, draw_deciding_rows, name_strata
from pynomaly.judging.alerts.audited import (
    CHALLENGER_ALERTS,
    CHAMPION_ALERTS,
    AuditedRows,
    compare_by_audit,
    measure_audited_model,
)
from pynomaly.judging.comparison.compare import VerdictOutcome
from pynomaly.judging.comparison.evidence import Evidence, Rung
from tests import naive

SETTINGS = Comparison(resamples=300)
Scores = tuple[np.ndarray, np.ndarray]


def population(
    seed: int = 0, rows: int = 4000, gain: float = 2.0
) -> tuple[np.ndarray, Scores, tuple[np.ndarray, np.ndarray]]:
    """Truth, scores and alerts (the highest 2 %) of a weak champion and a challenger that gains."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(rows) < 0.02).astype(np.int64)
    shared = rng.normal(size=rows)
    scores = tuple(shared + rng.normal(size=rows) + shift * truth for shift in (2.0, 2.0 + gain))
    alerts = tuple(score >= np.quantile(score, 0.98) for score in scores)
    return truth, (scores[0], scores[1]), (alerts[0], alerts[1])


def draw_pair(rows: int = 200, seed: int = 0, **world: float) -> tuple[AuditedRows, Scores]:
    truth, scores, alerts = population(seed, **world)  # type: ignore[arg-type]
    ranks = [(-score).argsort().argsort() for score in scores]
    draw = draw_deciding_rows(np.minimum(*ranks) / len(truth), *alerts, rows, seed)
    audited = AuditedRows(draw.strata, draw.names, truth[draw.places], draw.places)
    return audited, (scores[0][draw.places], scores[1][draw.places])


def keep(rows: AuditedRows, answered: np.ndarray) -> AuditedRows:
    return AuditedRows(rows.strata, rows.names, np.where(answered, rows.truth, -1), rows.blocks)


def test_a_row_counts_for_those_that_it_stands_for() -> None:
    """Average precision of weighted rows is that of each row repeated as often."""
    strata = (AuditStratum("both", 4, 2), AuditStratum("near", 9, 3), AuditStratum("quiet", 20, 4))
    names = ("both", "both", "near", "near", "near", "quiet", "quiet", "quiet", "quiet")
    truth = np.array([1, 0, 1, 0, 0, 0, 1, 0, 0])
    scores = np.array([9.0, 8.0, 7.5, 9.5, 4.0, 3.0, 6.0, 1.0, 0.0])
    rows = AuditedRows(strata, names, truth, np.arange(9))
    model = measure_audited_model(rows, scores, CHAMPION_ALERTS, SETTINGS)
    times = [2, 2, 3, 3, 3, 5, 5, 5, 5]
    repeated = [place for place, count in enumerate(times) for _ in range(count)]
    assert model.average_precision is not None
    assert model.average_precision.value == pytest.approx(
        naive.average_precision([truth[place] for place in repeated], [scores[place] for place in repeated])
    )
    assert model.alerts.precision.value == pytest.approx(0.5)
    assert model.alerts.recall.value == pytest.approx(2 / (2 + 3 + 5))


def test_a_census_gives_the_figures_of_all_rows() -> None:
    truth, scores, alerts = population(rows=400)
    names = name_strata(np.minimum(*scores), *alerts)
    strata = tuple(
        AuditStratum(name, int((names == name).sum()), int((names == name).sum()))
        for name in np.unique(names).tolist()
    )
    rows = AuditedRows(strata, tuple(names.tolist()), truth, np.arange(400))
    for side, alerting in enumerate((CHAMPION_ALERTS, CHALLENGER_ALERTS)):
        model = measure_audited_model(rows, scores[side], alerting, SETTINGS)
        assert model.average_precision is not None
        assert model.average_precision.value == pytest.approx(
            naive.average_precision(truth.tolist(), scores[side].tolist())
        )
        caught = (truth == 1) & alerts[side]
        exact = model.alerts.recall
        assert exact.low == exact.value == exact.high == pytest.approx(caught.sum() / truth.sum())


def test_weights_make_the_mean_over_many_draws_that_of_all_rows() -> None:
    truth, scores, _ = population()
    values = []
    for seed in range(60):
        ranks = (-scores[1]).argsort().argsort() / len(truth)
        draw = draw_audit_rows(ranks, ranks < 0.02, 400, seed)
        rows = AuditedRows(draw.strata, draw.names, truth[draw.places], draw.places)
        quiet = Comparison(resamples=200)
        model = measure_audited_model(rows, scores[1][draw.places], ("alerted",), quiet)
        assert model.average_precision is not None
        values.append(model.average_precision.value)
    true_value = naive.average_precision(truth.tolist(), scores[1].tolist())
    assert np.mean(values) == pytest.approx(true_value, abs=0.05)
    unweighted = naive.average_precision(truth[draw.places].tolist(), scores[1][draw.places].tolist())
    assert abs(unweighted - true_value) > 0.1


def test_weights_are_kept_with_their_rows_and_must_be_above_zero() -> None:
    truth, blocks = np.array([1, 1, 1, 1, 0, 0]), np.array([0, 0, 1, 2, 3, 3])
    weights = np.array([1.0, 2.0, 3.0, 10.0, 5.0, 5.0])
    evidence = Evidence(truth, blocks, Rung.AUDITED, weights=weights)
    assert (evidence.units, evidence.positives) == (3, 4)
    part = evidence.select(truth == 0)
    assert part.units == 0
    assert part.weights is not None
    assert part.weights.tolist() == [5.0, 5.0]
    with pytest.raises(DataError, match="a weight of 0 is not allowed"):
        Evidence(truth, blocks, Rung.AUDITED, weights=weights * 0)
    with pytest.raises(DataError, match="weights of shape"):
        Evidence(truth, blocks, Rung.AUDITED, weights=weights[:3])


def test_a_better_challenger_is_superior_and_equal_ones_are_not() -> None:
    better = compare_by_audit(*draw_pair(), SETTINGS)
    assert better.verdict.outcome is VerdictOutcome.SUPERIOR
    assert (better.more_answers, better.waiting) == (0, 0)
    assert better.verdict.rung is Rung.AUDITED
    equal = [compare_by_audit(*draw_pair(seed=seed, gain=0.0), SETTINGS) for seed in range(10)]
    assert not any(item.verdict.promotes for item in equal)


def test_a_forecast_of_more_answers_is_met_by_them_on_the_whole() -> None:
    rows, scores = draw_pair(rows=300, seed=3)
    part = keep(rows, np.arange(300) < 70)
    first = compare_by_audit(part, scores, SETTINGS)
    assert first.verdict.outcome is VerdictOutcome.INCONCLUSIVE
    assert first.more_answers is not None
    assert first.more_answers > 0
    assert f"{first.more_answers} more answer" in first.forecast
    later = keep(rows, np.arange(300) < 70 + 3 * first.more_answers)
    assert compare_by_audit(later, scores, SETTINGS).verdict.outcome is VerdictOutcome.SUPERIOR


def test_more_attempts_and_more_candidates_make_the_interval_wider() -> None:
    rows, scores = draw_pair()
    widths = [
        verdict.high - verdict.low
        for verdict in (
            compare_by_audit(rows, scores, SETTINGS).verdict,
            compare_by_audit(rows, scores, SETTINGS, attempt=3).verdict,
            compare_by_audit(rows, scores, SETTINGS, attempt=3, among=4).verdict,
        )
    ]
    assert widths[0] < widths[1] < widths[2]


def test_choosing_which_rows_to_answer_decides_nothing() -> None:
    rows, scores = draw_pair()
    liked = keep(rows, (np.arange(200) % 2 == 0) | (rows.truth == 1))
    verdict = compare_by_audit(liked, scores, SETTINGS).verdict
    assert verdict.outcome is VerdictOutcome.INCONCLUSIVE
    assert "rows above the newest answer wait" in verdict.reasons[0]
    without = keep(rows, np.array(rows.names) != "quiet")
    comparison = compare_by_audit(without, scores, SETTINGS)
    assert comparison.verdict.outcome is VerdictOutcome.INCONCLUSIVE
    assert "no row of the stratum quiet" in comparison.verdict.reasons[0]
    assert comparison.champion.average_precision is None
    assert comparison.champion.alerts.recall.value is None


@pytest.mark.parametrize("answered", [0, 1, 5])
def test_few_answers_say_how_far_they_are_from_a_verdict(answered: int) -> None:
    rows, scores = draw_pair()
    comparison = compare_by_audit(keep(rows, np.arange(200) < answered), scores, SETTINGS)
    assert comparison.verdict.outcome is VerdictOutcome.INCONCLUSIVE
    assert comparison.answered == answered
    assert comparison.more_answers is None or comparison.more_answers > 0
    assert comparison.to_dict()["verdict"]["rung"] == "audited"


def test_a_draw_that_decides_takes_most_rows_where_the_models_disagree_and_some_of_each_kind() -> None:
    truth, scores, alerts = population()
    ranks = np.minimum(*((-score).argsort().argsort() for score in scores)) / len(truth)
    draw = draw_deciding_rows(ranks, *alerts, 100, seed=4)
    counts = {name: draw.names.count(name) for name in set(draw.names)}
    assert counts["champion"] + counts["challenger"] >= 60
    assert set(counts) == {"both", "champion", "challenger", "near", "quiet"}
    sides = {"both": (1, 1), "champion": (1, 0), "challenger": (0, 1), "near": (0, 0), "quiet": (0, 0)}
    for place, name in zip(draw.places, draw.names, strict=True):
        assert (alerts[0][place], alerts[1][place]) == sides[name]
    assert sum(item.population for item in draw.strata) == len(truth)
    for stop in (20, 40, 80):  # whoever stops early has answered a stratified sample
        for name, count in counts.items():
            assert draw.names[:stop].count(name) == pytest.approx(count * stop / 100, abs=1.01)


def test_models_that_agree_on_every_row_leave_their_part_to_the_other_strata() -> None:
    truth, _, alerts = population()
    draw = draw_deciding_rows(np.linspace(0, 1, len(truth)), alerts[0], alerts[0], 100, seed=0)
    assert len(draw.places) == 100
    assert {item.name for item in draw.strata} == {"both", "near", "quiet"}
