"""Both databases a ledger may live in: every test that asks for an address runs on each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.databases import create_database


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of a ledger that does not exist yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'home' / 'ledger.db'}"
    return create_database(request.getfixturevalue("postgres"))
