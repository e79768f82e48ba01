"""The route of GraphQL: a query is measured, then answered with the rights of who asks."""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from graphql import GraphQLError, OperationDefinitionNode, parse
from pydantic import BaseModel, ConfigDict, Field

from pynomaly.console.api.routing import AskedBy
from pynomaly.console.context import Asked
from pynomaly.console.graph.query_cost import MAX_TOKENS, measure_query
from pynomaly.errors import PynomalyError, mask_addresses

__all__ = ["GraphQuery", "router"]

router = APIRouter(include_in_schema=False)
_log = logging.getLogger(__name__)


class GraphQuery(BaseModel):
    """A request of GraphQL."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    query: str = Field(min_length=1, max_length=100_000)
    variables: dict[str, Any] | None = None
    operationName: str | None = Field(default=None, max_length=200)  # as GraphQL over HTTP names it


@router.post("/graphql")
def answer_query(asked: AskedBy, wish: GraphQuery) -> JSONResponse:
    """Answer a query; one that is not answered at all has the status 400."""
    try:
        document = parse(wish.query, max_tokens=MAX_TOKENS)
    except GraphQLError as error:
        return _refuse(error.formatted)
    names = [item.name for item in document.definitions if isinstance(item, OperationDefinitionNode)]
    if len(names) > 1 and not wish.operationName:
        return _refuse({"message": f"the query has {len(names)} operations; name one in operationName"})
    cost = measure_query(document, wish.variables or {}, wish.operationName or "")
    if problem := cost.find_problem():
        return _refuse({"message": problem})
    result = _build_schema().execute_sync(
        wish.query,
        variable_values=wish.variables,
        context_value=asked,
        operation_name=wish.operationName,
    )
    errors = [_describe_error(error, asked) for error in result.errors or ()]
    if result.data is None and not any(error.path for error in result.errors or ()):
        return JSONResponse({"errors": errors}, 400)
    return JSONResponse({"data": result.data, **({"errors": errors} if errors else {})})


def _refuse(*errors: Any) -> JSONResponse:
    return JSONResponse({"errors": list(errors)}, 400)


def _describe_error(error: GraphQLError, asked: Asked) -> Any:
    """Return an error as GraphQL writes it; a defect says no more than that it is one."""
    described = dict(error.formatted)
    if error.original_error is None:
        return described
    if isinstance(error.original_error, PynomalyError):
        return described | {"message": mask_addresses(str(error.original_error))}
    _log.error("a query of %s failed", asked.actor.name, exc_info=error.original_error)
    return described | {"message": "the console failed; its log says why"}


@cache
def _build_schema() -> Any:
    from pynomaly.console.graph.schema import build_schema  # strawberry takes half a second

    return build_schema()
