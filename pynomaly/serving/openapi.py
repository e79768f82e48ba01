"""The OpenAPI 3.0 document of the server, built from the champion that it serves.

A pure function of the served model; called by ``web`` for ``/openapi.json``. Examples are golden rows of the
model, which the registry stores with it.
"""

from __future__ import annotations

from typing import Any

from pynomaly.config import ALERT_POLICIES, Data, Pipeline
from pynomaly.config.spelling.units import spell_duration
from pynomaly.model.calibration.calibration import RARITIES, SEVERITIES
from pynomaly.records.registry.live_champion import ServedModel
from pynomaly.serving.rows import MAX_EXPLAINED_ALERTS, RowSchema
from pynomaly.serving.times import describe_time_fields, spell_time

__all__ = ["build_openapi"]

_BOUND_SCHEMA: dict[str, Any] = {"type": "number", "nullable": True}
_CELL_SCHEMA: dict[str, Any] = {"anyOf": [{"type": "number"}, {"type": "string"}], "nullable": True}
_PAST_SCHEMA: dict[str, Any] = {
    "type": "object",
    "nullable": True,
    "description": "what the strongest member of a detector that looks back sees; null for other detectors",
    "properties": {
        "member": {"type": "string", "description": "what it compares"},
        "ratio": {"type": "number", "description": "how many times the usual amount it measures"},
        "until": {"type": "string", "description": "time of the last value that it compares"},
        "nearest": {
            "type": "string",
            "nullable": True,
            "description": "time of the last value of the nearest window of the reference",
        },
    },
}
_SCORE_SCHEMAS: dict[str, dict[str, Any]] = {
    "score": {"type": "number", "description": "higher is more anomalous, in the detector's own unit"},
    "p_value": {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "description": "chance that a normal row scores at least as high",
    },
    "severity": {"type": "string", "enum": [*SEVERITIES, "none"]},
    "is_anomaly": {"type": "boolean", "description": "what the alert policy says of this row"},
    "extrapolated": {"type": "boolean", "description": "p_value is beyond what held-out rows resolve"},
    "rarity": {"type": "string", "enum": [*RARITIES, "usual", "not_computable"]},
    "held_back": {
        "type": "string",
        "description": "why a row that would alert does not; only with alerts.direction or .minimum",
    },
}


def build_openapi(pipeline: Pipeline, served: ServedModel | None, secured: bool) -> dict[str, Any]:
    """Return the whole document; without a champion, rows are objects without a schema."""
    name = pipeline.name
    version = f"v{served.ref.version}" if served else "no champion"
    shape = RowSchema.of(served.bundle, pipeline.data) if served else None
    document: dict[str, Any] = {
        "openapi": "3.0.3",
        "info": {
            "title": f"Pynomaly: {name}",
            "version": version,
            "description": pipeline.description or f"Scores rows as the champion of {name} does.",
        },
        "paths": {
            "/score": {
                "post": _post_operation("Score rows", _request_schema(pipeline, served, shape), "Scores")
            },
            "/health": {"get": _get_operation("Whether a champion is served, and how fresh", "Health", 503)},
            "/model": {"get": _get_operation("What is served: version, columns, policy", "Model", 503)},
            "/metrics": {
                "get": {"summary": "For Prometheus", "responses": {"200": _text_response("Counters")}}
            },
        },
        "components": {"schemas": _component_schemas(pipeline, shape)},
    }
    if secured:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
        for path, verb in (("/health", "get"), ("/metrics", "get")):
            document["paths"][path][verb]["security"] = []
        for path, verb in (("/score", "post"), ("/model", "get")):
            document["paths"][path][verb]["responses"]["401"] = _json_response(
                "No token, or another", "Error"
            )
    return document


def _request_schema(
    pipeline: Pipeline, served: ServedModel | None, shape: RowSchema | None
) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "rows": {
            "type": "array",
            "minItems": 1,
            "maxItems": pipeline.serving.max_rows,
            "items": {"$ref": "#/components/schemas/Row"},
        },
        "reasons": {
            "type": "integer",
            "minimum": 0,
            "maximum": 20,
            "default": 0,
            "description": "how many features to name for each alerted row, the heaviest first",
        },
    }
    if shape is not None and shape.past:
        feature_rows = (pipeline.data.series.rows if shape.series else 0) + bool(shape.counters)
        past_rows = max(feature_rows, shape.looks_back)
        properties["history"] = {
            "type": "array",
            "items": {"$ref": "#/components/schemas/Row"},
            "maxItems": pipeline.serving.max_rows,
            "description": f"rows before them, of the same entities: this model looks back on "
            f"{_describe_past(shape, past_rows)}; they are not scored",
        }
    if shape is not None and shape.delay:
        properties["later"] = {
            "type": "array",
            "items": {"$ref": "#/components/schemas/Row"},
            "maxItems": pipeline.serving.max_rows,
            "description": f"rows after them, {spell_duration(pipeline.data.series.delay)} at least: a score "
            "waits for them; they are not scored",
        }
    schema: dict[str, Any] = {
        "type": "object",
        "required": ["rows"],
        "properties": properties,
        "additionalProperties": False,
    }
    if served is not None and shape is not None:
        schema["example"] = {"rows": _example_rows(served, shape, pipeline.data)}
    return schema


