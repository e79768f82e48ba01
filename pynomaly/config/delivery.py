"""Settings of sinks: where scores, alerts and decisions go that are written down, besides the store.

A sink has a kind, and each kind its own settings. What opens a receiver (an address with a password, a token,
a secret) is never written here: ``NAME_env`` names the environment variable that holds it, ``NAME_block`` the
Prefect block.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import AfterValidator, Field, field_validator, model_validator

from pynomaly.config.settings import NameIn, Settings, refuse_password
from pynomaly.config.spelling.units import Duration
from pynomaly.config.streaming import BROKERS

__all__ = [
    "RECORD_KINDS",
    "SINK_KINDS",
    "AnySink",
    "DeltaSink",
    "InfluxSink",
    "ParquetSink",
    "PowerBiSink",
    "RecordKind",
    "Retry",
    "SheetsSink",
    "Sink",
    "SmartsheetSink",
    "SqlSink",
    "TopicSink",
    "WebhookSink",
    "WorkbookSink",
    "list_secret_keys",
    "read_since",
]

RecordKind = Literal["scores", "alerts", "decisions"]
RECORD_KINDS: tuple[RecordKind, ...] = get_args(RecordKind)
"""What a sink can receive."""

Variable = Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")]
Block = Annotated[str, Field(pattern=r"^([a-z0-9-]+/[a-z0-9-]+)?$")]
HttpAddress = Annotated[
    str, AfterValidator(refuse_password), Field(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")
]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,200}$")]


class Retry(Settings):
    """What happens when a receiver does not answer."""

    attempts: int = Field(3, ge=1, le=20, description="tries in a row; then it waits for the next run")
    wait: Duration = Field(timedelta(seconds=1), description="pause after the first failure, then doubled")
    longest: Duration = Field(
        timedelta(minutes=15), ge=timedelta(seconds=1), description="longest pause between two tries"
    )
    give_up: Duration = Field(
        timedelta(days=7),
        ge=timedelta(minutes=1),
        description="a part that failed this long becomes a dead letter, and the next ones go on",
    )


class Sink(Settings):
    """Base of the settings of every kind of sink."""

    SECRETS: ClassVar[tuple[str, ...]] = ()
    """Names of what opens the receiver, each given by ``NAME_env`` or ``NAME_block``."""
    OPTIONAL: ClassVar[tuple[str, ...]] = ()
    """Those of `SECRETS` that may be missing."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$", description="its name in the records")]
    kind: str
    what: tuple[RecordKind, ...] = Field(("alerts",), min_length=1, description="what it receives")
    only_alerts: bool = Field(False, description="of the scores only rows that alert")
    since: str = Field(
        "now", description="now: what is written down from its first run on; all; or a time with an offset"
    )
    batch: int = Field(5000, ge=1, le=100_000, description="most rows handed over at once")
    timeout: Duration = Field(
        timedelta(seconds=20), ge=timedelta(seconds=1), le=timedelta(minutes=10), description="for one answer"
    )
    retry: Retry = Retry()

    @field_validator("what")
    @classmethod
    def _named_once(cls, value: tuple[RecordKind, ...]) -> tuple[RecordKind, ...]:
        for name in value:
            if value.count(name) > 1:
                raise ValueError(f"{name!r} is named twice")
        return value

    @field_validator("since", mode="before")
    @classmethod
    def _is_moment(cls, value: object) -> str:
        return read_since(value)

    @model_validator(mode="after")
    def _say_once_where_secrets_are(self) -> Sink:
        for name in self.SECRETS:
            given = [key for key in (f"{name}_env", f"{name}_block") if getattr(self, key)]
            if len(given) > 1:
                raise ValueError(f"sink {self.name!r}: give either {name}_env or {name}_block")
            if not given and name not in self.OPTIONAL:
                raise ValueError(
                    f"sink {self.name!r}: {name}_env is missing, the environment variable with its {name}; "
                    f"or {name}_block, a Prefect block"
                )
        return self


