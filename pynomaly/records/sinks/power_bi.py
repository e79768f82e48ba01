"""Rows of a push dataset of Power BI, by its REST interface.

Power BI only appends. A part that is handed over twice, because a process died in between, gives rows with
the same ``key`` twice, and a window that is scored again stands beside what it replaces: reports count
distinct keys, and take the rows whose ``sent`` is the newest. Where that does not do, let Power BI read a
sink of kind ``sql`` or ``parquet``.

The dataset has a table for each of what it receives, with the columns of :data:`COLUMNS` and ``sent``.
Documented limits: 10,000 rows a request, 120 requests a minute, 1,000,000 rows an hour, 5,000,000 rows a
table, 4,000 characters a cell. Power BI answers 429 above them, and the delivery waits.

References
----------
https://learn.microsoft.com/en-us/rest/api/power-bi/push-datasets/datasets-post-rows-in-group
https://learn.microsoft.com/en-us/power-bi/developer/embedded/push-datasets-limitations
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pynomaly.config.delivery import PowerBiSink
from pynomaly.records.sinks.content.cells import list_records, shorten_texts
from pynomaly.records.sinks.http import HttpClient
from pynomaly.records.sinks.kind import Part, Receiver, SinkKind

__all__ = ["SINK"]

_LONGEST_TEXT = 4000
_EARLY_SECONDS = 60


class PowerBiReceiver(Receiver):
    """A push dataset, reached as an application of Microsoft Entra."""

    def __init__(self, settings: PowerBiSink, secrets: Mapping[str, str]) -> None:
        self._settings, self._secret = settings, secrets["secret"]
        self._client = HttpClient(settings.timeout, waits_for_login=True)
        self._token, self._expires = "", 0.0
        self._tables = (
            f"{settings.address}/v1.0/myorg/groups/{settings.group}/datasets/{settings.dataset}/tables"
        )

    def deliver(self, part: Part) -> None:
        """Append the rows of a part, in one request."""
        sent = datetime.now(UTC).isoformat()
        rows = [{**shorten_texts(record, _LONGEST_TEXT), "sent": sent} for record in list_records(part.rows)]
        if rows:
            self._client.request(
                "POST", f"{self._tables}/{part.what}/rows", headers=self._authorize(), json={"rows": rows}
            )

    def check(self) -> str:
        """List the tables of the dataset."""
        answer = self._client.request("GET", self._tables, headers=self._authorize())
        return f"Power BI lists {len(answer.json().get('value', ()))} tables"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _authorize(self) -> dict[str, str]:
        """Return the header with a token, asked for when there is none or it ends."""
        if time.monotonic() >= self._expires:
            form = {
                "grant_type": "client_credentials",
                "client_id": self._settings.client,
                "client_secret": self._secret,
                "scope": self._settings.scope,
            }
            address = f"{self._settings.login}/{self._settings.tenant}/oauth2/v2.0/token"
            content: dict[str, Any] = self._client.request("POST", address, data=form).json()
            self._token = str(content["access_token"])
            self._expires = time.monotonic() + float(content.get("expires_in", 0)) - _EARLY_SECONDS
        return {"Authorization": f"Bearer {self._token}"}


SINK = SinkKind(PowerBiReceiver)
