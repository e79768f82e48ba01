"""Which deviations are worth an alert: their direction and their smallest size, by column. Pure.

A row that would alert is held back if no column that carries it deviates in a wanted direction by enough. The
columns that carry a row are those whose cell is at least half as far from its expected value as the farthest,
in scales of the column; a row without a number one scale away is never held back: something else than the
size of a number carries it. Scores and p-values do not change. Called by :mod:`pynomaly.model.bundle`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pynomaly import config
from pynomaly.errors import ConfigError, list_allowed

__all__ = ["EVERY", "AlertLimits"]

Floats = NDArray[np.float64]

EVERY = "*"
"""Stands for every numeric column that is not named itself."""

_CARRYING_SHARE = 0.5
_LEAST_SCALES = 1.0


@dataclass(frozen=True)
class AlertLimits:
    """Wanted directions and smallest deviations by column; a column without an entry has no limit.

    Attributes
    ----------
    directions : mapping of str to str
        ``high``, ``low`` or ``both``, by column or for :data:`EVERY`.
    minima : mapping of str to (float, bool)
        Smallest deviation, and whether it is a share of the expected value.
    """

    directions: Mapping[str, str] = field(default_factory=dict)
    minima: Mapping[str, tuple[float, bool]] = field(default_factory=dict)

    @classmethod
    def from_config(cls, alerts: config.Alerts, numeric: tuple[str, ...]) -> AlertLimits | None:
        """Return the limits of the settings; None if there are none.

        Raises
        ------
        ConfigError
            If a column is no numeric feature of the model.
        """
        minima = {name: config.read_deviation(value) for name, value in alerts.minimum.items()}
        directions: dict[str, str] = {**alerts.direction}
        for key, names in (("direction", alerts.direction), ("minimum", alerts.minimum)):
            for name in names:
                if name != EVERY and name not in numeric:
                    raise ConfigError(
                        f"alerts.{key} names {name!r}, no numeric feature; {list_allowed(name, numeric)}"
                    )
        if set(directions.values()) <= {"both"}:
            directions = {}
        return cls(directions, minima) if directions or minima else None

    def find_held_back(
        self, cells: Floats, expected: Floats, scales: Floats, names: tuple[str, ...]
    ) -> list[str]:
        """Return for each row why it is held back, "" if it is not.

        Parameters
        ----------
        cells, expected : ndarray of shape (n, d)
            Numbers and what the reference expects in their place; NaN for missing.
        scales : ndarray of shape (d,) or (n, d)
            One standard deviation or its robust equal, above 0; of each row if entities have their own.
        names : tuple of str
            Names of the d columns.
        """
        deviations = cells - expected
        sizes = np.nan_to_num(np.abs(deviations) / scales, nan=0.0, posinf=np.inf)
        farthest = sizes.max(axis=1, initial=0.0)
        reasons: list[str] = []
        for place in range(len(cells)):
            if farthest[place] < _LEAST_SCALES:
                reasons.append("")
                continue
            carrying = np.flatnonzero(sizes[place] >= _CARRYING_SHARE * farthest[place])
            objections = [
                self._object(names[at], float(deviations[place, at]), float(expected[place, at]))
                for at in carrying
            ]
            reasons.append("; ".join(objections) if all(objections) else "")
        return reasons

    def _object(self, name: str, deviation: float, expected: float) -> str:
        """Return why the deviation of one column is not worth an alert, "" if it is."""
        direction = self.directions.get(name, self.directions.get(EVERY, "both"))
        if (direction == "high" and deviation < 0) or (direction == "low" and deviation > 0):
            return f"{name} is {'lower' if deviation < 0 else 'higher'} than expected, wanted: {direction}"
        least, is_share = self.minima.get(name, self.minima.get(EVERY, (0.0, False)))
        limit = least * abs(expected) if is_share else least
        if abs(deviation) < limit:
            return f"{name} deviates by {abs(deviation):.4g}, less than {limit:.4g}"
        return ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return {
            "directions": dict(self.directions),
            "minima": {name: list(value) for name, value in self.minima.items()},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> AlertLimits:
        """Read what `to_dict` wrote."""
        minima = {name: (float(value[0]), bool(value[1])) for name, value in content["minima"].items()}
        return cls(dict(content["directions"]), minima)
