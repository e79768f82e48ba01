"""The way to the provider and back: what a browser keeps meanwhile, and that it comes back with the same."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pynomaly.console.access.provider import Claims, Departure, Provider, SignInError
from pynomaly.console.access.sessions import Sessions
from pynomaly.console.access.sign_in_settings import SignInSettings

__all__ = ["DEPARTURE_COOKIE", "DEPARTURE_SECONDS", "SignInDesk"]

DEPARTURE_COOKIE = "pynomaly_departure"
DEPARTURE_SECONDS = 600
"""How long a person may take at the provider."""


@dataclass
class SignInDesk:
    """Sends people to the provider, and takes them back."""

    settings: SignInSettings
    provider: Provider
    sessions: Sessions

    @property
    def name(self) -> str:
        """How people know the provider: its host."""
        return urlsplit(self.provider.settings.issuer).netloc

    def send_away(self, next_page: str) -> tuple[str, str]:
        """Return the address at the provider, and what the browser keeps until it is back.

        Raises
        ------
        SignInError
            If the provider does not answer.
        """
        departure = Departure.of_now(next_page)
        place = self.provider.describe_way(departure)
        return place, self.sessions.sign(departure.to_dict(), "departure")

    def take_back(self, cookie: str, answer: Mapping[str, str]) -> tuple[Claims, str]:
        """Return who signed in, and the page that they wanted.

        Raises
        ------
        SignInError
            If the answer does not belong to this browser, was used, came too late, or does not hold.
        """
        content = self.sessions.read(cookie, "departure", DEPARTURE_SECONDS) if cookie else None
        if content is None:
            raise SignInError(401, "this answer was used, came too late, or belongs to another browser")
        departure = Departure(**content)
        if not hmac.compare_digest(departure.state.encode(), answer.get("state", "").encode()):
            raise SignInError(401, "this answer belongs to another sign-in (wrong state); sign in again")
        return self.provider.redeem(departure, answer), departure.next
