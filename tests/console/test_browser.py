"""The pages in a real browser: what is clicked and typed is on record, and everybody can use them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.console.conftest import first_alert, place_of
from tests.console.promotions import wait_for_two
from tests.console.providers import running_site
from tests.console.test_own_data import CSV, drop
from tests.console.test_versions import run_golden_home

pytestmark = [pytest.mark.slow, pytest.mark.server]

# How long a page may take on a busy machine; a page that never comes right fails as well.
expect.set_options(timeout=30_000)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag2aaa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}
PAGES = (
    "/",
    "/alerts",
    "/alerts?words=nothing-like-it",
    "/decisions",
    "/own-data",
    "/pipelines/pumps",
    "/pipelines/pumps/training",
    "/pipelines/pumps/versions",
    "/alerts?severity=critical&state=open",
    "/pipelines/payments",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("chromium: no browser is installed")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # a browser of root has no sandbox
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def context(browser: Browser, local: httpx.Client) -> Iterator[BrowserContext]:
    made = browser.new_context(base_url=str(local.base_url), viewport={"width": 1280, "height": 860})
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page on which a script that fails, or one that the policy stops, fails the test."""
    opened = context.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    yield opened
    assert problems == []


def find_violations(page: Page) -> list[str]:
    result = Axe().run(page, options=RULES)
    return [
        f"{rule['id']}: {node['html'][:150]}"
        for rule in result.response["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_for_everybody(
    context: BrowserContext, page: Page, local: httpx.Client, theme: Any
) -> None:
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    alert, decision = place_of(first_alert(local, pipeline="pumps")), "/pipelines/pumps/decisions/1"
    reading = f"/own-data/{drop(local)}"
    for place in (
        *PAGES,
        alert,
        decision,
        reading,
        f"{reading}?role.heat=entity&role.noise=entity",
        "/login",
    ):
        page.goto(place)
        if place == alert:
            expect(page.locator("figcaption")).not_to_contain_text("Reading")
        assert find_violations(page) == [], place


@pytest.mark.parametrize("width", [360, 768, 1600])
def test_no_page_is_wider_than_its_window(page: Page, local: httpx.Client, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for place in (*PAGES, place_of(first_alert(local)), f"/own-data/{drop(local)}"):
        page.goto(place)
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 0, f"{place} at {width}"


def test_an_alert_is_answered_by_a_click_and_says_what_that_changed(page: Page, local: httpx.Client) -> None:
    alert = first_alert(local)
    page.goto(place_of(alert))
    page.get_by_label("Note").fill("bearing")
    page.get_by_role("button", name="Confirmed").click()
    expect(page.get_by_role("status").first).to_contain_text("1 row labelled as anomalies")
    assert local.get(f"/api/v1{place_of(alert)}").json()["note"] == "bearing"


def test_alerts_are_answered_by_keys(page: Page, local: httpx.Client) -> None:
    page.goto("/alerts")
    first = page.locator("[data-line]").first
    page.keyboard.press("j")
    expect(first).to_have_class("alert current")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("[data-chosen]")).to_have_text("2 chosen")
    page.keyboard.press("f")
    expect(page.locator("#results .note")).to_contain_text("2 answered; 2 rows labelled")
    counts = local.get("/api/v1/alerts/counts", params={"state": "resolved"}).json()["resolved"]
    assert sum(counts.values()) == 2


def test_a_search_is_in_the_address_and_pages_go_on(page: Page, local: httpx.Client) -> None:
    page.goto("/alerts")
    page.keyboard.press("/")
    page.keyboard.type("noise")
    expect(page.locator("ol.alerts .what").first).to_contain_text("noise")
    page.wait_for_url("**/alerts?*words=noise*")
    page.reload()
    expect(page.get_by_role("searchbox")).to_have_value("noise")
    page.select_option("select[name=pipeline]", "payments")
    expect(page.locator("ol.alerts .pipe", has_text="pumps")).to_have_count(0)


def test_what_changes_elsewhere_is_offered_and_moves_nothing(page: Page, local: httpx.Client) -> None:
    page.goto("/alerts")
    alert = first_alert(local)
    with page.expect_response("**/api/v1/events"):
        page.reload()
    before = page.locator("ol.alerts").inner_text()
    local.post(f"/api/v1{place_of(alert)}/resolve", json={"ending": "confirmed"})
    expect(page.locator("#fresh")).to_be_visible()
    assert page.locator("ol.alerts").inner_text() == before
    page.locator("#fresh a").click()
    expect(page.locator(f"ol.alerts a[href='{place_of(alert)}']")).to_have_count(0)


def test_pages_work_without_a_script(browser: Browser, local: httpx.Client) -> None:
    with browser.new_context(base_url=str(local.base_url), java_script_enabled=False) as context:
        page = context.new_page()
        page.goto("/alerts")
        page.locator("ol.alerts input[name=chosen]").first.check()
        page.get_by_role("button", name="False alarm").click()
        expect(page.locator("h1")).to_have_text("Alerts")
        page.locator("ol.alerts .what").first.click()
        page.get_by_role("button", name="I look at it").click()
        expect(page.locator(".lead").first).to_contain_text("looks at it")
    counts = local.get("/api/v1/alerts/counts").json()
    assert (sum(counts["resolved"].values()), sum(counts["acknowledged"].values())) == (1, 1)


def test_a_file_is_dropped_corrected_and_trained(page: Page, local: httpx.Client, configs: Path) -> None:
    page.goto("/own-data")
    page.evaluate(
        """text => {
            const held = new DataTransfer();
            held.items.add(new File([text], "halls.csv"));
            document.querySelector("[data-drop]").dispatchEvent(
                new DragEvent("drop", { dataTransfer: held, bubbles: true, cancelable: true }));
        }""",
        CSV.decode(),
    )
    expect(page.locator("h1")).to_have_text("halls.csv")
    page.get_by_label("noise is").select_option("left out")
    page.get_by_role("button", name="Read it again").click()
    expect(page.locator("tr", has_text="noise")).to_contain_text("left out, as asked")
    assert page.url.endswith("?role.noise=out")
    with page.expect_download() as downloaded:
        page.get_by_role("link", name="Download the YAML").click()
    assert "noise" in downloaded.value.path().read_text()
    page.get_by_role("button", name="Save and train halls").click()
    expect(page.locator("#training-state [role=status]")).to_contain_text("No version became champion")
    expect(page.locator("#training-state pre")).to_contain_text("trains")
    assert (configs / "halls.yaml").read_text() == downloaded.value.path().read_text()
    page.goto("/")
    expect(page.get_by_role("link", name="halls", exact=True)).to_be_visible()


def test_an_analyst_needs_as_many_clicks_as_the_guide_says(page: Page, local: httpx.Client) -> None:
    page.add_init_script(
        "document.addEventListener('click', (event) => { if (event.isTrusted && event.detail) "
        "sessionStorage.clicks = Number(sessionStorage.clicks || 0) + 1; }, true);"
    )

    def begin(place: str) -> None:
        page.goto(place)
        page.evaluate("sessionStorage.clicks = 0")

    def count() -> int:
        return int(page.evaluate("sessionStorage.clicks"))

    counted: dict[str, int] = {}
    begin(place_of(first_alert(local, pipeline="pumps")))
    expect(page.locator("table.bars tbody tr").first).to_be_visible()
    counted["see what contributed"] = count()
    page.get_by_role("button", name="False alarm").click()
    expect(page.get_by_role("status").first).to_contain_text("labelled as normal")
    counted["say that it is none"] = count()
    begin(place_of(first_alert(local, pipeline="pumps")))
    page.get_by_text("Assign or mute").click()
    page.get_by_label("Mute its like for").select_option("168")
    page.get_by_role("button", name="Mute", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("Recorded")
    counted["no message of its like for a week"] = count()
    begin("/alerts")
    page.locator(".swim tbody th a").first.click()
    page.wait_for_url("**entity=**")
    page.get_by_label("all shown").click()
    page.get_by_role("button", name="False alarm").click()
    expect(page.locator("#results .note")).to_contain_text("answered")
    counted["answer ten of a kind"] = count()
    lines = (Path(__file__).parents[2] / "docs" / "console.md").read_text().splitlines()
    table = {
        row.split(" | ")[0].strip("| "): row.rstrip("| ").split(" | ")[-1] for row in lines if "|" in row
    }
    assert {task: int(table[task].split(" click")[0]) for task in counted} == counted


def test_a_theme_is_kept(page: Page) -> None:
    page.goto("/")
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("button", name="Theme").click()
    page.goto("/decisions")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_what_was_read_last_is_there_without_a_connection(context: BrowserContext, page: Page) -> None:
    page.goto("/alerts")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.reload()
    expect(page.locator("ol.alerts .what").first).to_be_visible()
    context.set_offline(True)
    with context.new_page() as apart:
        apart.goto("/alerts")
        expect(apart.locator("ol.alerts .what").first).to_be_visible()
        expect(apart.locator("#offline")).to_contain_text("Not connected")
    context.set_offline(False)


def test_a_view_is_saved_and_opened_by_keys(page: Page) -> None:
    page.goto("/alerts?cause=heat")
    page.keyboard.press("v")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("hot ones")
    page.keyboard.press("Enter")
    saved = page.get_by_role("navigation", name="Saved views").get_by_role("link", name="hot ones")
    expect(saved).to_have_attribute("aria-current", "true")
    assert find_violations(page) == []
    page.goto("/alerts")
    page.keyboard.press("v")
    page.keyboard.press("Enter")
    page.wait_for_url("**/alerts?cause=heat")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_version_is_drawn_for_everybody(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theme: Any
) -> None:
    with (
        run_golden_home(tmp_path, monkeypatch) as client,
        browser.new_context(base_url=str(client.base_url), color_scheme=theme) as context,
    ):
        page = context.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        for width in (360, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto("/pipelines/machines/versions/1")
            expect(page.locator(".u-wrap canvas")).to_have_count(3)
            assert find_violations(page) == []
            over = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert page.evaluate(over) <= 0
        assert problems == []


def test_the_first_view_is_light(page: Page) -> None:
    answers: list[Any] = []
    page.on("response", lambda answer: answers.append(answer) if "events" not in answer.url else None)
    with page.expect_response("**/static/console.js"), page.expect_response("**/static/htmx.min.js"):
        page.goto("/alerts", wait_until="load")
    sizes = {answer.url.rpartition("/")[2]: len(answer.body()) for answer in answers}
    assert {"alerts", "palette.css", "console.css", "console.js", "htmx.min.js"} <= set(sizes)
    assert sum(sizes.values()) < 200_000


def test_a_person_signs_in_at_a_provider_of_another_site_and_out_again(
    browser: Browser, configs: Path
) -> None:
    with running_site(configs) as site, browser.new_context(base_url=site.address) as context:
        page = context.new_page()
        page.goto("/decisions")
        assert find_violations(page) == []
        page.get_by_role("link", name="Sign in at localhost").click()
        page.get_by_placeholder("Enter any login").fill("u-ann")
        page.get_by_placeholder("and password").fill("x")
        page.get_by_role("button", name="Sign-in").click()
        page.get_by_role("button", name="Continue").click()
        page.wait_for_url(f"{site.address.rstrip('/')}/decisions")
        expect(page.locator(".who")).to_have_text("ann")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url(f"{site.issuer}/session/end?*")
        page.get_by_role("button", name="Yes, sign me out").click()
        page.wait_for_url(f"{site.address.rstrip('/')}/login*")
        page.goto("/decisions")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_two_people_click_approve(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pumps = wait_for_two(tmp_path / "configs", monkeypatch)
    with running_site(pumps.origin.parent) as site:
        for login, effect in (("u-ann", "1 of 2 people: it waits"), ("u-ben", "promote of pumps v2")):
            with browser.new_context(base_url=site.address) as context:
                page = context.new_page()
                page.goto("/decisions")
                page.get_by_role("link", name="Sign in at localhost").click()
                page.get_by_placeholder("Enter any login").fill(login)
                page.get_by_placeholder("and password").fill("x")
                page.get_by_role("button", name="Sign-in").click()
                page.get_by_role("button", name="Continue").click()
                page.wait_for_url(f"{site.address.rstrip('/')}/decisions")
                page.get_by_label("Reason").fill("the diff is small")
                page.get_by_role("button", name="Approve v2").click()
                expect(page.get_by_role("status").first).to_contain_text(effect)
                assert find_violations(page) == []
