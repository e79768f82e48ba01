"""Facts that a bundle stores about itself: library versions and notes for people who use it.

Called by :mod:`pynomaly.model.bundle`.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pynomaly.config import Data
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.calibration.calibration import GUARANTEES, Calibration
from pynomaly.model.calibration.events import MAX_EVENT_THRESHOLD, MIN_EVENTS, EventRates
from pynomaly.model.features import FeatureEncoder

__all__ = [
    "collect_notes",
    "count_rows_per_event",
    "describe_events",
    "read_events",
    "read_versions",
    "record_past_settings",
]

LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "pyod", "torch")


def collect_notes(
    rows: int,
    fitted: int,
    policy: AlertPolicy,
    calibration: Calibration,
    features: FeatureEncoder,
    events: EventRates | None = None,
) -> list[str]:
    """Return notes that people should read before using the model."""
    sampling_note = f"fitted on {fitted} of {rows} rows, sampled by seed" if fitted < rows else ""
    cross_note = f"p-values from out-of-fold scores: {GUARANTEES['cross']}"
    return [
        note
        for note in (
            sampling_note,
            policy.describe_resolution(calibration),
            describe_events(policy, events),
            cross_note if calibration.method == "cross" and calibration.computable else "",
            features.baselines.describe() if features.baselines is not None else "",
            calibration.groups.describe() if calibration.groups is not None else "",
        )
        if note
    ]


def describe_events(policy: AlertPolicy, measured: EventRates | None) -> str:
    """Return how many events a day to expect and of how many rows, or why rows are counted; "" for neither.

    Parameters
    ----------
    policy : AlertPolicy
    measured : EventRates or None
        What was counted when the model was fitted.
    """
    by_events = policy.level is not None or policy.kind == "budget"
    if measured is None:
        return ""
    if not measured.thresholds:
        least = f"{measured.rows} rows of the reference hold fewer than {MIN_EVENTS} events"
        return f"alerts are counted by row: {least}" if by_events else ""
    if policy.events is None or not policy.rows_per_day:
        return ""
    share = float(policy.events.share(policy.threshold)[0])
    gap = f"grouping.gap {policy.events.gap / timedelta(hours=1):g} h"
    if policy.threshold < policy.events.thresholds[0]:
        return (
            f"at p <= {policy.threshold:.2g} there are fewer than {MIN_EVENTS} events to count on "
            f"{policy.events.rows} rows of the reference, so each row counts as one ({gap})"
        )
    daily = policy.rows_per_day * policy.threshold * share
    size = f"{1 / share:.2g} rows each"
    if policy.kind == "budget" and policy.threshold == MAX_EVENT_THRESHOLD:
        size += f", and no more, as no row above p = {MAX_EVENT_THRESHOLD:g} alerts"
    return f"alerts are events: about {daily:.2g} a day in normal operation, of {size} ({gap})"


def read_events(facts: Mapping[str, Any]) -> EventRates | None:
    """Return how rows of the reference alerted together, from a bundle's facts; None if not counted."""
    content = facts.get("events")
    return EventRates.from_dict(content) if content else None


def count_rows_per_event(policy: AlertPolicy, facts: Mapping[str, Any]) -> float:
    """Return how many rows alert together at the policy's threshold; 1 where rows are not clustered."""
    measured = read_events(facts)
    if measured is None or not measured.clustered:
        return 1.0
    return 1.0 / float(measured.share(policy.threshold)[0])


def read_versions() -> dict[str, str]:
    """Return Python and library versions; scores may differ between versions (mlflow#12638)."""
    version_of = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            version_of[name] = version(name)
        except PackageNotFoundError:
            continue
    return version_of


def record_past_settings(data: Data, *, looks_back: bool) -> dict[str, Any]:
    """Return the facts of how the past of a row was read, as far as the model needs to know."""
    facts: dict[str, Any] = {"series": data.series.to_record()} if looks_back else {}
    return facts | ({} if data.graph is None else {"graph": data.graph.to_record()})
