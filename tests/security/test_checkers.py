"""What looks through the code and the packages says what it did, and every exception says why."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for top in ("pynomaly", "tasks", "flows") for path in (ROOT / top).rglob("*.py"))


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def report(known: int, unknown: int = 0, **vulnerable: str) -> str:
    packages: list[dict[str, object]] = [{"name": f"k{i}", "version": "1", "vulns": []} for i in range(known)]
    packages += [{"name": f"u{i}", "skip_reason": "Dependency not found"} for i in range(unknown)]
    packages += [
        {"name": name, "version": "1", "vulns": [{"id": vulnerability, "fix_versions": ["2"]}]}
        for name, vulnerability in vulnerable.items()
    ]
    return json.dumps({"dependencies": packages, "fixes": []})


ANSWERS = {
    "clean": (report(20, 2), "", 0, "no known vulnerabilities; 20 of 22"),
    "a vulnerability": (report(20, django="CVE-1"), "", 1, "django 1: CVE-1, fixed in ['2']"),
    "a vulnerability beside unknown ones": (report(0, 20, django="CVE-1"), "", 1, "CVE-1"),
    "a mirror that knows nothing": (report(0, 258), "", 3, "NOT AN AUDIT: 0 of 258"),
    "nothing installed": (report(0), "", 3, "NOT AN AUDIT"),
    "no network": ("", "trace\nConnectionError: no route", 3, "NOTHING WAS CHECKED"),
    "an answer of another kind": ("[]", "", 3, "NOTHING WAS CHECKED"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_an_audit_that_was_none_does_not_pass(case: str, audit: ModuleType) -> None:
    output, complaint, code, sentence = ANSWERS[case]
    assert audit.verdict(output, complaint)[0] == code
    assert sentence in audit.verdict(output, complaint)[1]


def test_every_line_that_bandit_leaves_out_names_its_rule_and_reason() -> None:
    for path in SOURCES:
        for line in path.read_text().splitlines():
            if "# nosec" in line:
                assert re.search(r"# nosec B\d{3}  # .{3,}", line), f"{path.name}: {line.strip()}"


def test_every_rule_that_bandit_leaves_out_has_its_reason() -> None:
    written = (ROOT / "pyproject.toml").read_text()
    skipped = tomllib.loads(written)["tool"]["bandit"]["skips"]
    for rule in skipped:
        assert re.search(rf'"{rule}",  # .{{20,}}', written), rule


def test_ci_runs_bandit_and_does_not_wait_for_the_network() -> None:
    steps = (ROOT / ".ci" / "run").read_text()
    assert "make security" in steps
    assert "audit" not in steps
