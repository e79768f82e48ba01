"""Checks whether this installation can run a pipeline; each check returns what it found and how to fix it.

Called by ``pynomaly doctor``. Changes nothing: it writes one probe file into the home folder and one into
each bucket, removes them, and migrates nothing. :mod:`pynomaly.steps.operations.connectivity` checks servers
and databases.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from pynomaly.config import Pipeline
from pynomaly.errors import PynomalyError
from pynomaly.steps.operations import connectivity
from pynomaly.steps.operations.finding import Finding

__all__ = ["check_installation"]

_DISTRIBUTION = "pynomaly-mlops"
_MIN_FREE_GB = 2.0


def check_installation(
    pipeline: Pipeline | None, home: Path, prefect_api: str = "", prefect_database: str = ""
) -> list[Finding]:
    """Run every check; `prefect_api` is the API address that would be used, empty for a local server."""
    home = pipeline.home if pipeline else home
    checks = [
        _check_python(),
        *_check_packages(),
        *_check_pins(),
        _check_home(home),
        *_check_permissions(home),
        _check_disk(home),
    ]
    if prefect_api:
        checks += connectivity.check_prefect_server(
            prefect_api, os.environ.get("PREFECT_API_AUTH_STRING", "")
        )
    else:
        checks += connectivity.check_prefect_database(
            prefect_database or f"sqlite:///{home / 'prefect' / 'prefect.db'}"
        )
    if pipeline is None:
        return checks
    servers = list(connectivity.check_records(pipeline))
    checks += [_check_source(pipeline), *servers]
    if all(item.state != "wrong" for item in servers):  # report an unreachable server only once
        checks += [_check_ledger(pipeline), _check_registry(pipeline), *_check_obstacles(pipeline)]
        checks += [_check_messages(pipeline), *_check_receivers(pipeline), *_check_sinks(pipeline)]
    return checks


def _check_python() -> Finding:
    python_version = ".".join(str(part) for part in sys.version_info[:3])
    allowed = metadata(_DISTRIBUTION)["Requires-Python"]
    state = "ok" if SpecifierSet(allowed).contains(python_version) else "wrong"
    return Finding("python", state, python_version, f"use a Python {allowed}")


def _check_packages() -> list[Finding]:
    """Check every dependency against Pynomaly's version bounds; outside them some break silently."""
    findings = []
    for text in requires(_DISTRIBUTION) or []:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        mend = f"pip install '{requirement.name}{requirement.specifier}'"
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            findings.append(Finding(requirement.name, "wrong", "not installed", mend))
            continue
        state = "ok" if requirement.specifier.contains(installed, prereleases=True) else "wrong"
        findings.append(
            Finding(requirement.name, state, f"{installed} (allowed: {requirement.specifier or 'any'})", mend)
        )
    return findings


def _check_pins(file: Path = Path(__file__).parents[3] / "constraints.txt") -> list[Finding]:
    """Check installed versions against the tested set in ``constraints.txt``; only if that file exists."""
    if not file.is_file():
        return []
    differences, compared = [], 0
    for line in file.read_text(encoding="utf-8").splitlines():
        name, _, pin = line.partition("==")
        if not pin or line.startswith("#"):
            continue
        try:
            installed = version(name)
        except PackageNotFoundError:
            continue
        compared += 1
        if installed.partition("+")[0] != pin:
            differences.append(f"{name} {installed}, tested with {pin}")
    if not differences:
        return [Finding("pins", "ok", f"{compared} packages as in {file.name}")]
    more = f" and {len(differences) - 5} more" if len(differences) > 5 else ""
    mend = f"pip install -c {file} -e ."
    return [Finding("pins", "warning", "; ".join(differences[:5]) + more, mend)]


def _check_permissions(home: Path) -> list[Finding]:
    """Check that no other user can change the folders that hold decisions and models."""
    if not home.is_dir() or os.name != "posix":
        return []
    writable_paths = [path for path in (home, *sorted(home.iterdir())) if _is_world_writable(path)]
    if not writable_paths:
        return [Finding("permissions", "ok", f"only its owner and group write to {home}")]
    path_list = ", ".join(str(path) for path in writable_paths[:3])
    return [Finding("permissions", "warning", f"every user may write to {path_list}", f"chmod -R o-w {home}")]


def _is_world_writable(path: Path) -> bool:
    return not path.is_symlink() and bool(path.stat().st_mode & stat.S_IWOTH)


def _check_home(home: Path) -> Finding:
    mend = "set PYNOMALY_HOME to a folder you may write to"
    nearest = next(folder for folder in (home, *home.parents) if folder.is_dir())
    try:
        with tempfile.NamedTemporaryFile(dir=nearest):
            pass
    except OSError as error:
        return Finding("home", "wrong", f"{home}: {error.strerror}", mend)
    return Finding("home", "ok", str(home))


