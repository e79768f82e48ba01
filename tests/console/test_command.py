"""``pynomaly console`` and ``token`` as a person types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed
from typer.testing import CliRunner

from flows.cli import app
from flows.machine.servers import find_free_port

pytestmark = pytest.mark.slow


def call(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(words))
    return (2 if result.exception and result.exit_code == 1 else result.exit_code), result.output + str(
        result.exception or ""
    )


@pytest.mark.server
def test_a_team_comes_by_tokens_and_the_log_says_who_was_refused(configs: Path) -> None:
    code, text = call("token", str(configs), "--new", "phone", "--for", "ann", "--role", "analyst", "--json")
    assert code == 0
    made = json.loads(text)
    port = find_free_port()
    words = ["console", str(configs), "--team", "--host", "0.0.0.0", "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *words], stderr=subprocess.PIPE, text=True, env=os.environ
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for attempt in Retrying(
            stop=stop_after_delay(60), wait=wait_fixed(0.2), retry=retry_if_exception_type(httpx.HTTPError)
        ):
            with attempt:
                assert httpx.get(f"{address}/healthz").json()["status"] == "ok"
        headers = {"authorization": f"Bearer {made['secret']}"}
        assert httpx.get(f"{address}/api/v1/me", headers=headers).json()["name"] == "ann"
        assert httpx.get(f"{address}/api/v1/me", headers={"authorization": "Bearer pyn_x"}).status_code == 401
        assert call("token", str(configs), "--revoke", made["token"]["id"])[0] == 0
        assert httpx.get(f"{address}/api/v1/me", headers=headers).status_code == 401
    finally:
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=30)
    assert f"2 pipelines on http://0.0.0.0:{port}" in log
    assert '"event": "token_refused"' in log
    assert made["secret"] not in log


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("console", "--host", "0.0.0.0"), "add --team"),
        (("console", "missing"), "no pipeline YAML in missing"),
        (("console", "empty", "--team"), "no pipeline YAML in empty"),
        (("token", "--new", "a", "--role", "boss"), "no role 'boss'"),
        (("token", "--new", "a", "--revoke", "b"), "make one, or revoke one"),
        (("token", "--new", "a", "--pipelines", ","), "names none"),
        (("token", "--revoke", "zz"), "is no token that is valid"),
    ],
)
def test_what_cannot_be_is_said(
    configs: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], part: str
) -> None:
    monkeypatch.chdir(configs.parent)
    (configs.parent / "empty").mkdir()
    code, text = call(*words)
    assert (code, part in text) == (2, True), text
