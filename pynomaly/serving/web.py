"""The web server for the champion.

A request is scored in a worker thread, with the model that is champion when the request arrives. It is
answered or rejected as a whole: 400 no JSON, 401 no token, 413 too large, 422 a field that cannot be scored
(``detail[].loc`` names it), 503 no champion. Data of clients is never logged.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import PlainTextResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from starlette.concurrency import run_in_threadpool
from swagger_ui_bundle import swagger_ui_path

from pynomaly.config import Pipeline
from pynomaly.errors import PynomalyError, RecordError, RequestError
from pynomaly.records.registry.live_champion import LiveChampion, ServedModel
from pynomaly.serving.bodies import Health, Refusal, Scores, ServedFacts
from pynomaly.serving.openapi import build_openapi
from pynomaly.serving.rows import RowSchema, build_frame, collect_reasons, format_rows, parse_request
from pynomaly.serving.tokens import BearerTokens

__all__ = ["create_app", "run_server"]

RowRecorder = Callable[[Sequence[Mapping[str, Any]]], None]
"""Records the rows of a request."""

_OPEN_PATHS = ("/health", "/metrics", "/docs", "/openapi.json", "/static")
"""Paths that need no token: they show columns and counters, but no scores."""


_TOKEN_REFUSAL: dict[int | str, dict[str, Any]] = {
    401: {"description": "No token, or another", "model": Refusal}
}
_SCORE_REFUSALS: dict[int | str, dict[str, Any]] = _TOKEN_REFUSAL | {
    status: {"description": text, "model": Refusal}
    for status, text in {
        400: "The body is not JSON",
        413: "The body is too large",
        422: "A row or field cannot be scored; loc says which",
        503: "Nothing has been promoted yet",
    }.items()
}


class _ServerMetrics:
    """Prometheus metrics of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "pynomaly_requests_total", "Requests answered", ["path", "code"], registry=self.registry
        )
        self.rows = Counter("pynomaly_rows_total", "Rows scored", registry=self.registry)
        self.alerts = Counter("pynomaly_alerts_total", "Rows that alerted", registry=self.registry)
        self.seconds = Histogram(
            "pynomaly_request_seconds",
            "Time from request to answer",
            ["path"],
            registry=self.registry,
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
        )
        self.version = Gauge(
            "pynomaly_champion_version", "Version that is served; 0: none", registry=self.registry
        )
        self.age = Gauge(
            "pynomaly_champion_asked_seconds",
            "Seconds since the registry last said who is champion",
            registry=self.registry,
        )


