"""Errors as answers: the status of each of our errors, and its text by RFC 9457."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import Response

from pynomaly.console.schemas import FieldProblem, Problem
from pynomaly.errors import (
    ApprovalError,
    LeaseHeldError,
    NoChampionError,
    NothingPendingError,
    PynomalyError,
    RecordError,
    RefusedError,
    UnknownNameError,
    mask_addresses,
)

__all__ = ["build_problem", "describe_error", "describe_fields", "find_status"]

_STATUSES: tuple[tuple[type[PynomalyError], int], ...] = (
    (UnknownNameError, 404),
    (ApprovalError, 403),
    (NothingPendingError, 409),
    (NoChampionError, 409),
    (RefusedError, 409),
    (LeaseHeldError, 503),
    (RecordError, 503),
    (PynomalyError, 422),
)
_RETRY_SECONDS = 5


def find_status(error: PynomalyError) -> int:
    """Return the status that an error is answered with."""
    return next(status for kind, status in _STATUSES if isinstance(error, kind))


def describe_error(error: PynomalyError, instance: str = "") -> Response:
    """Return the answer to a request that failed with one of our errors; addresses show no password."""
    status = find_status(error)
    headers = {"Retry-After": str(_RETRY_SECONDS)} if status == 503 else {}
    return build_problem(status, mask_addresses(str(error)), headers=headers)


def describe_fields(errors: Sequence[Mapping[str, Any]]) -> Response:
    """Return the answer to a request with wrong fields; each is named as the request wrote it."""
    fields = [
        FieldProblem(field=".".join(map(str, error["loc"])), message=str(error["msg"])) for error in errors
    ]
    detail = "; ".join(f"{item.field}: {item.message}" for item in fields[:3])
    return build_problem(422, detail, fields)


def build_problem(
    status: int,
    detail: str,
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return an answer of the kind ``application/problem+json``."""
    problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=tuple(errors))
    return Response(
        orjson.dumps(problem.model_dump()),
        status,
        headers=dict(headers or {}),
        media_type="application/problem+json",
    )
