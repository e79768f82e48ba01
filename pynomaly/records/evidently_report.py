"""Evidently's drift page, for people: how each column looked then and now.

The only door to evidently, imported when a page is made (it takes seconds). The page is an illustration on
a stated sample and decides nothing: the verdict is :mod:`pynomaly.judging.drift`'s, on all rows. It opens
offline, its columns are those of the contract, and it stays under 6 MB.
"""

from __future__ import annotations

import html
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pynomaly import config
from pynomaly.data.frame import FrameContract
from pynomaly.errors import RecordError

__all__ = ["LARGEST", "drift_html", "drift_page"]

LARGEST = 6_000_000
"""Most bytes of a page; 3.7 million of them are Evidently's own script."""

_MOST_COLUMNS = 24
_MOST_CATEGORIES = 20
# Distances, because Evidently's default turns from a p-value to a distance at 1,000 rows.
_METHODS: dict[str, Any] = {"num_method": "wasserstein", "cat_method": "jensenshannon"}
_STYLE = (
    "font:15px/1.5 sans-serif;max-width:60em;margin:1em auto;padding:1em 1.5em;"
    "border-left:4px solid #4a6fa5;background:#f4f6fa;color:#222"
)


def drift_html(*arguments: Any, **named: Any) -> bytes:
    """The page of :func:`drift_page` alone."""
    return drift_page(*arguments, **named)[0]


