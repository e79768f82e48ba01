"""Scripts of `.ci/` as modules: they lie beside no package, and are asked here without being run."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / ".ci"))  # the scripts import each other by name, as they do when they are run


def script(name: str) -> ModuleType:
    """The module `.ci/NAME.py`."""
    return importlib.import_module(name)