def _describe_past(shape: RowSchema, past_rows: int) -> str:
    """Return what a model reads before a row."""
    parts = [f"the last {past_rows} rows of an entity"] if past_rows else []
    if shape.graph is not None:
        parts.append(f"all edges of both ends in the {spell_duration(shape.graph.history)} before an edge")
    return " and ".join(parts)


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


def _row_schema(shape: RowSchema | None, data: Data) -> dict[str, Any]:
    if shape is None:
        return {"type": "object"}
    kinds: dict[str, dict[str, Any]] = {name: {"type": "number"} for name in shape.numeric}
    category_types: list[dict[str, Any]] = [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]
    kinds |= {name: {"anyOf": category_types} for name in shape.categorical}
    cells: dict[str, Any] = {name: {**kind, "nullable": shape.gaps} for name, kind in kinds.items()}
    # Any cell may be missing, but not all cells of a row.
    alternatives = [{"properties": {name: kind}} for name, kind in kinds.items()] if shape.gaps else [{}]
    if shape.entity is not None:
        cells.setdefault(shape.entity, {"type": "string"})
    for name in shape.graph.ends if shape.graph else ():
        cells[name] = {"anyOf": [{"type": "string"}, {"type": "number"}], "nullable": True}
    if shape.time is not None:
        cells |= describe_time_fields(shape.time_columns, data)
    return {"type": "object", "required": list(cells), "properties": cells, "anyOf": alternatives}


def _component_schemas(pipeline: Pipeline, shape: RowSchema | None) -> dict[str, Any]:
    scored_row = {
        "type": "object",
        "required": [name for name in _SCORE_SCHEMAS if name != "held_back"],
        "properties": {
            **_SCORE_SCHEMAS,
            "reasons": {
                "type": "array",
                "items": _object_schema(
                    column={"type": "string"},
                    value={**_CELL_SCHEMA, "description": "what the row holds"},
                    source={"type": "string", "description": "the measured column behind it"},
                    usual={**_CELL_SCHEMA, "description": "what the rest of the row would have it hold"},
                    part={"type": "number", "description": "what the column adds to the score"},
                    fall={"type": "number", "description": "how far the score falls with the expected value"},
                    share={"type": "number", "description": "of all that raises the score, from 0 to 1"},
                    low={**_BOUND_SCHEMA, "description": "from here on it is usual for the row's entity"},
                    high={**_BOUND_SCHEMA, "description": "up to here"},
                    past=_PAST_SCHEMA,
                ),
                "description": f"what carries an alert; of the {MAX_EXPLAINED_ALERTS} highest that alert",
            },
        },
    }
    place = {"type": "array", "items": {"oneOf": [{"type": "string"}, {"type": "integer"}]}}
    problem = _object_schema(loc=place, msg={"type": "string"})
    names = {"type": "array", "items": {"type": "string"}}
    return {
        "Row": _row_schema(shape, pipeline.data),
        "Scored": scored_row,
        "Scores": _object_schema(
            model={"type": "string"},
            version={"type": "integer"},
            rows={"type": "array", "items": {"$ref": "#/components/schemas/Scored"}},
        ),
        "Health": _object_schema(
            status={"type": "string", "enum": ["ok", "stale", "empty"]},
            version={"type": "integer", "nullable": True},
            asked_seconds_ago={
                "type": "number",
                "description": "since the registry last answered",
            },
            problem={"type": "string"},
        ),
        "Model": _object_schema(
            model={"type": "string"},
            version={"type": "integer"},
            sha256={"type": "string"},
            detector={"type": "string"},
            numeric=names,
            categorical=names,
            time={"type": "string", "nullable": True},
            entity={"type": "string", "nullable": True},
            policy={"type": "string", "enum": list(ALERT_POLICIES)},
            threshold={"type": "number", "description": "a row alerts at this p-value or below"},
            guarantee={"type": "string", "description": "what is known about the p-values"},
        ),
        "Error": _object_schema(detail={"type": "array", "items": problem}),
    }


def _object_schema(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _post_operation(summary: str, body: dict[str, Any], answer: str) -> dict[str, Any]:
    refusals = {
        "400": "The body is not JSON",
        "413": "The body is too large",
        "422": "A row or field cannot be scored; loc says which",
        "503": "Nothing has been promoted yet",
    }
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": _json_response("Scores, in the order of the rows", answer),
            **{code: _json_response(description, "Error") for code, description in refusals.items()},
        },
    }


def _get_operation(summary: str, answer: str, other: int) -> dict[str, Any]:
    failed = "Health" if answer == "Health" else "Error"
    return {
        "summary": summary,
        "responses": {
            "200": _json_response("As it stands", answer),
            str(other): _json_response("No champion", failed),
        },
    }


def _json_response(description: str, schema: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


def _text_response(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}
