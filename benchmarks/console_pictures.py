"""Takes the pictures of docs/console.md over pipelines that are there, as after ``make demo``.

python -m benchmarks.console_pictures configs --out docs/pictures [--pipeline quickstart]
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

import httpx
from playwright.sync_api import sync_playwright

from benchmarks.console import serve


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("configs", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pipeline", default="quickstart")
    wish = parser.parse_args()
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with serve(wish.configs) as address, sync_playwright() as playwright:
        wanted = {"pipeline": wish.pipeline, "order": "newest", "limit": "1", "severity": "critical"}
        first = httpx.get(f"{address}/api/v1/alerts", params=wanted).json()["items"][0]
        pages = {
            "fleet": "/",
            "alerts": f"/alerts?pipeline={wish.pipeline}",
            "alert": f"/pipelines/{first['pipeline']}/alerts/{first['alert']}",
            "pipeline": f"/pipelines/{wish.pipeline}",
        }
        chromium = playwright.chromium.launch(executable_path=browser_path, args=arguments)
        page = chromium.new_page(viewport={"width": 1200, "height": 760}, color_scheme="light")
        for name, place in pages.items():
            page.goto(f"{address}{place}")
            if name == "alert":
                page.wait_for_selector(".u-wrap canvas")
            page.screenshot(path=wish.out / f"console-{name}.png")
        chromium.close()


if __name__ == "__main__":
    main()
