"""A receiver of each kind to deliver to, and what it holds afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import create_engine, inspect, text

from pynomaly.config.delivery import SINK_KINDS
from pynomaly.data.brokers import memory
from pynomaly.records.sheet import read_workbook
from pynomaly.records.sinks import SINKS, Receiver
from pynomaly.records.sinks.content.columns import COLUMNS
from tests.databases import create_database
from tests.receivers import Receiving, Reply, run_receiver
from tests.stand_ins import TOKEN, GoogleSheets, Influx, PowerBi, Smartsheet

Rows = dict[str, dict[str, Any]]


@dataclass
class Bench:
    """One kind of sink.

    Attributes
    ----------
    settings : dict
        As they stand in a YAML.
    secrets : dict
        What opens the receiver.
    read : callable
        Returns what the receiver holds, by key.
    server : Receiving, optional
        The server behind it.
    """

    settings: dict[str, Any]
    secrets: dict[str, str]
    read: Callable[[], Rows]
    server: Receiving | None = None

    def open(self, **changes: str) -> Receiver:
        settings = SINK_KINDS[self.settings["kind"]].model_validate(self.settings)
        return SINKS[settings.kind].open_receiver(settings, {**self.secrets, **changes})


def _settings(kind: str, **more: Any) -> dict[str, Any]:
    secrets = SINK_KINDS[kind].SECRETS
    variables = {f"{name}_env": f"BENCH_{name.upper()}" for name in secrets}
    what = ["scores", "alerts", "decisions"]
    return {"name": "bench", "kind": kind, "what": what, "only_alerts": False, **variables, **more}


@contextmanager
def bench_webhook(folder: Path) -> Iterator[Bench]:
    with run_receiver() as server:

        def read() -> Rows:
            return {event["data"]["key"]: event["data"] for event in server.events()}

        secrets = {"address": f"{server.address}/topsecret", "secret": TOKEN}
        yield Bench(_settings("webhook"), secrets, read, server)


@contextmanager
def bench_database(address: str) -> Iterator[Bench]:
    engine = create_engine(address)

    def read() -> Rows:
        rows: Rows = {}
        with engine.connect() as connection:
            for name in inspect(engine).get_table_names():
                for row in connection.execute(text(f"SELECT * FROM {name}")):
                    rows[row.key] = dict(row._mapping)
        return rows

    yield Bench(_settings("sql"), {"address": address}, read)
    engine.dispose()


def _read_files(folder: Path, ending: str, parse: Callable[[bytes], pd.DataFrame]) -> Rows:
    rows: Rows = {}
    for path in sorted(folder.rglob(f"*{ending}")):
        for row in parse(path.read_bytes()).to_dict("records"):
            assert row["key"] not in rows
            rows[str(row["key"])] = {str(name): value for name, value in row.items()}
    return rows


@contextmanager
def bench_parquet(folder: Path) -> Iterator[Bench]:
    def read() -> Rows:
        return _read_files(folder, ".parquet", lambda content: pd.read_parquet(_as_file(content)))

    yield Bench(_settings("parquet", folder=str(folder / "files")), {}, read)


def _as_file(content: bytes) -> Any:
    import io

    return io.BytesIO(content)


@contextmanager
def bench_xlsx(folder: Path) -> Iterator[Bench]:
    yield Bench(
        _settings("xlsx", folder=str(folder / "files")),
        {},
        lambda: _read_files(folder, ".xlsx", read_workbook),
    )


@contextmanager
def bench_delta(folder: Path) -> Iterator[Bench]:
    from deltalake import DeltaTable

    def read() -> Rows:
        rows: Rows = {}
        for what in COLUMNS:
            place = str(folder / "tables" / what)
            if DeltaTable.is_deltatable(place):
                for row in DeltaTable(place).to_pyarrow_table().to_pylist():
                    assert row["key"] not in rows
                    rows[row["key"]] = row
        return rows

    yield Bench(_settings("delta", folder=str(folder / "tables")), {}, read)


@contextmanager
def _bench_service(kind: str, service: Any, secrets: dict[str, str], **settings: Any) -> Iterator[Bench]:
    with run_receiver() as server:
        server.answer = service
        settings = {
            name: value.replace("SERVER", server.address) if isinstance(value, str) else value
            for name, value in settings.items()
        }
        secrets = {name: value.replace("SERVER", server.address) for name, value in secrets.items()}
        yield Bench(_settings(kind, **settings), secrets, service.rows, server)


def bench_influx(folder: Path) -> Any:
    return _bench_service("influx", Influx(), {"token": TOKEN}, address="SERVER", org="works", bucket="fleet")


def bench_powerbi(folder: Path) -> Any:
    service = PowerBi({what: list(columns) for what, columns in COLUMNS.items()})
    place = {"tenant": "my-tenant", "client": "me", "group": "my-group", "dataset": "my-dataset"}
    return _bench_service("powerbi", service, {"secret": TOKEN}, address="SERVER", login="SERVER", **place)


def bench_sheets(folder: Path) -> Any:
    return _bench_service(
        "sheets",
        GoogleSheets(),
        {"credentials": make_account()},
        address="SERVER",
        spreadsheet="my-spreadsheet",
    )


def bench_smartsheet(folder: Path) -> Any:
    sheets = {"scores": 11, "alerts": 12, "decisions": 13}
    return _bench_service("smartsheet", Smartsheet(), {"token": TOKEN}, address="SERVER/2.0", sheets=sheets)


def make_account() -> str:
    """The JSON of a service account with a key of its own; its token comes from the stand-in."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text_of_key = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account = {
        "type": "service_account",
        "client_email": "pynomaly@example.iam.gserviceaccount.com",
        "private_key": text_of_key,
        "private_key_id": "k1",
        "token_uri": "SERVER/token",
    }
    return json.dumps(account)


def reply_unavailable(asked: Any) -> Reply:
    return Reply(503)


@contextmanager
def bench_topic(folder: Path) -> Iterator[Bench]:
    memory.drop_topics()

    def read() -> Rows:
        messages = [
            orjson.loads(message.body)["data"]
            for topic in memory._TOPICS.values()
            for part in topic.parts
            for message in part
        ]
        return {row["key"]: row for row in messages}

    yield Bench(_settings("topic", broker="memory", topic="out.{what}"), {}, read)
    memory.drop_topics()


BENCHES: dict[str, Callable[[Path], Any]] = {
    "delta": bench_delta,
    "influx": bench_influx,
    "parquet": bench_parquet,
    "powerbi": bench_powerbi,
    "sheets": bench_sheets,
    "smartsheet": bench_smartsheet,
    "topic": bench_topic,
    "webhook": bench_webhook,
    "xlsx": bench_xlsx,
}


def bench_sql(folder: Path, server: Any = None) -> Any:
    address = create_database(server) if server is not None else f"sqlite:///{folder / 'sink.db'}"
    return bench_database(address)
