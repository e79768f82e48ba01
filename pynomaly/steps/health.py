"""Is this installation fit to run a pipeline? Each check says what it found and how to mend it.

Called by ``pynomaly doctor``. Looks only: writes one probe file into the home folder, one into each bucket,
and removes them; migrates nothing. Servers and databases are looked at in :mod:`pynomaly.steps.reachable`.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from pynomaly.config import Pipeline
from pynomaly.errors import PynomalyError
from pynomaly.steps import reachable
from pynomaly.steps.finding import Finding

__all__ = ["examine"]

_DISTRIBUTION = "pynomaly-mlops"
_LEAST_FREE_GB = 2.0


def examine(
    pipeline: Pipeline | None, home: Path, prefect_api: str = "", prefect_database: str = ""
) -> list[Finding]:
    """Run every check; `prefect_api` is the address that would be used, empty for a server of one's own."""
    home = pipeline.home if pipeline else home
    checks = [_python(), *_packages(), *_pins(), _home(home), *_guarded(home), _disk(home)]
    if prefect_api:
        checks += reachable.prefect_server(prefect_api, os.environ.get("PREFECT_API_AUTH_STRING", ""))
    else:
        checks += reachable.prefect_database(
            prefect_database or f"sqlite:///{home / 'prefect' / 'prefect.db'}"
        )
    if pipeline is None:
        return checks
    servers = list(reachable.records(pipeline))
    checks += [_source(pipeline), *servers]
    if all(item.state != "wrong" for item in servers):  # what cannot be reached was said once
        checks += [_ledger(pipeline), _registry(pipeline), _messages(pipeline)]
    return checks


def _python() -> Finding:
    found = ".".join(str(part) for part in sys.version_info[:3])
    return Finding(
        "python", "ok" if sys.version_info >= (3, 11) else "wrong", found, "use Python 3.11 or newer"
    )


def _packages() -> list[Finding]:
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
            lines.append(Finding(wanted.name, "wrong", "not installed", mend))
            continue
        state = "ok" if wanted.specifier.contains(found, prereleases=True) else "wrong"
        lines.append(Finding(wanted.name, state, f"{found} (allowed: {wanted.specifier or 'any'})", mend))
    return lines


def _pins(file: Path = Path(__file__).parents[2] / "constraints.txt") -> list[Finding]:
    """What is installed against the one set that was tested together; only where that file is at hand."""
    if not file.is_file():
        return []
    other, known = [], 0
    for line in file.read_text(encoding="utf-8").splitlines():
        name, _, pin = line.partition("==")
        if not pin or line.startswith("#"):
            continue
        try:
            found = version(name)
        except PackageNotFoundError:
            continue
        known += 1
        if found.partition("+")[0] != pin:
            other.append(f"{name} {found}, tested with {pin}")
    if not other:
        return [Finding("pins", "ok", f"{known} packages as in {file.name}")]
    more = f" and {len(other) - 5} more" if len(other) > 5 else ""
    mend = f"pip install -c {file} -e ."
    return [Finding("pins", "warning", "; ".join(other[:5]) + more, mend)]


def _guarded(home: Path) -> list[Finding]:
    """Nobody else may change what decisions and models are kept in."""
    if not home.is_dir() or os.name != "posix":
        return []
    loose = [path for path in (home, *sorted(home.iterdir())) if _open_to_others(path)]
    if not loose:
        return [Finding("permissions", "ok", f"only its owner and group write to {home}")]
    named = ", ".join(str(path) for path in loose[:3])
    return [Finding("permissions", "warning", f"every user may write to {named}", f"chmod -R o-w {home}")]


def _open_to_others(path: Path) -> bool:
    return not path.is_symlink() and bool(path.stat().st_mode & stat.S_IWOTH)


def _home(home: Path) -> Finding:
    mend = "set PYNOMALY_HOME to a folder you may write to"
    nearest = next(folder for folder in (home, *home.parents) if folder.is_dir())
    try:
        with tempfile.NamedTemporaryFile(dir=nearest):
            pass
    except OSError as error:
        return Finding("home", "wrong", f"{home}: {error.strerror}", mend)
    return Finding("home", "ok", str(home))


def _disk(home: Path) -> Finding:
    nearest = next(folder for folder in (home, *home.parents) if folder.is_dir())
    free = shutil.disk_usage(nearest).free / 1e9
    state = "ok" if free >= _LEAST_FREE_GB else "warning"
    return Finding(
        "disk", state, f"{free:.1f} GB free", f"free some space; under {_LEAST_FREE_GB:g} GB runs may fail"
    )


def _attempt(check: str, look: Callable[[], str], mend: str) -> Finding:
    try:
        return Finding(check, "ok", look())
    except PynomalyError as error:
        return Finding(check, "wrong", str(error), mend)


def _source(pipeline: Pipeline) -> Finding:
    from pynomaly.data.sources import span

    def look() -> str:
        known = span(pipeline.data)
        return str(known) if known else "a table without time"

    return _attempt("source", look, f"mend the block 'data' in {pipeline.origin}")


def _ledger(pipeline: Pipeline) -> Finding:
    from pynomaly.records.ledger import Ledger

    def look() -> str:
        with Ledger.open(pipeline.ledger_url) as ledger:
            return f"{len(ledger.decisions(pipeline.name))} decisions of {pipeline.name}"

    return _attempt("ledger", look, "check records.ledger")


def _registry(pipeline: Pipeline) -> Finding:
    from pynomaly.records.registry import Registry
    from pynomaly.steps.champion import champion_of

    def look() -> str:
        champion = champion_of(pipeline, Registry.of(pipeline))
        return f"champion v{champion.version}" if champion else "no champion yet: run `pynomaly train`"

    return _attempt("registry", look, "check records.tracking")


def _messages(pipeline: Pipeline) -> Finding:
    from pynomaly.steps.notify import undelivered

    try:
        waiting = undelivered(pipeline)
    except PynomalyError as error:
        return Finding("messages", "wrong", str(error), "check records.ledger")
    if not waiting:
        targets = len(pipeline.notify.targets)
        return Finding("messages", "ok", f"{targets} targets, nothing waits")
    oldest = waiting[0]
    why = oldest["error"] or "not tried yet"
    found = f"{len(waiting)} not delivered; the oldest to {oldest['target']}: {why}"
    return Finding("messages", "warning", found, "`pynomaly notify CONFIG --test` tries each target")
