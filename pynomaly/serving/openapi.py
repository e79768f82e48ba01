"""The OpenAPI document of the server: FastAPI's own, with the body that the champion of now takes.

FastAPI writes it from the routes and their models. What a row holds is known once a model is champion, and
changes with it; its schema is that of the pydantic model in ``bodies.py``. Examples are golden rows of the
model, which the registry stores with it.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from pynomaly.config import Data, Pipeline
from pynomaly.records.registry.live_champion import ServedModel
from pynomaly.serving.bodies import build_request_model
from pynomaly.serving.rows import RowSchema
from pynomaly.serving.times import spell_time

__all__ = ["build_openapi"]

_VERSION = "3.0.3"
"""What the page /docs can draw."""
_NULL = {"type": "null"}
_TOKEN_PATHS = (("/score", "post"), ("/model", "get"))
_OPEN_PATHS = (("/health", "get"), ("/metrics", "get"))


def build_openapi(
    app: FastAPI, pipeline: Pipeline, served: ServedModel | None, secured: bool
) -> dict[str, Any]:
    """Return the whole document; without a champion, rows are objects without a schema."""
    document = get_openapi(
        title=f"Pynomaly: {pipeline.name}",
        version=f"v{served.ref.version}" if served else "no champion",
        description=pipeline.description or f"Scores rows as the champion of {pipeline.name} does.",
        openapi_version=_VERSION,
        routes=app.routes,
        separate_input_output_schemas=False,
    )
    shape = RowSchema.of(served.bundle, pipeline.data) if served else None
    example = _example_rows(served, shape, pipeline.data) if served and shape else []
    schema = build_request_model(pipeline, shape, example).model_json_schema(
        ref_template="#/components/schemas/{model}"
    )
    schemas = document["components"]["schemas"]
    schemas |= schema.pop("$defs")
    schemas["ScoreRequest"] = schema
    body = {"application/json": {"schema": {"$ref": "#/components/schemas/ScoreRequest"}}}
    document["paths"]["/score"]["post"]["requestBody"] = {"required": True, "content": body}
    if secured:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
        for path, verb in _OPEN_PATHS:
            document["paths"][path][verb]["security"] = []
    else:
        for path, verb in _TOKEN_PATHS:
            del document["paths"][path][verb]["responses"]["401"]
    spelled: dict[str, Any] = _spell_nullable(document)
    return spelled


def _spell_nullable(part: Any) -> Any:
    """Return a part of a document with ``nullable`` where a type of its own says null, as 3.0 has it."""
    if isinstance(part, list):
        return [_spell_nullable(item) for item in part]
    if not isinstance(part, dict):
        return part
    spelled = {name: _spell_nullable(item) for name, item in part.items() if name != "example"}
    if _NULL in part.get("anyOf", ()):
        spelled["anyOf"] = [item for item in spelled["anyOf"] if item != _NULL]
        spelled["nullable"] = True
    return spelled | {name: part[name] for name in ("example",) if name in part}


def _example_rows(served: ServedModel, shape: RowSchema, data: Data) -> list[dict[str, Any]]:
    """Return the least and the most anomalous golden row in the form of a request."""
    golden = served.bundle.golden
    examples = []
    for place in dict.fromkeys((0, len(golden) - 1)):
        row = golden.iloc[place]
        cells: dict[str, Any] = {}
        for name in shape.numeric:
            cells[name] = float(row[name]) if name in row and row[name] == row[name] else None
        for name in shape.categorical:
            cells[name] = row[name]
        if shape.entity is not None and shape.entity not in cells:
            cells[shape.entity] = row.get(shape.entity) or "an entity"
        if shape.graph is not None:
            cells |= {shape.graph.source: "an entity", shape.graph.target: "another"}
        if shape.time is not None:
            cells |= spell_time(row.get(shape.time), shape.time_columns, data)
        examples.append(cells)
    return examples
