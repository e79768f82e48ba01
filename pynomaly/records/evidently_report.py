"""Evidently's drift page for people: each column in the reference rows and in the current rows.

Evidently is imported when a page is made, because the import takes seconds. The page illustrates a stated
sample and decides nothing: the drift verdict comes from :mod:`pynomaly.judging.drift.window_drift`, on all
rows. The page opens offline, shows the columns of the contract, and is smaller than 6 MB.
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
from pynomaly.records.palette import LIGHT

__all__ = ["MAX_DRIFT_PAGE_BYTES", "render_drift_page"]

MAX_DRIFT_PAGE_BYTES = 6_000_000
"""Largest size of a page in bytes; 3.7 million of them are Evidently's own script."""

_MAX_COLUMNS = 24
_MAX_CATEGORIES = 20
# Distances, because Evidently's default changes from a p-value to a distance at 1,000 rows.
_DISTANCE_METHODS: dict[str, Any] = {"num_method": "wasserstein", "cat_method": "jensenshannon"}
_STYLE = (
    "font:15px/1.5 sans-serif;max-width:60em;margin:1em auto;padding:1em 1.5em;"
    f"border-left:4px solid {LIGHT['s0']};background:{LIGHT['box']};color:{LIGHT['ink']}"
)


def render_drift_page(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    contract: FrameContract,
    settings: config.Drift,
    seed: int,
    verdict: str = "",
) -> tuple[bytes, Any]:
    """Render the drift page of two samples.

    Parameters
    ----------
    reference, current : DataFrame of shape (n, >= d), (m, >= d)
        Earlier and later rows; columns that are not in the contract, such as times, are left out.
    contract : FrameContract
    settings : config.Drift
        ``report_rows`` is the largest number of rows that are sampled from each side.
    seed : int
        Seed of the sample.
    verdict : str
        Text to put on top, a paragraph a line: Pynomaly's own verdict.

    Returns
    -------
    bytes
        A complete HTML page in UTF-8.
    Snapshot
        Evidently's report that the page shows, for Evidently's own server.

    Raises
    ------
    ColumnError
        If a side lacks a column of the contract.
    RecordError
        If a side has no rows, or no column holds values on both sides.
    """
    if reference.empty or current.empty:
        raise RecordError(f"no drift page from {len(reference)} reference and {len(current)} current rows")
    samples = [_sample_rows(frame, settings.report_rows, seed) for frame in (reference, current)]
    then, now = (_prepare_columns(contract.conform(side), contract) for side in samples)
    notes = [
        *verdict.replace(" -> ", " → ").splitlines(),
        f"Drawn from a sample of {len(then):,} of {len(reference):,} reference rows and "
        f"{len(now):,} of {len(current):,} current rows (seed {seed}).",
        "The words “drift detected” below are Evidently's, about this sample; "
        "Pynomaly's own verdict rests on all rows.",
    ]
    empty_columns = [name for name in contract.features if then[name].isna().all() or now[name].isna().all()]
    if empty_columns:
        notes.append(f"Left out, because a side has no values: {', '.join(empty_columns)}.")
    usable_columns = [name for name in contract.features if name not in empty_columns]
    if not usable_columns:
        raise RecordError(f"no drift page: none of {list(contract.features)} holds values on both sides")
    ranked_columns = sorted(usable_columns, key=lambda name: -_measure_distance(then, now, name, contract))
    drawn_columns = ranked_columns[:_MAX_COLUMNS]
    page, report = _render_report(then, now, contract, drawn_columns, settings)
    while len(page) > MAX_DRIFT_PAGE_BYTES - 20_000 and len(drawn_columns) > 1:
        drawn_columns = drawn_columns[: len(drawn_columns) // 2]
        page, report = _render_report(then, now, contract, drawn_columns, settings)
    if len(drawn_columns) < len(usable_columns):
        notes.append(
            f"Only the {len(drawn_columns)} columns that differ most are shown, of {len(usable_columns)}."
        )
    return _insert_notes(page, notes), report


def _sample_rows(frame: pd.DataFrame, rows: int, seed: int) -> pd.DataFrame:
    if len(frame) <= rows:
        return frame
    chosen = np.random.default_rng(seed).choice(len(frame), size=rows, replace=False)
    return frame.iloc[np.sort(chosen)]


def _prepare_columns(frame: pd.DataFrame, contract: FrameContract) -> pd.DataFrame:
    """Return finite numbers, and categories as objects, which Evidently can draw."""
    numbers = frame[list(contract.numeric)].replace([np.inf, -np.inf], np.nan)
    texts = {name: frame[name].astype(object) for name in contract.categorical}
    return numbers.assign(**texts).reset_index(drop=True)


def _measure_distance(then: pd.DataFrame, now: pd.DataFrame, name: str, contract: FrameContract) -> float:
    """Return the distance of two samples of a column, 0 to 1; used only to choose the columns to show."""
    if name in contract.categorical:
        shares = pd.concat([side[name].value_counts(normalize=True) for side in (then, now)], axis=1).fillna(
            0.0
        )
        return float((shares.iloc[:, 0] - shares.iloc[:, 1]).abs().sum() / 2)
    first, second = (np.sort(side[name].dropna().to_numpy(dtype=np.float64)) for side in (then, now))
    points = np.concatenate([first, second])
    shares_below = (
        np.searchsorted(first, points, "right") / len(first),
        np.searchsorted(second, points, "right") / len(second),
    )
    return float(np.abs(shares_below[0] - shares_below[1]).max())


def _merge_rare_categories(then: pd.Series, now: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Merge all but the most common categories; a page with hundreds of bars is not readable."""
    common = pd.concat([then, now]).value_counts().index[:_MAX_CATEGORIES]
    first, second = (
        side.where(side.isin(common) | side.isna(), "(other)")
        .fillna("(missing)")
        .map(_neutralize_text)
        .astype(object)
        for side in (then, now)
    )
    return first, second


def _neutralize_text(text: object) -> str:
    """Return text that cannot end a script: Evidently writes names and categories into one unescaped."""
    escaped_text = str(text).replace("<", "\u2039").replace(">", "\u203a")
    return "".join(character if character.isprintable() else "\ufffd" for character in escaped_text)


def _neutralize_names(names: list[str]) -> dict[str, str]:
    """Map each column name to a safe one; the safe names are all different."""
    safe_names: dict[str, str] = {}
    for name in names:
        candidate = _neutralize_text(name)
        while candidate in safe_names.values():
            candidate += "'"
        safe_names[name] = candidate
    return safe_names


def _render_report(
    then: pd.DataFrame, now: pd.DataFrame, contract: FrameContract, columns: list[str], settings: config.Drift
) -> tuple[bytes, Any]:
    numeric = [name for name in columns if name in contract.numeric]
    texts = [name for name in columns if name in contract.categorical]
    category_pairs: Mapping[str, tuple[pd.Series, pd.Series]] = {
        n: _merge_rare_categories(then[n], now[n]) for n in texts
    }
    first = then[numeric].assign(**{name: pair[0] for name, pair in category_pairs.items()})
    second = now[numeric].assign(**{name: pair[1] for name, pair in category_pairs.items()})
    safe_names = _neutralize_names([*numeric, *texts])
    first, second = first.rename(columns=safe_names), second.rename(columns=safe_names)
    numeric, texts = [safe_names[name] for name in numeric], [safe_names[name] for name in texts]
    with warnings.catch_warnings():
        # Evidently itself uses deprecated calls, and correlates columns that may be constant.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        definition = DataDefinition(numerical_columns=numeric, categorical_columns=texts)
        preset = DataDriftPreset(drift_share=settings.share, **_DISTANCE_METHODS)
        datasets = (Dataset.from_pandas(side, data_definition=definition) for side in (second, first))
        report = Report([preset]).run(*datasets)
        page: str = report.get_html_str(as_iframe=False)
    return page.encode("utf-8"), report


def _insert_notes(page: bytes, notes: list[str]) -> bytes:
    lines = "".join(f"<p style='margin:.3em 0'>{html.escape(note)}</p>" for note in notes if note)
    head, body, rest = page.partition(b"<body>")
    if not body:
        raise RecordError("Evidently's page has no <body> to put the notes into; its layout has changed")
    return head + body + f"<div style='{_STYLE}'>{lines}</div>".encode() + rest
