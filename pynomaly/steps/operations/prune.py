"""Remove what is past its retention, or list it: versions, runs, scores, reports, quarantine.

The plan is made by :mod:`pynomaly.judging.retention` from gathered facts, and carried out here. Nothing is
removed before the list of removals is in the store and a ledger line names that list by its hash. Each
removal is one small step that also succeeds when the object is already gone, so the next run finishes a
killed one under the same line. Versions are removed while nobody can change the champion, and each is checked
again just before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pydantic import ValidationError

from pynomaly.config import Pipeline, Retention
from pynomaly.errors import ConfigError, LeaseHeldError, RecordError, list_allowed
from pynomaly.judging.retention import PruningPlan
from pynomaly.judging.retention import plan_pruning as decide
from pynomaly.records.ledger import Decision, Ledger
from pynomaly.records.ledger.decision_evidence import PruneEvidence
from pynomaly.records.registry import Registry, Traces
from pynomaly.records.registry.removal import remove_model, remove_run
from pynomaly.records.store import Store
from pynomaly.steps.champion import hold_champion_lease
from pynomaly.steps.operations.retention_facts import PipelineInventory, add_mlflow_sizes, gather_inventory
from pynomaly.steps.pipeline_records import PipelineRecords

__all__ = ["PruneResult", "override_retention", "prune"]


@dataclass(frozen=True)
class PruneResult:
    """What was removed, or would be removed.

    Attributes
    ----------
    applied : bool
        Whether removal was requested; False for a list alone.
    counts : mapping
        Number and bytes of each kind.
    removals, kept : tuple of mapping
        Each object with its reason; `kept` are objects past their retention that stay.
    skipped : tuple of str
        What could not be removed, with the reason; the next run tries again.
    decision : str
        Key of the ledger line, or "".
    """

    pipeline: str
    applied: bool
    counts: Mapping[str, Mapping[str, int]]
    bytes: int
    removals: tuple[Mapping[str, Any], ...]
    kept: tuple[Mapping[str, Any], ...]
    skipped: tuple[str, ...] = ()
    decision: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for events and ``--json``."""
        return asdict(self)


def override_retention(pipeline: Pipeline, asked: tuple[str, ...]) -> Pipeline:
    """Returns the pipeline with other retentions, such as ``("scores=30d", "newest=5")``.

    Raises
    ------
    ConfigError
        If a name is not a retention, or its value is not allowed.
    """
    names = [name for name in Retention.model_fields if name != "when_scheduled"]
    changed: dict[str, str] = {}
    for item in asked:
        name, equals, value = item.partition("=")
        if not equals or name not in names:
            raise ConfigError(f"--keep {item!r}: write it like scores=30d; {list_allowed(name, names)}")
        changed[name] = value
    try:
        retention = Retention.model_validate(pipeline.retention.model_dump() | changed)
    except ValidationError as error:
        detail = error.errors()[0]
        text = detail["msg"].removeprefix("Value error, ")
        raise ConfigError(f"--keep {detail['loc'][0]}: {detail['input']!r} is not allowed: {text}") from error
    return pipeline.model_copy(update={"retention": retention})


def prune(pipeline: Pipeline, *, apply: bool, now: datetime | None = None) -> PruneResult:
    """List what is past its retention, and with `apply` remove it.

    Parameters
    ----------
    apply : bool
        If False, nothing is written anywhere.
    now : datetime, optional
        The time against which ages are measured.

    Raises
    ------
    LeaseHeldError
        If another prune of this pipeline is running.
    RecordError
        If ledger, MLflow or store cannot be read: what may be removed is then unknown.
    """
    now = now or datetime.now(UTC)
    with PipelineRecords.open(pipeline) as records:
        ledger, registry, store = records.ledger, records.registry, records.store
        if not apply:
            facts = gather_inventory(pipeline, ledger, registry, store)
            return _build_result(
                pipeline,
                add_mlflow_sizes(registry, facts, _plan_pruning(pipeline, facts, now)),
                applied=False,
            )
        with ledger.hold_lease(f"prune:{pipeline.name}"):
            facts = gather_inventory(pipeline, ledger, registry, store)
            plan = add_mlflow_sizes(registry, facts, _plan_pruning(pipeline, facts, now))
            if not plan.removals:
                return _build_result(pipeline, plan, applied=True)
            decision = _record_plan(pipeline, ledger, store, plan, now)
            skipped = _remove_planned(pipeline, ledger, registry, store, facts, plan, now)
            return replace(
                _build_result(pipeline, plan, applied=True), skipped=tuple(skipped), decision=decision.key
            )


def _plan_pruning(pipeline: Pipeline, facts: PipelineInventory, now: datetime) -> PruningPlan:
    return decide(facts.history, pipeline.retention, now)


def _build_result(pipeline: Pipeline, plan: PruningPlan, *, applied: bool) -> PruneResult:
    content = plan.to_dict()
    removals, kept_items = tuple(content["removals"]), tuple(content["kept"])
    return PruneResult(pipeline.name, applied, content["counts"], content["bytes"], removals, kept_items)


