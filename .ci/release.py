"""Checks, before anything is built, that a release's tag, the version and the changelog say the same.

``python .ci/release.py v0.2.0`` exits with 0, or with 1 and a line that says what differs. Called by the
release workflow; needs nothing installed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

__all__ = ["compare_tag", "main"]

ROOT = Path(__file__).parents[1]


def compare_tag(tag: str, root: Path = ROOT) -> str | None:
    """Returns what keeps `tag` from being released, or None."""
    version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    if tag != f"v{version}":
        return f"the tag is {tag}, and pyproject.toml has version {version}: the tag must be v{version}"
    init = (root / "pynomaly" / "__init__.py").read_text(encoding="utf-8")
    own = re.search(r'^__version__ = "(.+)"$', init, re.M)
    if own is None or own[1] != version:
        return f"pynomaly.__version__ is {own and own[1]}, and pyproject.toml has version {version}"
    if f"\n## [{version}]" not in (root / "CHANGELOG.md").read_text(encoding="utf-8"):
        return f"CHANGELOG.md has no heading [{version}]: give the unreleased changes their version and date"
    return None


def main() -> int:
    """Compare the tag of the command line; print what differs."""
    reason = compare_tag(sys.argv[1])
    print(reason or f"{sys.argv[1]} may be released")
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main())
