"""The OpenAPI document of the API: FastAPI's, with our kind of errors, the token, and examples of answers."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

__all__ = ["describe_api"]

_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def describe_api(app: FastAPI) -> dict[str, Any]:
    """Return the document; FastAPI builds it once."""
    document = app.__class__.openapi(app)
    for item in document["paths"].values():
        for operation in item.values():
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    answer["content"] = _PROBLEM
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}]
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own errors, which are not sent
        document["components"]["schemas"].pop(name, None)
    return document
