"""A typed client of the console's API, for programs and for the command line where ``PYNOMALY_URL`` is set.

Answers are the models of :mod:`pynomaly.console.schemas`; errors are those that the same call raises beside
the records. Where the connection fails a request is sent again; an answer has a key, and is recorded once.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from pynomaly.config import read_variable
from pynomaly.console.model_schemas import VersionComparison
from pynomaly.console.own_data.shown import FileReading, FileShown, PipelineMade, TrainingShown
from pynomaly.console.schemas import (
    AlertDetail,
    AlertSummary,
    Answered,
    DecisionSummary,
    FleetPipeline,
    Page,
    PendingPromotion,
    ViewShown,
)
from pynomaly.console.wishes import (
    Acknowledge,
    Assign,
    Comment,
    Corrected,
    Mute,
    NewPipeline,
    NewView,
    Reasoned,
    Resolve,
    Rollback,
)
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
        url = read_variable(URL_VARIABLE)
        return cls(url, read_variable(TOKEN_VARIABLE)) if url else None

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

    def compare_versions(self, pipeline: str, first: int, second: int) -> VersionComparison:
        """Return two versions of a pipeline side by side."""
        place, query = f"/pipelines/{pipeline}/comparison", {"first": first, "second": second}
        return VersionComparison.model_validate(self._ask("GET", place, query))

    def list_views(self) -> tuple[ViewShown, ...]:
        """Return the saved views of whose token it is."""
        return tuple(ViewShown.model_validate(item) for item in self._ask("GET", "/views"))

    def save_view(self, name: str, query: str) -> ViewShown:
        """Save the filters of the inbox under a name, as they stand in its address behind the ``?``."""
        place, wish = f"/views/{quote(name, safe='')}", NewView(query=query)
        return ViewShown.model_validate(self._ask("PUT", place, body=wish.model_dump()))

    def delete_view(self, name: str) -> None:
        """Delete a saved view."""
        self._ask("DELETE", f"/views/{quote(name, safe='')}")

    def drop_file(self, path: Path, name: str = "") -> FileShown:
        """Send a file, part by part, to be read as a table; an admin's of all pipelines.

        Parameters
        ----------
        path : Path
        name : str
            What it is called there, where that is another name: its ending counts.

        Raises
        ------
        ConfigError
            If it cannot be read, or the console does not take it.
        """
        if not path.is_file():
            raise ConfigError(f"{path} is no file; name one, like halls.csv")
        query = {"name": name or path.name}
        answer = self._ask("POST", "/files", query, key=uuid.uuid4().hex, read_file=lambda: path.open("rb"))
        return FileShown.model_validate(answer)

    def list_files(self) -> tuple[FileShown, ...]:
        """Return the files that were dropped, the newest first."""
        return tuple(FileShown.model_validate(item) for item in self._ask("GET", "/files"))

    def read_file(self, file: str, **corrections: Any) -> FileReading:
        """Return how a dropped file is read; `corrections` are the fields of :class:`Corrected`."""
        wish = _check_wish(Corrected, corrections)
        return FileReading.model_validate(self._send(f"/files/{file}/reading", wish))

    def make_pipeline(self, file: str, **wish: Any) -> PipelineMade:
        """Make a pipeline of a dropped file; `wish` are the fields of :class:`NewPipeline`."""
        checked = _check_wish(NewPipeline, wish)
        return PipelineMade.model_validate(self._send(f"/files/{file}/pipeline", checked))

    def start_training(self, pipeline: str) -> TrainingShown:
        """Start a training where the console is; an admin's of the pipeline."""
        answer = self._ask("POST", f"/pipelines/{pipeline}/training", body={}, key=uuid.uuid4().hex)
        return TrainingShown.model_validate(answer)

    def find_training(self, pipeline: str) -> TrainingShown:
        """Return how the last training goes that was started there."""
        return TrainingShown.model_validate(self._ask("GET", f"/pipelines/{pipeline}/training"))

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
        read_file: Callable[[], IO[bytes]] | None = None,
    ) -> Any:
        headers = {} if method == "GET" else {"content-type": "application/json"}
        headers |= {"idempotency-key": key} if key else {}

        def ask() -> httpx.Response:
            asked = partial(self._client.request, method, place, params=dict(query or {}))
            if read_file is None:
                return asked(json=body, headers=headers)
            with read_file() as file:  # from its beginning, also where it is sent again
                return asked(content=file, headers=headers | {"content-type": "application/octet-stream"})

        retrying = Retrying(
            retry=retry_if_exception_type(httpx.TransportError),
            stop=stop_after_attempt(3),
            wait=wait_exponential(multiplier=0.2, max=2),
            reraise=True,
        )
        try:
            answer = retrying(ask)
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


def _check_wish(kind: type[T], fields: Mapping[str, Any]) -> T:
    """Return what is sent; ConfigError names a field that is wrong."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
