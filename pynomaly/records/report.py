"""Model card of a version, and page about data that failed validation, as text.

The templates are beside this module. A name that a template uses and does not get is an error, never a
blank. Called by :mod:`pynomaly.steps`. Nothing is written here: the store or the registry keeps the text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.errors import RecordError
from pynomaly.judging.choice import Choice
from pynomaly.records.markdown import plain

__all__ = ["model_card", "quality_page"]

_TEMPLATES = Path(__file__).parent / "templates"
_RUNGS = {
    "labels": "known labels of held-out rows",
    "audited": "an audited sample of held-out rows",
    "injected": "anomalies injected into held-out rows, not real ones",
    "stability": "stability alone: nothing shows that it finds anomalies",
}


def model_card(
    *,
    pipeline: Pipeline,
    prepared: Mapping[str, Any],
    choice: Choice,
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
    choice : Choice
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
    return _render(
        "model_card.md.j2",
        pipeline=pipeline,
        prepared=prepared,
        choice=choice,
        candidates=candidates,
        winner=winner,
        git_commit=git_commit,
        evidence=_RUNGS.get(str(prepared.get("rung")), str(prepared.get("rung"))),
    )


def quality_page(pipeline: str, subject: str, report: Mapping[str, Any]) -> str:
    """Return an HTML page about the validation of a window; it can be read offline.

    Parameters
    ----------
    pipeline, subject : str
        Name of the pipeline, and the window.
    report : mapping
        ``QualityReport.to_dict()``.

    Raises
    ------
    RecordError
        If a fact that the page states is missing.
    """
    return _render("quality.html.j2", pipeline=pipeline, subject=subject, report=report)


def _render(template: str, **content: Any) -> str:
    from jinja2 import UndefinedError

    try:
        return str(_environment(template.endswith(".html.j2")).get_template(template).render(**content))
    except UndefinedError as error:
        raise RecordError(f"{template.removesuffix('.j2')} cannot be written: {error.message}") from error


@cache
def _environment(html: bool) -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
        finalize=None if html else _plain,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": _number, "interval": _interval}
    return environment


def _number(value: object) -> str:
    """Format with three significant figures, or as a dash where nothing was computed."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if not isinstance(value, int | float):
        return str(value)  # raises if the template did not get the value
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def _interval(metric: Mapping[str, Any] | None) -> str:
    if not metric:
        return "not computable"
    return f"{_number(metric['value'])} ({_number(metric['low'])} to {_number(metric['high'])})"


def _plain(value: object) -> object:
    """Escape text as it is filled in, because Jinja has no escaping for Markdown."""
    return plain(value) if isinstance(value, str) else value
