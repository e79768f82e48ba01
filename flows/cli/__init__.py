"""The command line: one command per task of a person, each with ``--json`` for scripts.

Heavy modules are imported inside the command that needs them, so that ``--help`` answers at once. A
:class:`~pynomaly.errors.PynomalyError` ends in one message on stderr and exit code 2.

Called by no other package. May import `machine`, `display`, `demo`, the modules of `flows` and the wings
below `flows`.
"""

from importlib import import_module

from flows.cli.app import app, main

__all__ = ["app", "main"]

# Each module adds its commands, in the order in which --help lists them.
_GROUPS = (
    "intake",
    "installation",
    "training",
    "scoring",
    "streaming",
    "monitoring",
    "alerting",
    "promotion",
    "reporting",
    "replay",
    "operations",
    "delivery",
    "serving",
)
for _group in _GROUPS:
    import_module(f"flows.cli.{_group}")
