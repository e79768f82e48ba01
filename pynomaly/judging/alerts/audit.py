"""Estimate precision and recall of the alerts from a small labelled random sample of all rows. Pure.

Answers to alerts alone cannot show which anomalies were missed. An audit draws rows at random from strata of
alerted and quiet rows, each with a known probability, so that every row is weighted by the rows that it
represents. Estimated totals are unbiased (Horvitz and Thompson 1952); so is precision, which is the share of
one stratum; recall is a ratio of such totals. Intervals are exact for sampling without replacement and hold
for any share, also where no anomaly was found among the quiet rows: a normal approximation would give an
interval of zero width there.

References
----------
Horvitz, Thompson (1952), A generalization of sampling without replacement from a finite universe, JASA 47.
Cochran (1977), Sampling Techniques, chapters 3 and 5A.
Wang (2015), Exact optimal confidence intervals for hypergeometric parameters, JASA 110: bounds by inverting
the tails of the hypergeometric distribution.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = [
    "AuditEstimate",
    "AuditStratum",
    "ShareEstimate",
    "bound_total",
    "estimate_audit",
]


@dataclass(frozen=True)
class AuditStratum:
    """Rows with the same probability to be drawn.

    Attributes
    ----------
    name : str
        See :mod:`pynomaly.judging.alerts.audit_draw`.
    population, sampled : int
        Number of rows in the stratum, and number drawn; ``sampled / population`` is the probability.
    """

    name: str
    population: int
    sampled: int


@dataclass(frozen=True)
class ShareEstimate:
    """A share with its interval; `value` is None where the labels do not allow an estimate."""

    value: float | None
    low: float
    high: float


@dataclass(frozen=True)
class AuditEstimate:
    """Result of an audit.

    Attributes
    ----------
    precision, recall : ShareEstimate
    anomalies : float
        Estimated number of anomalous rows among all rows; None while a stratum has no label.
    answered, waiting : int
        Drawn rows with and without a label; the intervals cover both possible answers for the latter.
    level : float
        Level of the intervals.
    strata : tuple of dict
        Each stratum with its number of labelled rows and of anomalies.
    """

    precision: ShareEstimate
    recall: ShareEstimate
    anomalies: float | None
    answered: int
    waiting: int
    level: float
    strata: tuple[dict[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return asdict(self)


def bound_total(population: int, sampled: int, least: int, most: int, tail: float) -> tuple[int, int]:
    """Return lower and upper confidence bounds of the number of anomalies among `population` rows.

    Parameters
    ----------
    population, sampled : int
    least, most : int
        Anomalies among the sampled rows: those with a label, and these plus all unlabelled rows.
    tail : float
        Largest probability that the true number is below the first bound, and that it is above the second.

    Returns
    -------
    tuple of int
        Smallest and largest totals for which the sampled count has a tail probability above `tail`.
    """
    from scipy.stats import hypergeom

    high = population - (sampled - most)

    def find_first(holds: Any, start: int, stop: int) -> int:
        """Return the smallest total for which the monotone `holds` is true, else `stop` (bisection)."""
        while start < stop:
            middle = (start + stop) // 2
            start, stop = (start, middle) if holds(middle) else (middle + 1, stop)
        return start

    def reaches_least(total: int) -> bool:
        return bool(hypergeom.sf(least - 1, population, total, sampled) > tail)

    def exceeds_most(total: int) -> bool:
        return bool(hypergeom.cdf(most, population, total, sampled) <= tail)

    lowest = find_first(reaches_least, least, population) if least > 0 else 0
    highest = find_first(exceeds_most, most, high + 1) - 1 if most < sampled else population
    return lowest, max(highest, lowest)


def estimate_audit(
    strata: Sequence[AuditStratum],
    labels: Sequence[tuple[str, int | None]],
    level: float = 0.95,
    alerted: Collection[str] = ("alerted",),
) -> AuditEstimate:
    """Estimate precision and recall of the alerts over all rows from which the sample was drawn.

    Parameters
    ----------
    strata : sequence of AuditStratum
    labels : sequence of (name of the stratum, 1, 0 or None)
        One for each drawn row; None: not labelled yet.
    level : float
        Level of each interval by itself. An interval divides its error among the strata that it adds up
        (Bonferroni), so its coverage is at least `level`.
    alerted : collection of str
        The strata whose rows alert; rows of the others do not.
    """
    counts: dict[str, tuple[int, int, int]] = {}
    for item in strata:
        truths = [truth for name, truth in labels if name == item.name]
        anomalous = sum(truth == 1 for truth in truths)
        counts[item.name] = (
            anomalous,
            sum(truth is not None for truth in truths),
            sum(truth is None for truth in truths),
        )
    totals = {
        item.name: item.population * counts[item.name][0] / counts[item.name][1]
        for item in strata
        if counts[item.name][1]
    }
    all_labelled = len(totals) == len(strata)
    tail = (1 - level) / 2 / max(len(strata), 1)
    bounds = {item.name: _bound_stratum(item, counts[item.name], tail) for item in strata}
    caught_low, caught_high = _sum_bounds(bounds[item.name] for item in strata if item.name in alerted)
    missed_low, missed_high = _sum_bounds(bounds[item.name] for item in strata if item.name not in alerted)
    anomalies = sum(totals.values()) if all_labelled else None
    caught = sum(total for name, total in totals.items() if name in alerted)
    recall = ShareEstimate(
        caught / anomalies if anomalies else None,
        caught_low / (caught_low + missed_high) if caught_low + missed_high else 0.0,
        caught_high / (caught_high + missed_low) if caught_high + missed_low else 1.0,
    )
    alerting = [item for item in strata if item.name in alerted]
    precision = ShareEstimate(None, 0.0, 1.0)
    if alerting:
        tail = (1 - level) / 2 / len(alerting)
        low, high = _sum_bounds(_bound_stratum(item, counts[item.name], tail) for item in alerting)
        rows = sum(item.population for item in alerting)
        value = caught / rows if all(item.name in totals for item in alerting) else None
        precision = ShareEstimate(value, low / rows, high / rows)
    return AuditEstimate(
        precision,
        recall,
        anomalies,
        answered=sum(item[1] for item in counts.values()),
        waiting=sum(item[2] for item in counts.values()),
        level=level,
        strata=tuple(
            asdict(item) | {"labelled": counts[item.name][1], "anomalies": counts[item.name][0]}
            for item in strata
        ),
    )


def _sum_bounds(bounds: Iterable[tuple[int, int]]) -> tuple[int, int]:
    pairs = list(bounds)
    return sum(low for low, _ in pairs), sum(high for _, high in pairs)


def _bound_stratum(stratum: AuditStratum, counts: tuple[int, int, int], tail: float) -> tuple[int, int]:
    anomalous, _, unknown = counts
    return bound_total(stratum.population, stratum.sampled, anomalous, anomalous + unknown, tail)
