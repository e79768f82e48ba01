"""Decide the alerts of a table that was scored in parts, from all of its p-values: policy ``fdr``.

Called by :mod:`pynomaly.steps.scoring.large_tables`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.model.bundle import Bundle
from pynomaly.model.calibration.false_discoveries import find_rejection_limit, flag_events
from pynomaly.model.entities.scales import read_row_entities
from pynomaly.model.row_times import read_row_keys
from pynomaly.steps.scoring.held_back import hold_back_batch

__all__ = ["decide_table", "find_floor"]

_PLACE = "pynomaly.place"


def decide_table(
    files: Sequence[Path], bundle: Bundle, p_values: NDArray[np.float64], counts: NDArray[np.int64]
) -> int:
    """Decide ``is_anomaly`` again from the whole table's p-values; returns the number of alerting rows.

    Parameters
    ----------
    files : sequence of Path
        The scored parts, which are written again. If the policy counts events, time and entity of the rows
        that might alert are read first: those below the limit that each row would have as an event.
    bundle : Bundle
        Its policy has a level.
    p_values, counts : ndarray of shape (k,)
        Distinct p-values of the table, ascending and raised to `find_floor`, and how often each occurs.
    """
    policy, contract = bundle.policy, bundle.contract
    assert policy.level is not None, "asked for fdr alone"
    if policy.events is None or contract.time is None:
        line = find_rejection_limit(p_values, counts, policy.level)
        return sum(_decide_part(file, bundle, lambda p, _: p <= line) for file in files)
    rows = int(counts.sum())
    expected = rows * p_values * policy.events.share(p_values)
    possible = np.flatnonzero((expected <= policy.level * np.cumsum(counts)) & (p_values <= policy.level))
    near = float(p_values[possible[-1]]) if possible.size else -1.0
    parts = [_read_candidates(file, bundle, near) for file in files]
    candidates = pd.concat(parts, ignore_index=True)
    keys = read_row_keys(candidates, contract)
    assert keys is not None, "the time column is there"
    alerted = flag_events(candidates["p_value"].to_numpy(), keys, policy.events, policy.level, rows)
    ends = np.cumsum([len(part) for part in parts])[:-1]
    alerts = 0
    for file, part, flags in zip(files, parts, np.split(alerted, ends), strict=True):
        places = part[_PLACE].to_numpy()[flags]
        alerts += _decide_part(file, bundle, partial(_mark, places))
    return alerts


def _mark(places: NDArray[np.int64], p_values: NDArray[np.float64], start: int) -> NDArray[np.bool_]:
    """Return which of the rows with `p_values`, from `start` on, are among the ascending `places`."""
    marks = np.zeros(len(p_values), dtype=bool)
    first, last = np.searchsorted(places, [start, start + len(p_values)])
    marks[places[first:last] - start] = True
    return marks


def _read_candidates(file: Path, bundle: Bundle, limit: float) -> pd.DataFrame:
    """Return time, entity, place and raised p-value of the rows of one part at or below the limit."""
    import pyarrow as pa

    names = [name for name in (bundle.contract.time, bundle.contract.id) if name]
    chosen: list[pd.DataFrame] = []
    start = 0
    with pa.memory_map(str(file)) as source:
        reader = pa.ipc.open_file(source)
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            p_values = _raise_p_values(bundle, batch)
            near = np.flatnonzero(p_values <= limit)  # a row in quarantine has no p-value
            frame: pd.DataFrame = batch.select(names).take(pa.array(near)).to_pandas()
            chosen.append(frame.assign(**{_PLACE: start + near, "p_value": p_values[near]}))
            start += len(p_values)
    return pd.concat(chosen, ignore_index=True)


def _decide_part(
    file: Path, bundle: Bundle, decide: Callable[[NDArray[np.float64], int], NDArray[np.bool_]]
) -> int:
    """Write a part again with what `decide` says of raised p-values and the place of their first row."""
    import pyarrow as pa

    alerts, start, draft = 0, 0, file.with_suffix(".again")
    with pa.memory_map(str(file)) as source:
        old_file = pa.ipc.open_file(source)
        with pa.ipc.new_file(str(draft), old_file.schema) as new_file:
            for number in range(old_file.num_record_batches):
                batch = old_file.get_batch(number)
                p_values = batch.column("p_value").to_numpy(zero_copy_only=False)
                alerted = decide(_raise_p_values(bundle, batch), start)
                batch, alerted = hold_back_batch(batch, alerted, p_values)
                alerts, start = alerts + int(alerted.sum()), start + len(p_values)
                place = batch.schema.get_field_index("is_anomaly")
                column = pa.array(alerted, mask=np.isnan(p_values))
                new_file.write_batch(batch.set_column(place, batch.schema.field(place), column))
    draft.replace(file)
    return alerts


def _raise_p_values(bundle: Bundle, batch: Any) -> NDArray[np.float64]:
    values = batch.column("p_value").to_numpy(zero_copy_only=False)
    return np.asarray(np.maximum(values, find_floor(bundle, batch)), dtype=np.float64)


def find_floor(bundle: Bundle, batch: Any) -> Any:
    """Returns the smallest p-values under ``fdr``, of each row or of all; smaller ones are raised to them."""
    if bundle.policy.extrapolate or bundle.calibration.groups is None:
        return 0.0 if bundle.policy.extrapolate else bundle.calibration.resolution
    frame = batch.select([str(bundle.contract.id)]).to_pandas()
    return bundle.calibration.resolutions(read_row_entities(frame, bundle.contract))
