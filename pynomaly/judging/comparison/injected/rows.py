"""Held-out rows with injected anomalies: single rows in place, and episodes on copies of their rows.

A row that is changed by itself keeps its past, and later rows look back on what it was. The rows of an
episode, and those of the half period after it, are added as copies that look back on the episode, and on
nothing else that was changed; the rows they are copies of stay normal. So no normal row has an anomaly in its
past, and episodes may overlap. Features that are computed from the past (``data.series``) follow the changed
cells. Called wherever rows are judged without labels: at a training, in a search, on a monitored window and
in a drill.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline, Series
from pynomaly.data.frame import FrameContract
from pynomaly.data.past import get_past, refresh_past, replace_past
from pynomaly.data.series import add_past_features
from pynomaly.judging.comparison.injected.anomalies import InjectedAnomalies
from pynomaly.judging.comparison.injected.context import RowContext, measure_context
from pynomaly.judging.comparison.injected.episodes import Episode, draw_episodes
from pynomaly.judging.comparison.injected.rhythm import Rhythm, list_runs, measure_rhythm
from pynomaly.judging.comparison.injection import ANOMALY_KINDS, CONTEXT_KINDS, inject_anomalies

__all__ = ["InjectedRows", "inject_rows"]

_MOST_EPISODES = 400
_MOST_COPIES = 48
"""Rows of an episode that are judged: at equal distances, where it is longer."""

_ALONE = 0.02
"""Weight of anomalies that need no context, where rows depend on their past: what ranks configurations
as real anomalies do (``benchmarks/evidence.py``)."""


@dataclass(frozen=True, eq=False)
class InjectedRows:
    """Normal rows, changed rows and copies that are episodes.

    Attributes
    ----------
    frame : DataFrame of shape (n, d)
    truth : int array of shape (n,)
    injected : InjectedAnomalies
    """

    frame: pd.DataFrame
    truth: np.ndarray[Any, np.dtype[np.int64]]
    injected: InjectedAnomalies


def inject_rows(
    pipeline: Pipeline,
    contract: FrameContract,
    normal: pd.DataFrame,
    learned: pd.DataFrame,
    share: float | None = None,
    sizes: Sequence[float] | None = None,
) -> InjectedRows:
    """Inject the kinds of anomalies that the learned rows show to be possible.

    Parameters
    ----------
    pipeline : Pipeline
    contract : FrameContract
    normal : DataFrame of shape (n, d)
        Held-out rows without known anomalies.
    learned : DataFrame of shape (m, d)
        Rows that are fitted or calibrated on, older than the held-out ones where there are times. Where there
        are no others, the same rows.
    share : float, optional
        Share of the rows that become anomalies, or as many episodes; by default
        ``comparison.injected_share``.
    sizes : sequence of float, optional
        Their sizes; by default ``comparison.injected_sizes``.

    Raises
    ------
    DataError
        If there is no cell to change, or rows without times are constant in every column.

    Notes
    -----
    Rows in time that are constant in every column (a flag that did not change) get other values, and the note
    says that finding these tells little.
    """
    settings, seed, series = pipeline.comparison, pipeline.training.seed, pipeline.data.series
    measured = replace(contract, numeric=tuple(name for name in contract.numeric if name not in series.names))
    context = measure_context(learned, normal, measured)
    rhythm = measure_rhythm(learned, measured, measured.numeric)
    families = 1 + (context is not None and context.has_season + context.has_entities)
    share = settings.injected_share if share is None else share
    sizes = settings.injected_sizes if sizes is None else sizes
    alone = share if rhythm is None else share * families / (families + 1)
    conformed = measured.conform(normal)
    if contract.time is not None and _is_constant(conformed, measured):
        return _change_constants(normal, conformed, measured, series, share, seed)
    changed, truth, injected = inject_anomalies(conformed, measured, alone, seed, sizes, context)
    injected = replace(injected, note=_explain_limits(contract, context, rhythm))
    frame = normal.assign(**{name: changed[name] for name in measured.features})
    frame = _follow_changes(frame, normal, series)
    if rhythm is None:
        return InjectedRows(frame, truth, injected)
    count = max(round(share * len(normal)) - int(truth.sum()), settings.min_positives)
    episodes = draw_episodes(
        {item.name: conformed[item.name].to_numpy(dtype=np.float64) for item in rhythm.columns},
        list_runs(normal, contract, rhythm.step),
        rhythm,
        min(count, _MOST_EPISODES),
        sizes,
        np.random.default_rng([seed, 1]),
    )
    if not episodes:
        return InjectedRows(frame, truth, injected)
    copies = _copy_episodes(pipeline, contract, normal, learned, episodes)
    return _join_episodes(frame, truth, injected, episodes, copies, pipeline.alerts.prevalence)


def _is_constant(conformed: pd.DataFrame, contract: FrameContract) -> bool:
    """Return whether every number column has one value, and no category column has two."""
    counts = {name: conformed[name].nunique() for name in contract.features}
    return max(counts.values()) == 1 and any(counts[name] for name in contract.numeric)


def _change_constants(
    normal: pd.DataFrame,
    conformed: pd.DataFrame,
    contract: FrameContract,
    series: Series,
    share: float,
    seed: int,
) -> InjectedRows:
    """Return the rows with another number in a share of them, one above and one below by turns."""
    known = conformed[list(contract.numeric)].notna().any(axis=1).to_numpy()
    eligible = np.flatnonzero(known)
    rng = np.random.default_rng(seed)
    size = min(max(1, round(share * len(normal))), max(1, eligible.size // 2))
    rows = np.sort(rng.choice(eligible, size=size, replace=False))
    sides = np.where(np.arange(size) % 2 == 0, 1.0, -1.0)
    columns = {}
    for name in contract.numeric:
        column = conformed[name].to_numpy(dtype=np.float64, copy=True)
        column[rows] += sides * np.maximum(1.0, np.abs(column[rows]))
        columns[name] = column
    truth = np.zeros(len(normal), dtype=np.int64)
    truth[rows] = 1
    kinds, sizes = (np.where(truth == 1, text, "").astype(object) for text in (ANOMALY_KINDS[0], "1"))
    note = "the held-out rows are constant: any other value is injected, and finding that tells little"
    frame = _follow_changes(normal.assign(**columns), normal, series)
    return InjectedRows(frame, truth, InjectedAnomalies(kinds, sizes, note=note))


def _explain_limits(contract: FrameContract, context: RowContext | None, rhythm: Rhythm | None) -> str:
    """Return which contexts the data could have and do not show, so that no anomaly asks for them."""
    absent = []
    if contract.time is not None and not (context is not None and context.has_season):
        absent.append("the hour")
    if contract.id is not None and not (context is not None and context.has_entities):
        absent.append("the entity")
    if contract.time is not None and rhythm is None:
        absent.append("the rows before")
    if not absent:
        return ""
    listed = " and ".join(filter(None, [", ".join(absent[:-1]), absent[-1]]))
    return f"values do not depend on {listed}, so no injected anomaly asks for that"


def _join_episodes(
    frame: pd.DataFrame,
    truth: np.ndarray[Any, np.dtype[np.int64]],
    injected: InjectedAnomalies,
    episodes: Sequence[Episode],
    copies: Sequence[pd.DataFrame],
    prevalence: float,
) -> InjectedRows:
    """Return all rows, with what each anomaly counts.

    Anomalies that a row shows by itself count a fiftieth together; the others in equal parts by what they
    ask for: the hour, the entity, the rows before. Every episode counts the same, and so do its rows.
    """
    lengths = [len(copy) for copy in copies]
    kinds = [injected.kinds, _repeat_text([episode.kind for episode in episodes], lengths)]
    sizes = [injected.sizes, _repeat_text([f"{episode.size:g}" for episode in episodes], lengths)]
    numbers = np.repeat(np.arange(len(episodes)), lengths)
    all_kinds = np.concatenate(kinds)
    counts = np.concatenate([np.ones(len(frame)), np.repeat(1.0 / np.array(lengths), lengths)])
    weights = np.zeros(len(all_kinds))
    in_place = [np.isin(all_kinds, ANOMALY_KINDS), *(all_kinds == kind for kind in CONTEXT_KINDS)]
    groups = [*in_place, np.arange(len(all_kinds)) >= len(frame)]
    present = [group for group in groups[1:] if group.any()]
    for group in groups:
        if group.any():
            part = _ALONE if group is groups[0] else (1 - _ALONE) / len(present)
            weights[group] = part * counts[group] / counts[group].sum()
    return InjectedRows(
        pd.concat([frame, *copies]),
        np.concatenate([truth, np.ones(len(numbers), dtype=np.int64)]),
        InjectedAnomalies(
            all_kinds,
            np.concatenate(sizes),
            np.concatenate([np.full(len(frame), -1), numbers]).astype(np.int64),
            weights,
            prevalence,
            injected.note,
        ),
    )


def _repeat_text(texts: Sequence[str], lengths: Sequence[int]) -> np.ndarray[Any, np.dtype[np.object_]]:
    return np.repeat(np.array(texts, dtype=object), lengths)


def _follow_changes(frame: pd.DataFrame, normal: pd.DataFrame, series: Series) -> pd.DataFrame:
    """Return the rows with the features of the past moved as far as the cell itself was."""
    moved = {}
    for name in series.columns:
        if f"{name}:change" not in frame.columns:
            continue
        step = frame[name].astype(float) - normal[name].astype(float)
        for feature in ("change", "level"):
            moved[f"{name}:{feature}"] = normal[f"{name}:{feature}"].where(
                ~(step.abs() > 0), normal[f"{name}:{feature}"] + step
            )
    return frame.assign(**moved) if moved else frame


def _copy_episodes(
    pipeline: Pipeline,
    contract: FrameContract,
    normal: pd.DataFrame,
    learned: pd.DataFrame,
    episodes: Sequence[Episode],
) -> list[pd.DataFrame]:
    """Return the rows of each episode with its cells, and with a past that holds them."""
    copies = []
    for episode in episodes:
        rows = normal.iloc[np.concatenate([episode.rows, episode.after])]
        changed = np.arange(len(rows)) < len(episode.rows)
        for name, cells in episode.cells.items():
            column = rows[name].to_numpy(dtype=np.float64, copy=True)
            column[changed] = cells
            rows = rows.assign(**{name: column})
        past = get_past(rows)
        if past is not None:
            rows = refresh_past(replace_past(rows, past.compact(margin=_MARGIN)))
        copies.append(rows)
    series = pipeline.data.series
    if series.columns:
        copies = _compute_features(copies, contract, pd.concat([learned, normal]), series)
    return [rows.iloc[_spread_places(len(rows))] for rows in copies]


def _spread_places(rows: int) -> np.ndarray[Any, np.dtype[np.intp]]:
    return np.unique(np.linspace(0, rows - 1, min(rows, _MOST_COPIES)).round().astype(np.intp))


_MARGIN = 100
"""Places kept before the past of a row, to fill missing cells from: the largest `data.series.gap`."""


def _compute_features(
    copies: Sequence[pd.DataFrame], contract: FrameContract, rows: pd.DataFrame, series: Series
) -> list[pd.DataFrame]:
    """Return the copies with the features of ``data.series`` computed from the changed cells."""
    time, entity = str(contract.time), contract.id
    needed = [time, *([entity] if entity else []), *series.columns]
    rows = rows[needed].sort_values(time, kind="stable")
    groups = dict(tuple(rows.groupby(rows[entity].astype(str)))) if entity else {"": rows}
    times = {name: group[time].to_numpy() for name, group in groups.items()}
    parts = []
    for number, copy in enumerate(copies):
        name = str(copy[entity].iloc[0]) if entity else ""
        start = int(np.searchsorted(times[name], copy[time].to_numpy()[0], side="left"))
        before = groups[name].iloc[max(0, start - series.rows) : start]
        parts.append(pd.concat([before, copy[needed]]).assign(**{_EPISODE: number}))
    joined = pd.concat(parts, ignore_index=True).sort_values([time], kind="stable")
    computed = add_past_features(joined, time, _EPISODE, series).sort_index()
    filled, end = [], 0
    for part, copy in zip(parts, copies, strict=True):
        end += len(part)
        own = computed.iloc[end - len(copy) : end]
        filled.append(copy.assign(**{name: own[name].to_numpy() for name in series.names}))
    return filled


_EPISODE = "pynomaly.episode"
