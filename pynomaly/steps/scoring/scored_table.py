"""The table of scores of one window, by one version or, for rows of a stream, by the version of each row."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Data
from pynomaly.data.streams.kept_rows import KeptPart, KeptRows
from pynomaly.data.window import Window
from pynomaly.errors import PynomalyError
from pynomaly.model.bundle import Bundle
from pynomaly.model.calibration.alert_stream import StreamShare
from pynomaly.records.registry import ModelRef
from pynomaly.steps.window_run import WindowRun

__all__ = ["score_by_version", "score_table"]


def score_table(
    bundle: Bundle, ref: ModelRef, frame: pd.DataFrame, share: StreamShare | None = None
) -> pd.DataFrame:
    """Returns time, id, the columns of :meth:`Bundle.score` and model version per row of one window.

    `share` is what the window may spend of the level of a stream; without it, it is judged alone.
    """
    scored = bundle.score_window(frame, share)
    key_columns = [name for name in (bundle.contract.time, bundle.contract.id) if name and name in frame]
    return (
        pd.concat([frame[key_columns], scored], axis=1)
        .assign(model_version=ref.version)
        .reset_index(names="row")
    )


def score_by_version(
    run: WindowRun, ref: ModelRef, window: Window | None, frame: pd.DataFrame, share: StreamShare | None
) -> pd.DataFrame:
    """Return the table of one window; a row of a stream has the version that scored it when it came.

    The champion `ref` scores all others, and those whose version cannot be loaded any more.

    Parameters
    ----------
    frame : DataFrame of shape (n, d)
        The clean rows of the window, index 0 to n - 1.
    """
    data = run.pipeline.data
    kept = KeptRows(data).read_window(window) if data.source == "stream" and window is not None else None
    versions = np.full(len(frame), ref.version)
    if kept is not None and set(kept.versions.tolist()) - {0, ref.version}:
        matched = _match_versions(data, kept, frame)
        versions = np.where(matched == 0, ref.version, matched)
    tables = []
    for version in np.unique(versions).tolist():
        own = frame if (versions == version).all() else frame[versions == version]
        bundle, used = _load_version(run, version, ref)
        tables.append(score_table(bundle, used, own, share))
    if len(tables) == 1:
        return tables[0]
    return pd.concat(tables, ignore_index=True).sort_values("row", kind="stable", ignore_index=True)


def _load_version(run: WindowRun, version: int, ref: ModelRef) -> tuple[Bundle, ModelRef]:
    if version != ref.version:
        try:
            other = run.registry.find_version(run.pipeline.name, version)
            return run.load_bundle(other), other
        except PynomalyError:  # removed since
            pass
    return run.load_bundle(ref), ref


def _match_versions(data: Data, kept: KeptPart, frame: pd.DataFrame) -> NDArray[np.int64]:
    """Return the version of each row, by its time, its entity and its place among those that are alike."""
    keys = [str(data.time), *([data.id] if data.id else [])]
    versions = kept.frame[keys].assign(version=kept.versions)
    wanted = frame[keys].copy()
    for table in (versions, wanted):
        table["place"] = table.groupby(keys, dropna=False).cumcount()
    matched = wanted.merge(versions, on=[*keys, "place"], how="left", validate="many_to_one")
    return matched["version"].fillna(0).to_numpy(dtype=np.int64, copy=True)
