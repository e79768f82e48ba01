"""``pynomaly init``: write a draft configuration, checked before it is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pynomaly.config import parse
from pynomaly.config.plain_yaml import plain_yaml
from pynomaly.data.inspect import draft
from pynomaly.errors import ConfigError
from pynomaly.records.store import write_atomically

__all__ = ["write_draft"]


def write_draft(
    data: Path, *, name: str | None, time: str | None, label: str | None, id: str | None, force: bool
) -> dict[str, Any]:
    """Draft ``configs/NAME.yaml`` under the current folder for the table at `data`.

    Raises
    ------
    ConfigError
        If the file exists and `force` is not given.
    DataError
        If the table cannot be read; nothing is written then.
    """
    text = draft(data, name=name, time=time, label=label, id=id, folder=Path.cwd() / "configs")
    settings = plain_yaml(text)
    file = Path.cwd() / "configs" / f"{settings['name']}.yaml"
    parse(settings, origin=file)
    if file.exists() and not force:
        raise ConfigError(f"{file} exists; give another --name, or --force to write over it")
    write_atomically(file, text.encode())
    shown = file.relative_to(Path.cwd())
    return {"config": str(shown), "pipeline": settings["name"], "settings": settings}
