"""A small random sample says how good alerts are, without bias and with intervals that hold."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pytest

from pynomaly.errors import DataError
from pynomaly.judging.alerts.audit import AuditStratum, bound_total, estimate_audit
from pynomaly.judging.alerts.audit_draw import draw_audit_rows
from tests import naive


@pytest.mark.parametrize("odd", [0, 1, 3, 6])
def test_over_every_sample_that_could_be_drawn_totals_and_precision_are_right_on_average(odd: int) -> None:
    alerted, quiet = [1] * odd + [0] * (6 - odd), [1, 0, 0, 0, 0, 0, 0]
    strata = [AuditStratum("alerted", 6, 3), AuditStratum("quiet", 7, 2)]
    estimates = [
        estimate_audit(
            strata, [*(("alerted", truth) for truth in left), *(("quiet", truth) for truth in right)]
        )
        for left, right in product(naive.list_all_samples(alerted, 3), naive.list_all_samples(quiet, 2))
    ]
    assert np.mean([item.anomalies for item in estimates]) == pytest.approx(odd + 1)
    assert np.mean([item.precision.value for item in estimates]) == pytest.approx(odd / 6)


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize(("hits", "missed"), [(0, 0), (0, 2), (2, 0), (3, 1), (6, 3), (8, 0), (8, 10)])
def test_intervals_cover_at_least_as_often_as_they_say(hits: int, missed: int, level: float) -> None:
    """Exactly, by the chance of every outcome."""
    strata = [AuditStratum("alerted", 8, 4), AuditStratum("near", 5, 2), AuditStratum("quiet", 20, 5)]
    near = min(missed, 1)
    odd = {"alerted": hits, "near": near, "quiet": missed - near}
    precision, recall = hits / 8, hits / (hits + missed) if hits + missed else None
    covered = {"precision": Fraction(0), "recall": Fraction(0)}
    for counts in product(*(range(item.sampled + 1) for item in strata)):
        chance = Fraction(1)
        labels = []
        for item, count in zip(strata, counts, strict=True):
            rest = item.population - odd[item.name]
            chance *= Fraction(
                comb(odd[item.name], count) * comb(rest, item.sampled - count),
                comb(item.population, item.sampled),
            )
            labels += [(item.name, 1)] * count + [(item.name, 0)] * (item.sampled - count)
        if not chance:
            continue
        audit = estimate_audit(strata, labels, level)
        covered["precision"] += chance * (audit.precision.low <= precision <= audit.precision.high)
        covered["recall"] += chance * (recall is None or audit.recall.low <= recall <= audit.recall.high)
    assert covered["precision"] >= level
    assert covered["recall"] >= level


@pytest.mark.parametrize(("population", "sampled"), [(1, 1), (9, 4), (30, 7), (12, 12)])
@pytest.mark.parametrize("tail", [0.025, 0.1])
def test_bounds_are_those_of_the_slow_search(population: int, sampled: int, tail: float) -> None:
    for hits in range(sampled + 1):
        low, high = naive.total_interval(population, sampled, hits, Fraction(tail))
        assert bound_total(population, sampled, hits, hits, tail) == (low, high)


def test_rows_that_wait_may_be_either() -> None:
    strata = [AuditStratum("alerted", 100, 10), AuditStratum("quiet", 900, 10)]
    full = [("alerted", 1)] * 6 + [("alerted", 0)] * 4 + [("quiet", 0)] * 10
    half = [("alerted", 1)] * 6 + [("alerted", None)] * 4 + [("quiet", 0)] * 10
    done, waits = estimate_audit(strata, full), estimate_audit(strata, half)
    assert waits.waiting == 4
    assert waits.precision.low == done.precision.low
    assert waits.precision.high == 1.0
    assert waits.recall.low == done.recall.low


def test_no_anomaly_among_the_quiet_rows_is_no_proof_that_none_is_there() -> None:
    strata = [AuditStratum("alerted", 100, 20), AuditStratum("quiet", 10_000, 20)]
    estimate = estimate_audit(strata, [("alerted", 1)] * 20 + [("quiet", 0)] * 20)
    assert estimate.recall.value == 1.0
    assert estimate.recall.low < 0.1


def test_what_cannot_be_known_is_not_made_up() -> None:
    estimate = estimate_audit([AuditStratum("quiet", 50, 5)], [("quiet", 0)] * 5)
    assert estimate.precision.value is None
    assert estimate.recall.value is None
    nothing = estimate_audit(
        [AuditStratum("alerted", 5, 2), AuditStratum("quiet", 50, 2)], [("alerted", None)] * 2
    )
    assert nothing.anomalies is None


def test_a_draw_has_every_stratum_each_row_once_and_the_chances_it_says() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(1000)
    alerted = p < 0.02
    drawn = draw_audit_rows(p, alerted, 50, seed=3)
    assert len(set(drawn.places.tolist())) == 50
    assert {item.name: item.sampled for item in drawn.strata} == {
        name: drawn.names.count(name) for name in ("alerted", "near", "quiet")
    }
    assert sum(item.population for item in drawn.strata) == 1000
    for place, name in zip(drawn.places, drawn.names, strict=True):
        assert alerted[place] == (name == "alerted")
    near = [p[place] for place, name in zip(drawn.places, drawn.names, strict=True) if name == "near"]
    quiet = [p[place] for place, name in zip(drawn.places, drawn.names, strict=True) if name == "quiet"]
    assert max(near) <= min(quiet)
    again = draw_audit_rows(p, alerted, 50, seed=3)
    assert (again.places == drawn.places).all()
    assert (draw_audit_rows(p, alerted, 50, seed=4).places != drawn.places).any()


@pytest.mark.parametrize(("alerts", "rows"), [(0, 10), (3, 10), (20, 10), (20, 50), (1, 4)])
def test_small_tables_give_what_they_have(alerts: int, rows: int) -> None:
    drawn = draw_audit_rows(np.linspace(0, 1, 20), np.arange(20) < alerts, rows, seed=0)
    assert len(drawn.places) == min(rows, 20)
    assert all(item.sampled >= 1 for item in drawn.strata)


def test_nothing_to_draw_from_is_refused() -> None:
    with pytest.raises(DataError, match="at least one is needed"):
        draw_audit_rows([], [], 10, 0)


def test_recall_has_the_bounds_of_its_strata_each_at_its_part_of_the_error() -> None:
    strata = [AuditStratum("alerted", 12, 6), AuditStratum("near", 9, 4), AuditStratum("quiet", 30, 7)]
    hits = {"alerted": 4, "near": 2, "quiet": 1}
    labels = [(item.name, int(place < hits[item.name])) for item in strata for place in range(item.sampled)]
    audit = estimate_audit(strata, labels, 0.9)
    tail = Fraction(1, 20) / 3
    (caught_low, caught_high), *missed = (
        naive.total_interval(item.population, item.sampled, hits[item.name], tail) for item in strata
    )
    missed_low, missed_high = (sum(side) for side in zip(*missed, strict=True))
    assert audit.recall.low == pytest.approx(caught_low / (caught_low + missed_high))
    assert audit.recall.high == pytest.approx(caught_high / (caught_high + missed_low))
    assert audit.anomalies == pytest.approx(12 * 4 / 6 + 9 * 2 / 4 + 30 / 7)
    assert audit.recall.value == pytest.approx(8 / audit.anomalies)
    low, high = naive.total_interval(12, 6, 4, Fraction(1, 20))
    assert (audit.precision.value, audit.precision.low, audit.precision.high) == pytest.approx(
        (4 / 6, low / 12, high / 12)
    )


def test_a_report_is_plain_and_counts_answers_by_stratum() -> None:
    strata = [AuditStratum("alerted", 5, 3), AuditStratum("quiet", 50, 2)]
    labels = [("alerted", 1), ("alerted", 0), ("alerted", None), ("quiet", 0), ("quiet", None)]
    content = estimate_audit(strata, labels).to_dict()
    assert (content["answered"], content["waiting"], content["level"]) == (3, 2, 0.95)
    assert content["strata"] == (
        {"name": "alerted", "population": 5, "sampled": 3, "labelled": 2, "anomalies": 1},
        {"name": "quiet", "population": 50, "sampled": 2, "labelled": 1, "anomalies": 0},
    )
    assert content["precision"]["value"] == 0.5


def test_where_nothing_alerted_precision_may_be_anything() -> None:
    audit = estimate_audit([AuditStratum("quiet", 50, 5)], [("quiet", 0)] * 5)
    assert (audit.precision.low, audit.precision.high) == (0.0, 1.0)
    assert (audit.recall.low, audit.recall.high) == (0.0, 1.0)


def test_ones_and_zeros_are_alerts_too() -> None:
    flags = [1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    drawn = draw_audit_rows(np.linspace(0, 1, 10), flags, 10, seed=0)
    assert {item.name: item.population for item in drawn.strata} == {"alerted": 2, "near": 1, "quiet": 7}


def test_where_everything_is_labelled_recall_is_known() -> None:
    strata = [AuditStratum("alerted", 3, 3), AuditStratum("quiet", 5, 5)]
    labels = [
        ("alerted", 1),
        ("alerted", 1),
        ("alerted", 0),
        *[("quiet", int(place < 2)) for place in range(5)],
    ]
    recall = estimate_audit(strata, labels).recall
    assert (recall.value, recall.low, recall.high) == (0.5, 0.5, 0.5)
