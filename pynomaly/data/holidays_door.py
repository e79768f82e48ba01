"""Public holidays of a country as planned times; the only module that imports the package ``holidays``.

Dates and names are the package's own tables: nothing is looked up elsewhere, and the same version gives the
same days. Called by the step that raises alerts.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from pynomaly.data.incidents import Incident
from pynomaly.data.window import Window
from pynomaly.errors import ConfigError, list_allowed

__all__ = ["list_holidays"]


def list_holidays(code: str, window: Window, zone: ZoneInfo) -> tuple[Incident, ...]:
    """Return the public holidays that touch a window, oldest first; each is a whole day in `zone`.

    Parameters
    ----------
    code : str
        Country by ISO 3166, with a subdivision behind a hyphen: ``DE``, ``DE-BY``, ``US-CA``.
    window : Window
    zone : ZoneInfo
        Whose midnights begin a day.

    Raises
    ------
    ConfigError
        If the country or the subdivision is unknown.
    """
    import holidays

    country, _, subdivision = code.partition("-")
    known = holidays.list_supported_countries()
    if country not in known:
        raise ConfigError(f"grouping.holidays: no country {country!r}; {list_allowed(country, known)}")
    if subdivision and subdivision not in known[country]:
        raise ConfigError(
            f"grouping.holidays: {country} has no subdivision {subdivision!r}; "
            f"{list_allowed(subdivision, known[country])}"
        )
    start, end = (moment.astimezone(zone).date() for moment in (window.start, window.end))
    days = holidays.country_holidays(
        country, subdiv=subdivision or None, years=range(start.year, end.year + 1), language=None
    )
    spans = []
    for day, name in sorted(days.items()):
        if start <= day <= end:
            edges = (datetime.combine(item, time(), zone) for item in (day, day + timedelta(days=1)))
            spans.append(Incident(Window(*edges), name=name))
    return tuple(spans)
