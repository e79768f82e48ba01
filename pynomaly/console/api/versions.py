"""Routes of versions: one over time, two of them side by side."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from pynomaly.console.api.routing import PROBLEMS, ApiRoute, AskedBy
from pynomaly.console.model_schemas import ModelDetail, VersionComparison
from pynomaly.console.queries.model import describe_model
from pynomaly.console.queries.versions import compare_versions

__all__ = ["read_comparison", "read_model", "router"]

router = APIRouter(tags=["versions"], route_class=ApiRoute, responses=PROBLEMS)
Version = Annotated[int, Query(ge=1, le=2**31 - 1)]


@router.get("/pipelines/{pipeline}/comparison", summary="Two versions side by side")
def read_comparison(asked: AskedBy, pipeline: str, first: Version, second: Version) -> VersionComparison:
    """Return two versions side by side."""
    settings = asked.find(pipeline)
    return compare_versions(settings, asked.pipelines.open_ledger(settings.ledger_url), first, second)


@router.get("/pipelines/{pipeline}/versions/{version}", summary="One version: calibration, drift, lineage")
def read_model(
    asked: AskedBy, pipeline: str, version: Annotated[int, Path(ge=1, le=2**31 - 1)]
) -> ModelDetail:
    """Return how a version is calibrated, how its windows moved, and where it comes from."""
    settings = asked.find(pipeline)
    return describe_model(settings, asked.pipelines.open_ledger(settings.ledger_url), version)
