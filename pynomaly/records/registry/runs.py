"""MLflow runs: one parent run per training, one child run per candidate, with metrics, params and files.

Every run ends: ``FINISHED``, ``FAILED`` when its body raised, ``KILLED`` when somebody stopped it; runs that
a killed machine left open are closed by :meth:`Runs.close_orphans`. A number that is not finite is never
logged (MLflow stores infinity as 1.8e308): a tag says that it was not computable.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pynomaly.errors import RecordError
from pynomaly.records.registry.connection import get_error_code, open_client, translate_errors
from pynomaly.records.registry.moved_home import correct_addresses

__all__ = ["Runs"]

_MAX_TEXT = 5000  # MLflow refuses parameters over 6000 characters and tags over 8000
_BATCH_SIZE = 100  # parameters or tags in one request


class Runs:
    """Experiments and runs of one MLflow store; :class:`Registry` adds model versions.

    Attributes
    ----------
    tracking_uri : str
    home : Path
        Folder for downloaded models and lock files.
    artifacts : str
        Where files of runs are stored if `tracking_uri` is a database; a server decides this itself.
    """

    def __init__(self, client: Any, tracking_uri: str, home: Path, artifacts: str = "") -> None:
        self._client = client
        self.tracking_uri = tracking_uri
        self.home = home
        self.artifacts = artifacts or (home / "mlflow" / "artifacts").as_uri()
        self._experiments: dict[str, str] = {}

    @classmethod
    def open(cls, tracking_uri: str, home: Path, artifacts: str = "") -> Any:
        """Open the store, creating a new sqlite one; many processes may do so at once.

        If the home folder was moved or copied since it was last opened, its addresses are corrected first.
        """
        home = Path(home).resolve()
        client = open_client(tracking_uri)
        correct_addresses(tracking_uri, home, artifacts)
        return cls(client, tracking_uri, home, artifacts)

    @property
    def client(self) -> Any:
        """MLflow's own client of this store."""
        return self._client

    def ensure_experiment(self, pipeline: str) -> str:
        """Return the id of the pipeline's experiment, which is created if it does not exist.

        Raises
        ------
        RecordError
            If the experiment was deleted in MLflow and not yet purged.
        """
        if pipeline in self._experiments:
            return self._experiments[pipeline]
        name = f"pynomaly/{pipeline}"
        with translate_errors(f"find the experiment {name!r}"):
            experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            experiment = self._create_experiment(name)
        if experiment.lifecycle_stage != "active":
            raise RecordError(
                f"the experiment {name!r} was deleted; bring it back with "
                f"`mlflow experiments restore --experiment-id {experiment.experiment_id}`"
            )
        self._experiments[pipeline] = str(experiment.experiment_id)
        return self._experiments[pipeline]

    def _create_experiment(self, name: str) -> Any:
        # Without a location, MLflow would write into the working directory of the process.
        location = None if urlsplit(self.tracking_uri).scheme in ("http", "https") else self.artifacts
        try:
            with translate_errors(f"create the experiment {name!r}"):
                # The kind decides which page MLflow shows first: training runs, not language-model traces.
                kind = {"mlflow.experimentKind": "custom_model_development"}
                self._client.create_experiment(name, artifact_location=location, tags=kind)
        except RecordError as error:
            if get_error_code(error) != "RESOURCE_ALREADY_EXISTS":
                raise  # else another process created the experiment first, and it is used
        with translate_errors(f"find the experiment {name!r}"):
            return self._client.get_experiment_by_name(name)

    @contextmanager
    def start_parent_run(
        self,
        pipeline: str,
        name: str,
        tags: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Iterator[str]:
        """Start a run in the pipeline's experiment that ends with the ``with`` body; yields its id."""
        with self._start_run(self.ensure_experiment(pipeline), name, dict(tags or {}), params) as run_id:
            yield run_id

    @contextmanager
    def start_child_run(
        self,
        parent_id: str,
        name: str,
        tags: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Iterator[str]:
        """Start a run under the run `parent_id`, likewise; yields its id."""
        with translate_errors(f"find the run {parent_id}"):
            experiment = self._client.get_run(parent_id).info.experiment_id
        with self._start_run(
            experiment, name, {**(tags or {}), "mlflow.parentRunId": parent_id}, params
        ) as run_id:
            yield run_id

    @contextmanager
    def _start_run(
        self, experiment: str, name: str, tags: dict[str, Any], params: Mapping[str, Any] | None
    ) -> Iterator[str]:
        with translate_errors(f"start the run {name!r}"):
            run_tags = {key: _truncate_text(value) for key, value in tags.items()} | {
                "mlflow.source.name": "pynomaly"
            }
            run_id = str(self._client.create_run(experiment, run_name=name, tags=run_tags).info.run_id)
        try:
            self.log_to_run(run_id, params=params or {})
            yield run_id
        except BaseException as error:
            # Interrupts, exits and an orchestrator's signals are not failures of the run.
            self._end_failed_run(run_id, "FAILED" if isinstance(error, Exception) else "KILLED", error)
            raise
        with translate_errors(f"end the run {name!r}"):
            self._client.set_terminated(run_id, "FINISHED")

    def _end_failed_run(self, run_id: str, status: str, error: BaseException) -> None:
        """End the run without hiding `error`, even if MLflow itself failed."""
        try:
            with translate_errors(f"end the run {run_id}"):
                self._client.set_tag(
                    run_id, "pynomaly.error", _truncate_text(f"{type(error).__name__}: {error}")
                )
                self._client.set_terminated(run_id, status)
        except RecordError as second_error:
            error.add_note(f"and the run {run_id} could not be marked {status}: {second_error}")

    def log_to_run(
        self,
        run_id: str,
        *,
        metrics: Mapping[str, float | None] | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        artifacts: Mapping[str, Path] | None = None,
        figures: Mapping[str, bytes] | None = None,
    ) -> None:
        """Add metrics, params, tags and files to a run.

        Parameters
        ----------
        run_id : str
        metrics : mapping of str to float or None
            None and non-finite values are not logged; ``not_computable.<name>`` is tagged instead.
        params, tags : mapping
            Stored as text, at most 5,000 characters each.
        artifacts : mapping of str to Path
            Path inside the run, to the local file or folder.
        figures : mapping of str to bytes
            Path inside the run, such as ``"scores.png"``, to the content of the file.

        Raises
        ------
        RecordError
            If MLflow refuses, or a file is missing.
        """
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        finite_metrics, tag_texts = [], {key: _truncate_text(value) for key, value in (tags or {}).items()}
        for key, value in (metrics or {}).items():
            if value is None or not math.isfinite(value):
                tag_texts[f"not_computable.{key}"] = str(value)
            else:
                finite_metrics.append(Metric(key, float(value), now, 0))
        run_params = [Param(key, _truncate_text(value)) for key, value in (params or {}).items()]
        run_tags = [RunTag(key, value) for key, value in tag_texts.items()]
        with translate_errors(f"log to the run {run_id}"):
            for at in range(0, max(len(finite_metrics), len(run_params), len(run_tags)), _BATCH_SIZE):
                batch = slice(at, at + _BATCH_SIZE)
                self._client.log_batch(
                    run_id, metrics=finite_metrics[batch], params=run_params[batch], tags=run_tags[batch]
                )
        for name, path in (artifacts or {}).items():
            self._log_file(run_id, name, Path(path))
        for name, content in (figures or {}).items():
            self._log_content(run_id, name, content)

    def _log_file(self, run_id: str, name: str, path: Path) -> None:
        if not path.exists():
            raise RecordError(f"run {run_id}: nothing at {path} to keep as {name!r}")
        if path.is_file():
            self._log_content(run_id, name, path.read_bytes())
            return
        with translate_errors(f"keep {name!r} with the run {run_id}"):
            self._client.log_artifacts(run_id, str(path), name)

    def _log_content(self, run_id: str, name: str, content: bytes) -> None:
        """Log `content` through a temporary file, because MLflow names an artifact after its file."""
        place = Path(name)
        with (
            tempfile.TemporaryDirectory() as folder,
            translate_errors(f"keep {name!r} with the run {run_id}"),
        ):
            file = Path(folder) / place.name
            file.write_bytes(content)
            inside = None if place.parent == Path() else place.parent.as_posix()
            self._client.log_artifact(run_id, str(file), inside)

    def read_run_file(self, run_id: str, name: str) -> str | None:
        """Return the text of a file of a run; None if there is no such file."""
        from mlflow.exceptions import MlflowException

        with tempfile.TemporaryDirectory() as folder, translate_errors(f"read {name!r} of the run {run_id}"):
            try:
                parent = str(Path(name).parent.as_posix()) if "/" in name else None
                if name not in {item.path for item in self._client.list_artifacts(run_id, parent)}:
                    return None
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return None  # the run itself was deleted
                raise
            file = Path(self._client.download_artifacts(run_id, name, folder))
            return file.read_text(encoding="utf-8")

    def close_orphans(self, pipeline: str, before: datetime) -> tuple[str, ...]:
        """End as ``KILLED`` every run of the pipeline that started before `before` and is still ``RUNNING``.

        A process that is killed leaves its run open for ever. Call this while holding the lease of the work.

        Returns
        -------
        tuple of str
            Ids of the runs that were ended.
        """
        if before.tzinfo is None:
            raise RecordError(f"{before.isoformat()} has no offset; orphans are found by aware times only")
        query = f"attributes.status = 'RUNNING' and attributes.start_time < {int(before.timestamp() * 1000)}"
        run_ids = []
        with translate_errors(f"close the orphaned runs of {pipeline!r}"):
            for run in self._client.search_runs([self.ensure_experiment(pipeline)], query, max_results=1000):
                self._client.set_tag(run.info.run_id, "pynomaly.orphan", "true")
                self._client.set_terminated(run.info.run_id, "KILLED")
                run_ids.append(str(run.info.run_id))
        return tuple(run_ids)

    def ui_link(self, run_id: str, base: str = "") -> str:
        """Return the address of a run's page; `base` is the address of MLflow's pages (default: the server).

        Empty if no pages are served: a sqlite store has none until ``mlflow ui`` runs.
        """
        web = urlsplit(self.tracking_uri).scheme in ("http", "https")
        base = base or (self.tracking_uri if web else "")
        if not base:
            return ""
        with translate_errors(f"find the run {run_id}"):
            experiment = self._client.get_run(run_id).info.experiment_id
        return f"{base.rstrip('/')}/#/experiments/{experiment}/runs/{run_id}"


def _truncate_text(value: object) -> str:
    text = str(value)
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 1]}…"
