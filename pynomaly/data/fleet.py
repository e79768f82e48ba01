"""A simulated fleet of machines with incidents, seasons and one change of regime.

Sixteen machines report once an hour from 2026-01-05 on. Every machine-day is a pure function of
(seed, machine, day), so any window can be computed, overlapping windows have equal rows and nothing is
stored. From :data:`SHIFT` on, the product mix, the load and its relation to current and temperature differ,
and the noise is larger: a model trained before raises false alarms and ranks worse, one trained after does
well again. Called by ``sources.bundled``; incident kinds are for reports and benchmarks, never for a model.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.data.window import Window

__all__ = ["KINDS", "MACHINES", "SEED", "SENSORS", "SHIFT", "START", "generate_fleet"]

START = datetime(2026, 1, 5, tzinfo=UTC)
SHIFT = datetime(2026, 3, 30, tzinfo=UTC)
SEED = 20260105
MACHINES = tuple(f"m{number:02d}" for number in range(1, 17))
SENSORS = ("temperature", "pressure", "vibration", "current", "flow", "speed")
KINDS = ("spike", "wear", "stuck", "decorrelation")

_PRODUCTS = np.array(["A", "B", "C", "D", "E", "F"])
_MIX = np.array([[0.34, 0.28, 0.22, 0.145, 0.015, 0.0], [0.10, 0.12, 0.25, 0.14, 0.015, 0.375]])
"""Share of each product before and after the shift; E is rare, F is new."""

_PRODUCT_LOAD = np.array([0.0, 0.25, -0.25, 0.1, 0.35, 0.5])
_BASE = np.array([60.0, 5.0, 2.0, 20.0, 100.0, 1500.0])
_GAIN = np.array([4.0, 0.30, 0.15, 3.0, 8.0, 60.0])
_NOISE = np.array([1.6, 0.12, 0.15, 0.9, 3.0, 22.0])
_UNIT = np.hypot(_GAIN, _NOISE)
"""Usual spread of each sensor; the unit for the size of the shift and of incidents."""

_SHIFT_LOAD = 1.9
_SHIFT_OFFSET = np.array([1.2, 0.0, 0.5, -2.4, 0.0, 0.0])
_SHIFT_GAIN = np.array([1.25, 1.0, 1.0, 0.7, 1.0, 1.0])
_SHIFT_NOISE = 1.25

_EVERY = (7, 36, 77, 100)
"""Period in days for each of :data:`KINDS`: a machine has one such incident a period, at a random time."""

_WEAR = np.array([1.0, -0.5, 1.4, 0.6, -0.7, -0.3])
"""Direction of wear over the sensors: higher temperature and vibration, less flow."""

_MISSING = 0.01
_LOOK_BACK = 2
"""Days simulated before a window, because their incidents may last into it: up to 24 h from 23:00 on."""


def generate_fleet(window: Window, seed: int = SEED) -> pd.DataFrame:
    """Return the rows of the fleet in `window`; there are none before :data:`START`.

    Parameters
    ----------
    window : Window
    seed : int, optional
        Each seed gives another fleet.

    Returns
    -------
    DataFrame of shape (n, 10)
        ``timestamp`` (UTC, full hours), ``machine``, ``product``, the six sensors (about 1 % of the cells
        missing) and ``anomaly`` (1 during an incident, about 3 % of the rows); sorted by time, then machine.
    """
    values, products, kinds, times = _simulate_rows(window, seed)
    frame = pd.DataFrame({"timestamp": np.repeat(times, len(MACHINES))})
    frame["machine"] = np.tile(np.array(MACHINES), len(times))
    frame["product"] = _PRODUCTS[products].ravel()
    for position, name in enumerate(SENSORS):
        frame[name] = values[:, :, position].ravel()
    frame["anomaly"] = (kinds >= 0).ravel().astype(np.float64)
    frame["timestamp"] = frame["timestamp"].dt.tz_localize("UTC")
    return frame


def _simulate_rows(window: Window, seed: int) -> tuple[npt.NDArray[np.float64], Any, Any, Any]:
    """Return values (hours, machines, sensors), products and kinds (hours, machines), and times (hours)."""
    start = max(window.start, START)
    first = max(0, (start - START).days - _LOOK_BACK)
    last = max(first, -((START - window.end) // timedelta(days=1)))
    shape = ((last - first) * 24, len(MACHINES))
    values, products = np.empty((*shape, len(SENSORS))), np.empty(shape, dtype=np.int64)
    missing, kinds = np.empty(values.shape, dtype=bool), np.full(shape, -1, dtype=np.int64)
    for machine in range(len(MACHINES)):
        for day in range(first, last):
            rng = np.random.Generator(np.random.PCG64([seed, 0, machine, day]))
            rows = slice((day - first) * 24, (day - first + 1) * 24)
            values[rows, machine], products[rows, machine] = _simulate_day(rng, machine, day)
            missing[rows, machine] = rng.random((24, len(SENSORS))) < _MISSING
        for kind, every in enumerate(_EVERY):
            stagger = machine * every // len(MACHINES)
            for turn in range((first + stagger) // every, (last + stagger) // every + 1):
                rng = np.random.Generator(np.random.PCG64([seed, 1 + kind, machine, turn]))
                begin = 24 * (turn * every - stagger - first) + int(rng.integers(24 * every))
                # An incident that starts outside the simulated days is left out completely.
                if 0 <= begin < shape[0]:
                    _write_incident(rng, KINDS[kind], values[begin:, machine], kinds[begin:, machine])
    values[missing] = np.nan
    origin = np.datetime64(START.replace(tzinfo=None), "us") + np.timedelta64(first, "D")
    times = origin + np.arange(shape[0]) * np.timedelta64(1, "h")
    inside = (times >= _to_naive(start)) & (times < _to_naive(window.end))
    return values[inside], products[inside], kinds[inside], times[inside]


def _simulate_day(
    rng: np.random.Generator, machine: int, day: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return sensors (24, 6) and products (24,) of a day without incidents."""
    shifted = timedelta(days=day) >= SHIFT - START
    batches = rng.choice(len(_PRODUCTS), size=4, p=_MIX[int(shifted)])
    products = np.repeat(batches, 6)
    hours = np.arange(24)
    season = 0.6 * np.sin(2 * np.pi * (hours - 7 - machine % 4) / 24) - (0.6 if day % 7 >= 5 else 0.0)
    load = season + _PRODUCT_LOAD[products] + 0.3 * rng.standard_normal() + 0.25 * rng.standard_normal(24)
    # The offset of a machine depends on its number alone, so it is the same every day.
    character = 0.25 * np.sin(np.arange(len(SENSORS)) + 2.4 * machine)
    noise = rng.standard_normal((24, len(SENSORS)))
    if not shifted:
        return _BASE + _UNIT * character + _GAIN * load[:, None] + _NOISE * noise, products
    shifted_base = _BASE + _UNIT * (character + _SHIFT_OFFSET)
    return shifted_base + _GAIN * _SHIFT_GAIN * (load + _SHIFT_LOAD)[
        :, None
    ] + _SHIFT_NOISE * _NOISE * noise, products


