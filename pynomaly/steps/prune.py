"""Remove what is past its retention, or say what would go: versions, runs, scores, reports, quarantine.

What stays is decided by :mod:`pynomaly.judging.pruning`, about the facts of
:mod:`pynomaly.steps.belongings`; here a plan is done. Nothing goes before the list of it lies in the store
and a line in the ledger names that list by its hash. Each removal is one small act that finds its thing or
finds it gone, so a run that was killed is finished by the next, under the same line. Versions go while nobody
can change the champion, and each is looked at again just before.
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
from pynomaly.data.places import place
from pynomaly.errors import ConfigError, LeaseHeldError, RecordError, allowed
from pynomaly.judging.pruning import Pruning
from pynomaly.judging.pruning import prune as decide
from pynomaly.records.ledger import Decision, Ledger
from pynomaly.records.registry import Registry, Traces
from pynomaly.records.registry.removal import remove_model, remove_run
from pynomaly.records.store import Store
from pynomaly.steps.belongings import Belongings, belongings, sized
from pynomaly.steps.champion import changing_champion

__all__ = ["Pruned", "keeping", "prune"]


@dataclass(frozen=True)
class Pruned:
    """What was removed, or would be.

    Attributes
    ----------
    applied : bool
        Whether anything was touched at all.
    counts : mapping
        Number and bytes of each kind.
    removals, kept : tuple of mapping
        Each thing with its reason; `kept` are those past their retention that stay.
    skipped : tuple of str
        What could not be removed just now, with the reason; the next run tries again.
    decision : str
        Key of the ledger's line, or "".
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


def keeping(pipeline: Pipeline, asked: tuple[str, ...]) -> Pipeline:
    """The pipeline with other retentions: ``("scores=30d", "newest=5")``.

    Raises
    ------
    ConfigError
        If one names no retention, or its value is not allowed.
    """
    names = [name for name in Retention.model_fields if name != "when_scheduled"]
    changed: dict[str, str] = {}
    for item in asked:
        name, equals, value = item.partition("=")
        if not equals or name not in names:
            raise ConfigError(f"--keep {item!r}: write it like scores=30d; {allowed(name, names)}")
        changed[name] = value
    try:
        retention = Retention.model_validate(pipeline.retention.model_dump() | changed)
    except ValidationError as error:
        said = error.errors()[0]
        text = said["msg"].removeprefix("Value error, ")
        raise ConfigError(f"--keep {said['loc'][0]}: {said['input']!r} is not allowed: {text}") from error
    return pipeline.model_copy(update={"retention": retention})


def prune(pipeline: Pipeline, *, apply: bool, now: datetime | None = None) -> Pruned:
    """Say what is past its retention, and with `apply` remove it.

    Parameters
    ----------
    apply : bool
        Without it, nothing is written anywhere.
    now : datetime, optional
        The clock that ages are measured by.

    Raises
    ------
    LeaseHeldError
        If another prune of this pipeline is at work.
    RecordError
        If ledger, MLflow or store cannot be read: what may be gone cannot be told then.
    """
    now = now or datetime.now(UTC)
    registry, store = Registry.of(pipeline), Store(pipeline.store_root)
    with Ledger.open(pipeline.ledger_url) as ledger:
        if not apply:
            found = belongings(pipeline, ledger, registry, store)
            return _pruned(pipeline, sized(registry, found, _plan(pipeline, found, now)), applied=False)
        with ledger.lease(f"prune:{pipeline.name}"):
            found = belongings(pipeline, ledger, registry, store)
            plan = sized(registry, found, _plan(pipeline, found, now))
            if not plan.removals:
                return _pruned(pipeline, plan, applied=True)
            decision = _on_record(pipeline, ledger, store, plan, now)
            skipped = _removed(pipeline, ledger, registry, store, found, plan, now)
            return replace(
                _pruned(pipeline, plan, applied=True), skipped=tuple(skipped), decision=decision.key
            )


def _plan(pipeline: Pipeline, found: Belongings, now: datetime) -> Pruning:
    return decide(found.history, pipeline.retention, now)


def _pruned(pipeline: Pipeline, plan: Pruning, *, applied: bool) -> Pruned:
    said = plan.to_dict()
    removals, kept = tuple(said["removals"]), tuple(said["kept"])
    return Pruned(pipeline.name, applied, said["counts"], said["bytes"], removals, kept)


