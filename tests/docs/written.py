"""What people read: the pages, and what stands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.docs.loaded import ROOT

READ = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "deployments" / "README.md")
    if path.name != "CHANGELOG.md"
)
"""Every page but the changelog, which speaks of what was."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Snippet:
    """A block of code in a page."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def name(path: Path) -> str:
    """Path of a page below the top."""
    return path.relative_to(ROOT).as_posix()


def snippets(*languages: str) -> list[Snippet]:
    """Blocks in one of `languages`, over all pages."""
    examples = []
    for path in READ:
        text = path.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            if match[1] in languages:
                line = text.count("\n", 0, match.start()) + 2
                examples.append(Snippet(name(path), line, match[1], match[2]))
    return examples


def prose(text: str) -> str:
    """`text` without its blocks of code; lines keep their numbers."""
    return _FENCE.sub(lambda block: "\n" * block[0].count("\n"), text)


def typed(snippet: Snippet) -> Iterator[list[str]]:
    """Words of each command a person types, without variables before it and comments behind it."""
    for line in snippet.text.replace("\\\n", " ").splitlines():
        if snippet.language == "console":
            if not line.startswith("$ "):
                continue
            line = line[2:]
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        if words:
            yield [words[0].removeprefix(".venv/bin/"), *words[1:]]
