"""Every import of the project, read from its files: who imports whom, and whether there is a circle.

Imports inside functions and imports for type checking alone count, because a reader follows them too. Called
by `signs.py`, `house.py` and `tests/test_architecture.py`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

__all__ = [
    "ROOT",
    "TOPS",
    "find_circles",
    "list_sources",
    "name_module",
    "parse_file",
    "read_graph",
    "read_imports",
]

ROOT = Path(__file__).parents[1]
TOPS = ("pynomaly", "tasks", "flows")


def list_sources(root: Path = ROOT) -> list[Path]:
    """Returns the files of the library, its tasks and its flows, sorted."""
    return sorted(path for top in TOPS for path in (root / top).rglob("*.py"))


@cache
def parse_file(path: Path) -> ast.Module:
    """Returns the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def name_module(path: Path, root: Path = ROOT) -> str:
    """Returns the dotted name of a file; a package has the name of its folder."""
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


@cache
def read_imports(path: Path) -> set[str]:
    """Returns all dotted names that a file imports; ``from a.b import c`` gives ``a.b.c``."""
    names: set[str] = set()
    for node in ast.walk(parse_file(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@cache
def read_graph(root: Path = ROOT) -> dict[str, set[str]]:
    """Returns each module of the project, and the modules of the project that it imports.

    The package ``pynomaly`` itself is left out: it holds the version alone.
    """
    paths = {name_module(path, root): path for path in list_sources(root)}
    graph = {}
    for module, path in paths.items():
        names = {name if name in paths else name.rpartition(".")[0] for name in read_imports(path)}
        graph[module] = (names & set(paths)) - {module, "pynomaly"}
    return graph


def find_circles(arrows: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Returns the groups of two or more that reach each other: strongly connected components.

    References
    ----------
    Tarjan, Depth-first search and linear graph algorithms, SIAM Journal on Computing 1, 1972.
    """
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    circles: list[list[str]] = []

    def visit(name: str) -> None:
        number[name] = lowest[name] = len(number)
        stack.append(name)
        for target in arrows.get(name, ()):
            if target not in number:
                visit(target)
                lowest[name] = min(lowest[name], lowest[target])
            elif target in stack:
                lowest[name] = min(lowest[name], number[target])
        if lowest[name] == number[name]:
            place = stack.index(name)
            group = sorted(stack[place:])
            del stack[place:]
            if len(group) > 1:
                circles.append(group)

    for name in arrows:
        if name not in number:
            visit(name)
    return circles