class WebhookSink(Sink):
    """CloudEvents by HTTP POST, signed."""

    SECRETS = ("address", "secret")

    kind: Literal["webhook"] = Field("webhook", description="kind of sink")
    address_env: Variable = Field("", description="environment variable with the address, https://...")
    address_block: Block = Field("", description="Prefect block with it, type/name")
    secret_env: Variable = Field("", description="environment variable with the secret that signs")
    secret_block: Block = Field("", description="Prefect block with it, type/name")
    batch: int = Field(500, ge=1, le=10_000, description="most events in one request")
    timeout: Duration = Field(
        timedelta(seconds=10), ge=timedelta(seconds=1), le=timedelta(minutes=10), description="for one answer"
    )


class TopicSink(Sink):
    """CloudEvents to a topic of a message broker."""

    SECRETS = ("address",)
    OPTIONAL = ("address",)

    kind: Literal["topic"] = Field("topic", description="kind of sink")
    broker: Annotated[str, NameIn({name: item for name, item in BROKERS.items() if name})] = Field(
        description="kind of broker"
    )
    address_env: Variable = Field("", description="environment variable with its address; empty: the usual")
    address_block: Block = Field("", description="Prefect block with it, type/name")
    topic: str = Field(
        "pynomaly.{what}", min_length=1, description="topic; `{what}` is scores, alerts or decisions"
    )


class SqlSink(Sink):
    """Rows of three tables in a database, made if they are missing; the same key replaces its row."""

    SECRETS = ("address",)

    kind: Literal["sql"] = Field("sql", description="kind of sink")
    address_env: Variable = Field("", description="environment variable with the database's URL")
    address_block: Block = Field("", description="Prefect block with it, type/name")
    table_schema: Annotated[
        str,
        Field(pattern=r"^([A-Za-z_]\w{0,62})?$", description="schema of its tables; empty: default"),
    ] = ""
    prefix: Annotated[
        str, Field(pattern=r"^[a-z_][a-z0-9_]{0,31}$", description="the tables are PREFIXscores and so on")
    ] = "pynomaly_"


