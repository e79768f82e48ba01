"""Model versions and aliases: register a bundle once, name it, fetch it back.

The hash of a bundle is a tag of its version, so what is fetched is checked against the registry and not
against itself. Aliases are asked for one by one: those in MLflow's search results come back empty
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

from pynomaly.errors import NoChampionError, RecordError, allowed
from pynomaly.records.locks import exclusive
from pynomaly.records.registry.connection import error_code, told
from pynomaly.records.registry.packing import ARTIFACT, SERVING, packed, requirements
from pynomaly.records.registry.runs import Runs

if TYPE_CHECKING:
    from pynomaly.config import Pipeline
    from pynomaly.model.bundle import Bundle

__all__ = ["ModelRef", "Registry"]


@dataclass(frozen=True)
class ModelRef:
    """One registered version.

    Attributes
    ----------
    name : str
        Name of the model, which is the pipeline's.
    version : int
    run_id : str
        Run it was registered from.
    sha256 : str
        Hash of the bundle, from the registry.
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
        """Open the store at `tracking_uri`, creating a new sqlite one; safe when many processes race.

        A new experiment keeps its files at `artifacts`, a folder's URI or ``s3://``; by default under `home`.

        Raises
        ------
        ConfigError
            If the address is not supported.
        RecordError
            If the store cannot be opened.
        """
        opened: Registry = super().open(tracking_uri, home, artifacts)
        return opened

    @classmethod
    def of(cls, pipeline: Pipeline) -> Registry:
        """The one a pipeline's settings name."""
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
        pipeline : str
        run_id : str
            The run that fitted it.
        folder : Path
            What ``Bundle.save`` wrote.
        sha256 : str
            What ``Bundle.save`` returned.
        example : DataFrame of shape (n, d)
            Rows as the model takes them; their columns make the signature.
        key : str
            Content key of the training; a key that is registered already gives the version it gave.
        tags : mapping
            Further tags of the version.
        pip_requirements : sequence of str, optional
            Default: the installed versions of what serving needs.
        serving : Path
            File of code that MLflow loads the model with.

        Raises
        ------
        RecordError
            If MLflow refuses; no version is left behind then.
        """
        with exclusive(self.home / "mlflow" / f"register-{pipeline}.lock"):
            known = self._by_key(pipeline, key)
            if known is not None:
                return known
            self._ensure_model(pipeline)
            self._drop_leftovers(pipeline, key)
            needs = requirements() if pip_requirements is None else pip_requirements
            marks = {name: str(value) for name, value in (tags or {}).items()}
            marks |= {"pynomaly.key": key, "pynomaly.sha256": sha256}
            with told(f"register {pipeline!r}"):
                logged = self._client.create_logged_model(
                    self.experiment(pipeline),
                    name=ARTIFACT,
                    source_run_id=run_id,
                    tags=marks,
                    model_type="pynomaly",
                )
            with (
                packed(folder, sha256, example, serving, logged.model_id, run_id, needs) as place,
                told(f"register {pipeline!r}"),
            ):
                self._client.log_model_artifacts(logged.model_id, str(place))
                self._client.finalize_logged_model(logged.model_id, "READY")
                # `models:/<id>` is looked up in MLflow's global store unless a server does it.
                source = f"models:/{logged.model_id}" if self._served else logged.artifact_location
                made = self._client.create_model_version(
                    pipeline, source=source, run_id=run_id, tags=marks, model_id=logged.model_id
                )
            return _ref(made)

    @property
    def _served(self) -> bool:
        return urlsplit(self.tracking_uri).scheme in ("http", "https")

    def _by_key(self, pipeline: str, key: str) -> ModelRef | None:
        with told(f"look up the versions of {pipeline!r}"):
            query = f"name = '{pipeline}' and tag.`pynomaly.key` = {_quoted(key)}"
            found = list(self._client.search_model_versions(query))
        return _ref(min(found, key=lambda item: int(item.version))) if found else None

    def _ensure_model(self, pipeline: str) -> None:
        try:
            with told(f"create the registered model {pipeline!r}"):
                self._client.create_registered_model(pipeline)
        except RecordError as error:
            if error_code(error) != "RESOURCE_ALREADY_EXISTS":
                raise

    def _drop_leftovers(self, pipeline: str, key: str) -> None:
        """Delete models that an earlier, killed registration of this key logged and never registered."""
        with told(f"clean up after an earlier registration of {pipeline!r}"):
            query = f"tags.`pynomaly.key` = {_quoted(key)}"
            for logged in self._client.search_logged_models([self.experiment(pipeline)], query):
                self._client.delete_logged_model(logged.model_id)

    def version(self, pipeline: str, version: int) -> ModelRef:
        """The version with this number.

        Raises
        ------
        RecordError
            If there is none; names those there are.
        """
        try:
            with told(f"find {pipeline} v{version}"):
                return _ref(self._client.get_model_version(pipeline, str(version)))
        except RecordError as error:
            if error_code(error) != "RESOURCE_DOES_NOT_EXIST":
                raise
            there = [ref.version for ref in self.versions(pipeline)]
            raise RecordError(f"{pipeline} has no version {version}; {allowed(version, there)}") from error

    def versions(self, pipeline: str) -> tuple[ModelRef, ...]:
        """Every version of the pipeline's model, newest first."""
        found: list[Any] = []
        token = None
        with told(f"list the versions of {pipeline!r}"):
            while True:
                page = self._client.search_model_versions(f"name = '{pipeline}'", page_token=token)
                found.extend(page)
                token = page.token
                if not token:
                    break
        return tuple(sorted(map(_ref, found), key=lambda ref: -ref.version))

    def alias(self, pipeline: str, alias: str = "champion") -> ModelRef:
        """The version an alias points to.

        Raises
        ------
        NoChampionError
            If the pipeline has no such alias, or no model yet.
        """
        try:
            with told(f"find {pipeline}@{alias}"):
                return _ref(self._client.get_model_version_by_alias(pipeline, alias))
        except RecordError as error:
            if error_code(error) not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            raise NoChampionError(
                f"{pipeline!r} has no {alias} yet: nothing has been promoted to it"
            ) from error

    def aliases(self, pipeline: str) -> dict[str, int]:
        """Alias to version number; empty before the first registration."""
        try:
            with told(f"list the aliases of {pipeline!r}"):
                found = self._client.get_registered_model(pipeline).aliases
        except RecordError as error:
            if error_code(error) == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise
        return {str(name): int(number) for name, number in found.items()}

    def set_alias(self, pipeline: str, alias: str, version: int) -> None:
        """Point `alias` to a version, wherever it pointed before."""
        with told(f"set {pipeline}@{alias} to v{version}"):
            self._client.set_registered_model_alias(pipeline, alias, str(version))

    def drop_alias(self, pipeline: str, alias: str) -> None:
        """Remove an alias; one that is not there is fine."""
        with told(f"remove {pipeline}@{alias}"):
            self._client.delete_registered_model_alias(pipeline, alias)

    def mark(self, pipeline: str, version: int, tag: str, value: str) -> None:
        """Set a tag of a version."""
        with told(f"mark {pipeline} v{version}"):
            self._client.set_model_version_tag(pipeline, str(version), tag, value)

    def describe(self, ref: ModelRef, text: str) -> None:
        """Show `text` (Markdown, such as the model card) on the version's page."""
        with told(f"describe {ref}"):
            self._client.update_model_version(ref.name, str(ref.version), description=text[:5000])

    def fetch(self, ref: ModelRef) -> Path:
        """Local folder with the bundle of `ref`, downloaded once if it lies elsewhere.

        Nothing is checked here: ``Bundle.load(folder, ref.sha256)`` does, before a byte is parsed.

        Raises
        ------
        RecordError
            If the files are gone.
        """
        cached = self._cached(ref) / "artifacts" / ARTIFACT
        if self._served and cached.is_dir():
            return cached  # asked of the server once
        with told(f"locate {ref}"):
            address = str(self._client.get_model_version_download_uri(ref.name, str(ref.version)))
        scheme = urlsplit(address).scheme
        if scheme in ("", "file"):
            place = Path(url2pathname(urlsplit(address).path)) if scheme else Path(address)
        else:
            place = self._download(ref, address)
        bundle = place / "artifacts" / ARTIFACT
        if not bundle.is_dir():
            raise RecordError(f"the files of {ref} are gone: nothing at {bundle}")
        return bundle

    def _cached(self, ref: ModelRef) -> Path:
        return self.home / "cache" / "models" / ref.name / f"v{ref.version}-{ref.sha256[:16]}"

    def _download(self, ref: ModelRef, address: str) -> Path:
        from mlflow.artifacts import download_artifacts

        target = self._cached(ref)
        if target.is_dir():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = tempfile.mkdtemp(prefix=".draft-", dir=target.parent)
        try:
            with told(f"download {ref}"):
                got = download_artifacts(artifact_uri=address, dst_path=draft, tracking_uri=self.tracking_uri)
                try:
                    os.rename(got, target)
                except OSError:
                    if not target.is_dir():  # else another process was first
                        raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return target

    def load(self, ref: ModelRef) -> Bundle:
        """The bundle of `ref`, checked against the hash the registry holds.

        Raises
        ------
        RecordError
            If the registry holds no hash for it: then nothing says that it is the one that was registered.
        IntegrityError
            If the content is not what was registered.
        """
        from pynomaly.model.bundle import Bundle

        if not ref.sha256:
            raise RecordError(
                f"{ref} has no tag pynomaly.sha256; only versions registered by Pynomaly are loaded"
            )
        return Bundle.load(self.fetch(ref), ref.sha256)


def _quoted(text: str) -> str:
    """Text for one of MLflow's filters, which know no escape."""
    if "'" in text:
        raise RecordError(f"the key {text!r} holds a quote; keys are hexadecimal digits, letters and ':'")
    return f"'{text}'"


def _ref(version: Any) -> ModelRef:
    tags = {str(name): str(value) for name, value in version.tags.items()}
    return ModelRef(
        name=str(version.name),
        version=int(version.version),
        run_id=str(version.run_id),
        sha256=tags.get("pynomaly.sha256", ""),
        uri=f"models:/{version.name}/{version.version}",
        tags=tags,
    )