def drift_page(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    contract: FrameContract,
    settings: config.Drift,
    seed: int,
    verdict: str = "",
) -> tuple[bytes, Any]:
    """Render the page.

    Parameters
    ----------
    reference, current : DataFrame of shape (n, >= d), (m, >= d)
        Rows then and now; columns beyond the contract are left out, times among them.
    contract : FrameContract
    settings : config.Drift
        ``report_rows`` is the most rows of a side that are drawn from.
    seed : int
        Seed of the sample.
    verdict : str
        A sentence to put on top: what Pynomaly itself found.

    Returns
    -------
    bytes
        A whole HTML page in UTF-8.
    Snapshot
        Evidently's own report behind it, for its pages.

    Raises
    ------
    ColumnError
        If a side lacks a column of the contract.
    RecordError
        If a side has no rows, or no column holds values on both sides.
    """
    if reference.empty or current.empty:
        raise RecordError(f"no drift page from {len(reference)} reference and {len(current)} current rows")
    sides = [_sample(frame, settings.report_rows, seed) for frame in (reference, current)]
    then, now = (_readable(contract.conform(side), contract) for side in sides)
    notes = [
        verdict,
        f"Drawn from a sample of {len(then):,} of {len(reference):,} reference rows and "
        f"{len(now):,} of {len(current):,} current rows (seed {seed}).",
        "The words “drift detected” below are Evidently's, about this sample; "
        "Pynomaly's own verdict rests on all rows.",
    ]
    empty = [name for name in contract.features if then[name].isna().all() or now[name].isna().all()]
    if empty:
        notes.append(f"Left out, because a side has no values: {', '.join(empty)}.")
    kept = [name for name in contract.features if name not in empty]
    if not kept:
        raise RecordError(f"no drift page: none of {list(contract.features)} holds values on both sides")
    ranked = sorted(kept, key=lambda name: -_apart(then, now, name, contract))
    shown = ranked[:_MOST_COLUMNS]
    page, report = _render(then, now, contract, shown, settings)
    while len(page) > LARGEST - 20_000 and len(shown) > 1:
        shown = shown[: len(shown) // 2]
        page, report = _render(then, now, contract, shown, settings)
    if len(shown) < len(kept):
        notes.append(f"Only the {len(shown)} columns that differ most are shown, of {len(kept)}.")
    return _noted(page, notes), report


def _sample(frame: pd.DataFrame, rows: int, seed: int) -> pd.DataFrame:
    if len(frame) <= rows:
        return frame
    chosen = np.random.default_rng(seed).choice(len(frame), size=rows, replace=False)
    return frame.iloc[np.sort(chosen)]


def _readable(frame: pd.DataFrame, contract: FrameContract) -> pd.DataFrame:
    """Finite numbers, and text for categories: what Evidently can draw."""
    numbers = frame[list(contract.numeric)].replace([np.inf, -np.inf], np.nan)
    texts = {name: frame[name].astype(object) for name in contract.categorical}
    return numbers.assign(**texts).reset_index(drop=True)


def _apart(then: pd.DataFrame, now: pd.DataFrame, name: str, contract: FrameContract) -> float:
    """How far two samples of a column lie apart, from 0 to 1: only to choose which columns to show."""
    if name in contract.categorical:
        shares = pd.concat([side[name].value_counts(normalize=True) for side in (then, now)], axis=1).fillna(
            0.0
        )
        return float((shares.iloc[:, 0] - shares.iloc[:, 1]).abs().sum() / 2)
    first, second = (np.sort(side[name].dropna().to_numpy(dtype=np.float64)) for side in (then, now))
    at = np.concatenate([first, second])
    below = (
        np.searchsorted(first, at, "right") / len(first),
        np.searchsorted(second, at, "right") / len(second),
    )
    return float(np.abs(below[0] - below[1]).max())


def _grouped(then: pd.Series, now: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Keep the commonest categories apart; a page with hundreds of bars shows nothing."""
    common = pd.concat([then, now]).value_counts().index[:_MOST_CATEGORIES]
    first, second = (
        side.where(side.isin(common) | side.isna(), "(other)")
        .fillna("(missing)")
        .map(_harmless)
        .astype(object)
        for side in (then, now)
    )
    return first, second


def _harmless(text: object) -> str:
    """Text that ends no script: Evidently writes names and categories into one as they are."""
    shown = str(text).replace("<", "\u2039").replace(">", "\u203a")
    return "".join(mark if mark.isprintable() else "\ufffd" for mark in shown)


def _harmless_names(names: list[str]) -> dict[str, str]:
    """Harmless names of columns, still all different."""
    found: dict[str, str] = {}
    for name in names:
        shown = _harmless(name)
        while shown in found.values():
            shown += "'"
        found[name] = shown
    return found


def _render(
    then: pd.DataFrame, now: pd.DataFrame, contract: FrameContract, shown: list[str], settings: config.Drift
) -> tuple[bytes, Any]:
    numeric = [name for name in shown if name in contract.numeric]
    texts = [name for name in shown if name in contract.categorical]
    grouped: Mapping[str, tuple[pd.Series, pd.Series]] = {n: _grouped(then[n], now[n]) for n in texts}
    first = then[numeric].assign(**{name: pair[0] for name, pair in grouped.items()})
    second = now[numeric].assign(**{name: pair[1] for name, pair in grouped.items()})
    named = _harmless_names([*numeric, *texts])
    first, second = first.rename(columns=named), second.rename(columns=named)
    numeric, texts = [named[name] for name in numeric], [named[name] for name in texts]
    with warnings.catch_warnings():
        # Evidently's own: it is built on deprecated calls, and correlates columns that may be constant.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        definition = DataDefinition(numerical_columns=numeric, categorical_columns=texts)
        preset = DataDriftPreset(drift_share=settings.share, **_METHODS)
        sides = (Dataset.from_pandas(side, data_definition=definition) for side in (second, first))
        report = Report([preset]).run(*sides)
        page: str = report.get_html_str(as_iframe=False)
    return page.encode("utf-8"), report


def _noted(page: bytes, notes: list[str]) -> bytes:
    lines = "".join(f"<p style='margin:.3em 0'>{html.escape(note)}</p>" for note in notes if note)
    head, body, rest = page.partition(b"<body>")
    if not body:
        raise RecordError("Evidently's page has no <body> to put the notes into; its layout has changed")
    return head + body + f"<div style='{_STYLE}'>{lines}</div>".encode() + rest
