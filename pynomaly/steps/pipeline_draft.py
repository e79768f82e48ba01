"""A first YAML for a table: read, tried, checked. Called by ``pynomaly init`` and by the console."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pynomaly.config import parse_pipeline
from pynomaly.config.spelling.plain_yaml import parse_plain_yaml
from pynomaly.data.intake import Reading, read_table, render_draft, try_reading
from pynomaly.errors import ColumnError

__all__ = ["PipelineDraft", "draft_pipeline", "read_draft"]


@dataclass(frozen=True)
class PipelineDraft:
    """A YAML that was read by the rules of every YAML, and not yet written.

    Attributes
    ----------
    reading : Reading
        What was decided, and why.
    text : str
    settings : dict
        The text's content.
    """

    reading: Reading
    text: str
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the pipeline."""
        return str(self.settings["name"])


def draft_pipeline(
    data: str | Path,
    hints: Mapping[str, Any] | None,
    name: str | None,
    folder: Path,
    destination: Path | None = None,
) -> PipelineDraft:
    """Draft the YAML of the table at `data`; nothing is written.

    Parameters
    ----------
    data : str or Path
        A file, a folder of files with the same columns, or a pattern with `*`.
    hints : mapping or None
        Settings under ``data`` that are known; they are taken and not guessed.
    name : str or None
        Name of the pipeline; None: made from the file name.
    folder : Path
        Where the YAML is to lie; paths in it start there.
    destination : Path, optional
        Where the table is to lie; None: it stays where it is.

    Raises
    ------
    ConfigError
        If a hint or the name is not allowed.
    DataError
        If the table cannot be read, or no column is left for a model.
    """
    reading = try_reading(read_table(data, hints))
    _refuse_featureless(reading)
    if destination is not None:
        reading = replace(reading, file=str(destination))
    text = render_draft(reading, name, folder)
    settings = read_draft(text)
    parse_pipeline(settings, origin=folder / f"{settings['name']}.yaml")
    return PipelineDraft(reading, text, settings)


def read_draft(text: str) -> dict[str, Any]:
    """Return the content of a drafted YAML."""
    content = parse_plain_yaml(text)
    assert isinstance(content, dict), "a draft is a mapping"
    return dict(content)


def _refuse_featureless(reading: Reading) -> None:
    """Raise if no column is left that a model could read, with the reason of each."""
    if any(column.is_feature for column in reading.columns):
        return
    reasons = "; ".join(f"{column.name!r}: {column.role}, {column.why}" for column in reading.columns[:6])
    raise ColumnError(
        f"{reading.file} has no column that a model could read ({reasons}); data.columns names features"
    )
