"""The tables that the pages on reading speak of, as people's machines write them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

PRESSES_HEAD = ("Logger DL-200, hall 3", "exported 23.11.2026 08:00", "")


def write_presses(folder: Path, days: int = 145) -> Path:
    """Two presses, a row every ten minutes on the clock of Berlin, as a German logger exports it."""
    clock = pd.date_range("2026-07-01", periods=days * 144, freq="10min", tz="Europe/Berlin")
    rng = np.random.default_rng(7)
    rows = 2 * len(clock)
    hours = np.repeat(np.arange(len(clock)), 2) % 144 / 6
    load = 50 + 12 * np.sin((hours - 6) * np.pi / 12) + 2 * rng.standard_normal(rows)
    temperature = 30 + 0.4 * load + 0.8 * rng.standard_normal(rows)
    vibration = 0.5 + 0.009 * load + 0.03 * rng.standard_normal(rows)
    is_fault = np.zeros(rows, dtype=bool)
    for start in rng.integers(0, rows - 60, 60):
        span = np.arange(start, start + 12, 2)
        is_fault[span] = True
        vibration[span] += 0.04 + 0.2 * rng.random()
        temperature[span] += 8 * rng.random()
    lines = [*PRESSES_HEAD, "Date;Time;press;load;temperature;vibration;operator;state", ";;;kN;°C;mm/s;;"]
    moments = np.repeat(np.asarray(clock.strftime("%d.%m.%Y;%H:%M")), 2)
    for row in range(rows):
        numbers = (f"{value[row]:.2f}".replace(".", ",") for value in (load, temperature, vibration))
        cells = [moments[row], f"press-{row % 2 + 1}", *numbers]
        cells[-1] = "---" if row % 1500 == 700 else cells[-1]
        cells += [("Ann", "Bo", "Cem")[row // 48 % 3], "fault" if is_fault[row] else "ok"]
        lines.append(";".join(cells))
    file = folder / "presses.csv"
    file.write_text("\n".join(lines) + "\n", encoding="cp1252")
    return file


def _waves(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    base = np.sin(np.arange(rows) * np.pi / 72)
    return 20 + 4 * base + rng.standard_normal(rows), 300 + 30 * base + 5 * rng.standard_normal(rows)


def write_workbook(folder: Path) -> Path:
    """An Excel sheet behind another, with a title, dates as cells and a meter."""
    moments = pd.date_range("2026-03-01", periods=24 * 60, freq="h")
    heat, flow = _waves(len(moments), 1)
    table = pd.DataFrame(
        {"Zeit": moments, "Vorlauf": heat.round(1), "Durchfluss": flow.round(0),
         "Zaehler kWh": np.cumsum(np.maximum(flow, 0) / 60).round(1)}
    )  # fmt: skip
    file = folder / "heating.xlsx"
    with pd.ExcelWriter(file) as book:
        pd.DataFrame({"Anlage": ["Haus 4"], "Kommentar": ["Export"]}).to_excel(
            book, sheet_name="Info", index=False
        )
        table.to_excel(book, sheet_name="Messwerte", index=False, startrow=2)
    return file


def write_days(folder: Path) -> Path:
    """A folder with a file a day."""
    target = folder / "pumps"
    target.mkdir()
    for day in pd.date_range("2026-05-01", periods=60, freq="D"):
        moments = np.repeat(pd.date_range(day, periods=48, freq="30min").strftime("%Y-%m-%dT%H:%M:%SZ"), 2)
        heat, flow = _waves(96, day.dayofyear)
        table = pd.DataFrame(
            {
                "timestamp": moments,
                "pump": ["p1", "p2"] * 48,
                "bearing": heat.round(2),
                "power": flow.round(1),
            }
        )
        table.to_csv(target / f"{day:%Y-%m-%d}.csv", index=False)
    return target


def write_epochs(folder: Path) -> Path:
    """Lines of JSON with milliseconds since 1970 and a code for what was not measured."""
    first = pd.Timestamp("2026-06-01", tz="UTC").value // 10**6
    heat, flow = _waves(3000, 3)
    rows = [
        {"ts": int(first + 60_000 * row), "heat": -9999 if row % 400 == 99 else round(float(heat[row]), 2),
         "flow": round(float(flow[row]), 1), "attack": bool(row % 250 > 245)}
        for row in range(3000)
    ]  # fmt: skip
    file = folder / "probe.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def write_long(folder: Path) -> Path:
    """One row a moment and quantity."""
    moments = pd.date_range("2026-05-01", periods=1500, freq="10min").strftime("%Y-%m-%d %H:%M:%S")
    heat, flow = _waves(1500, 4)
    table = pd.DataFrame(
        {"time": np.repeat(moments, 2), "tag": ["heat", "flow"] * 1500,
         "value": np.column_stack([heat, flow]).ravel().round(2)}
    )  # fmt: skip
    file = folder / "historian.csv"
    table.to_csv(file, index=False)
    return file


def write_broken(folder: Path) -> Path:
    """A table with a cell and a time that nobody can read."""
    moments = pd.date_range("2026-03-01", periods=600, freq="h").strftime("%d.%m.%Y %H:%M").tolist()
    heat, flow = _waves(600, 5)
    cells = [f"{value:.1f}" for value in heat]
    cells[41], moments[70] = "18.x", "31.02.2026 22:00"
    file = folder / "kiln.csv"
    pd.DataFrame({"time": moments, "heat": cells, "flow": flow.round(0)}).to_csv(file, index=False)
    return file


WRITERS = (write_presses, write_workbook, write_days, write_epochs, write_long, write_broken)
