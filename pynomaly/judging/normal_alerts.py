"""Does a champion alert on normal rows far more rarely than it promised? Pure.

Alerts that fail to come are no nuisance, and nobody asks where they are. They are what a reference with
anomalies among its rows makes: these take the highest ranks among the held-out scores, so that a p-value is
small for them and nothing else, and what is like them no longer alerts. The counts of all windows of a
champion are added up, because a window alone expects an alert or two.

Called by the steps that judge windows, decide on trainings and compare models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["NormalAlerts", "explain_rare_alerts"]


@dataclass(frozen=True)
class NormalAlerts:
    """Alerts of one window on rows that are not known to be anomalies.

    Attributes
    ----------
    rows, alerts : int
        Each row judged alone.
    expected : float
        Number of alerts that the champion's policy promises on these rows.
    together : float
        Mean number of rows that alert together, at least 1.
    """

    rows: int
    alerts: int
    expected: float
    together: float = 1.0


def explain_rare_alerts(windows: Sequence[NormalAlerts], factor: float, alpha: float) -> str:
    """Return why normal rows alert too rarely, in one sentence; "" where they do not.

    They do where there are at most a part 1 / `factor` of the alerts that were promised, and where so few
    have a probability of less than `alpha`. Clusters of a geometric size with mean c vary as much as
    independent alerts, 2 c - 1 of them taken as one; their number is Poisson.

    Parameters
    ----------
    windows : sequence of NormalAlerts
        Of one champion.
    factor : float
        How many times as many alerts as promised are bad, above 1; likewise how many times fewer.
    alpha : float
    """
    from scipy.special import pdtr

    rows, alerts = sum(item.rows for item in windows), sum(item.alerts for item in windows)
    expected = sum(item.expected for item in windows)
    if not expected or factor * alerts > expected:
        return ""
    together = max(2.0 * item.together - 1.0 for item in windows)
    chance = float(pdtr(alerts // together, expected / together))
    if chance >= alpha:
        return ""
    return (
        f"{alerts} of {rows} normal rows alert in the {len(windows)} windows of this version, where "
        f"{expected:.1f} are promised (p = {chance:.2g}): were there anomalies among the rows that set its "
        f"p-values?"
    )
