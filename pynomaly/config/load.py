"""Read a pipeline YAML; an error names each wrong key and what is allowed.

Called by the command line and by every flow. Reads the YAML and its overlay; changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pynomaly.config.overlay import SettingsLayers, iterate_leaves, read_layers
from pynomaly.config.pipeline import Pipeline
from pynomaly.config.settings import hide_password
from pynomaly.config.spelling.environment import read_variable
from pynomaly.errors import ConfigError, list_allowed, mask_addresses

__all__ = [
    "find_home",
    "is_pipeline_file",
    "list_pipeline_files",
    "list_settings",
    "load_pipeline",
    "parse_pipeline",
]

_MAX_SHOWN = 300  # most characters of a refused value in a message


def find_home(folder: Path) -> Path:
    """Return the folder that holds the state of a pipeline, or of a shell, in `folder`.

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


def load_pipeline(path: str | Path, environment: str | None = None) -> Pipeline:
    """Read and validate `path`, merged with the overlay of `environment` (default: ``$PYNOMALY_ENV``).

    Raises
    ------
    ConfigError
        If the file is missing, is not YAML, or has a key or value that is not allowed; or if the
        environment does not exist.
    """
    file = _require_file(path)
    layers = read_layers(file, environment)
    return parse_pipeline(layers.content, origin=file.resolve(), layers=layers)


def list_pipeline_files(folder: Path) -> tuple[Path, ...]:
    """Return the YAML files of a folder that are to be pipelines, by name; broken ones, too."""
    return tuple(file for file in sorted(folder.glob("*.yaml")) if is_pipeline_file(file))


def is_pipeline_file(file: Path) -> bool:
    """Return whether a YAML file is to be a pipeline, broken or not.

    One that holds a list is none: it declares incidents, as `data.incidents` reads them.
    """
    try:
        return not isinstance(read_layers(file, "").content, list)
    except (ConfigError, OSError):
        return True  # whoever loads it says what is wrong


def list_settings(path: str | Path, environment: str | None = None) -> dict[str, Any]:
    """Return every effective setting of a pipeline, and where it comes from.

    Returns
    -------
    dict
        ``pipeline``, ``environment``, ``files`` and ``settings``: a list of ``key``, ``value`` and ``from``,
        which is a file, ``"default"`` or ``"$VARIABLE"``. Passwords in addresses are hidden.
    """
    file = _require_file(path)
    layers = read_layers(file, environment)
    pipeline = parse_pipeline(layers.content, origin=file.resolve(), layers=layers)
    rows = []
    for location, value in iterate_leaves(pipeline.model_dump(mode="json")):
        source = layers.source(location)
        variable = f"PYNOMALY_{location[-1].upper()}" if location[0] == "records" else ""
        if variable and not value and (address := read_variable(variable)):
            value, origin = address, f"${variable}"
        else:
            origin = str(source) if source else "default"
        rows.append(
            {
                "key": ".".join(location),
                "value": hide_password(value) if isinstance(value, str) else value,
                "from": origin,
            }
        )
    return {
        "pipeline": pipeline.name,
        "environment": layers.environment,
        "files": [str(item) for item in layers.files],
        "settings": rows,
    }


def _require_file(path: str | Path) -> Path:
    file = Path(path).expanduser()
    if not file.is_file():
        near = sorted(str(item) for item in file.parent.glob("*.yaml")) if file.parent.is_dir() else []
        raise ConfigError(f"no pipeline at {str(path)!r}; {list_allowed(str(path), near)}")
    return file


def parse_pipeline(content: object, origin: Path, layers: SettingsLayers | None = None) -> Pipeline:
    """Validate settings already read from YAML; `origin` and `layers` are the files that they come from."""
    if not isinstance(content, dict):
        raise ConfigError(
            f"{origin}: expected keys like 'name', 'data', 'training', got {type(content).__name__}"
        )
    for key in ("origin", "home", "environment"):
        if key in content:
            raise ConfigError(
                f"{origin}: unknown key {key!r}; {list_allowed(key, _list_public_keys(Pipeline))}"
            )
    try:
        derived_fields: dict[str, Any] = {"origin": origin, "home": find_home(origin.parent)}
        derived_fields["environment"] = layers.environment if layers else ""
        pipeline = Pipeline.model_validate({**content, **derived_fields})
    except ValidationError as error:
        lines = [_explain_error(detail) for detail in _leave_out_consequences(error.errors())]
        wrong_files = (
            {layers.source(detail["loc"]) for detail in error.errors()} - {None} if layers else set()
        )
        files = ", ".join(sorted(map(str, wrong_files))) or str(origin)
        raise ConfigError(f"{files}: " + "; ".join(lines)) from error
    pipeline = _resolve_paths(pipeline, origin.parent)
    templates = pipeline.reports.templates
    if templates and not Path(templates).is_dir():
        raise ConfigError(f"{origin}: reports.templates: no folder at {templates}")
    return pipeline


