"""The page of a version, that which compares two, and those that trainings and verdicts wrote."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from pynomaly.console.api.routing import AskedBy
from pynomaly.console.api.versions import read_comparison, read_model
from pynomaly.console.pages.rendering import render_page
from pynomaly.console.queries.pipeline import describe_pipeline
from pynomaly.console.queries.versions import read_written_page
from pynomaly.errors import ConfigError
from pynomaly.steps.monitoring.window_facts import name_window_page
from pynomaly.steps.training.training_facts import name_training_page

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
Version = Annotated[int, Path(ge=1, le=2**31 - 1)]
Chosen = Annotated[int, Query(ge=0, le=2**31 - 1)]

_ITS_OWN_RULES = {
    # It has its style inside and no script; in a sandbox, it is no page of this site.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}


@router.get("/pipelines/{pipeline}/versions")
def show_versions(asked: AskedBy, pipeline: str, first: Chosen = 0, second: Chosen = 0) -> Response:
    """Return two versions side by side; without a choice the champion and the newest of the others."""
    settings = asked.find(pipeline)
    facts = describe_pipeline(asked.pipelines, settings)
    others = [item.version for item in facts.versions]
    first = first or facts.champion or (others[0] if others else 0)
    second = second or next((version for version in others if version != first), 0)
    comparison = read_comparison(asked, pipeline, first, second) if first and second else None
    return render_page(
        "versions", asked, name=pipeline, facts=facts, first=first, second=second, comparison=comparison
    )


@router.get("/pipelines/{pipeline}/versions/{version}")
def show_model(asked: AskedBy, pipeline: str, version: Version) -> Response:
    """Return one version: its calibration, its windows over time, its lineage."""
    return render_page("model", asked, model=read_model(asked, pipeline, version))


@router.get("/pipelines/{pipeline}/versions/{version}/card")
def show_card(asked: AskedBy, pipeline: str, version: Version) -> Response:
    """Return the page that the training of a version wrote."""
    page = read_written_page(asked.find(pipeline), name_training_page(version))
    return Response(page, media_type="text/html", headers=_ITS_OWN_RULES)


@router.get("/pipelines/{pipeline}/windows/{window}/report")
def show_report(
    asked: AskedBy, pipeline: str, window: str, version: Annotated[int, Query(ge=1, le=2**31 - 1)]
) -> Response:
    """Return the page that the verdict on a window under a version wrote."""
    settings = asked.find(pipeline)
    if not window.replace("-", "").isalnum():
        raise ConfigError(f"{window[:60]!r} is no window")
    page = read_written_page(settings, name_window_page(window, version))
    return Response(page, media_type="text/html", headers=_ITS_OWN_RULES)
