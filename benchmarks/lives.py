"""What policies come to in simulated lives, and the file that keeps a line of JSON a life.

Called by :mod:`benchmarks.governance`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARGIN = 0.02  # of average precision by which a false promotion is worse


@dataclass(frozen=True)
class PolicyLife:
    """What one policy comes to in one life.

    Attributes
    ----------
    weekly : tuple of float or None
        Average precision by week; None where it is not computable.
    alerts, caught : float
        Alerting rows a day, and share of the incidents with an alert in them.
    trainings, promotions, recalibrations, false : int
        Without the first model; `false` of the promotions.
    """

    weekly: tuple[float | None, ...]
    alerts: float
    caught: float
    trainings: int
    promotions: int
    recalibrations: int
    false: int

    @classmethod
    def of(cls, figures: dict[str, Any], change: str) -> PolicyLife:
        """Read the figures of a replay; until `change`, an ISO time, nothing has changed."""
        promoted = figures["promoted_at"][1:]
        gains = zip(promoted, figures["gains"], strict=True)
        return cls(
            tuple(row["average_precision"] for row in figures["windows"]),
            figures["alerts_per_day"] or 0.0,
            figures["caught_share"] or 0.0,
            figures["trainings"] - 1,
            len(promoted),
            figures["recalibrations"],
            sum(
                gain is not None and (gain < -MARGIN or (moment <= change and gain <= 0))
                for moment, gain in gains
            ),
        )


Life = dict[str, PolicyLife]
"""One life, by policy."""


def read_lives(path: Path) -> dict[tuple[str, int], Life]:
    """Return the lives of a file by scenario and seed; a last line that a kill cut short is left out."""
    lives = {}
    for line in path.read_text().splitlines():
        try:
            content = json.loads(line)
        except json.JSONDecodeError:
            continue
        policies = {
            name: PolicyLife(**figures | {"weekly": tuple(figures["weekly"])})
            for name, figures in content["policies"].items()
        }
        lives[content["scenario"], content["seed"]] = policies
    return lives


def write_life(path: Path, scenario: str, seed: int, life: Life) -> None:
    """Append one life to a file."""
    policies = {policy: vars(own) for policy, own in life.items()}
    with path.open("a") as file:
        file.write(json.dumps({"scenario": scenario, "seed": seed, "policies": policies}) + "\n")
