"""Alerts as MLflow traces, and the assessments that people add on their pages.

The name of a trace is computed from its alert, so an alert that is logged twice has one trace. MLflow's
global state is neither read nor set. Called by the steps that show alerts and read answers.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pynomaly.records.registry.connection import translate_errors
from pynomaly.records.registry.runs import Runs

__all__ = ["AlertAssessment", "Traces"]

_PAGE_SIZE = 200
_ALERT_TAG = "pynomaly.alert"


@dataclass(frozen=True)
class AlertAssessment:
    """The assessment of one alert by one person.

    Attributes
    ----------
    key : str
        MLflow's id of the assessment.
    alert, author, note : str
    value : object
        As the person gave it: text, a number or a boolean.
    at : datetime
        When it was made, in UTC.
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

        self._pipeline, self._experiment = pipeline, runs.ensure_experiment(pipeline)
        with translate_errors("open its traces"):
            self._client = TracingClient(runs.client.tracking_uri)

    def log_alert(
        self, alert: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any], at: datetime
    ) -> str:
        """Log an alert as a trace: `inputs` and `outputs` are those of its span.

        Returns
        -------
        str
            Id of the trace.

        Raises
        ------
        RecordError
            If MLflow cannot be reached, or refuses the trace.
        """
        from mlflow.entities import Span, TraceInfo, TraceLocation, TraceState

        digest = hashlib.sha256(f"{self._pipeline}/{alert}".encode()).digest()[:16]
        name, start_ms = f"tr-{digest.hex()}", int(at.timestamp() * 1000)
        content = {
            "mlflow.traceRequestId": name,
            "mlflow.spanInputs": dict(inputs),
            "mlflow.spanOutputs": dict(outputs),
            "mlflow.spanType": "UNKNOWN",
        }
        span = Span.from_dict(
            {
                "name": "alert",
                "trace_id": base64.b64encode(digest).decode(),
                "span_id": base64.b64encode(digest[:8]).decode(),
                "parent_span_id": None,
                "start_time_unix_nano": start_ms * 1_000_000,
                "end_time_unix_nano": start_ms * 1_000_000,
                "events": [],
                "status": {"code": "STATUS_CODE_OK", "message": ""},
                "attributes": {key: json.dumps(value) for key, value in content.items()},
            }
        )
        info = TraceInfo(
            trace_id=name,
            trace_location=TraceLocation.from_experiment_id(self._experiment),
            request_time=start_ms,
            state=TraceState.OK,
            request_preview=_format_preview(inputs),
            response_preview=_format_preview(outputs),
            execution_duration=0,
            tags={"mlflow.traceName": "alert", "pynomaly.pipeline": self._pipeline, _ALERT_TAG: alert},
        )
        with translate_errors(f"show the alert {alert}"):
            self._client.start_trace(info)
            self._client.log_spans(self._experiment, [span])
        return name

    def list_traces(self) -> tuple[tuple[str, str, datetime], ...]:
        """Return id, alert and time of each trace.

        Raises
        ------
        RecordError
            If MLflow cannot be reached.
        """
        return tuple(
            (
                str(trace.info.trace_id),
                str(trace.info.tags[_ALERT_TAG]),
                datetime.fromtimestamp(trace.info.request_time / 1000, UTC),
            )
            for trace in self._search_traces()
        )

    def remove_trace(self, name: str) -> None:
        """Remove a trace; a missing one is no error.

        Raises
        ------
        RecordError
            If MLflow cannot be reached, or refuses.
        """
        with translate_errors(f"remove the trace {name}"):
            self._client.delete_traces(self._experiment, trace_ids=[name])

    def list_traced_alerts(self) -> frozenset[str]:
        """Return the alerts that have a trace.

        Raises
        ------
        RecordError
            If MLflow cannot be reached.
        """
        return frozenset(trace.info.tags[_ALERT_TAG] for trace in self._search_traces())

    def list_assessments(self, name: str) -> tuple[AlertAssessment, ...]:
        """Return the assessments called `name`, oldest first, without those that were withdrawn or changed.

        Raises
        ------
        RecordError
            If MLflow cannot be reached.
        """
        assessments = [
            AlertAssessment(
                str(item.assessment_id),
                trace.info.tags[_ALERT_TAG],
                item.value,
                str(item.source.source_id if item.source else ""),
                str(item.rationale or ""),
                datetime.fromtimestamp(item.create_time_ms / 1000, UTC),
            )
            for trace in self._search_traces()
            for item in trace.info.assessments or ()
            if item.name == name and item.valid is not False
        ]
        return tuple(sorted(assessments, key=lambda item: (item.at, item.key)))

    def _search_traces(self) -> list[Any]:
        traces: list[Any] = []
        token = None
        while True:
            with translate_errors("search its traces"):
                page = self._client.search_traces(
                    locations=[self._experiment],
                    filter_string=f"tags.`pynomaly.pipeline` = '{self._pipeline}'",
                    max_results=_PAGE_SIZE,
                    page_token=token,
                    include_spans=False,
                )
            traces += [trace for trace in page if _ALERT_TAG in trace.info.tags]
            token = page.token
            if not token:
                return traces


def _format_preview(content: Mapping[str, Any]) -> str:
    """Return the preview that a list of traces shows, at most 300 characters."""
    texts = (
        "; ".join(value) if isinstance(value, list) else str(value) for value in content.values() if value
    )
    return ", ".join(texts)[:300]
