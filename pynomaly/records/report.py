"""Model card of a version, and page about data that failed validation, as text.

The templates are beside this module. A name that a template uses and does not get is an error, never a
blank. Called by :mod:`pynomaly.steps`. Nothing is written here: the store or the registry keeps the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.errors import RecordError
from pynomaly.judging.comparison.choice import CandidateChoice
from pynomaly.records.formats import EVIDENCE_TEXT, format_interval, format_number
from pynomaly.records.markdown import escape_markdown

__all__ = ["render_model_card"]

_TEMPLATES = Path(__file__).parent / "templates"


def render_model_card(
    *,
    pipeline: Pipeline,
    prepared: Mapping[str, Any],
    choice: CandidateChoice,
    metrics: Mapping[str, Mapping[str, Any]],
    fitted: Sequence[Mapping[str, Any]],
    winner: Mapping[str, Any],
    git_commit: str,
) -> str:
    """Return a Markdown page about one version: detector, training data, quality and limits.

    Parameters
    ----------
    pipeline : Pipeline
    prepared : mapping
        Rows, window, hash and rung of the training data (``steps.prepare.Prepared`` as a dictionary).
    choice : CandidateChoice
    metrics : mapping of str to mapping
        ``Metrics.to_dict()`` by candidate; a candidate that failed has no entry.
    fitted : sequence of mapping
        One mapping per candidate: label, detector, params, fit_seconds, error.
    winner : mapping
        The chosen candidate of `fitted`, with its ``version``.
    git_commit : str
        Git commit of the folder that holds the pipeline, or ``"none"``.

    Raises
    ------
    RecordError
        If a fact that the card states is missing.
    """
    candidates = [
        {
            "label": item["label"],
            "chosen": item["label"] == choice.winner,
            "fit_seconds": item["fit_seconds"],
            "error": item["error"],
            "metrics": metrics.get(item["label"], {}),
        }
        for item in fitted
    ]
    return _render_template(
        "model_card.md.j2",
        pipeline=pipeline,
        prepared=prepared,
        choice=choice,
        candidates=candidates,
        winner=winner,
        git_commit=git_commit,
        evidence=EVIDENCE_TEXT.get(str(prepared.get("rung")), str(prepared.get("rung"))),
    )


def _render_template(template: str, **content: Any) -> str:
    from jinja2 import UndefinedError

    try:
        return str(_build_environment(template.endswith(".html.j2")).get_template(template).render(**content))
    except UndefinedError as error:
        raise RecordError(f"{template.removesuffix('.j2')} cannot be written: {error.message}") from error


@cache
def _build_environment(html: bool) -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
        finalize=None if html else _escape_text,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": format_number, "interval": format_interval}
    return environment


def _escape_text(value: object) -> object:
    """Escape text as it is filled in, because Jinja has no escaping for Markdown."""
    return escape_markdown(value) if isinstance(value, str) else value
