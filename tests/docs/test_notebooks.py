"""The notebooks, run from top to bottom in a kernel of their own, as a reader would."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.docs.loaded import ROOT

pytestmark = pytest.mark.slow

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
LATENCY = re.compile(r"one row takes .*|scoring \d+ rows takes .*")
"""What no two machines measure alike."""


def read_outputs(book: nbformat.NotebookNode) -> list[str]:
    """Everything the cells print or show as text; what is printed may come in any number of parts."""
    lines = []
    for cell in book.cells:
        text = ""
        for output in cell.get("outputs", ()):
            printed = output.get("text")
            text += f"\n{output.get('data', {}).get('text/plain', '')}\n" if printed is None else printed
        lines += [line.rstrip() for line in text.splitlines() if line.strip() and not LATENCY.search(line)]
    return lines


@pytest.mark.timeout(300)
@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_runs_and_says_what_its_reader_was_shown(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", ""))))
    shown = nbformat.read(file, as_version=4)
    ran = nbformat.read(file, as_version=4)
    NotebookClient(ran, timeout=240, kernel_name="python3", record_timing=False).execute()
    kinds = {output.get("name", "") for cell in ran.cells for output in cell.get("outputs", ())}
    assert "stderr" not in kinds, read_outputs(ran)
    assert read_outputs(ran) == read_outputs(shown)


def test_there_are_two_and_they_are_small_and_hold_no_path_of_a_machine() -> None:
    assert len(NOTEBOOKS) >= 2
    for file in NOTEBOOKS:
        assert file.stat().st_size < 200_000
        assert not re.search(r"/(home|root|tmp|work|Users)/", file.read_text())
