"""Kinds of detector parameters: a default, bounds, and a check whose error names what is wrong.

Each :class:`~pynomaly.detectors.base.Detector` declares a table of them; the catalogue and the tuner read it.
A checked value is plain Python (int, float, str, list), so it can be written as JSON.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Protocol

from pynomaly.errors import DetectorError, list_allowed

__all__ = ["ChoiceParameter", "IntegerParameter", "NumberParameter", "Parameter", "WidthsParameter"]


class Parameter(Protocol):
    """A parameter: its default and the check of a value."""

    @property
    def default(self) -> Any:
        """Value used when none is given."""

    def check(self, owner: str, value: object) -> Any:
        """Return the value in its plain type, or raise DetectorError."""


@dataclass(frozen=True)
class IntegerParameter:
    """An integer in ``[low, high]``."""

    default: int
    low: int
    high: int

    def check(self, owner: str, value: object) -> int:
        """Return `value` as int.

        Raises
        ------
        DetectorError
            Not an integer (a bool is refused), or outside the bounds.
        """
        if (
            isinstance(value, Integral)
            and not isinstance(value, bool)
            and self.low <= int(value) <= self.high
        ):
            return int(value)
        raise DetectorError(f"{owner} is {value!r}; allowed: an integer from {self.low} to {self.high}")


@dataclass(frozen=True)
class NumberParameter:
    """A finite real number in ``[low, high]``; `open_low` excludes the lower bound."""

    default: float
    low: float
    high: float
    open_low: bool = False

    def check(self, owner: str, value: object) -> float:
        """Return `value` as float.

        Raises
        ------
        DetectorError
            Not a number (a bool is refused), not finite, or outside the bounds.
        """
        is_real = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(float(value))
        if is_real:
            number = float(value)  # type: ignore[arg-type]  # Real, checked above
            if self.low <= number <= self.high and not (self.open_low and number == self.low):
                return number
        low = f"above {self.low:g}" if self.open_low else f"from {self.low:g}"
        raise DetectorError(f"{owner} is {value!r}; allowed: a number {low} to {self.high:g}")


@dataclass(frozen=True)
class ChoiceParameter:
    """One of a few words."""

    default: str
    options: tuple[str, ...]

    def check(self, owner: str, value: object) -> str:
        """Return `value`.

        Raises
        ------
        DetectorError
            Not among the options.
        """
        if not isinstance(value, str) or value not in self.options:
            raise DetectorError(f"{owner} is {value!r}; {list_allowed(value, self.options)}")
        return value


@dataclass(frozen=True)
class WidthsParameter:
    """A short list of layer widths, each an integer in ``[1, high]``."""

    default: tuple[int, ...]
    high: int = 4096
    longest: int = 8

    def check(self, owner: str, value: object) -> list[int]:
        """Return `value` as a list of int.

        Raises
        ------
        DetectorError
            Not a list of 1 to `longest` integers, or an integer outside the bounds.
        """
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= self.longest:
            raise DetectorError(f"{owner} is {value!r}; allowed: a list of 1 to {self.longest} integers")
        whole = IntegerParameter(1, 1, self.high)
        return [whole.check(f"{owner}[{place}]", item) for place, item in enumerate(value)]
