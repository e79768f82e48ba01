"""How good the alerts are, from a small random sample of alerted and quiet rows that somebody labelled. Pure.

Answers to alerts alone say nothing of what was missed. An audit draws rows at random from strata, alerted and
quiet, each with a known chance, so that every row counts for the rows it stands for. Totals are unbiased
(Horvitz and Thompson 1952); precision, being one stratum's share, is too; recall is a ratio of such totals.
Intervals are exact for sampling without replacement and hold whatever the shares are, also where no anomaly
was found among the quiet rows: a normal approximation would call recall certain there.

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

__all__ = ["Drawn", "Estimate", "Judgement", "Stratum", "draw", "judge", "total_bounds"]

NEAR = 0.1
"""Share of the quiet rows, those with the smallest p-values, that are a stratum of their own."""


@dataclass(frozen=True)
class Stratum:
    """Rows that share one chance to be drawn.

    Attributes
    ----------
    name : {"alerted", "near", "quiet"}
    population, sampled : int
        Rows there are, and rows drawn; their ratio is the chance.
    """

    name: str
    population: int
    sampled: int


@dataclass(frozen=True, eq=False)
class Drawn:
    """A sample.

    Attributes
    ----------
    strata : tuple of Stratum
    places : int array of shape (m,)
        Positions of the drawn rows, in an order that tells nothing.
    names : tuple of str
        The stratum of each.
    """

    strata: tuple[Stratum, ...]
    places: npt.NDArray[np.int64]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Estimate:
    """A share with its interval; `value` is None where nothing was labelled that tells."""

    value: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Judgement:
    """What an audit says.

    Attributes
    ----------
    precision, recall : Estimate
    anomalies : float
        Estimated anomalous rows among all.
    answered, waiting : int
        Drawn rows that are labelled, and that are not: the intervals allow for either answer to these.
    level : float
    strata : tuple of dict
        Each with what was labelled in it.
    """

    precision: Estimate
    recall: Estimate
    anomalies: float | None
    answered: int
    waiting: int
    level: float
    strata: tuple[dict[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def draw(p_values: npt.ArrayLike, alerted: npt.ArrayLike, rows: int, seed: int) -> Drawn:
    """Draw `rows` rows: half of them alerted, a quarter nearly, a quarter of the rest.

    Parameters
    ----------
    p_values : array of shape (n,)
    alerted : array of bool, shape (n,)
    rows : int
        At least 4; where a stratum has fewer rows than its part, the others get what is left.
    seed : int

    Raises
    ------
    DataError
        If there are no rows.
    """
    p, flags = np.asarray(p_values, dtype=np.float64), np.asarray(alerted, dtype=bool)
    if not p.size:
        raise DataError("no rows to draw an audit from; at least one is needed")
    silent = np.flatnonzero(~flags)
    ranked = silent[np.argsort(p[silent], kind="stable")]
    cut = round(len(ranked) * NEAR)
    members = {"alerted": np.flatnonzero(flags), "near": ranked[:cut], "quiet": ranked[cut:]}
    sizes = _allotted({name: len(found) for name, found in members.items()}, rows)
    rng = np.random.default_rng(seed)
    places: list[int] = []
    names: list[str] = []
    strata: list[Stratum] = []
    for name, found in members.items():
        if not len(found):
            continue
        chosen = rng.choice(found, size=sizes[name], replace=False)
        places.extend(int(place) for place in chosen)
        names.extend([name] * len(chosen))
        strata.append(Stratum(name, len(found), len(chosen)))
    order = rng.permutation(len(places))
    return Drawn(
        tuple(strata), np.asarray(places, dtype=np.int64)[order], tuple(names[place] for place in order)
    )


def _allotted(available: dict[str, int], rows: int) -> dict[str, int]:
    """How many rows each stratum gives; every stratum with rows gives at least one."""
    wanted = {"alerted": rows // 2, "near": rows // 4, "quiet": rows - rows // 2 - rows // 4}
    given = {name: min(max(wanted[name], 1), count) for name, count in available.items()}
    left = min(rows, sum(available.values())) - sum(given.values())
    for name in ("quiet", "near", "alerted"):
        more = max(0, min(left, available[name] - given[name]))
        given[name] += more
        left -= more
    return given


def total_bounds(population: int, sampled: int, least: int, most: int, tail: float) -> tuple[int, int]:
    """Bounds of how many of `population` rows are anomalous.

    Parameters
    ----------
    population, sampled : int
    least, most : int
        Anomalies among the sampled: those labelled so, and those with all that are not labelled.
    tail : float
        Chance, at most, that the truth lies below the first bound; likewise above the second.

    Returns
    -------
    tuple of int
        Smallest and largest totals under which so many, or so few, are no rarer than `tail`.
    """
    from scipy.stats import hypergeom

    high = population - (sampled - most)

    def first(holds: Any, start: int, stop: int) -> int:
        """Smallest total from `start` on for which `holds`, which once true stays true; `stop` if none."""
        while start < stop:
            middle = (start + stop) // 2
            start, stop = (start, middle) if holds(middle) else (middle + 1, stop)
        return start

    def enough(total: int) -> bool:
        return bool(hypergeom.sf(least - 1, population, total, sampled) > tail)

    def too_many(total: int) -> bool:
        return bool(hypergeom.cdf(most, population, total, sampled) <= tail)

    lowest = first(enough, least, population) if least > 0 else 0
    highest = first(too_many, most, high + 1) - 1 if most < sampled else population
    return lowest, max(highest, lowest)


def judge(
    strata: Sequence[Stratum], labels: Sequence[tuple[str, int | None]], level: float = 0.95
) -> Judgement:
    """Precision and recall of the alerts, over all rows the sample was drawn from.

    Parameters
    ----------
    strata : sequence of Stratum
    labels : sequence of (name of the stratum, 1, 0 or None)
        One for each drawn row; None is not labelled yet.
    level : float
        Of the intervals, each by itself. Recall's shares its error between the strata (Bonferroni): it covers
        at least so often.
    """
    found: dict[str, tuple[int, int, int]] = {}
    for item in strata:
        mine = [truth for name, truth in labels if name == item.name]
        odd = sum(truth == 1 for truth in mine)
        found[item.name] = (
            odd,
            sum(truth is not None for truth in mine),
            sum(truth is None for truth in mine),
        )
    totals = {
        item.name: item.population * found[item.name][0] / found[item.name][1]
        for item in strata
        if found[item.name][1]
    }
    whole = len(totals) == len(strata)
    spread = (1 - level) / 2 / max(len(strata), 1)
    bounds = {item.name: _bounds(item, found[item.name], spread) for item in strata}
    hits = bounds.get("alerted", (0, 0))
    missed_low = sum(low for name, (low, _) in bounds.items() if name != "alerted")
    missed_high = sum(high for name, (_, high) in bounds.items() if name != "alerted")
    anomalies = sum(totals.values()) if whole else None
    caught = totals.get("alerted", 0.0)
    recall = Estimate(
        caught / anomalies if anomalies else None,
        hits[0] / (hits[0] + missed_high) if hits[0] + missed_high else 0.0,
        hits[1] / (hits[1] + missed_low) if hits[1] + missed_low else 1.0,
    )
    alerted = next((item for item in strata if item.name == "alerted"), None)
    precision = Estimate(None, 0.0, 1.0)
    if alerted is not None:
        low, high = _bounds(alerted, found["alerted"], (1 - level) / 2)
        value = totals["alerted"] / alerted.population if "alerted" in totals else None
        precision = Estimate(value, low / alerted.population, high / alerted.population)
    return Judgement(
        precision,
        recall,
        anomalies,
        answered=sum(item[1] for item in found.values()),
        waiting=sum(item[2] for item in found.values()),
        level=level,
        strata=tuple(
            asdict(item) | {"labelled": found[item.name][1], "anomalies": found[item.name][0]}
            for item in strata
        ),
    )


def _bounds(stratum: Stratum, found: tuple[int, int, int], tail: float) -> tuple[int, int]:
    odd, _, unknown = found
    return total_bounds(stratum.population, stratum.sampled, odd, odd + unknown, tail)
