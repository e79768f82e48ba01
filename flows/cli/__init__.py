"""The command line: one command a thing a person does, each with ``--json`` for scripts.

Everything heavy is imported inside the command that needs it, so that ``--help`` answers at once. A
:class:`~pynomaly.errors.PynomalyError` ends in one message on stderr and exit code 2.
"""

from importlib import import_module

from flows.cli import examples
from flows.cli.app import app, main

__all__ = ["app", "main"]

# Each adds its commands, in the order of --help.
_GROUPS = (
    "life",
    "alerting",
    "governing",
    "operating",
    "reporting",
    "replaying",
    "serving",
    "watching",
    "explaining",
    "machine",
)
for _group in _GROUPS:
    import_module(f"flows.cli.{_group}")
examples.show(app)
