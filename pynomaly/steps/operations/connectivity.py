"""Check that a pipeline's databases, servers and buckets are reachable, of the right version, on our clock.

Checks of ``pynomaly doctor``, beside those of :mod:`pynomaly.steps.operations.health`. A check changes
nothing (except one small file in a bucket, removed again), gives up after ten seconds, and tells how to fix
the problem.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version

from pynomaly.config import Pipeline, Stream
from pynomaly.data.brokers import hide_password as hide_broker_password
from pynomaly.data.brokers import read_address
from pynomaly.data.places import is_address, resolve_place
from pynomaly.errors import PynomalyError, RecordError
from pynomaly.records.ledger.migrations import HEAD, VERSION_TABLE
from pynomaly.records.ledger.revision import find_newest_revision, inspect_database
from pynomaly.records.registry.moved_home import list_former_homes
from pynomaly.steps.operations.finding import Finding

__all__ = [
    "check_broker",
    "check_bucket",
    "check_clock",
    "check_database",
    "check_page",
    "check_prefect_database",
    "check_prefect_server",
    "check_records",
]

_TIMEOUT_S = 10.0
_SKEW_NOTED_S, _SKEW_WRONG_S = 5.0, 60.0
_NO_ANSWER = "start the server, or correct the address"
_NO_DATABASE = (
    "start PostgreSQL, or correct the address, user or password (PGUSER, PGPASSWORD); its driver comes with "
    "pip install 'pynomaly-mlops[postgres]'"
)


@dataclass(frozen=True)
class ServerAnswer:
    """Status, body and clock of one HTTP response."""

    status: int
    body: str
    at: datetime | None


def request_url(url: str, login: str = "") -> ServerAnswer:
    """Send a GET request; an error status is returned like any other.

    Raises
    ------
    RecordError
        If the server does not answer in time.
    """
    if not url.startswith(("http://", "https://")):
        raise RecordError(f"nobody answers at {url}: an address of a server starts with http:// or https://")
    request = urllib.request.Request(url)
    if login:
        request.add_header("Authorization", f"Basic {base64.b64encode(login.encode()).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # nosec B310  # see above
            return ServerAnswer(
                response.status, response.read(10_000).decode(errors="replace"), _read_date(response.headers)
            )
    except urllib.error.HTTPError as error:
        return ServerAnswer(error.code, "", _read_date(error.headers))
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise RecordError(f"nobody answers at {url}: {getattr(error, 'reason', error)}") from error


def _read_date(headers: object) -> datetime | None:
    with suppress(TypeError, ValueError, AttributeError):
        return parsedate_to_datetime(headers.get("Date"))  # type: ignore[attr-defined]
    return None


def check_clock(check: str, server_time: datetime | None, ours: datetime | None = None) -> list[Finding]:
    """Returns how far a server's clock is from ours: leases and due windows depend on both."""
    if server_time is None:
        return []
    skew_s = abs((server_time - (ours or datetime.now(UTC))).total_seconds())
    state = "ok" if skew_s < _SKEW_NOTED_S else "warning" if skew_s < _SKEW_WRONG_S else "wrong"
    mend = "set both clocks by NTP (chrony, systemd-timesyncd): a lease ends by the clock"
    return [Finding(f"clock of {check}", state, f"{skew_s:.0f} s apart", mend)]


def check_database(
    check: str, url: str, table: str, newest: str, mend: str, *, migrates_itself: bool = False
) -> list[Finding]:
    """Returns reachability, revision and clock of a database; `mend` tells how to fix another revision."""
    try:
        schema = inspect_database(url, table)
    except RecordError as error:
        return [Finding(check, "wrong", str(error), _NO_DATABASE)]
    older = migrates_itself and schema.revision < newest
    if not schema.revision:
        finding = Finding(check, "ok", "no tables yet: the first use makes them")
    elif not newest or schema.revision == newest:
        finding = Finding(check, "ok", f"revision {schema.revision}")
    else:
        state = "warning" if older else "wrong"
        mend = "back it up: the next command that opens it migrates it" if older else mend
        finding = Finding(check, state, f"revision {schema.revision}, installed is {newest}", mend)
    return [finding, *check_clock(check, schema.clock)]


def check_records(pipeline: Pipeline) -> Iterator[Finding]:
    """Yields findings on the databases, servers and buckets of one pipeline."""
    newer_advice = "a newer Pynomaly wrote it: upgrade Pynomaly here"
    yield from check_database(
        "ledger's database", pipeline.ledger_url, VERSION_TABLE, HEAD, newer_advice, migrates_itself=True
    )
    if pipeline.tracking_uri.startswith("http"):
        user = os.environ.get("MLFLOW_TRACKING_USERNAME", "")
        password = os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
        yield from check_mlflow_server(pipeline.tracking_uri, f"{user}:{password}" if user else "")
    else:
        newest_schema = find_newest_revision("mlflow", "store", "db_migrations", "versions")
        upgrade_advice = (
            "back the database up, then `mlflow db upgrade URL`; or install the MLflow that wrote it"
        )
        yield from check_database(
            "MLflow's database", pipeline.tracking_uri, "alembic_version", newest_schema, upgrade_advice
        )
        yield from _check_moved_home(pipeline)
    addresses = {pipeline.store_root: "store"}
    if not pipeline.tracking_uri.startswith("http"):
        addresses.setdefault(pipeline.artifact_root, "artifacts")
    for address, name in addresses.items():
        if is_address(address) and not address.startswith("file:"):
            yield check_bucket(name, address)
    if pipeline.stream.broker not in ("", "memory"):
        yield check_broker(pipeline.stream)
    if pipeline.evidently.startswith("http"):
        yield check_page("Evidently's pages", f"{pipeline.evidently.rstrip('/')}/api/version")


