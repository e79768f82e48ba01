"""``make mutants``: whether the tests of ``pynomaly/judging/`` notice when its code is changed.

Mutmut changes one operator, number, argument or string at a time and runs the quick tests that reach the
changed function, each in a fork. A seeded sample of each module is tried: the same seed asks about the same
mutants while the code is the same. ``--survivors`` asks again only about those of the sample
that no test noticed the last time. What is printed: for each module the mutants it has, how many were tried,
noticed (killed or without an end) and not, and then the names of the latter, for ``mutmut show NAME``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from imports import ROOT

__all__ = ["draw_sample", "is_noticed", "main", "read_results", "summarise_results"]

WORK = ROOT / "mutants"
ROOM = "pynomaly.judging."
SMALLEST = f"{ROOM}jsonable.*"
"""Mutmut writes all mutants before it runs any: asking about the smallest module makes them."""

ENDLESS = (-24, 24, 152, 36, 255)
"""Exit codes of a run that used up its processor time: the mutant never ends, and that is noticed."""

Results = Mapping[str, Mapping[str, int | None]]


def read_results(work: Path) -> dict[str, dict[str, int | None]]:
    """Read the exit codes of the mutants of each module, None where they were not tried."""
    results: dict[str, dict[str, int | None]] = {}
    for path in sorted(work.glob("pynomaly/judging/**/*.meta")):
        codes = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
        if codes:
            results[str(path.relative_to(work / "pynomaly" / "judging")).removesuffix(".py.meta")] = codes
    return results


def draw_sample(results: Results, size: int, seed: int) -> set[str]:
    """Draw at most `size` mutants of each module; another module's mutants do not change which."""
    sample: set[str] = set()
    for module, codes in results.items():
        names = sorted(codes)
        generator = random.Random(f"{seed} {module}")  # nosec B311  # a sample that can be drawn again, no secret
        sample |= set(generator.sample(names, min(size, len(names))))
    return sample


def is_noticed(code: int | None) -> bool:
    """Return whether a test failed, or never ended, under the mutant."""
    return code in (1, 3) or code in ENDLESS


def summarise_results(results: Results, sample: set[str]) -> list[str]:
    """Return the lines of the report: a table in Markdown, and the mutants of the sample nobody noticed."""
    lines = ["| module | mutants | tried | noticed | not noticed |", "|---|---|---|---|---|"]
    total, tried, noticed = 0, 0, 0
    unnoticed: list[str] = []
    for module, codes in results.items():
        drawn = {name: code for name, code in codes.items() if name in sample}
        survivors = sorted(name for name, code in drawn.items() if not is_noticed(code))
        total, tried, noticed = total + len(codes), tried + len(drawn), noticed + len(drawn) - len(survivors)
        unnoticed += survivors
        lines.append(
            f"| {module} | {len(codes)} | {len(drawn)} | {len(drawn) - len(survivors)} | {len(survivors)} |"
        )
    lines.append(f"| all | {total} | {tried} | {noticed} | {tried - noticed} |")
    return [*lines, "", *unnoticed]


def _run_mutmut(names: list[str], children: int) -> None:
    command = [str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", str(children), *names]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if run.returncode:
        sys.exit(
            f"mutmut ended with {run.returncode}; the tests must pass without a mutant:\n{run.stdout[-3000:]}"
        )


def main(arguments: list[str] | None = None) -> int:
    """Make the mutants, try the sample, print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sample", type=int, default=25, help="mutants of each module; 1000: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--children", type=int, default=1, help="mutants tried at a time")
    parser.add_argument("--survivors", action="store_true", help="only what was not noticed the last time")
    options = parser.parse_args(arguments)
    os.nice(10)
    _run_mutmut([SMALLEST], options.children)
    results = read_results(WORK)
    sample = draw_sample(results, options.sample, options.seed)
    codes = {name: code for module in results.values() for name, code in module.items()}
    names = sorted(name for name in sample if not (options.survivors and is_noticed(codes[name])))
    if names:
        _run_mutmut(names, options.children)
    print("\n".join(summarise_results(read_results(WORK), sample)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
