"""Preview another alert policy: apply it to windows that are already scored, before it is set.

Reads recorded p-values; fits nothing, scores nothing and writes nothing. Called by the command line.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from pynomaly.config import ALERT_POLICIES, Alerts, Pipeline
from pynomaly.errors import ConfigError, RecordError, list_allowed
from pynomaly.judging.alerts.grouping import AlertGroup, AlertRow, group_rows
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.calibration.alert_stream import AlertStream, StreamWindow
from pynomaly.model.entities.scales import read_row_entities
from pynomaly.model.provenance import read_events
from pynomaly.model.row_times import read_row_keys
from pynomaly.model.window_alerts import count_discoveries
from pynomaly.records.ledger import Ledger, Partition
from pynomaly.records.registry import Registry
from pynomaly.records.store import Store
from pynomaly.steps.alerting.alert_rows import build_flags, build_row_key
from pynomaly.steps.promotion.apply_policy import describe_policy

__all__ = ["PolicyEffect", "parse_policy", "preview_policy"]


@dataclass(frozen=True)
class PolicyEffect:
    """Events of one policy.

    Attributes
    ----------
    rows, events : int
        Alerted rows, and the number of events that they make: rows of one entity, near in time.
    per_day : float or None
        Events per day; None without times.
    entities : mapping
        The entities with the most events, at most five, highest count first.
    confirmed, false_alarms : int
        Alerted rows that people labelled anomalous, and normal.
    """

    policy: str
    rows: int
    events: int
    per_day: float | None
    entities: dict[str, int]
    confirmed: int
    false_alarms: int


def parse_policy(text: str, now: Alerts) -> Alerts:
    """Returns alert settings with the policy in `text`; all other settings stay unchanged.

    Parameters
    ----------
    text : str
        A name in ``ALERT_POLICIES`` and its figures: ``budget:20/day``, ``cost:10:1``.
    now : Alerts

    Raises
    ------
    ConfigError
        If it is none of these, or a number is out of bounds.
    """
    kind, _, rest = text.strip().partition(":")
    if kind not in ALERT_POLICIES:
        raise ConfigError(f"--policy {text!r}: no policy {kind!r}; {list_allowed(kind, ALERT_POLICIES)}")
    figures = rest.removesuffix("/day").split(":") if rest else []
    names = ALERT_POLICIES[kind].figures
    if len(figures) > len(names):
        raise ConfigError(f"--policy {text!r}: {len(figures)} figures, but {kind} takes {len(names)}")
    try:
        values = dict(zip(names, [float(figure) for figure in figures], strict=False))
        return Alerts.model_validate(now.model_dump() | values | {"policy": kind})
    except ValidationError as error:
        detail = error.errors()[0]
        problem = f"{detail['input']!r} is not allowed: {detail['msg']}"
        raise ConfigError(f"--policy {text!r}: alerts.{detail['loc'][0]} {problem}") from None
    except ValueError:
        raise ConfigError(
            f"--policy {text!r}: expected figures like budget:20/day, quantile:0.01, fdr:0.1 or cost:10:1"
        ) from None


def preview_policy(pipeline: Pipeline, policy: str, last: timedelta) -> dict[str, Any]:
    """Compare `policy` with the recorded alerts, over the newest `last` of the scored windows.

    Returns
    -------
    dict
        ``now`` and ``then`` (:class:`PolicyEffect`), rows ``gained`` and ``lost``, the windows, ``notes``.
        Rows are events by entity and time alone on both sides: rows that never alerted have no recorded
        reasons to group by.

    Raises
    ------
    ConfigError
        If the policy is unknown, or is impossible for the champion's rows.
    RecordError
        If no window was scored in that time.
    """
    settings = parse_policy(policy, pipeline.alerts)
    registry = Registry.open_for(pipeline)
    ref = registry.resolve_alias(pipeline.name, "champion")
    champion = registry.load_bundle(ref)
    policy_then = AlertPolicy.from_config(
        settings, champion.policy.rows_per_day, champion.contract.numeric, read_events(champion.facts)
    )
    with Ledger.open(pipeline.ledger_url) as ledger:
        partitions = _select_newest(ledger.list_partitions(pipeline.name), last)
        labels = {(item.entity, item.row): item.truth for item in ledger.answers.list_labels(pipeline.name)}
    if not partitions:
        raise RecordError(f"{pipeline.name}: no window was scored yet; run score or backfill first")
    store = Store(pipeline.store_root)
    stream = AlertStream.of(policy_then, pipeline.windows.score)
    now: list[pd.DataFrame] = []
    then: list[pd.DataFrame] = []
    for part in partitions:
        scores = store.read_scores(pipeline.name, [part.window], {part.window: part.sha256})
        now.append(scores)
        keys = read_row_keys(scores, champion.contract) if policy_then.events else None
        entities = read_row_entities(scores, champion.contract) if champion.calibration.groups else None
        least = champion.calibration.resolutions(entities)
        share = None
        if stream and part.start and part.end:
            finest = float(policy_then.expect_discoveries(len(scores), np.max(least))[0])
            share = stream.share_level(part.start, finest, champion.dependence)
        alerts = policy_then.flag_window(scores["p_value"], least, keys, share)
        if stream and share and part.start and part.end:
            open_events = stream.find_open_events(part.start)
            counted = count_discoveries(policy_then, champion.contract, scores, alerts, open_events)
            stream.add_window(StreamWindow(part.start, part.end, share.allowed, *counted))
        then.append(scores.assign(is_anomaly=alerts))
    before, after = pd.concat(now, ignore_index=True), pd.concat(then, ignore_index=True)
    old, new = before["is_anomaly"].to_numpy(dtype=bool), after["is_anomaly"].to_numpy(dtype=bool)
    start, end = partitions[0].start, partitions[-1].end
    days = (end - start) / timedelta(days=1) if start and end else None
    return {
        "pipeline": pipeline.name,
        "windows": len(partitions),
        "from": start.isoformat() if start else None,
        "to": end.isoformat() if end else None,
        "scored": len(before),
        "now": asdict(_measure_policy(pipeline, before, "as recorded", days, labels)),
        "then": asdict(_measure_policy(pipeline, after, describe_policy(policy_then), days, labels)),
        "gained": int((new & ~old).sum()),
        "lost": int((old & ~new).sum()),
        "notes": _collect_notes(
            partitions, ref.version, policy_then.describe_resolution(champion.calibration)
        ),
    }


def _select_newest(parts: tuple[Partition, ...], last: timedelta) -> tuple[Partition, ...]:
    window_ends = [item.end for item in parts if item.end is not None]
    if not window_ends:
        return parts
    return tuple(item for item in parts if item.start and item.start >= max(window_ends) - last)


def _measure_policy(
    pipeline: Pipeline,
    rows: pd.DataFrame,
    policy: str,
    days: float | None,
    labels: dict[tuple[str, str], int],
) -> PolicyEffect:
    flags = build_flags(pipeline, rows, None, {})
    groups: tuple[AlertGroup, ...] = group_rows(pipeline.name, flags, pipeline.grouping.gap, by_cause=False)
    counts = pd.Series([item.entity for item in groups if item.entity], dtype=object).value_counts()
    numbers = rows["row"].to_numpy()
    truths = [labels.get(_build_label_key(flag, numbers)) for flag in flags]
    return PolicyEffect(
        policy=policy,
        rows=int(rows["is_anomaly"].sum()),
        events=len(groups),
        per_day=len(groups) / days if days else None,
        entities={str(name): int(count) for name, count in counts.head(5).items()}
        if pipeline.data.id
        else {},
        confirmed=sum(truth == 1 for truth in truths),
        false_alarms=sum(truth == 0 for truth in truths),
    )


def _build_label_key(flag: AlertRow, numbers: np.ndarray) -> tuple[str, str]:
    return build_row_key(flag, int(numbers[flag.place]))


def _collect_notes(parts: tuple[Partition, ...], version: int, resolution: str) -> list[str]:
    notes = [
        "events are rows of one entity, near in time; mute, flapping and planned work are not played through"
    ]
    others = sum(item.version != version for item in parts)
    if others:
        notes.append(f"{others} of {len(parts)} windows were scored by another version than v{version}")
    return [*notes, resolution] if resolution else notes