class _RequestRejection(Exception):
    """A rejected request: HTTP status, message, and the place of the error in the request."""

    def __init__(self, status: int, message: str, place: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.status, self.place = status, place


def create_app(
    pipeline: Pipeline,
    tokens: BearerTokens | None = None,
    live: LiveChampion | None = None,
    record: RowRecorder | None = None,
) -> FastAPI:
    """Create the application; it refreshes the champion while it runs.

    Parameters
    ----------
    pipeline : Pipeline
    tokens : BearerTokens, optional
        Tokens of which a client must send one as ``Authorization: Bearer``; without them, nothing is checked.
    live : LiveChampion, optional
        A champion that the caller refreshes and closes.
    record : callable, optional
        Records the rows of a request before it is answered; RecordError if it cannot.
    """
    champion = live or LiveChampion(pipeline)
    figures = _ServerMetrics()
    is_closed = tokens is not None and tokens.are_needed

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if live is None:
            await run_in_threadpool(champion.follow)
        yield
        if live is None:
            await run_in_threadpool(champion.close)

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)

    @app.middleware("http")
    async def count_request(request: Request, call: Callable[[Request], Any]) -> Response:
        start = time.perf_counter()
        path = request.url.path
        if is_closed and not path.startswith(_OPEN_PATHS) and not _has_token(request, tokens):
            response = _error_response(401, "a bearer token is needed", ("authorization",))
            response.headers["WWW-Authenticate"] = "Bearer"
        else:
            response = await call(request)
        path_label = path if path in ("/score", "/model", "/health", "/metrics") else "other"
        figures.requests.labels(path_label, str(response.status_code)).inc()
        figures.seconds.labels(path_label).observe(time.perf_counter() - start)
        return response

    @app.exception_handler(_RequestRejection)
    async def answer_refusal(request: Request, error: _RequestRejection) -> Response:
        return _error_response(error.status, str(error), error.place)

    @app.post("/score", summary="Score rows", response_model=Scores, responses=_SCORE_REFUSALS)
    async def score(request: Request) -> Response:
        body = await _read_body(request, int(pipeline.serving.max_megabytes * 1e6))
        served = _require_champion(champion)
        rows = await run_in_threadpool(_score_body, pipeline, served, body, record)
        figures.rows.inc(len(rows))
        figures.alerts.inc(sum(row["is_anomaly"] for row in rows))
        return _json_response({"model": served.ref.name, "version": served.ref.version, "rows": rows})

    @app.get(
        "/health",
        summary="Whether a champion is served, and how fresh",
        response_model=Health,
        responses={503: {"description": "No champion", "model": Health}},
    )
    async def health() -> Response:
        served = champion.served
        status = "empty" if served is None else "stale" if champion.problem else "ok"
        content = {
            "status": status,
            "version": served.ref.version if served else None,
            "asked_seconds_ago": round(time.monotonic() - champion.asked_at, 3),
            "problem": champion.problem,
        }
        return _json_response(content, 503 if served is None else 200)

    @app.get(
        "/model",
        summary="What is served: version, columns, policy",
        response_model=ServedFacts,
        responses={503: {"description": "No champion", "model": Refusal}, **_TOKEN_REFUSAL},
    )
    async def model() -> Response:
        served = _require_champion(champion)
        shape = RowSchema.of(served.bundle, pipeline.data)
        return _json_response(
            {
                "model": served.ref.name,
                "version": served.ref.version,
                "sha256": served.ref.sha256,
                "detector": type(served.bundle.detector).__name__,
                "numeric": list(shape.numeric),
                "categorical": list(shape.categorical),
                "time": shape.time,
                "entity": shape.entity,
                "policy": served.bundle.policy.kind,
                "threshold": served.bundle.policy.threshold,
                "guarantee": served.bundle.calibration.guarantee,
            }
        )

    @app.get("/metrics", summary="For Prometheus", response_class=PlainTextResponse)
    async def metrics() -> Response:
        figures.version.set(champion.served.ref.version if champion.served else 0)
        figures.age.set(time.monotonic() - champion.asked_at)
        return Response(generate_latest(figures.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return _json_response(build_openapi(app, pipeline, champion.served, is_closed))

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title=f"Pynomaly: {pipeline.name}",
            swagger_js_url="static/swagger-ui-bundle.js",
            swagger_css_url="static/swagger-ui.css",
            swagger_favicon_url="static/favicon-32x32.png",
        )

    app.mount("/static", StaticFiles(directory=str(swagger_ui_path)))
    return app


def _has_token(request: Request, tokens: BearerTokens | None) -> bool:
    return tokens is None or tokens.accept(request.headers.get("authorization", ""))


async def _read_body(request: Request, most: int) -> bytes:
    """Return the body; reading stops with a 413 error beyond `most` bytes."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise _RequestRejection(413, f"the body is larger than {most} bytes (serving.max_megabytes)")
        parts.append(part)
    return b"".join(parts)


def _require_champion(live: LiveChampion) -> ServedModel:
    if live.served is None:
        raise _RequestRejection(503, live.problem or "nothing has been promoted yet")
    return live.served


def _score_body(
    pipeline: Pipeline, served: ServedModel, body: bytes, record: RowRecorder | None
) -> list[dict[str, Any]]:
    try:
        request = parse_request(body, pipeline.serving.max_rows)
        frame = build_frame(request, RowSchema.of(served.bundle, pipeline.data), pipeline.data)
        scored = served.bundle.score(frame)
        reasons = collect_reasons(served.bundle, frame, scored, request.reasons) if request.reasons else None
        if record is not None:
            record(request.rows)
        return format_rows(scored, reasons)
    except RequestError as error:
        raise _RequestRejection(error.status, str(error), error.place) from None
    except RecordError as error:
        raise _RequestRejection(503, str(error)) from None
    except PynomalyError as error:
        raise _RequestRejection(422, str(error), ("rows",)) from None


def _json_response(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def _error_response(status: int, message: str, place: tuple[str | int, ...]) -> Response:
    return _json_response({"detail": [{"loc": list(place), "msg": message}]}, status)


def run_server(
    pipeline: Pipeline, host: str, port: int, tokens: BearerTokens, record: RowRecorder | None = None
) -> None:
    """Serve until interrupted; `tokens` and `record` as in :func:`create_app`."""
    import uvicorn

    app = create_app(pipeline, tokens, record=record)
    uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False)
