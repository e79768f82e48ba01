"""Read a pipeline YAML, or say in one message which key is wrong and what is allowed.

Called by the command line and by every flow. Reads one file; changes nothing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pynomaly.config.overlay import Layers, leaves, read
from pynomaly.config.pipeline import Pipeline
from pynomaly.config.settings import shown
from pynomaly.errors import ConfigError, allowed, masked

__all__ = ["effective", "home_for", "load", "parse"]

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


def load(path: str | Path, environment: str | None = None) -> Pipeline:
    """Read and check `path`, with the overlay of `environment` (default: ``$PYNOMALY_ENV``) over it.

    Raises
    ------
    ConfigError
        If the file is missing, is not YAML, or has a key or value that is not allowed; or if there is no
        such environment.
    """
    file = _file(path)
    layers = read(file, environment)
    return parse(layers.content, origin=file.resolve(), layers=layers)


def effective(path: str | Path, environment: str | None = None) -> dict[str, Any]:
    """Every setting of a pipeline as it counts, and where it came from.

    Returns
    -------
    dict
        ``pipeline``, ``environment``, ``files`` and ``settings``: a list of ``key``, ``value`` and ``from``,
        which is a file, ``"default"`` or ``"$VARIABLE"``. Passwords in addresses are hidden.
    """
    file = _file(path)
    layers = read(file, environment)
    pipeline = parse(layers.content, origin=file.resolve(), layers=layers)
    rows = []
    for location, value in leaves(pipeline.model_dump(mode="json")):
        source = layers.source(location)
        variable = f"PYNOMALY_{location[-1].upper()}" if location[0] == "records" else ""
        if variable and not value and os.environ.get(variable):
            value, origin = os.environ[variable], f"${variable}"
        else:
            origin = str(source) if source else "default"
        rows.append(
            {
                "key": ".".join(location),
                "value": shown(value) if isinstance(value, str) else value,
                "from": origin,
            }
        )
    return {
        "pipeline": pipeline.name,
        "environment": layers.environment,
        "files": [str(item) for item in layers.files],
        "settings": rows,
    }


def _file(path: str | Path) -> Path:
    file = Path(path).expanduser()
    if not file.is_file():
        near = sorted(str(item) for item in file.parent.glob("*.yaml")) if file.parent.is_dir() else []
        raise ConfigError(f"no pipeline at {str(path)!r}; {allowed(str(path), near)}")
    return file


def parse(content: object, origin: Path, layers: Layers | None = None) -> Pipeline:
    """Check settings already read from YAML; `origin` is the file they came from, or the `layers`."""
    if not isinstance(content, dict):
        raise ConfigError(
            f"{origin}: expected keys like 'name', 'data', 'training', got {type(content).__name__}"
        )
    for key in ("origin", "home", "environment"):
        if key in content:
            raise ConfigError(f"{origin}: unknown key {key!r}; {allowed(key, _public(Pipeline))}")
    try:
        ours: dict[str, Any] = {"origin": origin, "home": home_for(origin.parent)}
        ours["environment"] = layers.environment if layers else ""
        pipeline = Pipeline.model_validate({**content, **ours})
    except ValidationError as error:
        lines = [_explain(detail) for detail in error.errors()]
        blamed = {layers.source(detail["loc"]) for detail in error.errors()} - {None} if layers else set()
        files = ", ".join(sorted(map(str, blamed))) or str(origin)
        raise ConfigError(f"{files}: " + "; ".join(lines)) from error
    pipeline = _beside(pipeline, origin.parent)
    templates = pipeline.reports.templates
    if templates and not Path(templates).is_dir():
        raise ConfigError(f"{origin}: reports.templates: no folder at {templates}")
    return pipeline


_PATHS = {"data": ("path", "incidents"), "grouping": ("planned",), "reports": ("templates",)}


def _beside(pipeline: Pipeline, folder: Path) -> Pipeline:
    """Paths of the settings start at the folder of the YAML."""
    changed = {}
    for block, names in _PATHS.items():
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
