"""``make house``: shows where the house drifts. It fails nothing; the rules that fail are tests.

It prints the size of each wing with its floors and arrows, the shares of function names that are one word
or a bare participle, class names that are used twice, the longest parameter lists, the fullest folders, and
values called by a word that says nothing. Where we want to be: a third of the names one word, participles
and shared names close to none. Another checkout is measured by its folder: ``python .ci/house.py
../other``.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from imports import ROOT, TOPS, find_circles, list_sources, name_module, parse_file, read_graph

__all__ = ["count_floors", "describe_house", "is_participle", "list_functions", "main"]

IRREGULAR = {
    "begun", "bound", "bought", "built", "cut", "done", "drawn", "driven", "found", "given", "gone",
    "grown", "heard", "held", "hidden", "kept", "known", "laid", "left", "lost", "made", "meant", "met",
    "paid", "proven", "said", "seen", "sent", "shown", "spent", "spoken", "split", "spread", "swept",
    "taken", "taught", "thought", "thrown", "told", "torn", "understood", "worn", "written",
}  # fmt: skip
"""Participles without the ending -ed or -ing."""

NO_PARTICIPLES = {
    "bring", "embed", "feed", "need", "ping", "ring", "seed", "speed", "split", "spread", "string",
    "thing", "cut", "training", "scoring", "monitoring", "alerting", "reporting", "serving",
}  # fmt: skip
"""Words with such an ending, or with a form of their own, that name an act or a thing."""

EMPTY_WORDS = ("found", "said", "told", "mine", "theirs")
"""Names of values that do not say what the value is."""


def is_participle(name: str) -> bool:
    """Whether the name of a function is a participle alone, like ``kept`` or ``searching``."""
    word = name.strip("_")
    if "_" in word or word in NO_PARTICIPLES:
        return False
    return word in IRREGULAR or (len(word) > 4 and word.endswith(("ed", "ing")))


def list_functions(files: list[Path]) -> Iterator[tuple[str, Path, int]]:
    """Yield name, file and number of parameters of each function and method; ``self`` does not count."""
    for path in files:
        for node in ast.walk(parse_file(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("__"):
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                yield node.name, path, sum(argument.arg not in ("self", "cls") for argument in arguments)


def count_floors(graph: dict[str, set[str]], prefix: str) -> tuple[int, int]:
    """Returns how many floors the modules of a wing stand on, and how many imports there are between them."""
    inside = {
        module: {target for target in targets if target.startswith(f"{prefix}.")}
        for module, targets in graph.items()
        if module.startswith(f"{prefix}.")
    }
    if find_circles(inside):
        return -1, sum(map(len, inside.values()))
    floors: dict[str, int] = {}

    def measure(module: str) -> int:
        if module not in floors:
            floors[module] = 1 + max((measure(target) for target in inside[module]), default=0)
        return floors[module]

    return max(map(measure, inside), default=0), sum(map(len, inside.values()))


def describe_house(root: Path = ROOT, longest: int = 8) -> Iterator[str]:
    """Yield the report, line by line; `longest` rows of each list."""
    files, graph = list_sources(root), read_graph(root)
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    functions = list(list_functions(files))
    yield f"modules {len(files)}, lines {sum(lines.values()):,}"
    yield from _describe_wings(root, lines, graph)
    yield from _describe_names(root, functions)
    yield from _describe_classes(root, files)
    yield "longest parameter lists"
    for name, path, count in sorted(functions, key=lambda row: -row[2])[:longest]:
        yield f"  {count:3}  {name} ({path.relative_to(root)})"
    yield "fullest folders"
    folders = Counter(path.parent for path in files if path.name != "__init__.py")
    for folder, count in folders.most_common(longest):
        yield f"  {count:3}  {folder.relative_to(root)}"
    yield "longest modules"
    for path in sorted(files, key=lambda path: -lines[path])[:longest]:
        yield f"  {lines[path]:3}  {path.relative_to(root)}"
    yield from _describe_values(root)


def _describe_wings(root: Path, lines: dict[Path, int], graph: dict[str, set[str]]) -> Iterator[str]:
    yield "wing                 modules   lines  floors  arrows  fullest folder"
    wings = [f"pynomaly.{path.parent.name}" for path in sorted((root / "pynomaly").glob("*/__init__.py"))]
    for wing in (*wings, "tasks", "flows"):
        files = [path for path in lines if f"{name_module(path, root)}.".startswith(f"{wing}.")]
        fullest = max(Counter(path.parent for path in files).values())
        floors, arrows = count_floors(graph, wing)
        size = sum(lines[path] for path in files)
        height = floors if floors > 0 else "circle"
        yield f"  {wing:<19}{len(files):7}{size:8,}{height:>8}{arrows:8}{fullest:8}"


def _describe_names(root: Path, functions: list[tuple[str, Path, int]]) -> Iterator[str]:
    one_word = [row for row in functions if "_" not in row[0].strip("_")]
    participles = [row for row in functions if is_participle(row[0])]
    total = len(functions)
    yield f"functions {total:,}: one word {len(one_word) / total:.0%} ({len(one_word):,})"
    yield f"  most frequent: {_count_words(name for name, _, _ in one_word)}"
    yield f"participles {len(participles) / total:.1%} ({len(participles)})"
    yield from (f"  {name} ({path.relative_to(root)})" for name, path, _ in participles[:20])


def _describe_classes(root: Path, files: list[Path]) -> Iterator[str]:
    places: dict[str, list[str]] = {}
    for path in files:
        for node in ast.walk(parse_file(path)):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(str(path.relative_to(root)))
    shared = {name: where for name, where in places.items() if len(where) > 1}
    yield f"class names that are used twice: {len(shared)}"
    yield from (f"  {name}: {', '.join(where)}" for name, where in sorted(shared.items()))


def _describe_values(root: Path) -> Iterator[str]:
    for tops in (TOPS, ("tests", "benchmarks")):
        words: Counter[str] = Counter()
        files = [path for top in tops for path in sorted((root / top).rglob("*.py"))]
        for path in files:
            for node in ast.walk(parse_file(path)):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in EMPTY_WORDS:
                    words[node.id] += 1
        counts = ", ".join(f"{word} {count}" for word, count in words.most_common()) or "none"
        yield f"values named by an empty word in {', '.join(tops)}: {counts}"


def _count_words(names: Iterator[str]) -> str:
    counts = Counter(name.strip("_") for name in names).most_common(15)
    return ", ".join(f"{name} {count}" for name, count in counts)


def main() -> int:
    """Print the report for this checkout, or for the one whose folder is given."""
    print("\n".join(describe_house(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
