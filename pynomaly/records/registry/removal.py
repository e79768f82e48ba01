"""Remove runs and model versions from MLflow permanently; files first, so that a second try can continue.

A run is tagged and deleted (moved to MLflow's bin); if the store is a database, it is then removed from the
bin. A server keeps the row until ``mlflow gc`` runs there. A version number is never used again. Called by
:mod:`pynomaly.steps.operations.prune`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pynomaly.errors import RecordError
from pynomaly.records.registry.connection import get_error_code, translate_errors
from pynomaly.records.registry.versions import ModelRef, Registry, _to_model_ref

__all__ = [
    "LoggedModel",
    "LoggedRun",
    "count_bytes",
    "list_models",
    "list_runs",
    "remove_model",
    "remove_run",
]

_BIN_TAG = "pynomaly.pruned"
_MISSING_CODES = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "INVALID_STATE")


@dataclass(frozen=True)
class LoggedRun:
    """A run: its parent (`family`; itself without one), when it ended or else began, and its files.

    Attributes
    ----------
    running : bool
    binned : bool
        Whether :func:`remove_run` has put it into MLflow's bin, and it is still there.
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
    """The files of a version; `ref` is None if an interrupted registration left them without one."""

    id: str
    at: datetime
    files: str
    ref: ModelRef | None


def list_runs(registry: Registry, pipeline: str) -> tuple[LoggedRun, ...]:
    """Return every run of the pipeline's experiment, including the runs that Pynomaly put into the bin."""
    from mlflow.entities import ViewType

    experiment = registry.ensure_experiment(pipeline)

    def search(query: str, view: str) -> Iterator[Any]:
        return _iterate_pages(
            lambda token: registry._client.search_runs(
                [experiment], query, view, max_results=1000, page_token=token
            )
        )

    with translate_errors(f"list the runs of {pipeline!r}"):
        active_runs = tuple(search("", ViewType.ACTIVE_ONLY))
        # Where only `mlflow gc` can empty the bin, nothing more can be done for the runs in it.
        binned_runs = (
            search(f"tags.`{_BIN_TAG}` = 'yes'", ViewType.DELETED_ONLY) if _find_hard_delete(registry) else ()
        )
        return tuple(_to_logged_run(item) for item in (*active_runs, *binned_runs))


def _find_hard_delete(registry: Registry) -> Callable[[str], None] | None:
    """Return the method with which `mlflow gc` removes a run; None over HTTP, which does not offer it."""
    hard_delete: Callable[[str], None] | None = getattr(
        registry._client._tracking_client.store, "_hard_delete_run", None
    )
    return hard_delete


def _to_logged_run(run: Any) -> LoggedRun:
    info, tags = run.info, run.data.tags
    return LoggedRun(
        id=str(info.run_id),
        name=str(info.run_name),
        family=str(tags.get("mlflow.parentRunId", info.run_id)),
        at=_to_datetime(info.end_time or info.start_time),
        files=str(info.artifact_uri),
        running=str(info.status) in ("RUNNING", "SCHEDULED"),
        binned=str(info.lifecycle_stage) == "deleted",
    )


def list_models(registry: Registry, pipeline: str) -> tuple[LoggedModel, ...]:
    """Return Pynomaly's models: the versions of the pipeline, and the leftovers of interrupted registrations.

    A model without the tag ``pynomaly.key`` was made by somebody else and is left out.
    """
    versions = [item for item in _list_versions(registry, pipeline) if item.tags.get("pynomaly.key")]
    models: list[LoggedModel] = []
    for model in _list_logged_models(registry, pipeline):
        if not model.tags.get("pynomaly.key"):
            continue
        own_version = next(
            (item for item in versions if str(model.model_id) in str(item.source).split("/")), None
        )
        if own_version is not None:
            versions.remove(own_version)
        ref = _to_model_ref(own_version) if own_version is not None else None
        at = _to_datetime(model.creation_timestamp)
        models.append(LoggedModel(str(model.model_id), at, str(model.artifact_location), ref))
    # A version without a model: its removal was interrupted.
    return (
        *models,
        *(
            LoggedModel("", _to_datetime(item.creation_timestamp), "", _to_model_ref(item))
            for item in versions
        ),
    )


