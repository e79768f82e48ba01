"""Check that a pipeline's databases, servers and buckets are reachable, of the right version, on our clock.

Checks of ``pynomaly doctor``, beside those of :mod:`pynomaly.steps.health`. A check changes nothing (except
one small file in a bucket, removed again), gives up after ten seconds, and tells how to fix the problem.
"""

from __future__ import annotations

import base64
import json
import os
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version

from pynomaly.config import Pipeline
from pynomaly.data.places import is_address, place
from pynomaly.errors import PynomalyError, RecordError
from pynomaly.records.ledger.migrations import HEAD, VERSION_TABLE
from pynomaly.records.ledger.revision import look, newest_revision
from pynomaly.steps.finding import Finding

__all__ = ["bucket", "clock", "database", "page", "prefect_database", "prefect_server", "records"]

_WITHIN_S = 10.0
_SKEW_NOTED_S, _SKEW_WRONG_S = 5.0, 60.0
_NO_ANSWER = "start the server, or correct the address"
_NO_DATABASE = (
    "start PostgreSQL, or correct the address, user or password (PGUSER, PGPASSWORD); its driver comes with "
    "pip install 'pynomaly-mlops[postgres]'"
)


@dataclass(frozen=True)
class Answer:
    """Status, body and clock of one HTTP response."""

    status: int
    body: str
    at: datetime | None


def ask(url: str, login: str = "") -> Answer:
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
        with urllib.request.urlopen(request, timeout=_WITHIN_S) as response:  # nosec B310  # see above
            return Answer(
                response.status, response.read(10_000).decode(errors="replace"), _date(response.headers)
            )
    except urllib.error.HTTPError as error:
        return Answer(error.code, "", _date(error.headers))
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise RecordError(f"nobody answers at {url}: {getattr(error, 'reason', error)}") from error


def _date(headers: object) -> datetime | None:
    with suppress(TypeError, ValueError, AttributeError):
        return parsedate_to_datetime(headers.get("Date"))  # type: ignore[attr-defined]
    return None


def clock(check: str, theirs: datetime | None, ours: datetime | None = None) -> list[Finding]:
    """Returns how far a server's clock is from ours: leases and due windows depend on both."""
    if theirs is None:
        return []
    skew_s = abs((theirs - (ours or datetime.now(UTC))).total_seconds())
    state = "ok" if skew_s < _SKEW_NOTED_S else "warning" if skew_s < _SKEW_WRONG_S else "wrong"
    mend = "set both clocks by NTP (chrony, systemd-timesyncd): a lease ends by the clock"
    return [Finding(f"clock of {check}", state, f"{skew_s:.0f} s apart", mend)]


def database(
    check: str, url: str, table: str, newest: str, mend: str, *, migrates_itself: bool = False
) -> list[Finding]:
    """Returns reachability, revision and clock of a database; `mend` tells how to fix another revision."""
    try:
        schema = look(url, table)
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
    return [finding, *clock(check, schema.clock)]


def records(pipeline: Pipeline) -> Iterator[Finding]:
    """Yields findings on the databases, servers and buckets of one pipeline."""
    newer_advice = "a newer Pynomaly wrote it: upgrade Pynomaly here"
    yield from database(
        "ledger's database", pipeline.ledger_url, VERSION_TABLE, HEAD, newer_advice, migrates_itself=True
    )
    if pipeline.tracking_uri.startswith("http"):
        user = os.environ.get("MLFLOW_TRACKING_USERNAME", "")
        password = os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
        yield from mlflow_server(pipeline.tracking_uri, f"{user}:{password}" if user else "")
    else:
        newest_schema = newest_revision("mlflow", "store", "db_migrations", "versions")
        upgrade_advice = (
            "back the database up, then `mlflow db upgrade URL`; or install the MLflow that wrote it"
        )
        yield from database(
            "MLflow's database", pipeline.tracking_uri, "alembic_version", newest_schema, upgrade_advice
        )
    addresses = {pipeline.store_root: "store"}
    if not pipeline.tracking_uri.startswith("http"):
        addresses.setdefault(pipeline.artifact_root, "artifacts")
    for address, name in addresses.items():
        if is_address(address) and not address.startswith("file:"):
            yield bucket(name, address)
    if pipeline.evidently.startswith("http"):
        yield page("Evidently's pages", f"{pipeline.evidently.rstrip('/')}/api/version")


def bucket(name: str, address: str) -> Finding:
    """Whether a bucket can be written, read and tidied."""
    check = f"{name} in {address.split('://')[0]}"
    mend = "check AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what the key may do"
    probe = place(address) / f".doctor-{uuid.uuid4().hex}"
    try:
        probe.write(b"pynomaly")
        same = probe.read() == b"pynomaly"
        probe.delete()
    except (PynomalyError, OSError) as error:
        return Finding(check, "wrong", " ".join(str(error).split())[:300], mend)
    return Finding(check, "ok" if same else "wrong", address if same else "reads what was not written", mend)


def page(check: str, url: str) -> Finding:
    """Returns whether a server answers."""
    try:
        answer = ask(url)
    except RecordError as error:
        return Finding(check, "warning", str(error), _NO_ANSWER)
    return Finding(check, "ok" if answer.status == 200 else "warning", f"answers {answer.status}", _NO_ANSWER)


def mlflow_server(address: str, login: str = "") -> list[Finding]:
    """Returns whether MLflow's server answers, accepts our login, has our version and our clock."""
    check, base = "MLflow's server", address.rstrip("/")
    try:
        version_answer = ask(f"{base}/version", login)
        search_answer = ask(f"{base}/api/2.0/mlflow/experiments/search?max_results=1", login)
    except RecordError as error:
        return [Finding(check, "wrong", str(error), _NO_ANSWER)]
    if search_answer.status in (401, 403):
        mend = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        return [Finding(check, "wrong", f"it refuses us ({search_answer.status})", mend)]
    return [
        _versions(check, version_answer.body.strip(), version("mlflow"), "mlflow"),
        *clock(check, search_answer.at),
    ]


def prefect_server(address: str, login: str = "") -> list[Finding]:
    """Returns the same for Prefect's API; `address` ends in ``/api``."""
    check, base = "Prefect's API", address.rstrip("/")
    try:
        answer = ask(f"{base}/admin/version", login)
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
    return [_versions(check, server_version, version("prefect"), "prefect"), *clock(check, answer.at)]


def prefect_database(url: str) -> list[Finding]:
    """Returns findings on the database of a Prefect server that is started here."""
    dialect = "sqlite" if url.startswith("sqlite") else "postgresql"
    newest = newest_revision("prefect", "server", "database", "_migrations", "versions", dialect)
    mend = "back it up, then `prefect server database upgrade -y`; or install the Prefect that wrote it"
    return database("Prefect's database", url, "alembic_version", newest, mend)


def _versions(check: str, server_version: str, local_version: str, package: str) -> Finding:
    same = server_version.split(".")[:2] == local_version.split(".")[:2]
    mend = f"run one version on both sides: pip install -c constraints.txt {package}"
    return Finding(
        check,
        "ok" if same else "warning",
        f"{server_version or 'no version'} there, {local_version} here",
        mend,
    )