def _check_disk(home: Path) -> Finding:
    nearest = next(folder for folder in (home, *home.parents) if folder.is_dir())
    free = shutil.disk_usage(nearest).free / 1e9
    state = "ok" if free >= _MIN_FREE_GB else "warning"
    return Finding(
        "disk", state, f"{free:.1f} GB free", f"free some space; under {_MIN_FREE_GB:g} GB runs may fail"
    )


def _run_check(check: str, probe: Callable[[], str], mend: str) -> Finding:
    try:
        return Finding(check, "ok", probe())
    except PynomalyError as error:
        return Finding(check, "wrong", str(error), mend)


def _check_source(pipeline: Pipeline) -> Finding:
    from pynomaly.data.sources import read_span

    def describe_range() -> str:
        data_range = read_span(pipeline.data)
        return str(data_range) if data_range else "a table without time"

    return _run_check("source", describe_range, f"mend the block 'data' in {pipeline.origin}")


def _check_ledger(pipeline: Pipeline) -> Finding:
    from pynomaly.records.ledger import Ledger

    def count_decisions() -> str:
        with Ledger.open(pipeline.ledger_url) as ledger:
            return f"{len(ledger.list_decisions(pipeline.name))} decisions of {pipeline.name}"

    return _run_check("ledger", count_decisions, "check records.ledger")


def _check_registry(pipeline: Pipeline) -> Finding:
    from pynomaly.records.registry import Registry
    from pynomaly.steps.champion import find_champion

    def describe_champion() -> str:
        champion = find_champion(pipeline, Registry.open_for(pipeline))
        return f"champion v{champion.version}" if champion else "no champion yet: run `pynomaly train`"

    return _run_check("registry", describe_champion, "check records.tracking")


def _check_obstacles(pipeline: Pipeline) -> list[Finding]:
    """Check whether the champion can work at all: each sentence ends with the setting to change."""
    from pynomaly.records.ledger import Ledger
    from pynomaly.records.registry.alias_lookup import find_alias_version
    from pynomaly.steps.obstacles import list_known_obstacles

    try:
        with Ledger.open(pipeline.ledger_url) as ledger:
            newest = ledger.find_newest_partition(pipeline.name)
            sentences = list_known_obstacles(ledger, pipeline.name, find_alias_version(pipeline), newest)
    except PynomalyError:
        return []  # the checks of ledger and registry say so
    mend = "change the setting and train again"
    return [Finding("champion", "warning", sentence, mend) for sentence in sentences]


def _check_messages(pipeline: Pipeline) -> Finding:
    from pynomaly.steps.notices.send import list_undelivered

    try:
        undelivered_messages = list_undelivered(pipeline)
    except PynomalyError as error:
        return Finding("messages", "wrong", str(error), "check records.ledger")
    if not undelivered_messages:
        targets = len(pipeline.notify.targets)
        return Finding("messages", "ok", f"{targets} targets, nothing waits")
    oldest = undelivered_messages[0]
    last_error = oldest["error"] or "not tried yet"
    summary = f"{len(undelivered_messages)} not delivered; the oldest to {oldest['target']}: {last_error}"
    return Finding("messages", "warning", summary, "`pynomaly notify CONFIG --test` tries each target")


def _check_receivers(pipeline: Pipeline) -> list[Finding]:
    """Check whether each target can be told, without telling it, and whether the rules can be meant so."""
    from pynomaly.judging.notice_rules import list_rule_problems
    from pynomaly.steps.notices.check_receivers import list_slow_steps, list_unreachable

    findings = [
        Finding(f"target {name}", "wrong", problem, f"mend notify.targets: {name}")
        for name, problem in list_unreachable(pipeline)
    ]
    doubts = (*list_rule_problems(pipeline.notify), *list_slow_steps(pipeline))
    return findings + [Finding("notices", "warning", item, "docs/notices.md says more") for item in doubts]


def _check_sinks(pipeline: Pipeline) -> list[Finding]:
    """Check whether each sink answers, and whether anything waits for it or was refused."""
    from pynomaly.steps.delivery.delivery_status import plan_delivery

    if not pipeline.sinks:
        return []
    try:
        plan = plan_delivery(pipeline)
    except PynomalyError as error:
        return [Finding("sinks", "wrong", str(error), "check records.ledger")]
    findings = []
    for name, problem in plan["answers"].items():
        channels = [item for item in plan["sinks"] if item["sink"] == name]
        due, dead = (sum(item[key] or 0 for item in channels) for key in ("due", "dead"))
        fact = f"{problem or 'answers'}; {due} wait, {dead} dead letters"
        state = "wrong" if problem else "warning" if dead or any(item["error"] for item in channels) else "ok"
        mend = "`pynomaly deliver CONFIG --redeliver`" if dead and not problem else f"mend sinks: {name}"
        findings.append(Finding(f"sink {name}", state, fact, mend))
    return findings
