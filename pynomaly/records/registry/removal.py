"""Take runs and model versions out of MLflow for good, files first, so that a second try finds what is left.

A run goes to MLflow's bin with a tag of ours, and out of the bin where the store is a database; a server
keeps its row until ``mlflow gc`` runs there. A version's number is never given again. Called by
:mod:`pynomaly.steps.prune`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pynomaly.errors import RecordError
from pynomaly.records.registry.connection import error_code, told
from pynomaly.records.registry.versions import ModelRef, Registry, _ref

__all__ = ["LoggedModel", "LoggedRun", "bytes_at", "models_of", "remove_model", "remove_run", "runs_of"]

_BINNED = "pynomaly.pruned"
_GONE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "INVALID_STATE")


@dataclass(frozen=True)
class LoggedRun:
    """A run: its parent (itself, without one), when it ended or began, where its files lie.

    Attributes
    ----------
    running : bool
    binned : bool
        Whether it was put into MLflow's bin by :func:`remove_run` and is not out of it.
    """

    id: str
    name: str
    family: str
    at: datetime
    files: str
    running: bool
    binned: bool


@dataclass(frozen=True)
class LoggedModel:
    """The files of a version, or of none if a killed registration left them; `ref` is None then."""

    id: str
    at: datetime
    files: str
    ref: ModelRef | None


def runs_of(registry: Registry, pipeline: str) -> tuple[LoggedRun, ...]:
    """Every run of the pipeline's experiment, those among our own that are in the bin included."""
    from mlflow.entities import ViewType

    experiment = registry.experiment(pipeline)

    def asked(query: str, view: str) -> Iterator[Any]:
        return _pages(
            lambda token: registry._client.search_runs(
                [experiment], query, view, max_results=1000, page_token=token
            )
        )

    with told(f"list the runs of {pipeline!r}"):
        active = tuple(asked("", ViewType.ACTIVE_ONLY))
        # Where nothing gets out of the bin but by `mlflow gc`, what lies in it is done with.
        binned = asked(f"tags.`{_BINNED}` = 'yes'", ViewType.DELETED_ONLY) if _for_good(registry) else ()
        return tuple(_run(item) for item in (*active, *binned))


def _for_good(registry: Registry) -> Callable[[str], None] | None:
    """What `mlflow gc` removes a run with; None over HTTP, where there is no way."""
    found: Callable[[str], None] | None = getattr(
        registry._client._tracking_client.store, "_hard_delete_run", None
    )
    return found


def _run(run: Any) -> LoggedRun:
    info, tags = run.info, run.data.tags
    return LoggedRun(
        id=str(info.run_id),
        name=str(info.run_name),
        family=str(tags.get("mlflow.parentRunId", info.run_id)),
        at=_moment(info.end_time or info.start_time),
        files=str(info.artifact_uri),
        running=str(info.status) in ("RUNNING", "SCHEDULED"),
        binned=str(info.lifecycle_stage) == "deleted",
    )


def models_of(registry: Registry, pipeline: str) -> tuple[LoggedModel, ...]:
    """Every model of ours: the versions of the pipeline, and what killed registrations left.

    What carries no key of ours was put there by somebody else, and is none of our business.
    """
    versions = [item for item in _versions(registry, pipeline) if item.tags.get("pynomaly.key")]
    found: list[LoggedModel] = []
    for model in _logged(registry, pipeline):
        if not model.tags.get("pynomaly.key"):
            continue
        mine = next((item for item in versions if str(model.model_id) in str(item.source).split("/")), None)
        if mine is not None:
            versions.remove(mine)
        ref = _ref(mine) if mine is not None else None
        at = _moment(model.creation_timestamp)
        found.append(LoggedModel(str(model.model_id), at, str(model.artifact_location), ref))
    # A version without its model: its removal was cut off.
    return (*found, *(LoggedModel("", _moment(item.creation_timestamp), "", _ref(item)) for item in versions))


def _versions(registry: Registry, pipeline: str) -> list[Any]:
    with told(f"list the versions of {pipeline!r}"):
        return list(
            _pages(
                lambda token: registry._client.search_model_versions(f"name = '{pipeline}'", page_token=token)
            )
        )


def _logged(registry: Registry, pipeline: str) -> list[Any]:
    experiment = registry.experiment(pipeline)
    with told(f"list the models of {pipeline!r}"):
        return list(
            _pages(
                lambda token: registry._client.search_logged_models(
                    [experiment], max_results=50, page_token=token
                )
            )
        )


def _pages(ask: Callable[[str | None], Any]) -> Iterator[Any]:
    token = None
    while True:
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return


def _moment(milliseconds: int | None) -> datetime:
    return datetime.fromtimestamp((milliseconds or 0) / 1000, UTC)


def bytes_at(registry: Registry, files: str) -> int:
    """Bytes of the files of a run or model; 0 where nothing lies."""
    if not files:
        return 0
    with told(f"list {files}"):
        return sum(int(item.file_size or 0) for item in _files(_repository(registry, files), None))


def _files(repository: Any, folder: str | None) -> Iterator[Any]:
    for item in repository.list_artifacts(folder):
        if item.is_dir:
            yield from _files(repository, item.path)
        else:
            yield item


def _repository(registry: Registry, files: str) -> Any:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(files, tracking_uri=registry.tracking_uri)


def remove_run(registry: Registry, run: LoggedRun) -> None:
    """Remove a run's files, then the run; one that is gone already is fine.

    Raises
    ------
    RecordError
        If MLflow refuses; calling again goes on where it ended.
    """
    with told(f"remove the files of the run {run.id}"):
        _repository(registry, run.files).delete_artifacts()
    if not run.binned:
        with _gone_is_fine(f"remove the run {run.id}"):
            registry._client.set_tag(run.id, _BINNED, "yes")
            registry._client.delete_run(run.id)
    for_good = _for_good(registry)
    if for_good is not None:
        with _gone_is_fine(f"remove the run {run.id} for good"):
            for_good(run.id)


def remove_model(registry: Registry, model: LoggedModel) -> None:
    """Remove a model's files and, last, its version: what is cut off is found by its version again.

    Raises
    ------
    RecordError
        If MLflow refuses; calling again goes on where it ended.
    """
    client = registry._client
    if model.files:
        with told(f"remove the files of {model.ref or model.id}"):
            _repository(registry, model.files).delete_artifacts()
    if model.id:
        with _gone_is_fine(f"remove the model {model.id}"):
            client.delete_logged_model(model.id)
    if model.ref is None:
        return
    cached = registry.home / "cache" / "models" / model.ref.name
    for copy in cached.glob(f"v{model.ref.version}-*"):
        shutil.rmtree(copy, ignore_errors=True)
    with _gone_is_fine(f"remove {model.ref}"):
        client.delete_model_version(model.ref.name, str(model.ref.version))


class _gone_is_fine:
    """`told`, but what is not there any more needs no removing."""

    def __init__(self, what: str) -> None:
        self._told = told(what)

    def __enter__(self) -> None:
        self._told.__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        try:
            self._told.__exit__(kind, error, trace)
        except RecordError as said:
            if error_code(said) not in _GONE:
                raise
            return True
        return False
