"""``python -m flows.cli``: the same as the ``pynomaly`` command."""

from flows.cli import main

main()
