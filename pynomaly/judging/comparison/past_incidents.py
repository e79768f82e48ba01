"""Regression test on past incidents: does the challenger miss one that the champion caught?

Pure: called by :mod:`pynomaly.steps.promotion.past_incidents`, which reads and scores the rows. An incident
is caught when at least one of its rows alerts. A challenger that misses an incident that the champion caught
is not promoted automatically, however much better it is overall
(:func:`pynomaly.judging.comparison.promotion_rules.rule_on_promotion`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pynomaly.judging.jsonable import to_jsonable

__all__ = [
    "IncidentRegression",
    "PastIncident",
    "compare_on_incidents",
    "find_labelled_episodes",
    "report_not_computable",
]


LONGEST_OUTCOME = 64
"""Characters that the ledger keeps of an outcome; the reasons name every incident."""


@dataclass(frozen=True)
class PastIncident:
    """One past incident: its name, and the positions of its rows among the scored rows.

    `taught` is True if the challenger was trained with labelled anomalies of this incident.
    """

    name: str
    rows: tuple[int, ...]
    taught: bool = False


@dataclass(frozen=True)
class IncidentRegression:
    """Result of champion and challenger on past incidents.

    Attributes
    ----------
    incidents : int
        Number of incidents that have rows.
    champion, challenger : tuple of str
        Incidents that each of them caught.
    missed : tuple of str
        Incidents that only the champion caught: an automatic promotion needs none.
    taught : tuple of str
        Incidents from which the challenger learned: catching these proves little.
    reasons : tuple of str
    computable : bool
        Whether the comparison could be computed; if not, `missed` is not empty and prevents a promotion.
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
        """Outcome text of a refusal for this reason: it names the missed incidents, as far as they fit."""
        if not self.computable:
            return "past incidents not computable"
        text = f"misses {', '.join(self.missed)}"
        return text if len(text) <= LONGEST_OUTCOME else f"{text[: LONGEST_OUTCOME - 3]}..."

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))


def find_labelled_episodes(
    labels: ArrayLike, entities: ArrayLike | None = None
) -> tuple[tuple[int, ...], ...]:
    """Find labelled anomaly episodes: consecutive rows of one entity that are labelled 1.

    Parameters
    ----------
    labels : array-like of shape (n,)
        1, 0 or NaN, ordered by time; a row of the entity that is not 1 ends the episode.
    entities : array-like of shape (n,), optional
        Without it, all rows belong to one entity.

    Returns
    -------
    tuple of tuple of int
        Positions of the rows of each episode; episodes ordered by their last row, oldest first.
    """
    anomalous = np.asarray(labels, dtype=np.float64) == 1
    names = np.zeros(len(anomalous)) if entities is None else np.asarray(entities)
    runs: list[tuple[int, ...]] = []
    for name in dict.fromkeys(names.tolist()):
        places = np.flatnonzero(names == name)
        entity_labels = anomalous[places]
        for run in np.split(places, np.flatnonzero(np.diff(entity_labels)) + 1):
            if len(run) and anomalous[run[0]]:
                runs.append(tuple(int(place) for place in run))
    return tuple(sorted(runs, key=lambda run: (run[-1], run)))


def compare_on_incidents(
    champion: ArrayLike,
    challenger: ArrayLike,
    incidents: Sequence[PastIncident],
    *,
    elsewhere: float | None = None,
    most: float = 1.0,
) -> IncidentRegression:
    """Compare which past incidents two models catch.

    Parameters
    ----------
    champion, challenger : array-like of bool, shape (n,)
        Alerts on the same rows, each by the model's own alert policy.
    incidents : sequence of PastIncident
        An incident without rows is not counted.
    elsewhere : float, optional
        Share of the rows outside all incidents on which the champion alerts.
    most : float
        A champion that alerts on more than this share elsewhere catches incidents by alerting on everything:
        the challenger then need not catch the same ones, and a reason says so.
    """
    alerts = [np.asarray(side, dtype=bool) for side in (champion, challenger)]
    counted = [item for item in incidents if item.rows]
    before, after = (tuple(item.name for item in counted if _catches_incident(side, item)) for side in alerts)
    over_alerting = elsewhere is not None and elsewhere > most
    lost = tuple(
        item.name
        for item in counted
        if _catches_incident(alerts[0], item) and not _catches_incident(alerts[1], item)
    )
    missed = () if over_alerting else lost
    taught = tuple(item.name for item in counted if item.taught)
    reasons = [
        f"Past incidents: {len(counted)}; the champion caught {len(before)}, the challenger {len(after)}."
    ]
    if missed:
        reasons.insert(0, f"It misses what the champion caught: {', '.join(missed)}.")
    if over_alerting and lost:
        reasons.append(
            f"The champion alerts on {elsewhere:.1%} of the rows outside incidents, more than {most:.1%}: "
            f"that it caught {', '.join(lost)} says nothing."
        )
    if taught:
        reasons.append(f"The challenger learned from labelled rows of {', '.join(taught)}.")
    return IncidentRegression(len(counted), before, after, missed, taught, tuple(reasons))


def report_not_computable(why: str) -> IncidentRegression:
    """Return the result where both models could not score the incidents: only a person may promote."""
    reason = f"What past incidents say of it is not computable: {why}"
    return IncidentRegression(0, (), (), ("not computable",), (), (reason,), computable=False)


def _catches_incident(alerts: NDArray[np.bool_], incident: PastIncident) -> bool:
    return bool(alerts[list(incident.rows)].any())
