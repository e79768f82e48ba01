"""Read a pipeline YAML, or say in one message which key is wrong and what is allowed.

Called by the command line and by every flow. Reads one file; changes nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pynomaly.config.pipeline import Pipeline
from pynomaly.config.plain_yaml import plain_yaml
from pynomaly.errors import ConfigError, allowed, masked

__all__ = ["home_for", "load", "parse"]

_SHOWN = 300  # most characters of a refused value in a message


def home_for(folder: Path) -> Path:
    """Where state lives for a pipeline, or a shell, in `folder`.

    ``$PYNOMALY_HOME`` if set; else the nearest ``.pynomaly`` at or above `folder`, as git finds its
    repository; else ``.pynomaly`` in `folder`, or beside it when `folder` is called ``configs``.
    """
    if home := os.environ.get("PYNOMALY_HOME"):
        return Path(home).expanduser().resolve()
    folder = folder.resolve()
    for place in (folder, *folder.parents):
        if (place / ".pynomaly").is_dir():
            return place / ".pynomaly"
    return (folder.parent if folder.name == "configs" else folder) / ".pynomaly"


def load(path: str | Path) -> Pipeline:
    """Read and check `path`.

    Raises
    ------
    ConfigError
        If the file is missing, is not YAML, or has a key or value that is not allowed.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        near = sorted(str(item) for item in file.parent.glob("*.yaml")) if file.parent.is_dir() else []
        raise ConfigError(f"no pipeline at {str(path)!r}; {allowed(str(path), near)}")
    try:
        content = plain_yaml(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{file} is not readable YAML: {' '.join(str(error).split())}") from error
    return parse(content, origin=file.resolve())


def parse(content: object, origin: Path) -> Pipeline:
    """Check settings already read from YAML; `origin` is the file they came from."""
    if not isinstance(content, dict):
        raise ConfigError(
            f"{origin}: expected keys like 'name', 'data', 'training', got {type(content).__name__}"
        )
    for key in ("origin", "home"):
        if key in content:
            raise ConfigError(f"{origin}: unknown key {key!r}; {allowed(key, _public(Pipeline))}")
    try:
        pipeline = Pipeline.model_validate({**content, "origin": origin, "home": home_for(origin.parent)})
    except ValidationError as error:
        lines = [_explain(detail) for detail in error.errors()]
        raise ConfigError(f"{origin}: " + "; ".join(lines)) from error
    pipeline = _beside(pipeline, origin.parent)
    templates = pipeline.reports.templates
    if templates and not Path(templates).is_dir():
        raise ConfigError(f"{origin}: reports.templates: no folder at {templates}")
    return pipeline


_PATHS = {"data": ("path", "incidents"), "grouping": ("planned",), "reports": ("templates",)}


def _beside(pipeline: Pipeline, folder: Path) -> Pipeline:
    """Paths of the settings start at the folder of the YAML."""
    changed = {}
    for block, names in (
        ("data", ("path", "incidents")),
        ("grouping", ("planned",)),
        ("reports", ("templates",)),
    ):
        settings: BaseModel = getattr(pipeline, block)
        beside = {
            name: str((folder / Path(written).expanduser()).resolve())
            for name in names
            if (written := getattr(settings, name)) and "://" not in written
        }
        if beside:
            changed[block] = settings.model_copy(update=beside)
    return pipeline.model_copy(update=changed) if changed else pipeline


def _public(model: type[BaseModel]) -> list[str]:
    return [name for name, field in model.model_fields.items() if not field.exclude]


def _explain(detail: ErrorDetails) -> str:
    """One line a person can act on: the key, the value, what is allowed."""
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        siblings = _siblings(detail["loc"])
        return f"unknown key {key!r}; {allowed(str(detail['loc'][-1]), siblings)}"
    if detail["type"] == "missing":
        return f"key {key!r} is missing"
    shown = masked(repr(detail["input"]))
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    return f"{key}: {shown} is not allowed: {masked(detail['msg'].removeprefix('Value error, '))}"


def _siblings(location: tuple[int | str, ...]) -> list[str]:
    """Keys that are allowed where the unknown key at `location` was found."""
    model: type[BaseModel] = Pipeline
    for part in location[:-1]:
        if not isinstance(part, str):
            continue
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        nested = [
            item for item in (annotation, *getattr(annotation, "__args__", ())) if isinstance(item, type)
        ]
        model = next((item for item in nested if issubclass(item, BaseModel)), model)
    return _public(model)
