"""The settings of an environment: a pipeline's YAML, merged with an overlay of the same name.

Development runs ``configs/x.yaml``; ``configs/production/x.yaml`` holds only what differs in production.
Blocks are merged key by key at every depth; lists and single values are replaced. Environments do not inherit
from each other. Called by ``load.py``, and by ``pynomaly config`` to show where each value comes from.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pynomaly.config.spelling.plain_yaml import parse_plain_yaml
from pynomaly.errors import ConfigError, list_allowed

__all__ = ["ADDRESSES", "VARIABLE", "SettingsLayers", "iterate_leaves", "list_environments", "read_layers"]

VARIABLE = "PYNOMALY_ENV"
"""Environment variable with the environment of every command, flow and worker that has no explicit one."""

ADDRESSES = tuple(f"PYNOMALY_{name}" for name in ("TRACKING", "LEDGER", "ARTIFACTS", "STORE", "EVIDENTLY"))
"""Environment variables with the addresses of records that the YAML does not set."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


@dataclass(frozen=True)
class SettingsLayers:
    """Settings merged from files.

    Attributes
    ----------
    content : object
        Input of the validation: the merged mapping, or the content of a single YAML.
    environment : str
        Name of the environment; empty without one.
    files : tuple of Path
        The YAML, then the overlay if there is one.
    written : tuple of object
        The content of each file.
    """

    content: object
    environment: str
    files: tuple[Path, ...]
    written: tuple[object, ...]

    def source(self, location: tuple[int | str, ...]) -> Path | None:
        """Return the file that sets a key, like ``("training", "holdout")``; None if no file sets it."""
        for file, content in zip(reversed(self.files), reversed(self.written), strict=True):
            node: object = content
            for part in location:
                if not isinstance(node, Mapping):
                    break  # a list or a value: replaced as a whole
                if part not in node:
                    node = None
                    break
                node = node[part]
            else:
                return file
            if node is not None:
                return file
        return None


def read_layers(path: Path, environment: str | None = None) -> SettingsLayers:
    """Read the YAML at `path`, merged with the overlay of `environment` (default: ``$PYNOMALY_ENV``).

    Raises
    ------
    ConfigError
        If a file is not readable YAML, an overlay is not a mapping, or no folder of that name has overlays.
    """
    name = os.environ.get(VARIABLE, "") if environment is None else environment
    content = _read_yaml(path)
    if not name:
        return SettingsLayers(content, "", (path,), (content,))
    known = list_environments(path.parent)
    if not _NAME.fullmatch(name) or name not in known:
        raise ConfigError(f"no environment {name!r} beside {path}; {list_allowed(name, known)}")
    over = path.parent / name / path.name
    if not over.is_file():
        return SettingsLayers(content, name, (path,), (content,))
    changes = _read_yaml(over)
    if not isinstance(changes, dict):
        raise ConfigError(f"{over}: expected keys like 'training', got {type(changes).__name__}")
    if not isinstance(content, dict):
        return SettingsLayers(content, name, (path,), (content,))
    return SettingsLayers(_merge_mappings(content, changes), name, (path, over), (content, changes))


def list_environments(folder: Path) -> list[str]:
    """Return the names of the folders in `folder` that hold overlays."""
    return sorted(
        item.name for item in folder.iterdir() if _NAME.fullmatch(item.name) and any(item.glob("*.yaml"))
    )


def iterate_leaves(
    settings: Mapping[str, Any], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every value in `settings` with the path of its keys; a list counts as one value."""
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from iterate_leaves(value, (*above, name))
        else:
            yield (*above, name), value


def _merge_mappings(base: Mapping[Any, Any], over: Mapping[Any, Any]) -> dict[Any, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge_mappings(merged[key], value) if both else value
    return merged


def _read_yaml(file: Path) -> object:
    try:
        return parse_plain_yaml(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{file} is not readable YAML: {' '.join(str(error).split())}") from error
