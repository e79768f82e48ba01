"""``pynomaly init`` and ``convert``: write a first configuration, which is checked before it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flows.examples import write_examples
from pynomaly.config import Data, parse_pipeline
from pynomaly.config.spelling.plain_yaml import dump_yaml, parse_plain_yaml
from pynomaly.data.incidents import Incident
from pynomaly.data.intake import (
    CANDIDATES,
    ROLES,
    describe_reading,
    make_slug,
    read_table,
    render_draft,
)
from pynomaly.data.migration import ConvertedExport, convert_export
from pynomaly.errors import ColumnError, ConfigError, list_allowed
from pynomaly.records.store import write_atomically
from pynomaly.steps.pipeline_draft import draft_pipeline, read_draft

__all__ = [
    "explain_column",
    "list_questions",
    "parse_settings",
    "write_converted_config",
    "write_draft",
    "write_example",
]

_ISO = "%Y-%m-%dT%H:%M:%S.%f+00:00"


def write_draft(
    data: str | Path, hints: Mapping[str, Any] | None = None, *, name: str | None = None, force: bool = False
) -> dict[str, Any]:
    """Draft ``configs/NAME.yaml`` under the current folder for the table at `data`.

    Parameters
    ----------
    data : str or Path
        A file, a folder of files with the same columns, or a pattern with `*`.
    hints : mapping, optional
        Settings under ``data`` that are known; they are taken and not guessed.
    name : str, optional
        Name of the pipeline; by default made from the file name.
    force : bool
        Write over an existing file.

    Returns
    -------
    dict
        What was decided and why (:func:`pynomaly.data.intake.describe_reading`), the settings, and the file.

    Raises
    ------
    ConfigError
        If the file exists and `force` is not given.
    DataError
        If the table cannot be read, or no column is left for a model; nothing is written then.
    """
    folder = Path.cwd() / "configs"
    draft = draft_pipeline(data, hints, name, folder)
    file = folder / f"{draft.name}.yaml"
    _refuse_existing_files([file], force)
    write_atomically(file, draft.text.encode())
    return {
        "config": str(file.relative_to(Path.cwd())),
        "pipeline": draft.name,
        **describe_reading(draft.reading),
        "settings": draft.settings,
    }


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Return settings under ``data`` that are written as ``KEY=VALUE``; a value is YAML.

    Raises
    ------
    ConfigError
        If one has no ``=``, its key is no setting under ``data``, or its value is no YAML.
    """
    parsed: dict[str, Any] = {}
    allowed = [name for name in Data.model_fields if name not in ("source", "path", "time_columns")]
    for setting in settings:
        key, mark, value = setting.partition("=")
        key = key.strip().removeprefix("data.")
        if not mark or key not in allowed:
            raise ConfigError(f"--set {setting!r}: write KEY=VALUE; {list_allowed(key, allowed)}")
        try:
            parsed[key] = parse_plain_yaml(value)
        except ValueError as error:
            raise ConfigError(f"--set {setting!r}: the value is no YAML: {error}") from error
    return parsed


def explain_column(data: str | Path, column: str, hints: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what is known of one column of a table: role, reason, cells, and what would change it.

    Raises
    ------
    ColumnError
        If the table has no such column.
    DataError
        If the table cannot be read.
    """
    reading = read_table(data, hints)
    names = [item.name for item in reading.columns]
    if column not in names:
        raise ColumnError(f"{data}: no column {column!r}; {list_allowed(column, names)}")
    described = describe_reading(reading)
    item = next(item for item in described["columns"] if item["name"] == column)
    about = [
        d
        for d in described["choices"]
        if d["setting"] in ("missing_values", "missing_in", "decimal", "thousands")
    ]
    return {
        "file": described["file"],
        "column": item,
        "meaning": ROLES[item["role"]],
        "choices": about if item["role"] in ("number", "counter", "constant") else [],
        "past": described["context"]["columns"].get(column),
        "context": described["context"]["why"],
        "settings": {key: value for key, value in reading.data.items() if column in _list_names(value)},
    }


def _list_names(value: object) -> list[str]:
    """Return the names that a setting holds."""
    if isinstance(value, str):
        return [value]
    return [str(item) for item in value] if isinstance(value, Mapping | list | tuple) else []


def list_questions(data: str | Path, hints: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each doubtful choice on a table as a question: setting, value, why, choices."""
    reading = read_table(data, hints)
    questions: list[dict[str, Any]] = []
    names = [column.name for column in reading.columns]
    if reading.time is None:
        questions.append(
            _ask("time", None, "no column reads as times: the table would be one window", ["none", *names])
        )
    else:
        column = next(item for item in reading.columns if item.name == reading.time.columns[0])
        if column.sure != "sure":
            questions.append(
                _ask(
                    "time_format",
                    reading.time.format,
                    column.why,
                    [reading.time.format, *reading.time.otherwise],
                )
            )
        if reading.time.zone:
            questions.append(
                _ask(
                    "timezone", reading.time.zone, "the times have no offset", ["UTC", "Europe/Berlin", "..."]
                )
            )
    truths = [column.name for column in reading.columns if column.role in ("label", "truth")]
    if truths:
        why = next(column.why for column in reading.columns if column.name in truths)
        questions.append(
            _ask("label", reading.label, f"which column tells the truth: {why}", ["none", *truths])
        )
    entities = [column for column in reading.columns if column.role == "entity" and column.sure != "sure"]
    if entities:
        questions.append(
            _ask("id", reading.id, f"whose a row is: {entities[0].why}; {entities[0].otherwise}", names)
        )
    doubtful = [d for d in reading.choices if d.sure == "doubtful" and isinstance(d.value, str)]
    questions += [_ask(d.setting, d.value, d.why, [d.value, *d.otherwise]) for d in doubtful]
    return [question for question in questions if question["setting"] not in hints]


def _ask(setting: str, value: object, why: str, choices: list[Any]) -> dict[str, Any]:
    return {"setting": setting, "value": value, "why": why, "choices": [item for item in choices if item]}


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
    settings = read_draft(file.read_text(encoding="utf-8"))
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
            settings = _draft_settings(copy, name, time, None)
        settings["data"]["path"] = f"../data/{name}.csv"
    elif conversion.file is not None:
        settings = _draft_settings(Path(conversion.file), name, time, configs)
    elif conversion.settings["data"].get("path") == "":
        conversion.settings["data"]["path"] = f"../data/{name}.csv"
    for key in ("ignore", "categorical"):  # the draft guesses these; the export names its columns
        settings["data"].pop(key, None)
    return _merge_settings({"name": name, **settings}, conversion.settings)


def _draft_settings(table: Path, name: str, time: str | None, folder: Path | None) -> dict[str, Any]:
    reading = read_table(table, {"time": time} if time else None)
    return read_draft(render_draft(reading, name, folder))


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
