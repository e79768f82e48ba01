"""Every claim of docs/security.md names its test, and every test it names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
CLAIMS = re.split(r"\n- ", PAGE.split("## Claims")[1].replace("\n#", "\n- #"))[1:]


def functions(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_named_test_is_there(file: str, name: str) -> None:
    assert name in functions(ROOT / file)


def test_every_claim_names_its_test() -> None:
    """But for those that say what is not promised, and how to look at the whole demo."""
    silent = [claim.strip() for claim in CLAIMS if "tests/" not in claim and not claim.startswith("#")]
    assert [claim.split()[0:3] for claim in silent] == [
        ["The", "flows", "never"],
        ["Not", "guaranteed:", "against"],
        ["`make", "guard`", "runs"],
    ]


def test_the_tests_of_this_folder_are_all_named_files() -> None:
    files = {path.name for path in Path(__file__).parent.glob("test_*.py")} - {Path(__file__).name}
    assert files == {Path(file).name for file, _ in NAMED if file.startswith("tests/security/")}
