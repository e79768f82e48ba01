"""Takes the pictures of docs/console.md in a real browser, so that none shows a page that is no more.

They go to a folder of the test; with ``--pictures docs/pictures`` to the guide. ``--pictures-of ADDRESS``
takes them of a console that runs, as over the pipelines of ``pynomaly demo``; without it they are of the
pipelines of the tests.
"""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.console.conftest import MakeClient, place_of
from tests.console.test_browser import browser
from tests.console.test_own_data import drop
from tests.console.test_versions import run_golden_home

__all__ = ["browser"]  # the fixture

pytestmark = [pytest.mark.slow, pytest.mark.server]
GUIDE = Path(__file__).parents[2] / "docs" / "console.md"


def list_places(client: httpx.Client, *, fixed: bool) -> dict[str, str]:
    """Returns the address of each picture, by its name."""
    wanted = {"order": "newest", "limit": 1}
    (alert,) = client.get("/api/v1/alerts", params=wanted).json()["items"]
    pipeline = alert["pipeline"]
    places = {
        "fleet": "/",
        "alerts": f"/alerts?pipeline={pipeline}",
        "alert": place_of(alert),
        "pipeline": f"/pipelines/{pipeline}",
        "reading": f"/own-data/{drop(client)}",
    }
    champion = client.get(f"/api/v1/pipelines/{pipeline}").json()["champion"]
    return places if fixed else places | {"model": f"/pipelines/{pipeline}/versions/{champion}"}


def take_pictures(browser: Browser, client: httpx.Client, places: dict[str, str], folder: Path) -> set[str]:
    """Write a picture of each place; returns the names of their files."""
    names = set()
    with browser.new_context(
        base_url=str(client.base_url), viewport={"width": 1200, "height": 760}, color_scheme="light"
    ) as context:
        page = context.new_page()
        for name, place in places.items():
            page.goto(place)
            if name in ("alert", "model"):
                expect(page.locator(".u-wrap canvas").first).to_be_visible()
            file = folder / f"console-{name}.png"
            page.screenshot(path=file)
            assert file.stat().st_size > 10_000, "an empty page"
            names.add(file.name)
    return names


def test_each_picture_of_the_guide_is_taken(
    browser: Browser,
    make_client: MakeClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pytestconfig: pytest.Config,
) -> None:
    folder = Path(pytestconfig.getoption("--pictures") or tmp_path)
    address = pytestconfig.getoption("--pictures-of")
    if address:
        with httpx.Client(base_url=address, timeout=60) as client:
            taken = take_pictures(browser, client, list_places(client, fixed=False), folder)
    else:
        local = make_client(local=True)
        taken = take_pictures(browser, local, list_places(local, fixed=True), folder)
        (tmp_path / "golden").mkdir()
        with run_golden_home(tmp_path / "golden", monkeypatch) as client:
            taken |= take_pictures(browser, client, {"model": "/pipelines/machines/versions/1"}, folder)
    shown = set(re.findall(r"\(pictures/(console-\w+\.png)\)", GUIDE.read_text(encoding="utf-8")))
    assert taken == shown
