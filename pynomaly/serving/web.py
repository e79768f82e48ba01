"""The web server for the champion; the only module that imports the web framework.

A request is scored in a worker thread, with the model that is champion when the request arrives. It is
answered or rejected as a whole: 400 no JSON, 401 no token, 413 too large, 422 a field that cannot be scored
(``detail[].loc`` names it), 503 no champion. Data of clients is never logged.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
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
from pynomaly.errors import PynomalyError, RequestError
from pynomaly.serving.described import described
from pynomaly.serving.live import Live, Served
from pynomaly.serving.rows import Shape, answer, asked, because, framed

__all__ = ["app_of", "run"]

_OPEN = ("/health", "/metrics", "/docs", "/openapi.json", "/static")
"""Paths that need no token: they show columns and counters, but no scores."""


class _Figures:
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


class _Refused(Exception):
    """A rejected request: HTTP status, message, and the place of the error in the request."""

    def __init__(self, status: int, message: str, place: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.status, self.place = status, place


def app_of(  # nosec B107  # an empty token turns the check off
    pipeline: Pipeline, token: str = "", live: Live | None = None
) -> FastAPI:
    """Create the application; it refreshes the champion while it runs.

    Parameters
    ----------
    pipeline : Pipeline
    token : str
        Token that a client must send as ``Authorization: Bearer``; empty for no check.
    live : Live, optional
        A champion that the caller refreshes and closes.
    """
    champion = live or Live(pipeline)
    figures = _Figures()

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
        if token and not path.startswith(_OPEN) and not _knows(request, token):
            response = _error(401, "a bearer token is needed", ("authorization",))
            response.headers["WWW-Authenticate"] = "Bearer"
        else:
            response = await call(request)
        path_label = path if path in ("/score", "/model", "/health", "/metrics") else "other"
        figures.requests.labels(path_label, str(response.status_code)).inc()
        figures.seconds.labels(path_label).observe(time.perf_counter() - start)
        return response

    @app.exception_handler(_Refused)
    async def answer_refusal(request: Request, error: _Refused) -> Response:
        return _error(error.status, str(error), error.place)

    @app.post("/score")
    async def score(request: Request) -> Response:
        body = await _body(request, int(pipeline.serving.max_megabytes * 1e6))
        served = _champion(champion)
        rows = await run_in_threadpool(_rows, pipeline, served, body)
        figures.rows.inc(len(rows))
        figures.alerts.inc(sum(row["is_anomaly"] for row in rows))
        return _ok({"model": served.ref.name, "version": served.ref.version, "rows": rows})

    @app.get("/health")
    async def health() -> Response:
        served = champion.served
        status = "empty" if served is None else "stale" if champion.problem else "ok"
        content = {
            "status": status,
            "version": served.ref.version if served else None,
            "asked_seconds_ago": round(time.monotonic() - champion.asked_at, 3),
            "problem": champion.problem,
        }
        return _ok(content, 503 if served is None else 200)

    @app.get("/model")
    async def model() -> Response:
        served = _champion(champion)
        shape = Shape.of(served.bundle, pipeline.data)
        return _ok(
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

    @app.get("/metrics")
    async def metrics() -> Response:
        figures.version.set(champion.served.ref.version if champion.served else 0)
        figures.age.set(time.monotonic() - champion.asked_at)
        return Response(generate_latest(figures.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/openapi.json")
    async def openapi() -> Response:
        return _ok(described(pipeline, champion.served, bool(token)))

    @app.get("/docs")
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


def _knows(request: Request, token: str) -> bool:
    header = request.headers.get("authorization", "")
    return hmac.compare_digest(header.encode(), f"Bearer {token}".encode())


async def _body(request: Request, most: int) -> bytes:
    """Return the body; reading stops with a 413 error beyond `most` bytes."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise _Refused(413, f"the body is larger than {most} bytes (serving.max_megabytes)")
        parts.append(part)
    return b"".join(parts)


def _champion(live: Live) -> Served:
    if live.served is None:
        raise _Refused(503, live.problem or "nothing has been promoted yet")
    return live.served


def _rows(pipeline: Pipeline, served: Served, body: bytes) -> list[dict[str, Any]]:
    try:
        request = asked(body, pipeline.serving.max_rows)
        frame = framed(request, Shape.of(served.bundle, pipeline.data), pipeline.data)
        scored = served.bundle.score(frame)
        reasons = because(served.bundle, frame, scored, request.reasons) if request.reasons else None
        return answer(scored, reasons)
    except RequestError as error:
        raise _Refused(error.status, str(error), error.place) from None
    except PynomalyError as error:
        raise _Refused(422, str(error), ("rows",)) from None


def _ok(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def _error(status: int, message: str, place: tuple[str | int, ...]) -> Response:
    return _ok({"detail": [{"loc": list(place), "msg": message}]}, status)


def run(pipeline: Pipeline, host: str, port: int, token: str) -> None:
    """Serve until interrupted."""
    import uvicorn

    uvicorn.run(app_of(pipeline, token), host=host, port=port, log_level="warning", access_log=False)
