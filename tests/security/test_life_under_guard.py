"""One small life cycle, watched: what is secret is found nowhere, and nothing beyond this machine is asked.

The life runs in a process of its own with a PostgreSQL ledger and source, S3 files, an MLflow store,
Prefect's server and web hooks, all real, with Prefect at its most talkative. Its children are watched, too.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import pytest
import yaml
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import make_url

from pynomaly.data.places import resolve_place
from tests.buckets import run_s3_server
from tests.databases import create_database, run_postgres
from tests.machines import make_machines, make_small_settings
from tests.security.hooks import listening
from tests.security.life import COMMANDS

pytestmark = [pytest.mark.flow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
GUARD = Path(__file__).parent / "guard"

SECRETS = {
    "password of the ledger": "Zq1LedgerPassword",
    "password of the source": "Zq2SourcePassword",
    "password of a source that is lost": "Zq3LostPassword",
    "password of a web hook": "Zq4HookPassword",
    "token of a web hook": "Zq5HookToken",
    "password of a web hook that is lost": "Zq6LostHookPassword",
    "address of no kind": "Zq7OddAddress",
    "password for MLflow": "Zq8TrackingPassword",
    "key of PagerDuty": "Zq9IntegrationKey",
    "token of a chat that is lost": "Zq10SlackToken",
}


@dataclass(frozen=True)
class Life:
    """What a life left behind.

    Attributes
    ----------
    output_of : dict of str to str
        ``NN-COMMAND.txt`` to exit code and output.
    texts : dict of str to bytes
        Everything that lasts, by where it lies: files, tables of the database, objects of the bucket.
    messages : list of dict
        What the web hook got.
    notes : list of str
        Where the processes turned.
    secrets : dict of str to str
    """

    output_of: dict[str, str]
    texts: dict[str, bytes]
    messages: list[dict[str, Any]]
    notes: list[str]
    secrets: dict[str, str]


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    folder, notes = tmp_path_factory.mktemp("life"), tmp_path_factory.mktemp("notes")
    with (
        run_postgres(tmp_path_factory.mktemp("postgres")) as postgres,
        run_s3_server(tmp_path_factory.mktemp("s3")) as s3,
        listening() as (hook, messages),
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in s3.environment.items():
            patch.setenv(name, value)
        ledger, source = create_database(postgres), create_database(postgres)
        written(folder, source, ledger, "s3://pynomaly/life", f"http://{hook}")
        lost = f"postgresql+psycopg://me:{SECRETS['password of a source that is lost']}@127.0.0.1:1/plant"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
            "PYTHONPATH": os.pathsep.join([str(GUARD), str(ROOT)]),
            "PYNOMALY_GUARD": str(notes),
            "PYNOMALY_HOME": str(folder / "home"),
            "PREFECT_LOGGING_LEVEL": "DEBUG",
            "PGPASSWORD": SECRETS["password of the ledger"],
            "MLFLOW_TRACKING_PASSWORD": SECRETS["password for MLflow"],
            "PLANT_DB": with_password(source, SECRETS["password of the source"]),
            "LOST_DB": lost,
            "CHAT": f"json://me:{SECRETS['password of a web hook']}@{hook}/{SECRETS['token of a web hook']}",
            "LOST_CHAT": f"json://me:{SECRETS['password of a web hook that is lost']}@127.0.0.1:1/",
            "ODD_CHAT": f"chat://{SECRETS['address of no kind']}",
            "DUTY_KEY": SECRETS["key of PagerDuty"],
            "LOST_HOOK": f"http://127.0.0.1:1/services/{SECRETS['token of a chat that is lost']}",
        }
        done = subprocess.run(
            [sys.executable, "-m", "tests.security.life", str(folder)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            timeout=800,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()[-3000:]
        answers = {file.name: file.read_text() for file in sorted((folder / "said").iterdir())}
        texts = {str(file.relative_to(folder)): content(file) for file in files_of(folder)}
        texts |= {
            address: readable(address, resolve_place(address).read())
            for address in resolve_place("s3://pynomaly").list_addresses()
        }
        texts |= tables_of(ledger)
        texts |= {"standard output": done.stdout, "standard error": done.stderr}
        secrets = SECRETS | {"secret key of S3": s3.environment["AWS_SECRET_ACCESS_KEY"]}
        lines = [line for file in notes.iterdir() for line in file.read_text().splitlines()]
        yield Life(answers, texts, messages, lines, secrets)


def written(folder: Path, source: str, ledger: str, bucket: str, duty: str) -> None:
    """Two pipelines over a table of the database; the second one's database is not there."""
    engine = create_engine(source)
    make_machines(28).to_sql("readings", engine, index=False)
    engine.dispose()
    make_machines(2, start="2026-03-02", seed=5).to_csv(folder / "fresh.csv", index=False)
    query = "select * from readings where time >= :start and time < :end"
    targets: list[dict[str, str]] = [
        *({"name": name, "url_env": name.upper()} for name in ("chat", "lost_chat", "odd_chat")),
        {"name": "duty", "kind": "pagerduty", "url_env": "DUTY_KEY", "address": duty},
        {"name": "lost_hook", "kind": "slack", "url_env": "LOST_HOOK"},
    ]
    for name, connection in (("machines", "PLANT_DB"), ("lost", "LOST_DB")):
        settings = make_small_settings(
            data={"source": "sql", "path": None, "connection": connection, "query": query},
            records={"ledger": ledger, "store": f"{bucket}/store", "artifacts": f"{bucket}/mlflow"},
            notify={"targets": targets, "attempts": 1},
        )
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(settings | {"name": name}))


