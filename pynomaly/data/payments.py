"""Generated payments between accounts, with schemes of fraud that no single payment shows.

A population of accounts pays its usual partners: shops and landlords, friends, employers at the end of a
month; amounts, hours and partners differ by account, and new partners come. Into them go schemes, each of an
amount and at an hour that others have, too:

- ``ring``: a sum goes around a few accounts and comes back to the first;
- ``mule``: an account gets payments of many strangers and hands most of it on;
- ``structuring``: one sum is split into many payments below a limit, through a few accounts;
- ``takeover``: an account pays strangers, several within hours.

The harder the level, the more slowly a scheme goes, the fewer take part, the more usual payments its accounts
make beside it. Nothing is taken from data of people. Called by ``sources.bundled``, benchmarks and tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["LEVELS", "SCHEMES", "START", "PaymentLevel", "Scheme", "generate_payments"]

START = datetime(2026, 1, 5, tzinfo=UTC)

Scheme = Literal["ring", "mule", "structuring", "takeover"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)

PaymentLevel = Literal["easy", "medium", "hard"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Level:
    """How well schemes hide.

    Attributes
    ----------
    hours : float
        How long a scheme takes.
    members : tuple of int
        Fewest and most accounts or payments of a scheme.
    size : float
        Factor on the usual amount of its payments.
    known : float
        Share of its payments that go to a usual partner.
    """

    hours: float
    members: tuple[int, int]
    size: float
    known: float


LEVELS: dict[str, _Level] = {
    "easy": _Level(12.0, (6, 12), 2.0, 0.0),
    "medium": _Level(36.0, (4, 8), 1.3, 0.1),
    "hard": _Level(96.0, (3, 6), 1.0, 0.25),
}

_DAY = 86_400.0
_BUSINESSES = 0.06
_NEW_PARTNER = 0.04
_PER_DAY = 0.45
_HOURS = np.array(
    [2, 1, 1, 1, 1, 2, 5, 9, 12, 13, 12, 12, 14, 13, 12, 12, 12, 13, 14, 13, 11, 9, 6, 4], dtype=np.float64
)
_LIMIT = 10_000.0


def generate_payments(
    days: int = 90,
    accounts: int = 600,
    *,
    seed: int = 0,
    level: PaymentLevel = "medium",
    schemes: int = 12,
    kinds: tuple[Scheme, ...] = SCHEMES,
) -> pd.DataFrame:
    """Return payments from :data:`START` on.

    Parameters
    ----------
    days : int
    accounts : int
        At least 20.
    seed : int
        Each seed gives other accounts, partners and schemes.
    level : {"easy", "medium", "hard"}
    schemes : int
        How many of each kind, spread over the last two thirds of the time.
    kinds : tuple of str
        Kinds of schemes.

    Returns
    -------
    DataFrame of shape (n, 7)
        ``time`` (UTC, whole seconds, no two alike), ``payer``, ``payee``, ``amount`` (two decimals),
        ``channel``, ``fraud`` (1 in a scheme, else 0) and ``scheme`` (its kind, empty else); sorted by time.

    Raises
    ------
    ValueError
        If there are fewer than 20 accounts, or no such level or kind.
    """
    if accounts < 20 or days < 1:
        raise ValueError(f"{accounts} accounts over {days} days; at least 20 accounts and 1 day are needed")
    if level not in LEVELS or not set(kinds) <= set(SCHEMES):
        raise ValueError(f"level {level!r} with {kinds}; allowed: {list(LEVELS)} and {list(SCHEMES)}")
    rng = np.random.default_rng([seed, days, accounts])
    town = _Town.build(accounts, rng)
    parts = [town.pay_partners(days, rng), town.pay_wages(days, rng)]
    settings = LEVELS[level]
    for kind in kinds:
        for _ in range(schemes):
            begin = rng.uniform(days / 3, max(days / 3, days - settings.hours / 24)) * _DAY
            parts.append(_MAKERS[kind](town, begin, settings, rng).assign(scheme=kind, fraud=1.0))
    frame = pd.concat(parts, ignore_index=True).sort_values("at", kind="stable", ignore_index=True)
    frame = frame[frame["at"] < days * _DAY]
    width = len(str(accounts - 1))
    names = np.array([f"a{number:0{width}d}" for number in range(accounts)], dtype=object)
    moments = pd.Timestamp(START) + pd.to_timedelta(_space_out(frame["at"].to_numpy()), unit="s")
    channels = np.array(["transfer", "card", "standing order"], dtype=object)
    chosen = rng.choice(3, p=[0.55, 0.35, 0.1], size=len(frame))
    return pd.DataFrame(
        {
            "time": pd.Series(moments).dt.as_unit("us"),
            "payer": pd.Series(names[frame["payer"].to_numpy()], dtype="str"),
            "payee": pd.Series(names[frame["payee"].to_numpy()], dtype="str"),
            "amount": np.maximum(0.01, frame["amount"].to_numpy()).round(2),
            "channel": pd.Series(channels[chosen], dtype="str"),
            "fraud": frame["fraud"].to_numpy(dtype=np.float64),
            "scheme": pd.Series(frame["scheme"].to_numpy(), dtype="str"),
        }
    )


@dataclass(frozen=True, eq=False)
class _Town:
    """Accounts, whom they pay, and how much.

    Attributes
    ----------
    rates : ndarray of shape (n,)
        Payments a day.
    sizes : ndarray of shape (n,)
        Usual amount of a payment.
    businesses : ndarray of shape (b,)
        Accounts that many pay.
    payers, payees, shares : ndarray of shape (p,)
        Usual pairs, by payer, and their share of the payer's payments.
    """

    rates: Floats
    sizes: Floats
    businesses: Ints
    payers: Ints
    payees: Ints
    shares: Floats

    @property
    def accounts(self) -> int:
        """Number of accounts."""
        return len(self.rates)

    @classmethod
    def build(cls, accounts: int, rng: np.random.Generator) -> _Town:
        """Draw accounts and their usual partners, most of them nearby or a business that many pay."""
        businesses = np.arange(max(4, round(_BUSINESSES * accounts)))
        popularity = rng.pareto(1.2, len(businesses)) + 0.2
        counts = np.minimum(2 + rng.poisson(3.5, accounts) + (rng.pareto(2.5, accounts) * 2).astype(int), 40)
        payers = np.repeat(np.arange(accounts), counts)
        nearby = (payers + np.rint(rng.laplace(0, 12, len(payers))).astype(int)) % accounts
        shop = rng.choice(businesses, size=len(payers), p=popularity / popularity.sum())
        payees = np.where(rng.random(len(payers)) < 0.55, shop, nearby)
        keep = payees != payers
        payers, payees = payers[keep], payees[keep]
        shares = rng.exponential(size=len(payers))
        rates = _PER_DAY * rng.lognormal(-0.4, 0.9, accounts)
        return cls(rates, rng.lognormal(4.0, 0.8, accounts), businesses, payers, payees, shares)

    def pay_partners(self, days: int, rng: np.random.Generator) -> pd.DataFrame:
        """Return the payments to usual partners, and now and then to a new one."""
        totals = np.bincount(self.payers, self.shares, minlength=self.accounts)
        expected = self.rates[self.payers] * days * self.shares / totals[self.payers]
        counts = rng.poisson(expected)
        payer, payee = np.repeat(self.payers, counts), np.repeat(self.payees, counts)
        own = np.repeat(rng.lognormal(0, 0.7, len(self.payers)), counts)
        is_new = rng.random(len(payer)) < _NEW_PARTNER
        stranger = rng.integers(0, self.accounts, len(payer))
        payee = np.where(is_new & (stranger != payer), stranger, payee)
        amount = self.sizes[payer] * own * rng.lognormal(0, 0.35, len(payer))
        large = rng.random(len(payer)) < 0.01  # a car, a repair, a deposit
        amount = np.where(large, amount * rng.lognormal(2.5, 0.6, len(payer)), amount)
        return _build_part(_draw_times(len(payer), days, rng), payer, payee, amount)

    def pay_wages(self, days: int, rng: np.random.Generator) -> pd.DataFrame:
        """Return what businesses pay two thirds of the accounts every four weeks, within one morning."""
        people = np.setdiff1d(np.arange(self.accounts), self.businesses)
        employed = people[rng.random(len(people)) < 0.66]
        employer = rng.choice(self.businesses, size=len(employed))
        wage = self.sizes[employed] * rng.lognormal(2.4, 0.3, len(employed))
        months = np.arange(24, days, 28)
        at = (np.repeat(months, len(employed)) + 8 / 24) * _DAY
        at = at + rng.uniform(0, 3 * 3600, len(at))
        repeated = [np.tile(each, len(months)) for each in (employer, employed, wage)]
        return _build_part(at, *repeated)

    def draw_people(self, count: int, rng: np.random.Generator) -> Ints:
        """Return different accounts that are no business."""
        people = np.arange(len(self.businesses), self.accounts)
        return rng.choice(people, size=min(count, len(people)), replace=False)

    def draw_partner(self, payer: int, otherwise: int, known: float, rng: np.random.Generator) -> int:
        """Return a usual partner of the payer with probability `known`, else `otherwise`."""
        own = self.payees[self.payers == payer]
        return int(rng.choice(own)) if len(own) and rng.random() < known else int(otherwise)


def _draw_times(count: int, days: int, rng: np.random.Generator) -> Floats:
    hours = rng.choice(24, size=count, p=_HOURS / _HOURS.sum())
    day = rng.integers(0, days, count)
    return day * _DAY + hours * 3600 + rng.uniform(0, 3600, count)


def _space_out(at: Floats) -> Floats:
    """Return sorted times as whole seconds, each later than the one before."""
    places = np.arange(len(at))
    return np.maximum.accumulate(np.floor(at) - places) + places


def _build_part(at: Floats, payer: Ints, payee: Ints, amount: Floats) -> pd.DataFrame:
    columns = {"at": at, "payer": payer, "payee": payee, "amount": amount}
    return pd.DataFrame(columns).assign(fraud=0.0, scheme="")


def _make_ring(town: _Town, begin: float, level: _Level, rng: np.random.Generator) -> pd.DataFrame:
    """Return a sum that goes around, a little less at each step."""
    members = town.draw_people(int(rng.integers(3, max(4, level.members[0] + 1))), rng)
    steps = len(members) * int(rng.integers(1, 3))
    at = begin + np.sort(rng.uniform(0, level.hours * 3600, steps))
    amount = level.size * np.median(town.sizes[members]) * rng.lognormal(0.5, 0.4)
    amounts = amount * np.cumprod(rng.uniform(0.96, 1.0, steps))
    places = np.arange(steps)
    return _build_part(at, members[places % len(members)], members[(places + 1) % len(members)], amounts)


def _make_mule(town: _Town, begin: float, level: _Level, rng: np.random.Generator) -> pd.DataFrame:
    """Return payments of strangers to one account, and what it hands on."""
    count = int(rng.integers(*level.members)) + 1
    mule, collector, *victims = town.draw_people(count + 2, rng).tolist()
    amounts = level.size * town.sizes[victims] * rng.lognormal(0.3, 0.4, len(victims))
    at = begin + np.sort(rng.uniform(0, 0.6 * level.hours * 3600, len(victims)))
    onward = int(rng.integers(1, 4))
    total = amounts.sum() * rng.uniform(0.88, 0.98)
    shares = rng.dirichlet(np.full(onward, 5.0)) * total
    later = begin + np.sort(rng.uniform(0.6, 1.0, onward)) * level.hours * 3600
    payees = [town.draw_partner(mule, collector, level.known, rng) for _ in range(onward)]
    return _build_part(
        np.concatenate([at, later]),
        np.array([*victims, *[mule] * onward]),
        np.array([*[mule] * len(victims), *payees]),
        np.concatenate([amounts, shares]),
    )


def _make_structuring(town: _Town, begin: float, level: _Level, rng: np.random.Generator) -> pd.DataFrame:
    """Return a sum that goes from one account to another through a few, each payment below a limit."""
    count = int(rng.integers(*level.members)) + 1
    origin, end, *middles = town.draw_people(2 + max(2, count // 2), rng).tolist()
    through = rng.choice(middles, size=count)
    limit = min(_LIMIT, 3 * level.size * float(np.median(town.sizes)))
    amounts = limit * rng.uniform(0.8, 0.99, count)
    at = begin + np.sort(rng.uniform(0, 0.8 * level.hours * 3600, count))
    wait = rng.uniform(0.05, 0.2, count) * level.hours * 3600
    return _build_part(
        np.concatenate([at, at + wait]),
        np.concatenate([np.full(count, origin), through]),
        np.concatenate([through, np.full(count, end)]),
        np.concatenate([amounts, amounts * rng.uniform(0.95, 0.99, count)]),
    )


def _make_takeover(town: _Town, begin: float, level: _Level, rng: np.random.Generator) -> pd.DataFrame:
    """Return payments of one account to strangers, more than it makes at once."""
    count = int(rng.integers(*level.members)) + 1
    account, *strangers = town.draw_people(1 + max(1, count // 2), rng).tolist()
    payees = [town.draw_partner(account, stranger, level.known, rng) for stranger in strangers]
    amounts = level.size * town.sizes[account] * rng.lognormal(0.8, 0.4, count)
    at = begin + np.sort(rng.uniform(0, level.hours / 4 * 3600, count))
    return _build_part(at, np.full(count, account), rng.choice(payees, size=count), amounts)


_MAKERS = {
    "ring": _make_ring,
    "mule": _make_mule,
    "structuring": _make_structuring,
    "takeover": _make_takeover,
}
