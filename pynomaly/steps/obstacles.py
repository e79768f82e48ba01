"""What cannot work under the champion: from its bundle while rows are scored, from the ledger elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy.typing as npt
import pandas as pd

from pynomaly.data.past import get_past
from pynomaly.judging.drift.drift_report import DriftReport
from pynomaly.judging.obstacles import (
    describe_alert_flood,
    find_model_obstacles,
    find_row_obstacles,
    select_obstacles,
)
from pynomaly.model.bundle import Bundle
from pynomaly.model.entities.scales import LEAST_ROWS, read_row_entities
from pynomaly.records.ledger import Ledger, Partition

__all__ = [
    "count_pooled_rows",
    "describe_new_baselines",
    "describe_pooled_rows",
    "describe_short_past",
    "list_known_obstacles",
    "list_scoring_obstacles",
    "read_version_obstacles",
    "warn_of_drift",
]

_NAMES_SHOWN = 3


def list_scoring_obstacles(
    bundle: Bundle, conformed: pd.DataFrame | None, alerts: npt.ArrayLike
) -> tuple[str, ...]:
    """Returns what cannot work in the model, and in the rows it scored; not in one piece if None."""
    of_model = (*select_obstacles(bundle.facts.get("notes", ())), *find_model_obstacles(bundle.sketch))
    of_rows = find_row_obstacles(bundle.sketch, conformed, alerts) if conformed is not None else ()
    return (*of_model, *of_rows)


def describe_short_past(bundle: Bundle, frame: pd.DataFrame) -> tuple[str, ...]:
    """Returns how many rows have less of a past than the model reads; nothing if it does not look back."""
    past = get_past(frame)
    history = min(bundle.detector.history, int(bundle.facts.get("series", {}).get("past", 0)))
    count = int((past.before < history).sum()) if past is not None else 0
    if not count:
        return ()
    return (
        f"{count} of {len(frame)} rows have fewer than {history} rows before them (the first of an entity, "
        "or after a gap): they are scored by the members that need fewer",
    )


def count_pooled_rows(bundle: Bundle, frame: pd.DataFrame) -> Counter[str]:
    """Returns the rows of each entity without a baseline of its own, "" for rows without an entity."""
    baselines, entities = bundle.features.baselines, read_row_entities(frame, bundle.contract)
    if baselines is None or entities is None:
        return Counter()
    strangers = entities[baselines.locate(entities) < 0]
    return Counter("" if name is None else str(name) for name in strangers)


def describe_pooled_rows(counts: Mapping[str, int], rows: int) -> tuple[str, ...]:
    """Returns a sentence on rows that the level and scale of all entities measure; none without such rows.

    Parameters
    ----------
    counts : mapping of str to int
        What `count_pooled_rows` returns.
    rows : int
        All rows.
    """
    if not counts:
        return ()
    return (
        f"{sum(counts.values())} of {rows} rows are of entities without their own baseline "
        f"({_list_names([name or '(missing)' for name in counts])}): level and scale of all rows measure "
        f"them, until a training sees {LEAST_ROWS} rows of each",
    )


def describe_new_baselines(bundle: Bundle, champion: Bundle | None) -> tuple[str, ...]:
    """Returns which entities get their own baseline with this training, and which lose it."""
    after = bundle.features.baselines
    before = champion.features.baselines if champion is not None else None
    if after is None or before is None:
        return ()
    gained = sorted(set(after.names) - set(before.names))
    lost = sorted(set(before.names) - set(after.names))
    sentences = []
    if gained:
        sentences.append(f"entities with their own baseline from this training on: {_list_names(gained)}")
    if lost:
        sentences.append(f"entities without rows for a baseline in this training: {_list_names(lost)}")
    return tuple(sentences)


def _list_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"{', '.join(map(repr, names[:_NAMES_SHOWN]))}{more}"


def read_version_obstacles(ledger: Ledger, pipeline: str, version: int | None) -> tuple[str, ...]:
    """Returns what the training of a version noted as not working, or as suspect."""
    training = ledger.find_version_training(pipeline, version) if version else None
    return select_obstacles(training.registered.notes) if training and training.registered else ()


def list_known_obstacles(
    ledger: Ledger, pipeline: str, version: int | None, newest: Partition | None
) -> tuple[str, ...]:
    """Returns what is known of a version and of the newest scored window, without the model or the rows."""
    flood = describe_alert_flood(newest.rows, newest.alerts) if newest else ""
    return (*read_version_obstacles(ledger, pipeline, version), *([flood] if flood else []))


def warn_of_drift(drift: DriftReport) -> tuple[str, ...]:
    """Returns a warning if the rows differ from the reference, as alerts may then reflect drift only."""
    if drift.status != "drift":
        return ()
    names = ", ".join(drift.drifted[:5]) or "no column alone, all of them together"
    return (
        f"the rows are not like the reference ({names}): alerts may say only that; train on rows like these",
    )
