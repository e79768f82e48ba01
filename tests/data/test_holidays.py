from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from pynomaly.config import Grouping
from pynomaly.data.holidays_door import list_holidays
from pynomaly.data.window import Window
from pynomaly.errors import ConfigError

JANUARY = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 31, tzinfo=UTC))
BERLIN = ZoneInfo("Europe/Berlin")


def test_a_subdivision_has_its_own_days_from_local_midnight_to_midnight() -> None:
    assert [
        item.window.start.date().isoformat() for item in list_holidays("DE", JANUARY, ZoneInfo("UTC"))
    ] == ["2026-01-01"]
    new_year, epiphany = list_holidays("DE-BY", JANUARY, BERLIN)
    assert new_year.name == "New Year's Day"
    assert epiphany.window == Window(
        datetime(2026, 1, 5, 23, tzinfo=UTC), datetime(2026, 1, 6, 23, tzinfo=UTC)
    )


def test_years_of_the_window_count_and_the_same_call_gives_the_same_days() -> None:
    turn = Window(datetime(2025, 12, 24, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    days = [item.window.start.date().isoformat() for item in list_holidays("DE", turn, ZoneInfo("UTC"))]
    assert days == ["2025-12-25", "2025-12-26", "2026-01-01"]
    assert list_holidays("DE", turn, BERLIN) == list_holidays("DE", turn, BERLIN)


@pytest.mark.parametrize(
    ("code", "message"), [("XX", "no country 'XX'"), ("DE-ZZ", "DE has no subdivision 'ZZ'")]
)
def test_an_unknown_place_is_named(code: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        list_holidays(code, JANUARY, BERLIN)


@pytest.mark.parametrize("code", ["Germany", "de", "DE_BY", ""])
def test_a_code_of_another_shape_is_refused_by_the_settings(code: str) -> None:
    with pytest.raises(ValidationError):
        Grouping(holidays=code)
