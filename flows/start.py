"""``pynomaly init`` and ``convert``: write a first configuration, checked before it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pynomaly.config import parse
from pynomaly.config.plain_yaml import dumped, plain_yaml
from pynomaly.data.incidents import Incident
from pynomaly.data.inspect import CANDIDATES, draft, slug
from pynomaly.data.migration import Converted, convert
from pynomaly.errors import ConfigError
from pynomaly.records.store import write_atomically

__all__ = ["write_converted", "write_draft"]

_ISO = "%Y-%m-%dT%H:%M:%S.%f+00:00"


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
    _free([file], force)
    write_atomically(file, text.encode())
    shown = file.relative_to(Path.cwd())
    return {"config": str(shown), "pipeline": settings["name"], "settings": settings}


def write_converted(exports: Sequence[Path], *, name: str, force: bool) -> dict[str, Any]:
    """Write ``configs/NAME.yaml``, and what it needs beside it, for what another product exported.

    Rows that had to be brought into one table go to ``data/NAME.csv``, declared incidents to
    ``configs/NAME-incidents.yaml``, the product's own verdicts to ``data/NAME-before.csv``. The configuration
    is written last: what was cut off can be run again.

    Raises
    ------
    ConfigError
        If one of these files exists and `force` is not given, or `name` cannot name a pipeline.
    DataError
        If the export cannot be read; nothing is written then.
    """
    found = convert(exports)
    called = name or slug(found.name)
    configs, data = Path.cwd() / "configs", Path.cwd() / "data"
    file, files = configs / f"{called}.yaml", _files(found, called, configs, data)
    settings = _settings(found, called, configs, files.get(data / f"{called}.csv"))
    parse(settings, origin=file)
    text = _explained(found, settings)
    _free([*files, file], force)
    for path, content in (*files.items(), (file, text.encode())):
        write_atomically(path, content)
    here = Path.cwd()
    return {
        "config": str(file.relative_to(here)),
        "files": [str(path.relative_to(here)) for path in files],
        "pipeline": called,
        "product": found.title,
        "carried": found.carried,
        "left_out": found.left_out,
        "incidents": len(found.incidents),
        "data": found.file is not None or found.table is not None or "query" in settings["data"],
        "settings": settings,
    }


def _free(files: Sequence[Path], force: bool) -> None:
    if taken := [file for file in files if file.exists() and not force]:
        raise ConfigError(f"{taken[0]} exists; give another --name, or --force to write over it")


def _files(found: Converted, name: str, configs: Path, data: Path) -> dict[Path, bytes]:
    """What is written beside the configuration, whole in memory, so that nothing is half there."""
    files: dict[Path, bytes] = {}
    if found.table is not None:
        files[data / f"{name}.csv"] = found.table.to_csv(index=False, date_format=_ISO).encode()
    if found.before is not None:
        files[data / f"{name}-before.csv"] = found.before.to_csv(index=False, date_format=_ISO).encode()
        found.leave(
            f"{len(found.before)} verdicts of the product", f"no labels; kept in data/{name}-before.csv"
        )
    if found.incidents:
        path = configs / f"{name}-incidents.yaml"
        listed = [_incident(incident) for incident in sorted(found.incidents)]
        files[path] = dumped(listed).encode()
        found.say("data.incidents", path.name, "labelled spans: left out of training")
    return files


def _incident(incident: Incident) -> dict[str, str]:
    spoken = {"start": incident.window.start.isoformat(), "end": incident.window.end.isoformat()}
    return {**spoken, **({"name": incident.name} if incident.name else {})}


def _settings(found: Converted, name: str, configs: Path, table: bytes | None) -> dict[str, Any]:
    """The draft for the rows, if there are any, with what the export says put over it."""
    drafted: dict[str, Any] = {"data": {}, "training": {"candidates": list(CANDIDATES)}}
    time = found.settings["data"].get("time")
    if table is not None:
        with TemporaryDirectory() as folder:
            copy = Path(folder) / "table.csv"
            copy.write_bytes(table)
            drafted = plain_yaml(draft(copy, name=name, time=time))  # type: ignore[assignment]
        drafted["data"]["path"] = f"../data/{name}.csv"
    elif found.file is not None:
        drafted = plain_yaml(draft(found.file, name=name, time=time, folder=configs))  # type: ignore[assignment]
    elif found.settings["data"].get("path") == "":
        found.settings["data"]["path"] = f"../data/{name}.csv"
    for key in ("ignore", "categorical"):  # guessed; the export names its columns
        drafted["data"].pop(key, None)
    return _over({"name": name, **drafted}, found.settings)


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        inner = below.get(key)
        merged[key] = _over(inner, value) if isinstance(value, dict) and isinstance(inner, dict) else value
    return merged


def _explained(found: Converted, settings: dict[str, Any]) -> str:
    """The YAML under a comment that says where each setting comes from, and what has no equal here."""
    lines = [f"Converted from an export of {found.title}.", "", "Carried over:"]
    lines += [f"  {setting}: {source}" for setting, source in found.carried.items()]
    lines += ["", "Not carried over:", *(f"  {what}: {why}" for what, why in found.left_out.items())]
    lines += [] if found.left_out else ["  nothing: all of it has its place here"]
    lines += ["", "Every other setting was drafted from the rows, or has its default (`pynomaly config`)."]
    shown = ("".join(c if c.isprintable() else " " for c in line) for line in lines)
    comment = "\n".join(f"# {line}".rstrip() for line in shown)
    return comment + "\n\n" + dumped(settings)
