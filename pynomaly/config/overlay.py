"""The settings of an environment: a pipeline's YAML with the YAML of the same name over it.

``configs/x.yaml`` is what development runs; ``configs/production/x.yaml`` holds only what differs there.
Blocks are merged key by key, however deep; lists and single values are replaced. Nothing is inherited
between environments. Called by ``load.py``, and by ``pynomaly config`` to say where each value came from.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pynomaly.config.plain_yaml import plain_yaml
from pynomaly.errors import ConfigError, allowed

__all__ = ["ADDRESSES", "VARIABLE", "Layers", "environments", "leaves", "read"]

VARIABLE = "PYNOMALY_ENV"
"""Names the environment for every command, flow and worker that is not told one."""

ADDRESSES = tuple(f"PYNOMALY_{name}" for name in ("TRACKING", "LEDGER", "ARTIFACTS", "STORE", "EVIDENTLY"))
"""Where records are kept, where the YAML does not say it."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


@dataclass(frozen=True)
class Layers:
    """Settings put together from files.

    Attributes
    ----------
    content : object
        What validation sees: the merged mapping, or whatever a single YAML held.
    environment : str
        Empty without one.
    files : tuple of Path
        The YAML, then the overlay if there is one.
    """

    content: object
    environment: str
    files: tuple[Path, ...]
    written: tuple[object, ...]

    def source(self, location: tuple[int | str, ...]) -> Path | None:
        """The file whose value stands at a key, such as ``("training", "holdout")``; None if no file's."""
        for file, content in zip(reversed(self.files), reversed(self.written), strict=True):
            here: object = content
            for part in location:
                if not isinstance(here, Mapping):
                    break  # a list or a value: replaced as a whole
                if part not in here:
                    here = None
                    break
                here = here[part]
            else:
                return file
            if here is not None:
                return file
        return None


def read(path: Path, environment: str | None = None) -> Layers:
    """The YAML at `path` with the overlay of `environment` (default: ``$PYNOMALY_ENV``) over it.

    Raises
    ------
    ConfigError
        If a file is not readable YAML, an overlay is no mapping, or no folder of that name holds overlays.
    """
    name = os.environ.get(VARIABLE, "") if environment is None else environment
    content = _yaml(path)
    if not name:
        return Layers(content, "", (path,), (content,))
    known = environments(path.parent)
    if not _NAME.fullmatch(name) or name not in known:
        raise ConfigError(f"no environment {name!r} beside {path}; {allowed(name, known)}")
    over = path.parent / name / path.name
    if not over.is_file():
        return Layers(content, name, (path,), (content,))
    changes = _yaml(over)
    if not isinstance(changes, dict):
        raise ConfigError(f"{over}: expected keys like 'training', got {type(changes).__name__}")
    if not isinstance(content, dict):
        return Layers(content, name, (path,), (content,))
    return Layers(_merged(content, changes), name, (path, over), (content, changes))


def environments(folder: Path) -> list[str]:
    """Names of the folders in `folder` that hold overlays."""
    return sorted(
        item.name for item in folder.iterdir() if _NAME.fullmatch(item.name) and any(item.glob("*.yaml"))
    )


def leaves(settings: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value below `settings` with the keys that lead to it; a list is one value."""
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*above, name))
        else:
            yield (*above, name), value


def _merged(base: Mapping[Any, Any], over: Mapping[Any, Any]) -> dict[Any, Any]:
    found = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = _merged(found[key], value) if both else value
    return found


def _yaml(file: Path) -> object:
    try:
        return plain_yaml(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{file} is not readable YAML: {' '.join(str(error).split())}") from error
