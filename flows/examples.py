"""The example pipelines that are shipped: ``configs/`` of a checkout, or data files of an installed package.

Called by ``pynomaly init --example`` and ``pynomaly demo``, which write them into the working folder, so that
a wheel in an empty folder is enough.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from pynomaly.errors import ConfigError
from pynomaly.records.store import write_atomically

__all__ = ["EXAMPLE_NAMES", "find_example", "write_examples"]

EXAMPLE_NAMES = ("quickstart", "breast_cancer")

_DISTRIBUTION = "pynomaly-mlops"


def find_example(name: str) -> Path:
    """Return the shipped YAML of an example pipeline.

    Raises
    ------
    ConfigError
        If the installation lacks it.
    """
    checkout = Path(__file__).parents[1] / "configs" / f"{name}.yaml"
    if checkout.is_file():
        return checkout
    try:
        installed = files(_DISTRIBUTION) or []
    except PackageNotFoundError:
        installed = []
    for item in installed:
        if item.name == f"{name}.yaml" and item.parent.name == "configs":
            return Path(str(item.locate()))
    raise ConfigError(
        f"this installation lacks the example {name!r}; `pip install --force-reinstall {_DISTRIBUTION}`"
    )


def write_examples(
    folder: Path, names: tuple[str, ...] = EXAMPLE_NAMES, *, force: bool = False
) -> list[Path]:
    """Write example pipelines into `folder`; an existing file stays as it is unless `force` is given.

    Returns
    -------
    list of Path
        One file an example, in the order of `names`.
    """
    paths = []
    for name in names:
        target = folder / f"{name}.yaml"
        if force or not target.exists():
            write_atomically(target, find_example(name).read_bytes())
        paths.append(target)
    return paths