def with_password(address: str, password: str) -> str:
    return make_url(address).set(password=password).render_as_string(hide_password=False)


def files_of(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]


def content(file: Path) -> bytes:
    return readable(file.name, file.read_bytes())


def readable(name: str, raw: bytes) -> bytes:
    """The bytes themselves; of packed tables what they hold."""
    import io

    return raw + (pd.read_parquet(io.BytesIO(raw)).to_csv().encode() if name.endswith(".parquet") else b"")


def tables_of(address: str) -> dict[str, bytes]:
    """Every row of every table, as text."""
    engine = create_engine(address)
    try:
        with engine.connect() as connection:
            return {
                f"table {name}": "\n".join(
                    str(row) for row in connection.execute(text(f"select * from {name}"))
                ).encode()
                for name in inspect(engine).get_table_names()
            }
    finally:
        engine.dispose()


def test_the_life_was_lived(life: Life) -> None:
    """Else nothing that follows would mean anything."""
    codes = {name: answer.splitlines()[0] for name, answer in life.output_of.items()}
    assert len(codes) == len(COMMANDS)
    failed = {name for name, code in codes.items() if code != "0"}
    # A target of no kind, two out of reach, and what cannot succeed.
    places = ("00-doctor", "10-notify", "13-doctor", "14-train", "15-status")
    assert failed == {f"{name}.txt" for name in places}
    assert [item for item in life.messages if item.get("routing_key") == SECRETS["key of PagerDuty"]]
    bucket = "s3://pynomaly/life"
    for where in ("home/prefect", "home/mlflow", f"{bucket}/mlflow", "table ", "said/"):
        places = [name for name, held in life.texts.items() if name.startswith(where) and b"machines" in held]
        assert places, f"nothing about the pipeline lies under {where}: it is not looked through"
    scores = [name for name in life.texts if name.startswith(f"{bucket}/store/machines/scores")]
    assert scores
    assert all(b",p_value," in life.texts[name] for name in scores)


@pytest.mark.parametrize("secret", [*SECRETS, "secret key of S3"])
def test_a_secret_is_found_nowhere(life: Life, secret: str) -> None:
    value = life.secrets[secret]
    spelled = {value.encode(), quote(value, safe="").encode(), base64.b64encode(value.encode()).rstrip(b"=")}
    places = [name for name, held in life.texts.items() if any(form in held for form in spelled)]
    assert not places


def test_what_failed_for_a_secret_s_place_says_so_without_it(life: Life) -> None:
    assert "LOST_DB" in life.output_of["14-train.txt"]
    assert "lost_chat" in life.output_of["10-notify.txt"]
    assert "lost_hook" in life.output_of["10-notify.txt"]
    assert "target odd_chat" in life.output_of["00-doctor.txt"]


def test_the_guard_notes_and_stops_what_leaves_the_machine(tmp_path: Path) -> None:
    """Addresses kept for documentation (RFC 5737, RFC 2606): nobody answers there."""
    code = (
        "import socket\n"
        "for call in (\n"
        "    lambda: socket.create_connection(('192.0.2.1', 9), timeout=0.01),\n"
        "    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.2', 9)),\n"
        "    lambda: socket.getaddrinfo('telemetry.example', 443),\n"
        "    lambda: socket.gethostbyname('more.example'),\n"
        "):\n"
        "    try:\n"
        "        call()\n"
        "    except PermissionError as error:\n"
        "        print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(GUARD), "PYNOMALY_GUARD": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) == 4, done
    (notes,) = [file.read_text() for file in tmp_path.iterdir()]
    far = [line.split()[2] for line in notes.splitlines() if line.startswith("FAR")]
    assert far == ["192.0.2.1", "192.0.2.2", "telemetry.example", "more.example"]


def test_nothing_beyond_this_machine_is_asked(life: Life) -> None:
    assert not sorted({line for line in life.notes if line.startswith("FAR")})


def test_every_process_was_watched(life: Life) -> None:
    """Prefect's server and the life itself turned to this machine, under the guard."""
    near = [line for line in life.notes if line.startswith("near")]
    assert any("tests/security/life.py" in line for line in near)
    assert any("prefect" in line for line in near), sorted(set(near))[:20]
