"""A typed client of the console's API, for programs and for the command line where ``PYNOMALY_URL`` is set.

Answers are the models of :mod:`pynomaly.console.schemas`; errors are those that the same call raises beside
the records. Where the connection fails a request is sent again; an answer has a key, and is recorded once.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from pynomaly.console.schemas import (
    AlertDetail,
    AlertSummary,
    Answered,
    DecisionSummary,
    FleetPipeline,
    Page,
    PendingPromotion,
)
from pynomaly.console.wishes import Acknowledge, Assign, Comment, Mute, Reasoned, Resolve, Rollback
from pynomaly.errors import (
    ConfigError,
    LeaseHeldError,
    NothingPendingError,
    PynomalyError,
    RecordError,
    UnknownNameError,
)

__all__ = ["TOKEN_VARIABLE", "URL_VARIABLE", "ConsoleClient"]

URL_VARIABLE = "PYNOMALY_URL"
TOKEN_VARIABLE = "PYNOMALY_TOKEN"  # nosec B105  # the name of a variable, no password

T = TypeVar("T", bound=BaseModel)
_ERRORS: Mapping[int, type[PynomalyError]] = {
    401: ConfigError,
    403: ConfigError,
    404: UnknownNameError,
    409: NothingPendingError,
    422: ConfigError,
}


class ConsoleClient:
    """Calls the API of a console; a context manager.

    Parameters
    ----------
    url : str
        Address of the console, without ``/api``.
    token : str
        An access token; "" where the console is on this machine and for one person.
    timeout_s : float

    Examples
    --------
    >>> with ConsoleClient("http://127.0.0.1:4300") as console:  # doctest: +SKIP
    ...     for alert in console.list_alerts(severity="critical"):
    ...         console.resolve(alert.pipeline, alert.alert, "false-alarm", "a test run")
    """

    def __init__(self, url: str, token: str = "", timeout_s: float = 60.0) -> None:  # nosec B107  # no token
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"${URL_VARIABLE} is {url!r}; write an address like http://127.0.0.1:4300")
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(base_url=f"{url.rstrip('/')}/api/v1", headers=headers, timeout=timeout_s)

    @classmethod
    def of_environment(cls) -> ConsoleClient | None:
        """Return the client of ``$PYNOMALY_URL`` and ``$PYNOMALY_TOKEN``; None where no address is set."""
        url = os.environ.get(URL_VARIABLE, "")
        return cls(url, os.environ.get(TOKEN_VARIABLE, "")) if url else None

    def __enter__(self) -> ConsoleClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def list_pipelines(self) -> tuple[FleetPipeline, ...]:
        """Return every pipeline that the token may see, the gravest first."""
        return tuple(FleetPipeline.model_validate(item) for item in self._ask("GET", "/pipelines"))

    def list_alerts(self, limit: int | None = None, **wish: Any) -> Iterator[AlertSummary]:
        """Yield alerts, page by page.

        Parameters
        ----------
        limit : int, optional
            How many at most.
        **wish
            As the query of ``GET /alerts``: ``pipeline``, ``state``, ``severity``, ``words``, ...
        """
        yield from self._list("/alerts", AlertSummary, limit, wish)

    def count_alerts(self, **wish: Any) -> int:
        """Return the number of alerts; `wish` as for :meth:`list_alerts`."""
        counts = self._ask("GET", "/alerts/counts", wish)
        return sum(count for by_severity in counts.values() for count in by_severity.values())

    def find_alert(self, pipeline: str, alert: str) -> AlertDetail:
        """Return everything about an alert; its name may be shortened."""
        return AlertDetail.model_validate(self._ask("GET", f"/pipelines/{pipeline}/alerts/{alert}"))

    def acknowledge(self, pipeline: str, alert: str, note: str = "") -> Answered:
        """Say that you look at an alert."""
        return self._answer(pipeline, alert, "acknowledge", Acknowledge(note=note))

    def resolve(self, pipeline: str, alert: str, ending: str, note: str = "") -> Answered:
        """Say how an alert ended, which labels its rows.

        Raises
        ------
        ConfigError
            If `ending` is neither ``confirmed`` nor ``false-alarm``.
        """
        try:
            wish = Resolve.model_validate({"ending": ending, "note": note})
        except ValidationError as error:
            raise ConfigError(f"--as {ending!r}: {error.errors()[0]['msg']}") from error
        return self._answer(pipeline, alert, "resolve", wish)

    def assign(self, pipeline: str, alert: str, to: str) -> Answered:
        """Say who is to look at an alert."""
        return self._answer(pipeline, alert, "assign", Assign(to=to))

    def mute(self, pipeline: str, alert: str, hours: float, note: str = "") -> Answered:
        """Send no notification of the like of an alert for some hours."""
        return self._answer(pipeline, alert, "mute", Mute(hours=hours, note=note))

    def comment(self, pipeline: str, alert: str, text: str) -> Answered:
        """Write a remark about an alert."""
        return self._answer(pipeline, alert, "comments", Comment(text=text))

    def list_decisions(self, limit: int | None = None, **wish: Any) -> Iterator[DecisionSummary]:
        """Yield decisions, the newest first; `wish` as the query of ``GET /decisions``."""
        yield from self._list("/decisions", DecisionSummary, limit, wish)

    def list_promotions(self, pipeline: str) -> tuple[PendingPromotion, ...]:
        """Return the promotions of a pipeline that wait for an approval."""
        items = self._ask("GET", "/promotions", {"pipeline": pipeline})
        return tuple(PendingPromotion.model_validate(item) for item in items)

    def answer_promotion(self, pipeline: str, version: int, reason: str, *, approve: bool) -> DecisionSummary:
        """Approve or reject a promotion."""
        place = f"/pipelines/{pipeline}/promotions/{version}/{'approve' if approve else 'reject'}"
        return DecisionSummary.model_validate(self._send(place, Reasoned(reason=reason)))

    def roll_back(self, pipeline: str, version: int, reason: str) -> DecisionSummary:
        """Take back the champion of this version."""
        wish = Rollback(reason=reason, version=version)
        return DecisionSummary.model_validate(self._send(f"/pipelines/{pipeline}/rollback", wish))

    def _answer(self, pipeline: str, alert: str, action: str, wish: BaseModel) -> Answered:
        place = f"/pipelines/{pipeline}/alerts/{alert}/{action}"
        return Answered.model_validate(self._send(place, wish))

    def _list(self, place: str, kind: type[T], limit: int | None, wish: Mapping[str, Any]) -> Iterator[T]:
        left, cursor = limit, ""
        while left is None or left > 0:
            size = min(100, left) if left is not None else 100
            page = Page[kind].model_validate(  # type: ignore[valid-type]  # pydantic makes the class
                self._ask("GET", place, {**wish, "limit": size, "cursor": cursor})
            )
            yield from page.items
            if page.next is None:
                return
            cursor, left = page.next, left - len(page.items) if left is not None else None

    def _send(self, place: str, wish: BaseModel) -> Any:
        return self._ask("POST", place, body=wish.model_dump(), key=uuid.uuid4().hex)

    def _ask(
        self,
        method: str,
        place: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        key: str = "",
    ) -> Any:
        headers = {"idempotency-key": key} if key else {}
        retrying = Retrying(
            retry=retry_if_exception_type(httpx.TransportError),
            stop=stop_after_attempt(3),
            wait=wait_exponential(multiplier=0.2, max=2),
            reraise=True,
        )
        try:
            answer = retrying(
                self._client.request, method, place, params=dict(query or {}), json=body, headers=headers
            )
        except httpx.TransportError as error:
            raise RecordError(f"the console at {self._client.base_url} does not answer: {error}") from error
        if answer.is_success:
            return answer.json()
        try:
            detail = str(answer.json()["detail"])
        except (ValueError, KeyError, TypeError):
            detail = f"{method} {place} was answered {answer.status_code}, not by a console"
        kind = LeaseHeldError if answer.status_code == 429 else _ERRORS.get(answer.status_code, RecordError)
        raise kind(detail)
