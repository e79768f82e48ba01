"""Runs a real S3 server for the tests that need one, on free loopback ports; it is always stopped."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any

__all__ = ["S3Server", "run_s3_server"]

_GRPC_OFFSET = 10_000  # each part of the server also listens on its port plus this
_MARKER_KEY = "kept-over-a-restart"


@dataclass
class S3Server:
    """A running S3 server.

    Attributes
    ----------
    environment : dict
        Variables that boto3 and MLflow read to reach the server.
    again : callable
        Starts its process once more.
    """

    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    again: Callable[[], subprocess.Popen[bytes]]

    def stop(self) -> None:
        """Kill the process, as a power failure would."""
        self.process.kill()
        self.process.wait()

    def start(self, bucket: str = "pynomaly") -> None:
        """Start the server again with the same objects, at the same address."""
        self.process = self.again()
        _wait_for_bucket(self, bucket)
        _make_client(self).get_object(Bucket=bucket, Key=_MARKER_KEY)["Body"].read()


@contextmanager
def run_s3_server(folder: Path, bucket: str = "pynomaly") -> Iterator[S3Server]:
    """Start a server that keeps its objects in `folder`, with one bucket in it."""
    parts = ("master", "volume", "filer", "s3", "admin")
    ports = dict(zip(parts, _find_free_ports(len(parts)), strict=True))
    keys = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "for-these-tests-only"}
    program = which("weed", path=str(Path(sys.executable).parent))
    assert program, "no S3 server: install the dev extra"
    command = [
        program,
        "mini",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-admin.ui=false",
        "-webdav=false",
        "-s3.autoCreateBucket=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        *(f"-{part}.port={port}" for part, port in ports.items()),
    ]

    def start() -> subprocess.Popen[bytes]:
        with (folder.parent / f"{folder.name}.log").open("ab") as log:
            return subprocess.Popen(
                command, cwd=folder, stdout=log, stderr=log, env={**os.environ, **keys, "S3_BUCKET": bucket}
            )

    server = S3Server(
        start(),
        {**keys, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports['s3']}", "AWS_DEFAULT_REGION": "us-east-1"},
        start,
    )
    try:
        _wait_for_bucket(server, bucket)
        _make_client(server).put_object(Bucket=bucket, Key=_MARKER_KEY, Body=b"kept")
        yield server
    finally:
        server.stop()


def _wait_for_bucket(server: S3Server, bucket: str) -> None:
    _make_client(server).get_waiter("bucket_exists").wait(
        Bucket=bucket, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


def _make_client(server: S3Server) -> Any:
    """Make a client that retries: a server that has just started finds its bucket before its objects."""
    import boto3
    from botocore.config import Config

    patient = Config(retries={"total_max_attempts": 40, "mode": "standard"}, connect_timeout=1)
    return boto3.client(
        "s3",
        endpoint_url=server.environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=server.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=server.environment["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
        config=patient,
    )


def _find_free_ports(count: int) -> list[int]:
    """Returns ports that are free, and whose gRPC ports are free too."""
    ports: list[int] = []
    sockets: list[socket.socket] = []
    try:
        while len(ports) < count:
            first = socket.socket()
            sockets.append(first)
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            if port + _GRPC_OFFSET > 65_535:
                port -= 2 * _GRPC_OFFSET
                try:
                    second = socket.socket()
                    sockets.append(second)
                    second.bind(("127.0.0.1", port))
                except OSError:
                    continue
            grpc_socket = socket.socket()
            sockets.append(grpc_socket)
            try:
                grpc_socket.bind(("127.0.0.1", port + _GRPC_OFFSET))
            except OSError:
                continue
            ports.append(port)
    finally:
        for item in sockets:
            item.close()
    return ports