def _check_moved_home(pipeline: Pipeline) -> Iterator[Finding]:
    """Yields a warning if the home was moved since MLflow's store was last opened."""
    try:
        former_homes = list_former_homes(pipeline.tracking_uri, pipeline.home, pipeline.artifact_root)
    except RecordError as error:
        yield Finding("moved home", "wrong", str(error), "restore MLflow's database from a backup")
        return
    for former in former_homes:
        mend = "the next command that reads a model corrects the file addresses in MLflow's database"
        yield Finding("moved home", "warning", f"it was in {former} before", mend)


def check_bucket(name: str, address: str) -> Finding:
    """Whether a bucket can be written, read and tidied."""
    check = f"{name} in {address.split('://')[0]}"
    mend = "check AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what the key may do"
    probe = resolve_place(address) / f".doctor-{uuid.uuid4().hex}"
    try:
        probe.write(b"pynomaly")
        same = probe.read() == b"pynomaly"
        probe.delete()
    except (PynomalyError, OSError) as error:
        return Finding(check, "wrong", " ".join(str(error).split())[:300], mend)
    return Finding(check, "ok" if same else "wrong", address if same else "reads what was not written", mend)


def check_broker(stream: Stream) -> Finding:
    """Whether a stream's broker takes a connection; user, password and topic are tried by its worker."""
    check, mend = f"{stream.broker} broker", "start the broker, or correct stream.address or address_env"
    try:
        address = read_address(stream)
    except PynomalyError as error:
        return Finding(check, "wrong", str(error), "set it for whoever starts `pynomaly stream`")
    shown, problem = hide_broker_password(address), "it names no host"
    for part in address.split("://")[-1].rpartition("@")[2].split(","):
        host, _, port = part.split("/")[0].split("?")[0].rpartition(":")
        if not host or not port.isdigit():
            continue
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=_TIMEOUT_S):
                return Finding(check, "ok", shown)
        except OSError as error:
            problem = str(error.strerror or error)
    return Finding(check, "wrong", f"nobody answers at {shown}: {problem}", mend)


def check_page(check: str, url: str) -> Finding:
    """Returns whether a server answers."""
    try:
        answer = request_url(url)
    except RecordError as error:
        return Finding(check, "warning", str(error), _NO_ANSWER)
    return Finding(check, "ok" if answer.status == 200 else "warning", f"answers {answer.status}", _NO_ANSWER)


def check_mlflow_server(address: str, login: str = "") -> list[Finding]:
    """Returns whether MLflow's server answers, accepts our login, has our version and our clock."""
    check, base = "MLflow's server", address.rstrip("/")
    try:
        version_answer = request_url(f"{base}/version", login)
        search_answer = request_url(f"{base}/api/2.0/mlflow/experiments/search?max_results=1", login)
    except RecordError as error:
        return [Finding(check, "wrong", str(error), _NO_ANSWER)]
    if search_answer.status in (401, 403):
        mend = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        return [Finding(check, "wrong", f"it refuses us ({search_answer.status})", mend)]
    return [
        _compare_versions(check, version_answer.body.strip(), version("mlflow"), "mlflow"),
        *check_clock(check, search_answer.at),
    ]


def check_prefect_server(address: str, login: str = "") -> list[Finding]:
    """Returns the same for Prefect's API; `address` ends in ``/api``."""
    check, base = "Prefect's API", address.rstrip("/")
    try:
        answer = request_url(f"{base}/admin/version", login)
    except RecordError as error:
        return [Finding(check, "wrong", str(error), "start the server, or correct PREFECT_API_URL")]
    if answer.status in (401, 403):
        mend = "set PREFECT_API_AUTH_STRING to the USER:PASSWORD the server was started with"
        return [Finding(check, "wrong", f"it refuses us ({answer.status})", mend)]
    if answer.status != 200:
        return [Finding(check, "wrong", f"answers {answer.status}", "PREFECT_API_URL ends in /api")]
    server_version = ""
    with suppress(ValueError):
        server_version = str(json.loads(answer.body))
    return [
        _compare_versions(check, server_version, version("prefect"), "prefect"),
        *check_clock(check, answer.at),
    ]


def check_prefect_database(url: str) -> list[Finding]:
    """Returns findings on the database of a Prefect server that is started here."""
    dialect = "sqlite" if url.startswith("sqlite") else "postgresql"
    newest = find_newest_revision("prefect", "server", "database", "_migrations", "versions", dialect)
    mend = "back it up, then `prefect server database upgrade -y`; or install the Prefect that wrote it"
    return check_database("Prefect's database", url, "alembic_version", newest, mend)


def _compare_versions(check: str, server_version: str, local_version: str, package: str) -> Finding:
    same = server_version.split(".")[:2] == local_version.split(".")[:2]
    mend = f"run one version on both sides: pip install -c constraints.txt {package}"
    return Finding(
        check,
        "ok" if same else "warning",
        f"{server_version or 'no version'} there, {local_version} here",
        mend,
    )