def _record_plan(
    pipeline: Pipeline, ledger: Ledger, store: Store, plan: PruningPlan, now: datetime
) -> Decision:
    """Returns the ledger line of this plan: the newest one if it lists every removal, else a new one."""
    last = ledger.find_last_decision(pipeline.name, "prune")
    planned = {(item.kind, item.name) for item in plan.removals}
    if last is not None and planned <= _read_removal_list(store, last):
        return last
    content = json.dumps(plan.to_dict(), sort_keys=True, indent=1).encode()
    path = store.write_removed(pipeline.name, plan.digest, content)
    summary = "; ".join(
        f"{totals['count']} of {kind} ({totals['bytes']} bytes)" for kind, totals in plan.counts.items()
    )
    return ledger.record_decision(
        Decision(
            key=f"prune:{pipeline.name}:{plan.digest}:{last.seq if last else 0}",
            pipeline=pipeline.name,
            kind="prune",
            subject=plan.digest,
            outcome="removed",
            reasons=(
                f"past their retention, and nothing refers to them: {summary}",
                f"{len(plan.kept)} that are as old stay, for something refers to them",
            ),
            evidence=PruneEvidence(
                counts=plan.counts,
                bytes=plan.size,
                list_file=store.relative_path(path),
                sha256=hashlib.sha256(content).hexdigest(),
                retention=pipeline.retention.model_dump(mode="json"),
            ),
            as_of=now,
        )
    )


def _read_removal_list(store: Store, decision: Decision) -> set[tuple[str, str]]:
    """Returns kind and name of the removals in a ledger line; empty if the hash of its list differs."""
    evidence = PruneEvidence.of(decision)
    try:
        content = store.locate_file(evidence.list_file).read()
    except OSError:
        return set()
    if hashlib.sha256(content).hexdigest() != evidence.sha256:
        return set()
    return {(item["kind"], item["name"]) for item in json.loads(content)["removals"]}


def _remove_planned(
    pipeline: Pipeline,
    ledger: Ledger,
    registry: Registry,
    store: Store,
    facts: PipelineInventory,
    plan: PruningPlan,
    now: datetime,
) -> list[str]:
    """Remove everything planned; returns what could not be removed, which does not stop the rest."""
    skipped: list[str] = []

    def attempt(name: str, do: Callable[[], None]) -> None:
        try:
            do()
        except RecordError as error:
            skipped.append(f"{name}: {error}")

    planned: dict[str, list[str]] = {}
    for item in plan.removals:
        planned.setdefault(item.kind, []).append(item.name)
    for kind in ("scores", "shadow"):
        for address in planned.get(kind, ()):
            attempt(address, partial(_remove_scores, pipeline, ledger, store, facts, address))
    for kind in ("report", "quarantine", "rows"):
        for address in planned.get(kind, ()):
            attempt(address, partial(store.remove_file, address))
    for day in planned.get("letters", ()):
        attempt(f"dead letters of {day}", partial(ledger.retention.drop_letters, pipeline.name, day))
    for trace in planned.get("trace", ()):
        attempt(trace, partial(Traces(registry, pipeline.name).remove_trace, trace))
    families = sorted(planned.get("run", ()), key=lambda name: facts.runs[name].family == name)
    for run in families:  # children first: a parent that remains leads to the remaining children
        attempt(run, partial(remove_run, registry, facts.runs[run]))
    models = (*planned.get("version", ()), *planned.get("leftover", ()))
    if models:
        attempt("versions", partial(_remove_models, pipeline, ledger, registry, store, facts, models, now))
    return skipped


def _remove_scores(
    pipeline: Pipeline, ledger: Ledger, store: Store, facts: PipelineInventory, address: str
) -> None:
    """Remove a score file and its ledger row, under the lease of that window's scoring."""
    window, sha256 = facts.partitions.get(address, ("", ""))
    if not window:  # shadow scores, written while the window is scored
        window = address.rsplit("/window=", 1)[-1].split("/")[0]
        with ledger.hold_lease(f"score:{pipeline.name}:{window}", renew=False):
            store.remove_file(address)
        return
    with ledger.hold_lease(f"score:{pipeline.name}:{window}", renew=False):
        if not ledger.retention.drop_partition(pipeline.name, window, sha256):
            raise LeaseHeldError(f"the window {window} was scored again a moment ago")
        store.remove_file(address)


def _remove_models(
    pipeline: Pipeline,
    ledger: Ledger,
    registry: Registry,
    store: Store,
    facts: PipelineInventory,
    names: tuple[str, ...],
    now: datetime,
) -> None:
    """Remove versions that are still removable once nobody else can change the champion."""
    with hold_champion_lease(pipeline, registry, ledger) as lease:
        new_plan = _plan_pruning(pipeline, gather_inventory(pipeline, ledger, registry, store), now)
        removable = {item.name for item in new_plan.removals if item.kind in ("version", "leftover")}
        for name in names:
            if name in removable and name not in _list_aliased(registry, pipeline.name):
                lease.renew()
                remove_model(registry, facts.models[name])


def _list_aliased(registry: Registry, pipeline: str) -> set[str]:
    return {f"v{version}" for version in registry.list_aliases(pipeline).values()}
