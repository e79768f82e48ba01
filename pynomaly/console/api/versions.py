"""Routes of versions: two of them side by side."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from pynomaly.console.api.routing import PROBLEMS, ApiRoute, AskedBy
from pynomaly.console.model_schemas import VersionComparison
from pynomaly.console.queries.versions import compare_versions

__all__ = ["read_comparison", "router"]

router = APIRouter(tags=["versions"], route_class=ApiRoute, responses=PROBLEMS)
Version = Annotated[int, Query(ge=1, le=2**31 - 1)]


@router.get("/pipelines/{pipeline}/comparison", summary="Two versions side by side")
def read_comparison(asked: AskedBy, pipeline: str, first: Version, second: Version) -> VersionComparison:
    """Return two versions side by side."""
    settings = asked.find(pipeline)
    return compare_versions(settings, asked.pipelines.open_ledger(settings.ledger_url), first, second)
