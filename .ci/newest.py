"""Tries the newest of everything; called by the scheduled workflow ``newest``.

``newest.py requirements kept|lifted`` prints what to install without `constraints.txt`: as `pyproject.toml`
bounds it, or without upper bounds. ``newest.py differences`` compares what is installed with the pins, as
Markdown. ``newest.py failures LOG`` prints the tests of pytest's summary that failed, as Markdown.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

__all__ = ["describe_differences", "describe_failures", "lift_upper_bound", "list_requirements", "main"]

ROOT = Path(__file__).parents[1]


def list_requirements(bounds: str, root: Path = ROOT) -> list[str]:
    """Returns what the library and its extra ``dev`` need; `bounds` is ``kept`` or ``lifted``."""
    if bounds not in ("kept", "lifted"):
        raise SystemExit(f"bounds {bounds!r}: allowed are kept and lifted")
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    return [lift_upper_bound(line) if bounds == "lifted" else line for line in lines]


def lift_upper_bound(line: str) -> str:
    """Returns a requirement with its lower bounds alone: ``optuna>=5,<6`` becomes ``optuna>=5``."""
    requirement = Requirement(line)
    lower = [part for part in requirement.specifier if part.operator in (">", ">=")]
    requirement.specifier = SpecifierSet(",".join(map(str, lower)))
    return str(requirement)


def describe_differences(pins: str, installed: dict[str, str]) -> str:
    """Returns a table of the packages whose version is not the pinned one.

    Parameters
    ----------
    pins : str
        Text of `constraints.txt`.
    installed : dict
        Versions by canonical name.
    """
    pinned = {
        canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", pins, re.M)
    }
    # A build like 2.13.0+cpu is the version 2.13.0.
    newer = {
        name: (version, installed[name].split("+")[0])
        for name, version in sorted(pinned.items())
        if name in installed and installed[name].split("+")[0] != version
    }
    if not newer:
        return "Every package has its pinned version."
    rows = [f"| {name} | {old} | {new} |" for name, (old, new) in newer.items()]
    return "\n".join(["| package | pinned | tried |", "|---|---|---|", *rows])


def describe_failures(log: str) -> str:
    """Returns the failed tests of a log of pytest, one a line, or says that there is no summary."""
    failures = re.findall(r"^(?:FAILED|ERROR) (.+)$", log, re.M)
    if not failures:
        return "The tests did not get as far as a summary: the log of the step says why."
    return "\n".join([f"{len(failures)} failed:", "", *(f"- `{line}`" for line in failures)])


def main() -> int:
    """Print the part that the command line asks for."""
    match sys.argv[1:]:
        case ["requirements", bounds]:
            print("\n".join(list_requirements(bounds)))
        case ["differences"]:
            installed = {canonicalize_name(item.name): item.version for item in distributions()}
            print(describe_differences((ROOT / "constraints.txt").read_text(encoding="utf-8"), installed))
        case ["failures", log]:
            print(describe_failures(Path(log).read_text(encoding="utf-8")))
        case _:
            print(__doc__)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
