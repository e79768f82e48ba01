"""Model versions and aliases: register a bundle once, point aliases to it, download it.

The hash of a bundle is a tag of its version, so a downloaded bundle is checked against the registry and not
against itself. Aliases are requested one by one, because they are empty in MLflow's search results
(mlflow#16734). Called by :mod:`pynomaly.steps`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pandas as pd

from pynomaly.errors import NoChampionError, RecordError, list_allowed
from pynomaly.records.locks import hold_file_lock
from pynomaly.records.registry.connection import get_error_code, translate_errors
from pynomaly.records.registry.packing import ARTIFACT, SERVING, list_requirements, pack_model
from pynomaly.records.registry.runs import Runs

if TYPE_CHECKING:
    from pynomaly.config import Pipeline
    from pynomaly.model.bundle import Bundle

__all__ = ["ModelRef", "Registry"]


@dataclass(frozen=True)
class ModelRef:
    """One registered model version.

    Attributes
    ----------
    name : str
        Name of the model, which is the name of the pipeline.
    version : int
    run_id : str
        Run that it was registered from.
    sha256 : str
        Hash of the bundle, as tagged in the registry.
    uri : str
        ``models:/<name>/<version>``.
    tags : mapping
    """

    name: str
    version: int
    run_id: str
    sha256: str
    uri: str
    tags: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self) | {"tags": dict(self.tags)}


class Registry(Runs):
    """Runs, versions and aliases of one MLflow store; open it with ``Registry.open(tracking_uri, home)``."""

    @classmethod
    def open(cls, tracking_uri: str, home: Path, artifacts: str = "") -> Registry:
        """Open the store at `tracking_uri`, creating a new sqlite one; many processes may do so at once.

        A new experiment stores files at `artifacts`, a folder's URI or ``s3://``; by default under `home`.

        Raises
        ------
        ConfigError
            If the address is not supported.
        RecordError
            If the store cannot be opened.
        """
        registry: Registry = super().open(tracking_uri, home, artifacts)
        return registry

    @classmethod
    def open_for(cls, pipeline: Pipeline) -> Registry:
        """Open the registry that the settings of a pipeline name."""
        return cls.open(pipeline.tracking_uri, pipeline.home, pipeline.artifact_root)

    def register(
        self,
        pipeline: str,
        run_id: str,
        folder: Path,
        sha256: str,
        *,
        example: pd.DataFrame,
        key: str,
        tags: Mapping[str, Any] | None = None,
        pip_requirements: Sequence[str] | None = None,
        serving: Path = SERVING,
    ) -> ModelRef:
        """Register the bundle in `folder` as a new version, once for each `key`.

        Parameters
        ----------
        pipeline, run_id : str
            Name of the pipeline, and the run that fitted the bundle.
        folder, sha256 : Path, str
            Folder that ``Bundle.save`` wrote, and the hash that it returned.
        example : DataFrame of shape (n, d)
            Rows as the model takes them; the signature is built from their columns.
        key : str
            Content key of the training; if it is registered already, that version is returned.
        tags : mapping
            Further tags of the version.
        pip_requirements : sequence of str, optional
            Default: the packages that serving needs, at the installed versions.
        serving : Path
            Code file with which MLflow loads the model.

        Raises
        ------
        RecordError
            If MLflow refuses; then no version is left behind.
        """
        with hold_file_lock(self.home / "mlflow" / f"register-{pipeline}.lock"):
            existing = self._find_by_key(pipeline, key)
            if existing is not None:
                return existing
            self._ensure_model(pipeline)
            self._drop_leftovers(pipeline, key)
            packages = list_requirements() if pip_requirements is None else pip_requirements
            tag_texts = {name: str(value) for name, value in (tags or {}).items()}
            tag_texts |= {"pynomaly.key": key, "pynomaly.sha256": sha256}
            with translate_errors(f"register {pipeline!r}"):
                model = self._client.create_logged_model(
                    self.ensure_experiment(pipeline),
                    name=ARTIFACT,
                    source_run_id=run_id,
                    tags=tag_texts,
                    model_type="pynomaly",
                )
            with (
                pack_model(folder, sha256, example, serving, model.model_id, run_id, packages) as model_dir,
                translate_errors(f"register {pipeline!r}"),
            ):
                self._client.log_model_artifacts(model.model_id, str(model_dir))
                self._client.finalize_logged_model(model.model_id, "READY")
                # Unless a server resolves it, MLflow looks up `models:/<id>` in its global store.
                source = f"models:/{model.model_id}" if self._is_server else model.artifact_location
                entry = self._client.create_model_version(
                    pipeline, source=source, run_id=run_id, tags=tag_texts, model_id=model.model_id
                )
            return _to_model_ref(entry)

    @property
    def _is_server(self) -> bool:
        return urlsplit(self.tracking_uri).scheme in ("http", "https")

    def _find_by_key(self, pipeline: str, key: str) -> ModelRef | None:
        with translate_errors(f"look up the versions of {pipeline!r}"):
            query = f"name = '{pipeline}' and tag.`pynomaly.key` = {_quote_text(key)}"
            matches = list(self._client.search_model_versions(query))
        return _to_model_ref(min(matches, key=lambda item: int(item.version))) if matches else None

    def _ensure_model(self, pipeline: str) -> None:
        try:
            with translate_errors(f"create the registered model {pipeline!r}"):
                self._client.create_registered_model(pipeline)
        except RecordError as error:
            if get_error_code(error) != "RESOURCE_ALREADY_EXISTS":
                raise

    def _drop_leftovers(self, pipeline: str, key: str) -> None:
        """Delete models that an interrupted registration of this key logged and did not register."""
        with translate_errors(f"clean up after an earlier registration of {pipeline!r}"):
            query = f"tags.`pynomaly.key` = {_quote_text(key)}"
            for logged_model in self._client.search_logged_models([self.ensure_experiment(pipeline)], query):
                self._client.delete_logged_model(logged_model.model_id)

    def find_version(self, pipeline: str, version: int) -> ModelRef:
        """Return the version with this number.

        Raises
        ------
        RecordError
            If there is none; the error text lists the existing versions.
        """
        try:
            with translate_errors(f"find {pipeline} v{version}"):
                return _to_model_ref(self._client.get_model_version(pipeline, str(version)))
        except RecordError as error:
            if get_error_code(error) != "RESOURCE_DOES_NOT_EXIST":
                raise
            numbers = [ref.version for ref in self.list_versions(pipeline)]
            raise RecordError(
                f"{pipeline} has no version {version}; {list_allowed(version, numbers)}"
            ) from error

    def list_versions(self, pipeline: str) -> tuple[ModelRef, ...]:
        """Return every version of the pipeline's model, newest first."""
        entries: list[Any] = []
        token = None
        with translate_errors(f"list the versions of {pipeline!r}"):
            while True:
                page = self._client.search_model_versions(f"name = '{pipeline}'", page_token=token)
                entries.extend(page)
                token = page.token
                if not token:
                    break
        return tuple(sorted(map(_to_model_ref, entries), key=lambda ref: -ref.version))

    def resolve_alias(self, pipeline: str, alias: str = "champion") -> ModelRef:
        """Return the version that an alias points to.

        Raises
        ------
        NoChampionError
            If the pipeline has no such alias, or no model.
        """
        try:
            with translate_errors(f"find {pipeline}@{alias}"):
                return _to_model_ref(self._client.get_model_version_by_alias(pipeline, alias))
        except RecordError as error:
            if get_error_code(error) not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            raise NoChampionError(
                f"{pipeline!r} has no {alias} yet: nothing has been promoted to it"
            ) from error

    def list_aliases(self, pipeline: str) -> dict[str, int]:
        """Return version numbers by alias; empty before the first registration."""
        try:
            with translate_errors(f"list the aliases of {pipeline!r}"):
                alias_versions = self._client.get_registered_model(pipeline).aliases
        except RecordError as error:
            if get_error_code(error) == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise
        return {str(name): int(number) for name, number in alias_versions.items()}

    def set_alias(self, pipeline: str, alias: str, version: int) -> None:
        """Point `alias` to a version; a previous target is replaced."""
        with translate_errors(f"set {pipeline}@{alias} to v{version}"):
            self._client.set_registered_model_alias(pipeline, alias, str(version))

    def drop_alias(self, pipeline: str, alias: str) -> None:
        """Remove an alias; a missing one is no error."""
        with translate_errors(f"remove {pipeline}@{alias}"):
            self._client.delete_registered_model_alias(pipeline, alias)

    def tag_version(self, pipeline: str, version: int, tag: str, value: str) -> None:
        """Set a tag of a version."""
        with translate_errors(f"mark {pipeline} v{version}"):
            self._client.set_model_version_tag(pipeline, str(version), tag, value)

    def describe_version(self, ref: ModelRef, text: str) -> None:
        """Show `text` (Markdown, such as the model card) on the version's page."""
        with translate_errors(f"describe {ref}"):
            self._client.update_model_version(ref.name, str(ref.version), description=text[:5000])

    def fetch_bundle(self, ref: ModelRef) -> Path:
        """Return a local folder with the bundle of `ref`, downloaded once if it is remote.

        The hash is not checked here: ``Bundle.load(folder, ref.sha256)`` checks it before it parses anything.

        Raises
        ------
        RecordError
            If the files do not exist any more.
        """
        cached_bundle = self._cache_folder(ref) / "artifacts" / ARTIFACT
        if self._is_server and cached_bundle.is_dir():
            return cached_bundle  # the server is asked only once
        with translate_errors(f"locate {ref}"):
            address = str(self._client.get_model_version_download_uri(ref.name, str(ref.version)))
        scheme = urlsplit(address).scheme
        if scheme in ("", "file"):
            model_folder = Path(url2pathname(urlsplit(address).path)) if scheme else Path(address)
        else:
            model_folder = self._download_files(ref, address)
        bundle = model_folder / "artifacts" / ARTIFACT
        if not bundle.is_dir():
            raise RecordError(f"the files of {ref} are gone: nothing at {bundle}")
        return bundle

    def _cache_folder(self, ref: ModelRef) -> Path:
        return self.home / "cache" / "models" / ref.name / f"v{ref.version}-{ref.sha256[:16]}"

    def _download_files(self, ref: ModelRef, address: str) -> Path:
        from mlflow.artifacts import download_artifacts

        target = self._cache_folder(ref)
        if target.is_dir():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        temp = tempfile.mkdtemp(prefix=".draft-", dir=target.parent)
        try:
            with translate_errors(f"download {ref}"):
                path = download_artifacts(artifact_uri=address, dst_path=temp, tracking_uri=self.tracking_uri)
                try:
                    os.rename(path, target)
                except OSError:
                    if not target.is_dir():  # else another process was faster
                        raise
        finally:
            shutil.rmtree(temp, ignore_errors=True)
        return target

    def load_bundle(self, ref: ModelRef) -> Bundle:
        """Return the bundle of `ref`, checked against the hash in the registry.

        Raises
        ------
        RecordError
            If the registry has no hash for it, so that the content cannot be checked.
        IntegrityError
            If the content differs from what was registered.
        """
        from pynomaly.model.bundle import Bundle

        if not ref.sha256:
            raise RecordError(
                f"{ref} has no tag pynomaly.sha256; only versions registered by Pynomaly are loaded"
            )
        return Bundle.load(self.fetch_bundle(ref), ref.sha256)


def _quote_text(text: str) -> str:
    """Return text in quotes for an MLflow filter, which has no way to escape a quote."""
    if "'" in text:
        raise RecordError(f"the key {text!r} holds a quote; keys are hexadecimal digits, letters and ':'")
    return f"'{text}'"


def _to_model_ref(version: Any) -> ModelRef:
    tags = {str(name): str(value) for name, value in version.tags.items()}
    return ModelRef(
        name=str(version.name),
        version=int(version.version),
        run_id=str(version.run_id),
        sha256=tags.get("pynomaly.sha256", ""),
        uri=f"models:/{version.name}/{version.version}",
        tags=tags,
    )
