"""Makes the page of the public names, from the code itself; called by ``make reference``."""

from __future__ import annotations

import importlib
import inspect

__all__ = ["STABLE", "names", "page"]

STABLE = {
    "pynomaly.config": "Settings: read a pipeline's YAML, or make one in memory.",
    "pynomaly.data": "Windows of time, and the contract of a table.",
    "pynomaly.data.sources": "Rows of a source, as every step reads them.",
    "pynomaly.detectors": "The catalogue: make a detector by name, load a fitted one.",
    "pynomaly.model.bundle": "A model as the registry keeps it: contract, features, detector, calibration.",
    "pynomaly.judging.comparison.compare": "Verdicts on a challenger, by the rung of evidence there is.",
    "pynomaly.judging.drift.window_drift": "Drift of a window against a reference.",
    "pynomaly.judging.drift.retraining": "The decision to train again.",
    "pynomaly.records.ledger": "Decisions, partitions, observations, leases.",
    "pynomaly.records.registry": "Versions and aliases in MLflow.",
    "pynomaly.steps.training.prepare": "Read and validate a reference.",
    "pynomaly.steps.training.fit_candidates": "Fit one candidate.",
    "pynomaly.steps.training.compare_models": "Choose a winner; hold it against the champion.",
    "pynomaly.steps.training.register": "Register what was fitted.",
    "pynomaly.steps.promotion.promote": "Promote on a verdict, through the gate; roll back.",
    "pynomaly.steps.scoring.due_windows": "Windows that are due.",
    "pynomaly.steps.scoring.score_windows": "Score a window, or a file.",
    "pynomaly.steps.monitoring.monitor_window": "Judge a window.",
    "pynomaly.steps.replay.replay": "Walk history under policies of retraining.",
    "pynomaly.errors": "What goes wrong; every error is a `PynomalyError`.",
}
"""Public modules, and the purpose of each."""


def names(module: str) -> list[str]:
    """Returns the public names of a module, sorted."""
    imported = importlib.import_module(module)
    return sorted(getattr(imported, "__all__", []))


def page() -> str:
    """Returns Markdown: the promise of stability, then every name with its first sentence."""
    lines = [
        "# Names to import",
        "",
        "The library works without Prefect: every step is a plain function over settings and small values.",
        "The names below are public. The package is typed (`py.typed`), and mypy checks it strictly.",
        "",
        "## What is promised",
        "",
        "Versions follow semantic versioning. Of what is named here, of the commands and their `--json`,",
        "of the settings and of the files of a model: within a major version nothing is removed and no",
        "meaning changes. What goes is marked first: it works for at least two minor releases, says by a",
        "`DeprecationWarning` or a line on standard error what takes its place, and stands under",
        "*Deprecated* in `CHANGELOG.md`. Before version 1.0, one minor release is enough. A model that",
        "was saved can be loaded, and scores the same, for as long as its major version; ledgers are",
        "migrated when they are opened, and never backwards. Everything else may move between any two",
        "releases.",
        "",
        "This page is written by `make reference`.",
    ]
    for module, purpose in STABLE.items():
        imported = importlib.import_module(module)
        lines += ["", f"## {module}", "", purpose, "", "| name | |", "|---|---|"]
        for name in names(module):
            lines.append(f"| `{name}` | {_describe_name(imported, name)} |")
    return "\n".join(lines) + "\n"


def _describe_name(module: object, name: str) -> str:
    value = getattr(module, name)
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        return "a constant" if not inspect.ismodule(value) else "a module"
    text = " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())
    return text.replace("``", "`").replace("|", "\\|")
