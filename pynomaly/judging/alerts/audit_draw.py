"""Draw the rows of an audit: a random sample from strata, each row with a known chance. Pure.

Two draws. One asks how good the alerts are: alerted rows, the quiet rows nearest to an alert, other quiet
rows. The other asks which of two models is better: most of its rows are those on which the two disagree, as
a row on which they agree moves both figures alike. Every stratum gets rows in both, so that totals weighted
by the reciprocal of the chance stay unbiased.

The rows are in an order in which each stratum is spread evenly: whoever answers from the top and stops at any
row has answered a stratified sample, and the order does not show which stratum a row is of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pynomaly.errors import DataError
from pynomaly.judging.alerts.audit import AuditStratum

__all__ = ["AuditDraw", "draw_audit_rows", "draw_deciding_rows", "name_strata", "rank_alerted"]

NEAR_SHARE = 0.1
"""Share of the quiet rows, those with the smallest p-values, that form the stratum ``near``."""

AUDIT_SHARES = {"alerted": 0.5, "near": 0.25, "quiet": 0.25}
"""Share of the drawn rows from each stratum, where one model is audited."""

DECIDING_SHARES = {"both": 0.15, "quiet": 0.1, "champion": 0.3, "challenger": 0.3, "near": 0.15}
"""The same where two are compared; on rows of ``champion`` and of ``challenger`` that one alerts alone.

What a stratum of either draw has too few rows for goes to the last one that has more.
"""


@dataclass(frozen=True, eq=False)
class AuditDraw:
    """A stratified random sample of rows.

    Attributes
    ----------
    strata : tuple of AuditStratum
    places : int array of shape (m,)
        Positions of the drawn rows, in the order in which they are to be answered.
    names : tuple of str of length m
        Stratum of each drawn row.
    """

    strata: tuple[AuditStratum, ...]
    places: npt.NDArray[np.int64]
    names: tuple[str, ...]


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
    return _draw_strata(name_strata(p_values, alerted), AUDIT_SHARES, rows, seed)


def draw_deciding_rows(
    p_values: npt.ArrayLike, champion: npt.ArrayLike, challenger: npt.ArrayLike, rows: int, seed: int
) -> AuditDraw:
    """Draw `rows` rows: three in ten from those on which one model alerts alone, for each of the two.

    Parameters
    ----------
    p_values : array of shape (n,)
        The smaller of the two models' p-values.
    champion, challenger : array of bool, shape (n,)
        Whether each model alerts.
    rows, seed : int
        As in :func:`draw_audit_rows`.
    """
    return _draw_strata(name_strata(p_values, champion, challenger), DECIDING_SHARES, rows, seed)


def name_strata(
    p_values: npt.ArrayLike, champion: npt.ArrayLike, challenger: npt.ArrayLike | None = None
) -> npt.NDArray[np.str_]:
    """Return the stratum of each row, str array of shape (n,); with one model, its alerts are ``alerted``."""
    p, first = np.asarray(p_values, dtype=np.float64), np.asarray(champion, dtype=bool)
    second = first if challenger is None else np.asarray(challenger, dtype=bool)
    names = np.where(first & second, "alerted" if challenger is None else "both", "quiet").astype("U10")
    names[first & ~second], names[second & ~first] = "champion", "challenger"
    quiet_rows = np.flatnonzero(~(first | second))
    ranked = quiet_rows[np.argsort(p[quiet_rows], kind="stable")]
    names[ranked[: round(len(ranked) * NEAR_SHARE)]] = "near"
    return names


def rank_alerted(scores: npt.ArrayLike, alerted: npt.ArrayLike, seed: int) -> npt.NDArray[np.float64]:
    """Return the place of each alerted row among the alerted ones by score, float array of shape (n,).

    From 0, the highest, to 1; of place k among m it is ``(k + 0.5) / m``, and equal scores are ordered by
    chance, so that the ranks of all m are known without them. NaN for quiet rows.
    """
    values, flags = np.asarray(scores, dtype=np.float64), np.asarray(alerted, dtype=bool)
    rows = np.flatnonzero(flags)
    order = np.lexsort((np.random.default_rng(seed).random(len(rows)), -values[rows]))
    ranks = np.full(len(values), np.nan)
    ranks[rows[order]] = (np.arange(len(rows)) + 0.5) / max(1, len(rows))
    return ranks


def _draw_strata(names: npt.NDArray[np.str_], shares: dict[str, float], rows: int, seed: int) -> AuditDraw:
    if not names.size:
        raise DataError("no rows to draw an audit from; at least one is needed")
    members = {name: np.flatnonzero(names == name) for name in shares}
    sizes = _allot_rows({name: len(places) for name, places in members.items()}, shares, rows)
    rng = np.random.default_rng(seed)
    strata: list[AuditStratum] = []
    drawn, spots = [], []
    for name, places in members.items():
        if not len(places):
            continue
        size = sizes[name]
        drawn.append(rng.choice(places, size=size, replace=False))
        spots.append((np.arange(size) + rng.random(size)) / size)
        strata.append(AuditStratum(name, len(places), size))
    chosen = np.concatenate(drawn)[np.argsort(np.concatenate(spots), kind="stable")]
    return AuditDraw(tuple(strata), chosen.astype(np.int64), tuple(names[chosen].tolist()))


def _allot_rows(available: Mapping[str, int], shares: dict[str, float], rows: int) -> dict[str, int]:
    """Return the number of rows to draw from each stratum; at least one where the stratum has rows."""
    sizes = {name: min(max(int(shares[name] * rows), 1), count) for name, count in available.items()}
    remaining = min(rows, sum(available.values())) - sum(sizes.values())
    for name in reversed(shares):
        more = max(0, min(remaining, available[name] - sizes[name]))
        sizes[name] += more
        remaining -= more
    return sizes
