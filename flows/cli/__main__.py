"""``python -m flows.cli``: the same as the ``pynomaly`` command."""

from flows.cli import main

if __name__ == "__main__":  # processes that score or fit import this file again
    main()
