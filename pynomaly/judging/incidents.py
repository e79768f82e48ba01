"""Does a challenger miss a past incident that the champion caught? Incidents are a regression suite.

Pure: called by :mod:`pynomaly.steps.regression`, which reads and scores the rows. An incident is caught when
at least one row in it is an alert. What misses an incident that the champion caught does not promote by
itself, however much better it is on the whole (:func:`pynomaly.judging.promotion.rule`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pynomaly.judging.plain import plain

__all__ = ["Past", "Regression", "episodes", "regression", "unreadable"]


@dataclass(frozen=True)
class Past:
    """One past incident: its name, and the places of its rows among those that were scored.

    `taught` says that the challenger learned from labelled anomalies in it.
    """

    name: str
    rows: tuple[int, ...]
    taught: bool = False


@dataclass(frozen=True)
class Regression:
    """What past incidents say of a challenger.

    Attributes
    ----------
    incidents : int
        Incidents with rows to look at.
    champion, challenger : tuple of str
        Those that each of them caught.
    missed : tuple of str
        Those that only the champion caught: none may be.
    taught : tuple of str
        Those that the challenger learned from: that it catches these proves little.
    reasons : tuple of str
    computable : bool
        Whether it could be found out at all; where not, that stands in `missed` and holds a promotion back.
    """

    incidents: int
    champion: tuple[str, ...]
    challenger: tuple[str, ...]
    missed: tuple[str, ...]
    taught: tuple[str, ...]
    reasons: tuple[str, ...]
    computable: bool = True

    @property
    def outcome(self) -> str:
        """What a refusal for this is called: it names the missed incidents."""
        if not self.computable:
            return "past incidents not computable"
        return f"misses {', '.join(self.missed)}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return dict(plain(self))


def episodes(labels: ArrayLike, entities: ArrayLike | None = None) -> tuple[tuple[int, ...], ...]:
    """Labelled anomaly episodes: consecutive rows of one entity that are labelled 1.

    Parameters
    ----------
    labels : array-like of shape (n,)
        1, 0 or NaN, ordered by time; a row of the entity that is not 1 ends its episode.
    entities : array-like of shape (n,), optional
        Without it all rows are of one entity.

    Returns
    -------
    tuple of tuple of int
        Places of the rows of each episode, by its last row, oldest first.
    """
    odd = np.asarray(labels, dtype=np.float64) == 1
    names = np.zeros(len(odd)) if entities is None else np.asarray(entities)
    found: list[tuple[int, ...]] = []
    for name in dict.fromkeys(names.tolist()):
        places = np.flatnonzero(names == name)
        marked = odd[places]
        for run in np.split(places, np.flatnonzero(np.diff(marked)) + 1):
            if len(run) and odd[run[0]]:
                found.append(tuple(int(place) for place in run))
    return tuple(sorted(found, key=lambda run: (run[-1], run)))


def regression(
    champion: ArrayLike,
    challenger: ArrayLike,
    incidents: Sequence[Past],
    *,
    elsewhere: float | None = None,
    most: float = 1.0,
) -> Regression:
    """Compare what two models catch.

    Parameters
    ----------
    champion, challenger : array-like of bool, shape (n,)
        Alerts on the same rows, each by its own policy.
    incidents : sequence of Past
        One without rows is not counted.
    elsewhere : float, optional
        Share of rows outside every incident that the champion alerts on.
    most : float
        A champion that alerts on more than this share elsewhere catches incidents by alerting on everything:
        what it caught binds nobody, and that is said.
    """
    alerts = [np.asarray(side, dtype=bool) for side in (champion, challenger)]
    known = [item for item in incidents if item.rows]
    before, after = (tuple(item.name for item in known if _caught(side, item)) for side in alerts)
    crying = elsewhere is not None and elsewhere > most
    lost = tuple(item.name for item in known if _caught(alerts[0], item) and not _caught(alerts[1], item))
    missed = () if crying else lost
    taught = tuple(item.name for item in known if item.taught)
    reasons = [
        f"Past incidents: {len(known)}; the champion caught {len(before)}, the challenger {len(after)}."
    ]
    if missed:
        reasons.insert(0, f"It misses what the champion caught: {', '.join(missed)}.")
    if crying and lost:
        reasons.append(
            f"The champion alerts on {elsewhere:.1%} of the rows outside incidents, more than {most:.1%}: "
            f"that it caught {', '.join(lost)} says nothing."
        )
    if taught:
        reasons.append(f"The challenger learned from labelled rows of {', '.join(taught)}.")
    return Regression(len(known), before, after, missed, taught, tuple(reasons))


def unreadable(why: str) -> Regression:
    """Past incidents that could not be scored by both models: nobody knows, so only a person promotes."""
    reason = f"What past incidents say of it is not computable: {why}"
    return Regression(0, (), (), ("not computable",), (), (reason,), computable=False)


def _caught(alerts: NDArray[np.bool_], incident: Past) -> bool:
    return bool(alerts[list(incident.rows)].any())
