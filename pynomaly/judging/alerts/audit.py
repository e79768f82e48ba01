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

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pynomaly.errors import DataError

__all__ = [
    "AuditDraw",
    "AuditEstimate",
    "AuditStratum",
    "ShareEstimate",
    "bound_total",
    "draw_audit_rows",
    "estimate_audit",
]

NEAR_SHARE = 0.1
"""Share of the quiet rows, those with the smallest p-values, that form the stratum ``near``."""


@dataclass(frozen=True)
class AuditStratum:
    """Rows with the same probability to be drawn.

    Attributes
    ----------
    name : {"alerted", "near", "quiet"}
    population, sampled : int
        Number of rows in the stratum, and number drawn; ``sampled / population`` is the probability.
    """

    name: str
    population: int
    sampled: int


@dataclass(frozen=True, eq=False)
class AuditDraw:
    """A stratified random sample of rows.

    Attributes
    ----------
    strata : tuple of AuditStratum
    places : int array of shape (m,)
        Positions of the drawn rows, in random order, which hides the stratum from the person who labels.
    names : tuple of str of length m
        Stratum of each drawn row.
    """

    strata: tuple[AuditStratum, ...]
    places: npt.NDArray[np.int64]
    names: tuple[str, ...]


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


def draw_audit_rows(p_values: npt.ArrayLike, alerted: npt.ArrayLike, rows: int, seed: int) -> AuditDraw:
    """Draw `rows` rows: half of them alerted, a quarter from ``near``, a quarter from the other quiet rows.

    Parameters
    ----------
    p_values : array of shape (n,)
    alerted : array of bool, shape (n,)
    rows : int
        At least 4; where a stratum has fewer rows than its part, the remainder goes to the other strata.
    seed : int

    Raises
    ------
    DataError
        If there are no rows.
    """
    p, flags = np.asarray(p_values, dtype=np.float64), np.asarray(alerted, dtype=bool)
    if not p.size:
        raise DataError("no rows to draw an audit from; at least one is needed")
    quiet_rows = np.flatnonzero(~flags)
    quiet_ranked = quiet_rows[np.argsort(p[quiet_rows], kind="stable")]
    near_count = round(len(quiet_ranked) * NEAR_SHARE)
    members = {
        "alerted": np.flatnonzero(flags),
        "near": quiet_ranked[:near_count],
        "quiet": quiet_ranked[near_count:],
    }
    sizes = _allot_rows({name: len(positions) for name, positions in members.items()}, rows)
    rng = np.random.default_rng(seed)
    places: list[int] = []
    names: list[str] = []
    strata: list[AuditStratum] = []
    for name, positions in members.items():
        if not len(positions):
            continue
        chosen = rng.choice(positions, size=sizes[name], replace=False)
        places.extend(int(place) for place in chosen)
        names.extend([name] * len(chosen))
        strata.append(AuditStratum(name, len(positions), len(chosen)))
    order = rng.permutation(len(places))
    return AuditDraw(
        tuple(strata), np.asarray(places, dtype=np.int64)[order], tuple(names[place] for place in order)
    )


def _allot_rows(available: dict[str, int], rows: int) -> dict[str, int]:
    """Return the number of rows to draw from each stratum; at least one where the stratum has rows."""
    wanted = {"alerted": rows // 2, "near": rows // 4, "quiet": rows - rows // 2 - rows // 4}
    allotment = {name: min(max(wanted[name], 1), count) for name, count in available.items()}
    remaining = min(rows, sum(available.values())) - sum(allotment.values())
    for name in ("quiet", "near", "alerted"):
        more = max(0, min(remaining, available[name] - allotment[name]))
        allotment[name] += more
        remaining -= more
    return allotment


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
    strata: Sequence[AuditStratum], labels: Sequence[tuple[str, int | None]], level: float = 0.95
) -> AuditEstimate:
    """Estimate precision and recall of the alerts over all rows from which the sample was drawn.

    Parameters
    ----------
    strata : sequence of AuditStratum
    labels : sequence of (name of the stratum, 1, 0 or None)
        One for each drawn row; None: not labelled yet.
    level : float
        Level of each interval by itself. The interval of recall divides its error among the strata
        (Bonferroni), so its coverage is at least `level`.
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
    caught_bounds = bounds.get("alerted", (0, 0))
    missed_low = sum(low for name, (low, _) in bounds.items() if name != "alerted")
    missed_high = sum(high for name, (_, high) in bounds.items() if name != "alerted")
    anomalies = sum(totals.values()) if all_labelled else None
    caught = totals.get("alerted", 0.0)
    recall = ShareEstimate(
        caught / anomalies if anomalies else None,
        caught_bounds[0] / (caught_bounds[0] + missed_high) if caught_bounds[0] + missed_high else 0.0,
        caught_bounds[1] / (caught_bounds[1] + missed_low) if caught_bounds[1] + missed_low else 1.0,
    )
    alerted = next((item for item in strata if item.name == "alerted"), None)
    precision = ShareEstimate(None, 0.0, 1.0)
    if alerted is not None:
        low, high = _bound_stratum(alerted, counts["alerted"], (1 - level) / 2)
        value = totals["alerted"] / alerted.population if "alerted" in totals else None
        precision = ShareEstimate(value, low / alerted.population, high / alerted.population)
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


def _bound_stratum(stratum: AuditStratum, counts: tuple[int, int, int], tail: float) -> tuple[int, int]:
    anomalous, _, unknown = counts
    return bound_total(stratum.population, stratum.sampled, anomalous, anomalous + unknown, tail)
