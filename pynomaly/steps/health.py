"""Is this installation fit to run a pipeline? Each check says what it found and how to mend it.

Called by ``pynomaly doctor``. Looks only: writes one probe file into the home folder and removes it.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from pynomaly.config import Pipeline
from pynomaly.errors import PynomalyError

__all__ = ["examine"]

_DISTRIBUTION = "pynomaly-mlops"
_LEAST_FREE_GB = 2.0


def examine(pipeline: Pipeline | None, home: Path) -> list[dict[str, Any]]:
    """Run every check.

    Returns
    -------
    list of dict
        ``check``, ``state`` (``ok``, ``warning`` or ``wrong``), ``found`` and ``mend``.
    """
    home = pipeline.home if pipeline else home
    checks = [_python(), *_packages(), _home(home), _disk(home)]
    if pipeline is not None:
        checks += [_source(pipeline), _ledger(pipeline), _registry(pipeline), _messages(pipeline)]
    return checks


def _line(check: str, state: str, found: str, mend: str = "") -> dict[str, Any]:
    return {"check": check, "state": state, "found": found, "mend": mend if state != "ok" else ""}


def _python() -> dict[str, Any]:
    found = ".".join(str(part) for part in sys.version_info[:3])
    return _line(
        "python", "ok" if sys.version_info >= (3, 11) else "wrong", found, "use Python 3.11 or newer"
    )


def _packages() -> list[dict[str, Any]]:
    """Every dependency against the bounds Pynomaly ships: outside them some break in silence."""
    lines = []
    for text in requires(_DISTRIBUTION) or []:
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        mend = f"pip install '{wanted.name}{wanted.specifier}'"
        try:
            found = version(wanted.name)
        except PackageNotFoundError:
            lines.append(_line(wanted.name, "wrong", "not installed", mend))
            continue
        state = "ok" if wanted.specifier.contains(found, prereleases=True) else "wrong"
        lines.append(_line(wanted.name, state, f"{found} (allowed: {wanted.specifier or 'any'})", mend))
    return lines


def _home(home: Path) -> dict[str, Any]:
    mend = "set PYNOMALY_HOME to a folder you may write to"
    nearest = next(folder for folder in (home, *home.parents) if folder.is_dir())
    try:
        with tempfile.NamedTemporaryFile(dir=nearest):
            pass
    except OSError as error:
        return _line("home", "wrong", f"{home}: {error.strerror}", mend)
    return _line("home", "ok", str(home))


def _disk(home: Path) -> dict[str, Any]:
    nearest = next(folder for folder in (home, *home.parents) if folder.is_dir())
    free = shutil.disk_usage(nearest).free / 1e9
    state = "ok" if free >= _LEAST_FREE_GB else "warning"
    return _line(
        "disk", state, f"{free:.1f} GB free", f"free some space; under {_LEAST_FREE_GB:g} GB runs may fail"
    )


def _attempt(check: str, look: Callable[[], str], mend: str) -> dict[str, Any]:
    try:
        return _line(check, "ok", look())
    except PynomalyError as error:
        return _line(check, "wrong", str(error), mend)


def _source(pipeline: Pipeline) -> dict[str, Any]:
    from pynomaly.data.sources import span

    def look() -> str:
        known = span(pipeline.data)
        return str(known) if known else "a table without time"

    return _attempt("source", look, f"mend the block 'data' in {pipeline.origin}")


def _ledger(pipeline: Pipeline) -> dict[str, Any]:
    from pynomaly.records.ledger import Ledger

    def look() -> str:
        with Ledger.open(pipeline.ledger_url) as ledger:
            return f"{len(ledger.decisions(pipeline.name))} decisions of {pipeline.name}"

    return _attempt("ledger", look, "check records.ledger")


def _registry(pipeline: Pipeline) -> dict[str, Any]:
    from pynomaly.records.registry import Registry
    from pynomaly.steps.champion import champion_of

    def look() -> str:
        champion = champion_of(pipeline, Registry.of(pipeline))
        return f"champion v{champion.version}" if champion else "no champion yet: run `pynomaly train`"

    return _attempt("registry", look, "check records.tracking")


def _messages(pipeline: Pipeline) -> dict[str, Any]:
    from pynomaly.steps.notify import undelivered

    try:
        waiting = undelivered(pipeline)
    except PynomalyError as error:
        return _line("messages", "wrong", str(error), "check records.ledger")
    if not waiting:
        targets = len(pipeline.notify.targets)
        return _line("messages", "ok", f"{targets} targets, nothing waits")
    oldest = waiting[0]
    why = oldest["error"] or "not tried yet"
    found = f"{len(waiting)} not delivered; the oldest to {oldest['target']}: {why}"
    return _line("messages", "warning", found, "`pynomaly notify CONFIG --test` tries each target")
