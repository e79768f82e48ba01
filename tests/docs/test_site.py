"""The guides build as a site without a warning, and a page of it loads nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.loaded import ROOT

PAGES = sorted(path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md"))
LOADED = re.compile(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?([^\"'\s>]+)|<link\b([^>]*)>")


# Not --quiet: it hides warnings from --strict, too.
def build(config: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    return subprocess.run(
        [*command, "--config-file", str(config), "--site-dir", str(site)],
        capture_output=True,
        text=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT / "mkdocs.yaml", folder)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def test_every_page_is_built(site: Path) -> None:
    assert [page for page in PAGES if not (site / f"{page}.html").is_file()] == []


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    for file in site.rglob("*.html"):
        for match in LOADED.finditer(file.read_text(encoding="utf-8")):
            link = match[2] or ""
            if "canonical" not in link:
                assert "://" not in (match[1] or link), f"{file.name}: {match[0]}"
    for file in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?https?:|@import", file.read_text(encoding="utf-8")), file.name


def test_no_page_needs_a_script_that_is_fetched(site: Path) -> None:
    """The theme would fetch Mermaid for such a block."""
    assert not [file.name for file in site.rglob("*.html") if 'class="mermaid"' in file.read_text()]


@pytest.mark.parametrize(
    ("page", "named"),
    [
        ("[gone](nowhere.md)", "nowhere.md"),
        ("[gone](index.md#no-such-place)", "no-such-place"),
        ("whole, but beside it lies another", "forgotten.md"),
    ],
)
def test_a_broken_link_or_a_forgotten_page_stops_the_build(tmp_path: Path, page: str, named: str) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# A page\n\n{page}\n")
    if named == "forgotten.md":
        (tmp_path / "docs" / named).write_text("# Nobody finds it\n")
    settings = (ROOT / "mkdocs.yaml").read_text().split("\nnav:")[0] + "\nnav: [index.md]\n"
    (tmp_path / "mkdocs.yaml").write_text(settings.replace("name: material", "name: mkdocs"))
    done = build(tmp_path / "mkdocs.yaml", tmp_path / "site")
    assert done.returncode == 1
    assert named in done.stderr
