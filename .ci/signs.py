"""The sign at each door: who calls a package and what it may import, as the last lines of its docstring.

``make reference`` writes the signs: callers from the imports there are, permissions from the table in
`rooms.py`. What a package holds is written by hand above. A test compares each sign with the code.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterable
from pathlib import Path

from imports import ROOT, name_module, read_graph
from rooms import GROUND, WINGS, list_rooms_below

__all__ = ["ROOT", "list_packages", "write_sign"]

_OPENING = "\n\nCalled by "
_MANY = 4
"""From so many rooms of one wing on, the wing is named in their place."""


def list_packages() -> list[Path]:
    """Returns the ``__init__.py`` of every package but ``pynomaly`` itself."""
    folders = (path for top in ("pynomaly/*", "tasks", "flows") for path in ROOT.glob(top))
    return sorted(path for folder in folders for path in folder.rglob("__init__.py"))


def write_sign(path: Path) -> str:
    """Returns the text of the ``__init__.py`` at `path` with its sign as it should be."""
    text = path.read_text(encoding="utf-8")
    docstring = ast.parse(text).body[0]
    if not (isinstance(docstring, ast.Expr) and isinstance(docstring.value, ast.Constant)):
        raise ValueError(f"{path} does not open with a docstring that says what the package holds")
    lines = text.splitlines(keepends=True)
    body = "".join(lines[: docstring.end_lineno]).rstrip().removesuffix('"""').rstrip()
    sign = textwrap.fill(
        _compose_sign(name_module(path)), 109, break_on_hyphens=False, break_long_words=False
    )
    return body.split(_OPENING)[0] + "\n\n" + sign + '\n"""\n' + "".join(lines[docstring.end_lineno :])


def _compose_sign(package: str) -> str:
    callers = _join_names(f"`{name}`" for name in _list_callers(package))
    return f"Called by {callers or 'no other package'}. {_describe_permissions(package)}"


def _split_name(module: str) -> tuple[str, str]:
    """Returns the wing of a module, and its place in the wing; the wing itself has the place ``""``."""
    wing, _, place = module.removeprefix("pynomaly.").partition(".")
    return wing, place


def _list_callers(package: str) -> list[str]:
    """Returns the packages, and the modules of the same wing, that import something in `package`."""
    wing, place = _split_name(package)
    inside: set[str] = set()
    outside: dict[str, set[str]] = {}
    for module, targets in read_graph().items():
        if _is_in(module, package) or not any(_is_in(target, package) for target in targets):
            continue
        caller_wing, caller = _split_name(module)
        room = caller.split(".")[0]
        if caller_wing == wing:
            inside.add(room or wing)
        else:
            outside.setdefault(caller_wing, set()).add(room if room in WINGS[caller_wing].rooms else "")
    names = sorted(inside)
    for other in WINGS:
        rooms = outside.get(other, set())
        if not place or "" in rooms or len(rooms) >= _MANY:
            names += [other] if rooms else []
        else:
            names += [f"{other}.{room}" for room in WINGS[other].rooms if room in rooms]
    return names


def _is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _describe_permissions(package: str) -> str:
    wing, place = _split_name(package)
    if not place:
        below = WINGS[wing].below
        deeper = any(WINGS[name].below for name in below)
        end = f", and the wings below {'them' if len(below) > 1 else 'it'}" if deeper else ""
        return f"May import {_join_names(f'`{name}`' for name in below)}{end}."
    room, _, inner = place.partition(".")
    if inner:
        return f"May import what `{wing}.{room}` may import."
    rooms = list_rooms_below(wing, room)
    names = [f"`{name}`" for name in WINGS[wing].rooms if name in rooms and name != GROUND]
    names += [f"the modules of `{wing}`"] if GROUND in rooms else []
    return f"May import {_join_names([*names, f'the wings below `{wing}`'])}."


def _join_names(names: Iterable[str]) -> str:
    *first, last = [*names] or [""]
    return f"{', '.join(first)} and {last}" if first else last
