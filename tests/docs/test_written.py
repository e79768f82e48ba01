"""What the pages tell people to type, write, follow and expect is there."""

from __future__ import annotations

import ast
import importlib
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main
from markdown.extensions.toc import slugify

from flows.cli import app
from pynomaly.config import load_pipeline, parse_pipeline
from pynomaly.config.spelling.plain_yaml import parse_plain_yaml
from pynomaly.console.access.sign_in_settings import load_sign_in
from tests.docs.loaded import ROOT
from tests.docs.written import READ, Snippet, name, prose, snippets, typed

GROUP: Any = typer.main.get_command(app)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
HERE = r"(?:pynomaly|flows|tasks|tests|configs|benchmarks|docs|docker|deployments|\.ci)/[\w./*-]*"


def understood(words: list[str]) -> None:
    """Read a command line as the application would, without running it."""
    above = GROUP.make_context("pynomaly", words)
    command, subcommand, left = GROUP.resolve_command(above, [*above._protected_args, *above.args])
    subcommand.make_context(command, left, parent=above)


@pytest.mark.parametrize(
    "words",
    sorted({tuple(words) for block in snippets("bash", "console") for words in typed(block)}),
    ids=" ".join,
)
def test_commands_are_understood(words: tuple[str, ...]) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    if words[0] == "pynomaly":
        understood(list(words[1:]))
    elif words[0] == "make":
        assert set(words[1:]) <= targets
    else:
        assert not words[0].startswith("pynomaly")


@pytest.mark.parametrize(
    "wrong", [["promote", "x.yaml"], ["train", "x.yaml", "--fast"], ["resolve", "x.yaml"]]
)
def test_a_wrong_command_would_be_noticed(wrong: list[str]) -> None:
    with pytest.raises(Exception, match=r"No such|Missing"):
        understood(wrong)


@pytest.mark.parametrize("path", READ, ids=name)
def test_commands_in_sentences_exist(path: Path) -> None:
    for usage in re.findall(r"`pynomaly ([^`]+)`", prose(path.read_text(encoding="utf-8"))):
        words = re.sub(r"^--env \S+ ", "", " ".join(usage.split())).split()
        if words[0].isupper():
            continue
        assert words[0] in GROUP.commands, usage
        options = {option for parameter in GROUP.commands[words[0]].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options | {"--help"}, usage


@pytest.mark.parametrize("block", snippets("yaml"), ids=str)
def test_yaml_is_a_pipeline_or_changes_one(block: Snippet, tmp_path: Path) -> None:
    content = parse_plain_yaml(block.text)
    assert isinstance(content, dict)
    if {"name", "data", "training"} <= set(content):
        assert parse_pipeline(content, origin=tmp_path / "pipeline.yaml").name == content["name"]
        return
    if "provider" in content:
        (tmp_path / "sign-in.yaml").write_text(block.text)
        assert load_sign_in(tmp_path / "sign-in.yaml").provider.issuer == content["provider"]["issuer"]
        return
    (tmp_path / "x.yaml").write_text((ROOT / "configs" / "quickstart.yaml").read_text())
    (tmp_path / "changed").mkdir()
    (tmp_path / "changed" / "x.yaml").write_text(block.text)
    folder = content.get("reports", {}).get("templates")
    if folder:
        (tmp_path / folder).resolve().mkdir(parents=True)
    load_pipeline(tmp_path / "x.yaml", "changed")


@pytest.mark.parametrize("block", snippets("python"), ids=str)
def test_python_compiles_and_its_imports_resolve(block: Snippet) -> None:
    tree = ast.parse(block.text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                importlib.import_module(alias.name)
        elif isinstance(node, ast.ImportFrom):
            module = importlib.import_module(str(node.module))
            assert not [alias.name for alias in node.names if not hasattr(module, alias.name)]


@cache
def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(path.read_text(encoding="utf-8")), re.M)
    return {slugify(heading.replace("`", ""), "-") for heading in headings}


@pytest.mark.parametrize("path", READ, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    for picture, text, target in LINK.findall(prose(path.read_text(encoding="utf-8"))):
        assert text.strip(), f"{target} has no words"
        if target.startswith(("https://", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        place = (path.parent / file).resolve() if file else path
        assert place.exists(), target
        if anchor:
            assert anchor in anchors(place), target
        if picture:
            assert place.stat().st_size < 1_000_000, target


@pytest.mark.parametrize("path", READ, ids=name)
def test_files_in_sentences_exist(path: Path) -> None:
    for named in re.findall(rf"`({HERE})(?:::\w+)?`", prose(path.read_text(encoding="utf-8"))):
        if not re.search(r"[A-Z]{4}|\*|machines|/x\.yaml|presses|NAME", named):
            assert (ROOT / named).exists(), named


@cache
def messages() -> tuple[str, ...]:
    """Every text of the code; what is filled in is …"""
    texts = []
    for top in ("pynomaly", "tasks", "flows"):
        for path in (ROOT / top).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
                elif isinstance(node, ast.JoinedStr):
                    texts.append(
                        "".join(
                            getattr(part, "value", "…") if isinstance(part, ast.Constant) else "…"
                            for part in node.values
                        )
                    )
    return tuple(texts)


def quoted() -> list[str]:
    page = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `([^`]+)` \|", page[page.index("## It says") :], re.M)


@pytest.mark.parametrize("message", quoted())
def test_messages_are_those_of_the_code(message: str) -> None:
    fixed = message.strip("… ")
    assert any(fixed in text for text in messages()), message


def test_quoted_messages_say_enough_to_be_found() -> None:
    assert len(quoted()) > 30
    assert not [message for message in quoted() if len(message.strip("… ")) < 11]