_PATHS = {
    "data": ("path", "incidents"),
    "stream": ("avro_schema",),
    "grouping": ("planned",),
    "reports": ("templates",),
}


def _resolve_paths(pipeline: Pipeline, folder: Path) -> Pipeline:
    """Make the paths in the settings absolute; relative ones start at the folder of the YAML."""

    def resolve(settings: BaseModel, names: Iterable[str]) -> BaseModel:
        absolute_paths = {
            name: str((folder / Path(path_text).expanduser()).resolve())
            for name in names
            if (path_text := getattr(settings, name, "")) and "://" not in path_text
        }
        return settings.model_copy(update=absolute_paths) if absolute_paths else settings

    updates: dict[str, Any] = {
        block: resolve(getattr(pipeline, block), names) for block, names in _PATHS.items()
    }
    updates["sinks"] = tuple(resolve(sink, ("folder",)) for sink in pipeline.sinks)
    return pipeline.model_copy(update=updates)


def _list_public_keys(model: type[BaseModel]) -> list[str]:
    return [name for name, field in model.model_fields.items() if not field.exclude]


def _leave_out_consequences(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Return the errors without those of a list that is only too short because its items are wrong."""
    places = [detail["loc"] for detail in details]
    return [
        detail
        for detail in details
        if detail["type"] != "too_short"
        or not any(place[: len(detail["loc"])] == detail["loc"] != place for place in places)
    ]


def _explain_error(detail: ErrorDetails) -> str:
    """Return one line for a person: the key, the value, and what is allowed."""
    siblings, location = _list_sibling_keys(detail["loc"])
    key = ".".join(str(part) for part in location)
    if detail["type"] == "extra_forbidden":
        return f"unknown key {key!r}; {list_allowed(str(location[-1]), siblings)}"
    if detail["type"] == "missing":
        return f"key {key!r} is missing"
    if detail["type"] == "union_tag_not_found":
        return f"key {f'{key}.kind'!r} is missing; {list_allowed('', _list_kinds(location))}"
    if detail["type"] == "union_tag_invalid":
        kind = str(detail["ctx"]["tag"])[:_MAX_SHOWN]
        return f"{key}.kind: {kind!r} is not allowed: {list_allowed(kind, _list_kinds(location))}"
    value_text = mask_addresses(repr(detail["input"]))
    value_text = value_text if len(value_text) <= _MAX_SHOWN else f"{value_text[:_MAX_SHOWN]}..."
    return (
        f"{key}: {value_text} is not allowed: {mask_addresses(detail['msg'].removeprefix('Value error, '))}"
    )


def _list_sibling_keys(location: tuple[int | str, ...]) -> tuple[list[str], tuple[int | str, ...]]:
    """Return the keys that are allowed beside the key at `location`, and the location as it is written.

    Of a block of several kinds pydantic names the kind as if it were a key.
    """
    model: type[BaseModel] = Pipeline
    blocks: dict[str, type[BaseModel]] = {}
    written: list[int | str] = []
    for place, part in enumerate(location, start=1):
        if isinstance(part, str) and part in blocks:
            model, blocks = blocks[part], {}
            continue
        written.append(part)
        if place == len(location) or not isinstance(part, str) or part not in model.model_fields:
            continue
        nested = _list_models(model.model_fields[part].annotation)
        if len(nested) > 1:
            blocks = {str(item.model_fields["kind"].default): item for item in nested}
        else:
            model = next(iter(nested), model)
    return _list_public_keys(model), tuple(written)


def _list_kinds(location: tuple[int | str, ...]) -> list[str]:
    """Return the kinds of the block at `location`, a key of the pipeline and a position."""
    nested = _list_models(Pipeline.model_fields[str(location[0])].annotation)
    return [str(item.model_fields["kind"].default) for item in nested]


def _list_models(annotation: Any) -> list[type[BaseModel]]:
    """Return the settings' models in an annotation, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for item in getattr(annotation, "__args__", ()) for model in _list_models(item)]
