"""The names that others may import: they are there, they say what they are, and the package is typed."""

from __future__ import annotations

import importlib
import inspect
import tomllib

import pytest

from tests.docs.loaded import ROOT, script

api = script("api")


@pytest.mark.parametrize("module", api.STABLE)
def test_every_public_name_is_there_and_says_what_it_is(module: str) -> None:
    package = importlib.import_module(module)
    assert api.names(module), "a public module names what is public in __all__"
    assert len(set(package.__all__)) == len(package.__all__)
    for name in package.__all__:
        value = getattr(package, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            text = inspect.getdoc(value) or ""
            assert text, f"{module}.{name} has no docstring"
            assert not text.startswith(f"{name}("), f"{module}.{name} has none of its own"  # a dataclass's


def test_type_checkers_read_the_package_as_it_is_installed() -> None:
    assert (ROOT / "pynomaly" / "py.typed").is_file()
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert "py.typed" in packaged["pynomaly"]


def test_what_is_promised_stands_on_the_page() -> None:
    page = api.page()
    assert "DeprecationWarning" in page
    assert all(f"\n## {module}\n" in page for module in api.STABLE)