# Doing


def _on_record(pipeline: Pipeline, ledger: Ledger, store: Store, plan: Pruning, now: datetime) -> Decision:
    """The ledger's line for this plan: the newest one, if it names all of it and was cut off."""
    last = ledger.last(pipeline.name, "prune")
    mine = {(item.kind, item.name) for item in plan.removals}
    if last is not None and mine <= _listed(last):
        return last
    content = json.dumps(plan.to_dict(), sort_keys=True, indent=1).encode()
    path = store.write_removed(pipeline.name, plan.digest, content)
    counted = "; ".join(
        f"{found['count']} of {kind} ({found['bytes']} bytes)" for kind, found in plan.counts.items()
    )
    return ledger.record(
        Decision(
            key=f"prune:{pipeline.name}:{plan.digest}:{last.seq if last else 0}",
            pipeline=pipeline.name,
            kind="prune",
            subject=plan.digest,
            outcome="removed",
            reasons=(
                f"past their retention, and nothing refers to them: {counted}",
                f"{len(plan.kept)} that are as old stay, for something refers to them",
            ),
            evidence={
                "counts": plan.counts,
                "bytes": plan.size,
                "list": str(path),
                "sha256": hashlib.sha256(content).hexdigest(),
                "retention": pipeline.retention.model_dump(mode="json"),
            },
            as_of=now,
        )
    )


def _listed(decision: Decision) -> set[tuple[str, str]]:
    """What a line of the ledger said would go; nothing if its list is not the one it named."""
    try:
        content = place(str(decision.evidence["list"])).read()
    except OSError:
        return set()
    if hashlib.sha256(content).hexdigest() != decision.evidence["sha256"]:
        return set()
    return {(item["kind"], item["name"]) for item in json.loads(content)["removals"]}


def _removed(
    pipeline: Pipeline,
    ledger: Ledger,
    registry: Registry,
    store: Store,
    found: Belongings,
    plan: Pruning,
    now: datetime,
) -> list[str]:
    """Remove everything planned; what cannot go is said, and stops nothing else."""
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
            attempt(address, partial(_forget, pipeline, ledger, store, found, address))
    for kind in ("report", "quarantine", "rows"):
        for address in planned.get(kind, ()):
            attempt(address, partial(store.remove, address))
    for trace in planned.get("trace", ()):
        attempt(trace, partial(Traces(registry, pipeline.name).remove, trace))
    families = sorted(planned.get("run", ()), key=lambda name: found.runs[name].family == name)
    for run in families:  # children first: a parent that is left leads to what is left of them
        attempt(run, partial(remove_run, registry, found.runs[run]))
    models = (*planned.get("version", ()), *planned.get("leftover", ()))
    if models:
        attempt("versions", partial(_remove_models, pipeline, ledger, registry, store, found, models, now))
    return skipped


def _forget(pipeline: Pipeline, ledger: Ledger, store: Store, found: Belongings, address: str) -> None:
    """Remove a score file with its row, while nobody scores that window."""
    window, sha256 = found.partitions.get(address, ("", ""))
    if not window:  # a shadow's; it is written while the window is scored
        window = address.rsplit("/window=", 1)[-1].split("/")[0]
        with ledger.lease(f"score:{pipeline.name}:{window}", renew=False):
            store.remove(address)
        return
    with ledger.lease(f"score:{pipeline.name}:{window}", renew=False):
        if not ledger.shelf.drop_partition(pipeline.name, window, sha256):
            raise LeaseHeldError(f"the window {window} was scored again a moment ago")
        store.remove(address)


def _remove_models(
    pipeline: Pipeline,
    ledger: Ledger,
    registry: Registry,
    store: Store,
    found: Belongings,
    names: tuple[str, ...],
    now: datetime,
) -> None:
    """Remove versions that are still free once nobody else can change the champion."""
    with changing_champion(pipeline, registry, ledger) as lease:
        again = _plan(pipeline, belongings(pipeline, ledger, registry, store), now)
        free = {item.name for item in again.removals if item.kind in ("version", "leftover")}
        for name in names:
            if name in free and name not in _aliased(registry, pipeline.name):
                lease.renew()
                remove_model(registry, found.models[name])


def _aliased(registry: Registry, pipeline: str) -> set[str]:
    return {f"v{version}" for version in registry.aliases(pipeline).values()}