class _FolderSink(Sink):
    folder: str = Field(description="folder or s3:// address")

    @field_validator("folder")
    @classmethod
    def _no_password(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("it names no folder")
        return refuse_password(value)


class ParquetSink(_FolderSink):
    """Parquet files: scores by window, alerts and decisions by day; each is replaced whole."""

    kind: Literal["parquet"] = Field("parquet", description="kind of sink")


class DeltaSink(_FolderSink):
    """Three Delta tables, merged by key; needs the extra `delta`."""

    kind: Literal["delta"] = Field("delta", description="kind of sink")
    batch: int = Field(100_000, ge=1, le=1_000_000, description="most rows in one commit")


class WorkbookSink(_FolderSink):
    """Workbooks for people: scores by window, alerts and decisions by month; no cell is a formula."""

    kind: Literal["xlsx"] = Field("xlsx", description="kind of sink")


class InfluxSink(Sink):
    """Points in line protocol, by InfluxDB's HTTP interface."""

    SECRETS = ("token",)

    kind: Literal["influx"] = Field("influx", description="kind of sink")
    address: HttpAddress = Field(description="like http://influxdb:8086, without a password")
    token_env: Variable = Field("", description="environment variable with the token")
    token_block: Block = Field("", description="Prefect block with it, type/name")
    org: str = Field(min_length=1, description="organization")
    bucket: str = Field(min_length=1, description="bucket that holds the points")
    prefix: str = Field("pynomaly_", description="the measurements are PREFIXscores and so on")


class PowerBiSink(Sink):
    """Rows of a push dataset (semantic model) of Power BI."""

    SECRETS = ("secret",)

    kind: Literal["powerbi"] = Field("powerbi", description="kind of sink")
    tenant: Identifier = Field(description="tenant of the application in Microsoft Entra")
    client: Identifier = Field(description="the application's (client) id")
    secret_env: Variable = Field("", description="environment variable with the application's secret")
    secret_block: Block = Field("", description="Prefect block with it, type/name")
    address: HttpAddress = Field("https://api.powerbi.com", description="another one in a national cloud")
    login: HttpAddress = Field("https://login.microsoftonline.com", description="where the token comes from")
    scope: str = Field(
        "https://analysis.windows.net/powerbi/api/.default", description="what the token is asked for"
    )
    group: Identifier = Field(description="workspace")
    dataset: Identifier = Field(description="push dataset; its tables are scores, alerts, decisions")
    batch: int = Field(10_000, ge=1, le=10_000, description="most rows in one request")
    only_alerts: bool = Field(True, description="of the scores only rows that alert")


class SheetsSink(Sink):
    """Rows of a Google spreadsheet, a sheet for each of what it receives; needs the extra `sheets`."""

    SECRETS = ("credentials",)

    kind: Literal["sheets"] = Field("sheets", description="kind of sink")
    credentials_env: Variable = Field(
        "", description="environment variable with a service account's JSON, or the path of its file"
    )
    credentials_block: Block = Field("", description="Prefect block with it, type/name")
    address: HttpAddress = Field("https://sheets.googleapis.com", description="of the interface")
    spreadsheet: Identifier = Field(description="id of the spreadsheet, from its address")
    batch: int = Field(500, ge=1, le=5000, description="most rows in one request")
    only_alerts: bool = Field(True, description="of the scores only rows that alert")


class SmartsheetSink(Sink):
    """Rows of Smartsheet, a sheet for each of what it receives, found by their key column."""

    SECRETS = ("token",)

    kind: Literal["smartsheet"] = Field("smartsheet", description="kind of sink")
    token_env: Variable = Field("", description="environment variable with the access token")
    token_block: Block = Field("", description="Prefect block with it, type/name")
    address: HttpAddress = Field(
        "https://api.smartsheet.com/2.0", description="https://api.smartsheet.eu/2.0 in Europe"
    )
    sheets: dict[RecordKind, int] = Field(description="id of the sheet of each: {alerts: 4583173393803140}")
    batch: int = Field(500, ge=1, le=500, description="most rows in one request")
    only_alerts: bool = Field(True, description="of the scores only rows that alert")

    @model_validator(mode="after")
    def _has_a_sheet_for_each(self) -> SmartsheetSink:
        for name in self.what:
            if name not in self.sheets:
                raise ValueError(f"sink {self.name!r}: sheets has no id for {name!r}, which is in what")
        return self


AnySink = Annotated[
    DeltaSink
    | InfluxSink
    | ParquetSink
    | PowerBiSink
    | SheetsSink
    | SmartsheetSink
    | SqlSink
    | TopicSink
    | WebhookSink
    | WorkbookSink,
    Field(discriminator="kind"),
]
"""A sink of any kind; its `kind` says which."""

SINK_KINDS: dict[str, type[Sink]] = {
    "delta": DeltaSink,
    "influx": InfluxSink,
    "parquet": ParquetSink,
    "powerbi": PowerBiSink,
    "sheets": SheetsSink,
    "smartsheet": SmartsheetSink,
    "sql": SqlSink,
    "topic": TopicSink,
    "webhook": WebhookSink,
    "xlsx": WorkbookSink,
}
"""The settings of every kind by its name."""


def list_secret_keys(sink: Sink) -> dict[str, tuple[str, str]]:
    """Return by name what opens the receiver: the environment variable, or else the Prefect block."""
    return {name: (getattr(sink, f"{name}_env"), getattr(sink, f"{name}_block")) for name in sink.SECRETS}


def read_since(value: object) -> str:
    """Return ``now``, ``all``, or a moment with an offset in ISO 8601; a date means midnight UTC.

    >>> read_since("2026-01-05"), read_since("all")
    ('2026-01-05T00:00:00+00:00', 'all')

    Raises
    ------
    ValueError
        If it is none of them.
    """
    text = value.isoformat() if isinstance(value, date) else str(value).strip()
    if text in ("now", "all"):
        return text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is not None and moment.tzinfo is None and len(text) <= len("2026-01-05"):
        moment = moment.replace(tzinfo=UTC)
    if moment is None or moment.tzinfo is None:
        raise ValueError(
            f"{text!r} is no moment; allowed: now, all, or a time with an offset, like 2026-01-05T00:00Z"
        )
    return moment.isoformat()
