"""The colours of pages and pictures, named by what they mean.

A page declares them as CSS variables, for light, dark and paper; a picture, which is a file on a white
ground, takes them from :data:`LIGHT`. Text has a contrast of at least 4.5 to what lies under it, and of 7
where it is ink or a state; lines and bars have at least 3 (WCAG 2.2), which a test holds.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["DARK", "LIGHT", "PAPER", "SERIES", "declare_colors"]

LIGHT: Mapping[str, str] = {
    "page": "#ffffff",
    "box": "#f3f5f9",
    "ink": "#1b222e",
    "quiet": "#434c5d",
    "rule": "#d3d9e3",
    "link": "#1f4f91",
    "s0": "#2b5a9e",
    "s1": "#b2401d",
    "s2": "#23764a",
    "s3": "#7445a3",
    "s4": "#856000",
    "s5": "#5b6679",
    "bar0": "#5b86c4",
    "bar1": "#c65a35",
    "bar2": "#b98a1c",
    "band": "#f3d9b1",
    "band-line": "#a25b00",
    "good": "#1b5c39",
    "warn": "#6b4700",
    "bad": "#98280f",
}
"""On white: ``s0`` to ``s5`` are series, ``bar0`` to ``bar2`` filled bars, ``band`` a declared incident."""

SERIES = tuple(LIGHT[f"s{index}"] for index in range(6))
"""Colours of the lines of a picture, the chosen one first."""

DARK: Mapping[str, str] = {
    "page": "#12161d",
    "box": "#1b212b",
    "ink": "#e7ebf2",
    "quiet": "#b0b9c8",
    "rule": "#39424f",
    "link": "#9cc0f5",
    "s0": "#8db6f2",
    "s1": "#f39a79",
    "s2": "#83d1a3",
    "s3": "#cdaef0",
    "s4": "#e2bd63",
    "s5": "#a8b2c2",
    "bar0": "#5f8fd3",
    "bar1": "#d9714b",
    "bar2": "#cfa03a",
    "band": "#4a3a1d",
    "band-line": "#e2b15c",
    "good": "#83d1a3",
    "warn": "#e2bd63",
    "bad": "#f39a79",
}

PAPER: Mapping[str, str] = {
    **LIGHT,
    "box": "#ffffff",
    "ink": "#000000",
    "quiet": "#333333",
    "rule": "#bbbbbb",
    "link": "#000000",
}


def declare_colors(name: str) -> str:
    """Return the CSS variables of ``light``, ``dark`` or ``paper``.

    Raises
    ------
    KeyError
        If there is no such palette.
    """
    colors = {"light": LIGHT, "dark": DARK, "paper": PAPER}[name]
    return " ".join(f"--{key}: {value};" for key, value in colors.items())
