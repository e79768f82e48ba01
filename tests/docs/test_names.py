"""Every module, class, function, setting and file that a page names exists, whatever was renamed.

`docs/configuration.md` and the other pages that are written from the code are held in `test_reference`.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from pynomaly.config import RELATION_KINDS, Graph
from tests.docs.loaded import ROOT, script
from tests.docs.written import READ, name, prose

reference = script("reference")
WRITTEN = [path for path in READ if name(path) not in reference.PAGES]
TOPS = ("pynomaly", "flows", "tasks", "tests", "benchmarks", ".ci")

EDGES = Graph(source="payer", target="payee", weight="amount", features=RELATION_KINDS)
"""Names of its columns are composed."""

OUTSIDE = {
    "pg_upgrade": "a program of PostgreSQL",
    "pg_trgm": "an extension of PostgreSQL",
    "DaskTaskRunner": "Prefect's; an ADR says why it is not used",
    "dry_run": "a setting that an ADR refuses",
    "realm_access": "a claim of Keycloak",
    "_optdigits": "a table of ADBench",
}
"""Names that are not ours, and whose they are."""


@cache
def files() -> tuple[Path, ...]:
    """Files of the repository that hold names, without pages, what a build leaves, and this one."""
    tops = [*TOPS, "configs", "deployments", "docker", ".github"]
    below = (path for top in tops for path in (ROOT / top).rglob("*") if path.suffix != ".pyc")
    beside = (path for path in ROOT.iterdir() if path.suffix not in (".md", ".db"))
    return tuple(path for path in (*below, *beside) if path.is_file() and path != Path(__file__))


@cache
def words() -> frozenset[str]:
    """Every word in those files, and their names."""
    texts = (path.read_text(encoding="utf-8", errors="ignore") for path in files() if path.suffix != ".png")
    return (
        frozenset(word for text in texts for word in re.findall(r"\w+", text))
        | {word for path in files() for word in (path.stem, *path.stem.split("."))}
        | {word for name in EDGES.names for word in re.findall(r"\w+", name)}
    )


@cache
def members() -> dict[str, set[str]]:
    """Class of the library -> names that its body defines, or that of a class of the same name elsewhere."""
    classes: dict[str, set[str]] = {}
    for path in (ROOT / "pynomaly").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                defined = classes.setdefault(node.name, set())
                for item in node.body:
                    if isinstance(item, ast.FunctionDef):
                        defined.add(item.name)
                    elif isinstance(item, ast.AnnAssign | ast.Assign):
                        targets = [item.target] if isinstance(item, ast.AnnAssign) else item.targets
                        defined |= {target.id for target in targets if isinstance(target, ast.Name)}
    return classes


def marked(text: str) -> Iterator[str]:
    """What stands in code marks in the sentences of `text`."""
    yield from re.findall(r"`([^`\n]+)`", prose(text))


def missing_names(text: str) -> list[str]:
    """Names in code marks that look like ours and are nowhere in the repository."""
    gone = []
    for code in marked(text):
        for word in re.findall(r"[A-Za-z_]\w*", code):
            ours = "_" in word.strip("_") or re.search("[a-z][A-Z]", word)
            # Numbers for Prometheus are composed; `tests/deployment/test_monitoring.py` holds them.
            if ours and word not in OUTSIDE and not word.startswith("pynomaly_") and word not in words():
                gone.append(word)
        for owner, member in re.findall(r"\b([A-Z]\w+)\.(\w+)", code):
            if owner in members() and member not in members()[owner]:
                gone.append(f"{owner}.{member}")
    return gone


def missing_modules(text: str) -> list[str]:
    """Dotted names of packages of ours, and modules run by ``python -m``, that do not lead anywhere."""
    gone = []
    for code in marked(text):
        for dotted in re.findall(r"\b(?:pynomaly|flows|tasks|tests|benchmarks)(?:\.\w+)+", code):
            parts = dotted.split(".")
            if importlib.util.find_spec(f"{parts[0]}.{parts[1]}") and not _leads_somewhere(parts):
                gone.append(dotted)
    for module in re.findall(r"python -m ([\w.]+)", text):
        if not importlib.util.find_spec(module):
            gone.append(module)
    return gone


def _leads_somewhere(parts: list[str]) -> bool:
    """Whether the dotted name is a module, or a name in one."""
    for cut in range(len(parts), 0, -1):
        try:
            place = importlib.import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        for part in parts[cut:]:
            if not hasattr(place, part):
                return False
            place = getattr(place, part)
        return True
    return False


def missing_settings(text: str) -> list[str]:
    """Dotted names that begin like a block of the settings and are no key."""
    keys = reference.keys()
    known = {".".join(key.split(".")[:cut]) for key in keys for cut in range(1, key.count(".") + 2)}
    blocks = {key.split(".")[0] for key in keys if "." in key}
    endings = r"\.(py|yaml|json|html|md|db|j2)\b"
    return [
        dotted
        for code in marked(text)
        for dotted in re.findall(r"(?<![\w./-])([a-z_]+(?:\.[a-z_0-9]+)+)(?![\w(/])", code)
        if dotted.split(".")[0] in blocks and dotted not in known and not re.search(endings, dotted)
    ]


def missing_files(text: str) -> list[str]:
    """Files of code and templates, by path or by name, that are not there; in blocks of code, too."""
    paths = tuple(f"/{path.relative_to(ROOT).as_posix()}" for path in files())
    stated = {code.partition("::")[0] for code in marked(text)}
    stated = {file for file in stated if re.fullmatch(r"[\w./-]+\.(py|j2)", file)}
    stated |= set(re.findall(r"(?<![\w/.])(?:tests|benchmarks|\.ci|docker)/[\w./-]*\w", text))
    return sorted(
        file
        for file in stated
        if file != "docker/.env"  # written by who needs it
        and not (ROOT / file).exists()
        and not any(path.endswith(f"/{file}") for path in paths)
    )


@pytest.mark.parametrize("path", WRITTEN, ids=name)
def test_names_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert missing_names(text) == []
    assert missing_modules(text) == []
    assert missing_settings(text) == []


@pytest.mark.parametrize("path", WRITTEN, ids=name)
def test_files_exist(path: Path) -> None:
    assert missing_files(path.read_text(encoding="utf-8")) == []


def test_what_a_rename_leaves_behind_is_noticed() -> None:
    assert missing_names("see `event_of_old`") == ["event_of_old"]
    assert missing_names("see `Bundle.melt`, and `Bundle.explain`") == ["Bundle.melt"]
    assert missing_modules("see `pynomaly.steps.governing`, `pynomaly.window.ok`") == [
        "pynomaly.steps.governing"
    ]
    assert missing_modules("run `python -m benchmarks.nothing`") == ["benchmarks.nothing"]
    assert missing_settings("`promotion.modus`, `promotion.mode`, `data.limits`") == ["promotion.modus"]
    assert missing_files("`flows/trainer.py`, `training.py` and `tests/naive.py`") == ["flows/trainer.py"]


def test_every_name_from_elsewhere_is_still_named() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in WRITTEN)
    assert [word for word in OUTSIDE if word not in text] == []
