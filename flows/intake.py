"""``pynomaly init`` and ``convert``: write a first configuration, which is checked before it is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flows.examples import write_examples
from pynomaly.config import parse_pipeline
from pynomaly.config.plain_yaml import dump_yaml, parse_plain_yaml
from pynomaly.data.incidents import Incident
from pynomaly.data.inspect import CANDIDATES, draft_pipeline, make_slug
from pynomaly.data.migration import ConvertedExport, convert_export
from pynomaly.errors import ConfigError
from pynomaly.records.store import write_atomically

__all__ = ["write_converted_config", "write_draft", "write_example"]

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
    text = draft_pipeline(data, name=name, time=time, label=label, id=id, folder=Path.cwd() / "configs")
    settings = parse_plain_yaml(text)
    file = Path.cwd() / "configs" / f"{settings['name']}.yaml"
    parse_pipeline(settings, origin=file)
    _refuse_existing_files([file], force)
    write_atomically(file, text.encode())
    relative_path = file.relative_to(Path.cwd())
    return {"config": str(relative_path), "pipeline": settings["name"], "settings": settings}


def write_example(*, force: bool) -> dict[str, Any]:
    """Write ``configs/quickstart.yaml`` under the current folder: every setting once, with comments.

    Raises
    ------
    ConfigError
        If the file exists and `force` is not given.
    """
    file = Path.cwd() / "configs" / "quickstart.yaml"
    _refuse_existing_files([file], force)
    write_examples(file.parent, ("quickstart",), force=force)
    settings = parse_plain_yaml(file.read_text(encoding="utf-8"))
    return {"config": str(file.relative_to(Path.cwd())), "pipeline": settings["name"], "settings": settings}


def write_converted_config(exports: Sequence[Path], *, name: str, force: bool) -> dict[str, Any]:
    """Write ``configs/NAME.yaml`` and the files it needs for the export of another product.

    Rows that had to be joined into one table go to ``data/NAME.csv``, declared incidents to
    ``configs/NAME-incidents.yaml``, the product's own verdicts to ``data/NAME-before.csv``. The configuration
    is written last, so that an interrupted call can be repeated.

    Raises
    ------
    ConfigError
        If one of these files exists and `force` is not given, or `name` cannot name a pipeline.
    DataError
        If the export cannot be read; nothing is written then.
    """
    conversion = convert_export(exports)
    pipeline_name = name or make_slug(conversion.name)
    configs, data = Path.cwd() / "configs", Path.cwd() / "data"
    file, files = configs / f"{pipeline_name}.yaml", _build_files(conversion, pipeline_name, configs, data)
    settings = _build_settings(conversion, pipeline_name, configs, files.get(data / f"{pipeline_name}.csv"))
    parse_pipeline(settings, origin=file)
    text = _render_yaml(conversion, settings)
    _refuse_existing_files([*files, file], force)
    for path, content in (*files.items(), (file, text.encode())):
        write_atomically(path, content)
    here = Path.cwd()
    return {
        "config": str(file.relative_to(here)),
        "files": [str(path.relative_to(here)) for path in files],
        "pipeline": pipeline_name,
        "product": conversion.title,
        "carried": conversion.carried,
        "left_out": conversion.left_out,
        "incidents": len(conversion.incidents),
        "data": conversion.file is not None or conversion.table is not None or "query" in settings["data"],
        "settings": settings,
    }


def _refuse_existing_files(files: Sequence[Path], force: bool) -> None:
    if existing := [file for file in files if file.exists() and not force]:
        raise ConfigError(f"{existing[0]} exists; give another --name, or --force to write over it")


def _build_files(conversion: ConvertedExport, name: str, configs: Path, data: Path) -> dict[Path, bytes]:
    """Returns the contents of the files beside the configuration; in memory, so that none is half written."""
    files: dict[Path, bytes] = {}
    if conversion.table is not None:
        files[data / f"{name}.csv"] = conversion.table.to_csv(index=False, date_format=_ISO).encode()
    if conversion.before is not None:
        files[data / f"{name}-before.csv"] = conversion.before.to_csv(index=False, date_format=_ISO).encode()
        conversion.leave_out(
            f"{len(conversion.before)} verdicts of the product", f"no labels; kept in data/{name}-before.csv"
        )
    if conversion.incidents:
        path = configs / f"{name}-incidents.yaml"
        incidents = [_format_incident(incident) for incident in sorted(conversion.incidents)]
        files[path] = dump_yaml(incidents).encode()
        conversion.add_setting("data.incidents", path.name, "labelled spans: left out of training")
    return files


def _format_incident(incident: Incident) -> dict[str, str]:
    span = {"start": incident.window.start.isoformat(), "end": incident.window.end.isoformat()}
    return {**span, **({"name": incident.name} if incident.name else {})}


def _build_settings(
    conversion: ConvertedExport, name: str, configs: Path, table: bytes | None
) -> dict[str, Any]:
    """Returns the settings: a draft from the rows, if there are any, overridden by what the export says."""
    settings: dict[str, Any] = {"data": {}, "training": {"candidates": list(CANDIDATES)}}
    time = conversion.settings["data"].get("time")
    if table is not None:
        with TemporaryDirectory() as folder:
            copy = Path(folder) / "table.csv"
            copy.write_bytes(table)
            settings = dict(parse_plain_yaml(draft_pipeline(copy, name=name, time=time)))
        settings["data"]["path"] = f"../data/{name}.csv"
    elif conversion.file is not None:
        draft = draft_pipeline(conversion.file, name=name, time=time, folder=configs)
        settings = dict(parse_plain_yaml(draft))
    elif conversion.settings["data"].get("path") == "":
        conversion.settings["data"]["path"] = f"../data/{name}.csv"
    for key in ("ignore", "categorical"):  # the draft guesses these; the export names its columns
        settings["data"].pop(key, None)
    return _merge_settings({"name": name, **settings}, conversion.settings)


def _merge_settings(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        inner = below.get(key)
        merged[key] = (
            _merge_settings(inner, value) if isinstance(value, dict) and isinstance(inner, dict) else value
        )
    return merged


def _render_yaml(conversion: ConvertedExport, settings: dict[str, Any]) -> str:
    """Returns the YAML below a comment that says where each setting comes from and what is left out."""
    lines = [f"Converted from an export of {conversion.title}.", "", "Carried over:"]
    lines += [f"  {setting}: {source}" for setting, source in conversion.carried.items()]
    lines += ["", "Not carried over:", *(f"  {what}: {why}" for what, why in conversion.left_out.items())]
    lines += [] if conversion.left_out else ["  nothing: all of it has its place here"]
    lines += ["", "Every other setting was drafted from the rows, or has its default (`pynomaly config`)."]
    printable_lines = ("".join(c if c.isprintable() else " " for c in line) for line in lines)
    comment = "\n".join(f"# {line}".rstrip() for line in printable_lines)
    return comment + "\n\n" + dump_yaml(settings)