def _write_incident(
    rng: np.random.Generator, kind: str, values: npt.NDArray[np.float64], kinds: npt.NDArray[np.int64]
) -> None:
    """Write one incident into the first rows of a machine's `values` (hours, 6) and `kinds`."""
    sensor, sign = int(rng.integers(len(SENSORS))), 1 - 2 * int(rng.integers(2))
    size, duration, hit = rng.random(), rng.random(), rng.random(len(SENSORS)) < 0.5
    hours = {"spike": 1, "wear": 6 + int(19 * duration)}.get(kind, 4 + int(9 * duration))
    kinds[:hours] = KINDS.index(kind)
    if kind == "spike":
        hit[sensor] = True
        values[:hours] += sign * (3.5 + 3.5 * size) * _UNIT * hit
    elif kind == "wear":
        ramp = np.linspace(0.1, 1.0, hours)[: len(values), None] ** 0.5
        values[:hours] += ramp * (4 + 3 * size) * _UNIT * _WEAR
    elif kind == "stuck":
        values[:hours, sensor] = _BASE[sensor] + sign * (4.5 + 2 * size) * _UNIT[sensor]
    else:
        current = SENSORS.index("current")
        # Mirrored about a level, so that more load gives less current.
        middle = _BASE[current] + sign * (0.5 + size) * _UNIT[current]
        values[:hours, current] = 2 * middle - values[:hours, current]


def _to_naive(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")
