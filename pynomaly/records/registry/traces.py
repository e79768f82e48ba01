"""Alerts as MLflow's traces, and what people assess on their pages.

A trace is named by its alert, so that showing one twice leaves one. Nothing of MLflow's global state is read
or set. Called by the steps that show alerts and read answers.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pynomaly.records.registry.connection import told
from pynomaly.records.registry.runs import Runs

__all__ = ["Assessed", "Traces"]

_PAGE = 200
_ALERT = "pynomaly.alert"


@dataclass(frozen=True)
class Assessed:
    """What somebody assessed of one alert.

    Attributes
    ----------
    key : str
        MLflow's name of the assessment.
    alert, author, note : str
    value : object
        As it was given: text, a number or a boolean.
    at : datetime
        When, in UTC.
    """

    key: str
    alert: str
    value: object
    author: str
    note: str
    at: datetime


class Traces:
    """Traces of a pipeline's alerts, in its experiment."""

    def __init__(self, runs: Runs, pipeline: str) -> None:
        from mlflow.tracing.client import TracingClient

        self._pipeline, self._experiment = pipeline, runs.experiment(pipeline)
        with told("open its traces"):
            self._client = TracingClient(runs.client.tracking_uri)

    def show(self, alert: str, asked: Mapping[str, Any], said: Mapping[str, Any], at: datetime) -> str:
        """Show an alert as a trace: what it is about, and what is said of it.

        Returns
        -------
        str
            The trace's name.

        Raises
        ------
        RecordError
            If MLflow is away, or refuses it.
        """
        from mlflow.entities import Span, TraceInfo, TraceLocation, TraceState

        mark = hashlib.sha256(f"{self._pipeline}/{alert}".encode()).digest()[:16]
        name, begun = f"tr-{mark.hex()}", int(at.timestamp() * 1000)
        content = {
            "mlflow.traceRequestId": name,
            "mlflow.spanInputs": dict(asked),
            "mlflow.spanOutputs": dict(said),
            "mlflow.spanType": "UNKNOWN",
        }
        span = Span.from_dict(
            {
                "name": "alert",
                "trace_id": base64.b64encode(mark).decode(),
                "span_id": base64.b64encode(mark[:8]).decode(),
                "parent_span_id": None,
                "start_time_unix_nano": begun * 1_000_000,
                "end_time_unix_nano": begun * 1_000_000,
                "events": [],
                "status": {"code": "STATUS_CODE_OK", "message": ""},
                "attributes": {key: json.dumps(value) for key, value in content.items()},
            }
        )
        info = TraceInfo(
            trace_id=name,
            trace_location=TraceLocation.from_experiment_id(self._experiment),
            request_time=begun,
            state=TraceState.OK,
            request_preview=_line(asked),
            response_preview=_line(said),
            execution_duration=0,
            tags={"mlflow.traceName": "alert", "pynomaly.pipeline": self._pipeline, _ALERT: alert},
        )
        with told(f"show the alert {alert}"):
            self._client.start_trace(info)
            self._client.log_spans(self._experiment, [span])
        return name

    def kept(self) -> tuple[tuple[str, str, datetime], ...]:
        """Name, alert and moment of each trace.

        Raises
        ------
        RecordError
            If MLflow is away.
        """
        return tuple(
            (
                str(found.info.trace_id),
                str(found.info.tags[_ALERT]),
                datetime.fromtimestamp(found.info.request_time / 1000, UTC),
            )
            for found in self._found()
        )

    def remove(self, name: str) -> None:
        """Remove a trace; one that is gone is no error.

        Raises
        ------
        RecordError
            If MLflow is away, or refuses.
        """
        with told(f"remove the trace {name}"):
            self._client.delete_traces(self._experiment, trace_ids=[name])

    def shown(self) -> frozenset[str]:
        """Alerts that have a trace.

        Raises
        ------
        RecordError
            If MLflow is away.
        """
        return frozenset(found.info.tags[_ALERT] for found in self._found())

    def assessments(self, name: str) -> tuple[Assessed, ...]:
        """What people assessed under `name`, oldest first; what they took back or changed is not among it.

        Raises
        ------
        RecordError
            If MLflow is away.
        """
        given = [
            Assessed(
                str(item.assessment_id),
                found.info.tags[_ALERT],
                item.value,
                str(item.source.source_id if item.source else ""),
                str(item.rationale or ""),
                datetime.fromtimestamp(item.create_time_ms / 1000, UTC),
            )
            for found in self._found()
            for item in found.info.assessments or ()
            if item.name == name and item.valid is not False
        ]
        return tuple(sorted(given, key=lambda item: (item.at, item.key)))

    def _found(self) -> list[Any]:
        found: list[Any] = []
        token = None
        while True:
            with told("search its traces"):
                page = self._client.search_traces(
                    locations=[self._experiment],
                    filter_string=f"tags.`pynomaly.pipeline` = '{self._pipeline}'",
                    max_results=_PAGE,
                    page_token=token,
                    include_spans=False,
                )
            found += [trace for trace in page if _ALERT in trace.info.tags]
            token = page.token
            if not token:
                return found


def _line(content: Mapping[str, Any]) -> str:
    """What a list of traces shows."""
    shown = (
        "; ".join(value) if isinstance(value, list) else str(value) for value in content.values() if value
    )
    return ", ".join(shown)[:300]
