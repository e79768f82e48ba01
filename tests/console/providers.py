"""A real provider of OpenID Connect as a process of node, and a console whose people sign in there."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from pynomaly.console.access.provider import Provider
from pynomaly.console.access.sign_in_settings import SignInSettings
from pynomaly.console.app import create_console
from pynomaly.console.pipelines import Pipelines
from tests.console.conftest import SECRET
from tests.servers import answering

FILES = Path(__file__).parent / "provider"
PLACE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pynomaly" / "provider"
"""Where `make provider` installs it."""

CLIENT_SECRET = "only for tests, on loopback"
ACCOUNTS: dict[str, dict[str, Any]] = {
    "u-ann": {
        "preferred_username": "ann",
        "groups": ["pumps-approvers", "cooks"],
        "email": "ann@plant.example",
        "email_verified": True,
    },
    "u-ben": {"preferred_username": "ben", "groups": ["approvers"]},
    "u-vera": {"preferred_username": "vera", "groups": ["readers"]},
    "u-adam": {"preferred_username": "adam", "email": "Adam@plant.example", "email_verified": True},
    "u-eve": {"preferred_username": "eve", "email": "adam@plant.example", "email_verified": False},
    "u-namesake": {"preferred_username": "ann", "groups": ["approvers"]},
}
GRANTS = [
    {"role": "viewer", "values": ["readers"]},
    {"role": "approver", "pipelines": ["pumps"], "values": ["pumps-approvers"]},
    {"role": "approver", "values": ["approvers"]},
    {"role": "admin", "people": ["adam@plant.example"]},
]


@dataclass
class SignInSite:
    """A console, and the provider that it knows.

    Attributes
    ----------
    client : httpx.Client
        Asks the console as nobody.
    issuer : str
        The provider.
    """

    app: FastAPI
    client: httpx.Client
    issuer: str
    process: subprocess.Popen[str]

    @property
    def address(self) -> str:
        return str(self.client.base_url)

    @property
    def provider(self) -> Provider:
        provider: Provider = self.app.state.console.doorkeeper.desk.provider
        return provider

    def stop_provider(self) -> None:
        self.process.kill()
        self.process.wait()

    @contextmanager
    def browsing(self) -> Iterator[httpx.Client]:
        """Somebody's browser, without scripts."""
        with httpx.Client(base_url=self.address, follow_redirects=True, timeout=30) as browser:
            browser.headers["accept"] = "text/html"
            yield browser

    @contextmanager
    def signed_in(self, login: str) -> Iterator[httpx.Client]:
        """The browser of somebody who has signed in."""
        with self.browsing() as browser:
            answer = sign_in(browser, login)
            assert answer.status_code == 200, answer.text
            yield browser


def find_node() -> str:
    """The command that runs the provider; a test that needs it is skipped without, by name."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node: not installed, so no provider of OpenID Connect can be started")
    wanted = json.loads((FILES / "package.json").read_text())["dependencies"]["oidc-provider"]
    package = PLACE / "node_modules" / "oidc-provider" / "package.json"
    version = json.loads(package.read_text())["version"] if package.is_file() else "none"
    if version != wanted:
        pytest.skip(f"oidc-provider {wanted}: {version} is installed; `make provider` installs it")
    return node


@contextmanager
def running_provider(
    redirects: Mapping[str, Any], *, ttl: int = 3600, inside: bool = False, public: bool = False
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The issuer of a real provider, and its process."""
    node = find_node()
    shutil.copy(FILES / "server.js", PLACE / "server.js")
    secret = {"token_endpoint_auth_method": "none"} if public else {"client_secret": CLIENT_SECRET}
    clients = [{"client_id": "console", **redirects, **secret}]
    content = {"clients": clients, "accounts": ACCOUNTS, "ttl": ttl, "inside": inside}
    with subprocess.Popen(
        [node, str(PLACE / "server.js"), json.dumps(content)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            issuer = process.stdout.readline().strip()
            assert issuer.startswith("http://localhost:"), issuer
            yield issuer, process
        finally:
            process.kill()


@contextmanager
def running_site(
    configs: Path, *, ttl: int = 3600, inside: bool = False, public: bool = False
) -> Iterator[SignInSite]:
    """A team's console on a free port, and a provider that sends people back to it."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    redirects = {
        "redirect_uris": [f"{address}/login/callback"],
        "post_logout_redirect_uris": [f"{address}/login"],
    }
    with (
        pytest.MonkeyPatch.context() as patch,
        running_provider(redirects, ttl=ttl, inside=inside, public=public) as (issuer, process),
    ):
        patch.setenv("PYNOMALY_OIDC_SECRET", CLIENT_SECRET)
        provider = {
            "issuer": issuer,
            "client": "console",
            "address": address,
            "secret_env": "" if public else "PYNOMALY_OIDC_SECRET",
        }
        settings = SignInSettings.model_validate({"provider": provider, "grants": GRANTS})
        app = create_console(Pipelines([configs], 0.0), SECRET, local=False, sign_in=settings)
        with answering(app, listener=listener) as client:
            yield SignInSite(app, client, issuer, process)


def sign_in(browser: httpx.Client, login: str, next_page: str = "/") -> httpx.Response:
    """Go to the provider, sign in there, agree, and return what the console says then."""
    answer = browser.get("/login/provider", params={"next": next_page})
    for fields in ({"prompt": "login", "login": login, "password": "x"}, {"prompt": "consent"}):
        form = re.search(r'<form[^>]* action="([^"]+)" method="post"', answer.text)
        if form is None or answer.url.host == "127.0.0.1":
            break
        answer = browser.post(form[1], data=fields)
    return answer


def read_proof(browser: httpx.Client, place: str = "/") -> str:
    """The proof that a page of the console gives to its forms."""
    proof = re.search(r'name="proof" value="(\w+)"', browser.get(place).text)
    assert proof is not None
    return proof[1]