def _list_versions(registry: Registry, pipeline: str) -> list[Any]:
    with translate_errors(f"list the versions of {pipeline!r}"):
        return list(
            _iterate_pages(
                lambda token: registry._client.search_model_versions(f"name = '{pipeline}'", page_token=token)
            )
        )


def _list_logged_models(registry: Registry, pipeline: str) -> list[Any]:
    experiment = registry.ensure_experiment(pipeline)
    with translate_errors(f"list the models of {pipeline!r}"):
        return list(
            _iterate_pages(
                lambda token: registry._client.search_logged_models(
                    [experiment], max_results=50, page_token=token
                )
            )
        )


def _iterate_pages(ask: Callable[[str | None], Any]) -> Iterator[Any]:
    token = None
    while True:
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return


def _to_datetime(milliseconds: int | None) -> datetime:
    return datetime.fromtimestamp((milliseconds or 0) / 1000, UTC)


def count_bytes(registry: Registry, files: str) -> int:
    """Return the size in bytes of the files of a run or model; 0 without files."""
    if not files:
        return 0
    with translate_errors(f"list {files}"):
        return sum(int(item.file_size or 0) for item in _walk_files(_open_repository(registry, files), None))


def _walk_files(repository: Any, folder: str | None) -> Iterator[Any]:
    for item in repository.list_artifacts(folder):
        if item.is_dir:
            yield from _walk_files(repository, item.path)
        else:
            yield item


def _open_repository(registry: Registry, files: str) -> Any:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(files, tracking_uri=registry.tracking_uri)


def remove_run(registry: Registry, run: LoggedRun) -> None:
    """Remove a run's files, then the run; a missing one is no error.

    Raises
    ------
    RecordError
        If MLflow refuses; a second call continues where this one stopped.
    """
    with translate_errors(f"remove the files of the run {run.id}"):
        _open_repository(registry, run.files).delete_artifacts()
    if not run.binned:
        with _IgnoreMissing(f"remove the run {run.id}"):
            registry._client.set_tag(run.id, _BIN_TAG, "yes")
            registry._client.delete_run(run.id)
    hard_delete = _find_hard_delete(registry)
    if hard_delete is not None:
        with _IgnoreMissing(f"remove the run {run.id} for good"):
            hard_delete(run.id)


def remove_model(registry: Registry, model: LoggedModel) -> None:
    """Remove a model's files and, last, its version, so that an interrupted removal is found again.

    Raises
    ------
    RecordError
        If MLflow refuses; a second call continues where this one stopped.
    """
    client = registry._client
    if model.files:
        with translate_errors(f"remove the files of {model.ref or model.id}"):
            _open_repository(registry, model.files).delete_artifacts()
    if model.id:
        with _IgnoreMissing(f"remove the model {model.id}"):
            client.delete_logged_model(model.id)
    if model.ref is None:
        return
    cache_folder = registry.home / "cache" / "models" / model.ref.name
    for copy in cache_folder.glob(f"v{model.ref.version}-*"):
        shutil.rmtree(copy, ignore_errors=True)
    with _IgnoreMissing(f"remove {model.ref}"):
        client.delete_model_version(model.ref.name, str(model.ref.version))


class _IgnoreMissing:
    """Like `translate_errors`, but an error that says that the object does not exist is ignored."""

    def __init__(self, what: str) -> None:
        self._errors = translate_errors(what)

    def __enter__(self) -> None:
        self._errors.__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        try:
            self._errors.__exit__(kind, error, trace)
        except RecordError as failure:
            if get_error_code(failure) not in _MISSING_CODES:
                raise
            return True
        return False
