"""Two columns that hold names of one kind, such as payer and payee. Called by ``reading``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import combinations

from pynomaly.data.intake.cells.profile import Profile
from pynomaly.data.intake.cells.spelling import split_name
from pynomaly.data.intake.findings import ColumnReading
from pynomaly.data.intake.roles.entities import is_identifier_name

__all__ = ["find_ends", "find_weight"]

_GIVERS = {
    "payer", "from", "source", "src", "sender", "origin", "orig", "debtor", "debit", "giver", "caller",
    "client", "buyer", "ordering", "nameorig",
}  # fmt: skip
_TAKERS = {
    "payee", "to", "target", "dst", "dest", "destination", "receiver", "recipient", "creditor", "credit",
    "beneficiary", "callee", "server", "seller", "namedest",
}  # fmt: skip
_WEIGHTS = {
    "amount", "value", "sum", "bytes", "volume", "weight", "betrag", "quantity", "total", "payment",
}  # fmt: skip

_LEAST_NAMES = 50
_LEAST_SHARED = 0.3
_MOST_LOOPS = 0.05
_LEAST_FILLED = 0.98


def find_ends(profiles: Mapping[str, Profile], taken: Collection[str]) -> tuple[str, str, str] | None:
    """Return source, target and why two columns are the ends of edges; None if no two are.

    Both hold at least 50 different names, three tenths of the rarer one's are in the other, each occurs more
    than once on average, and hardly a row holds the same name twice. Numbers are names only where their
    column is called an id. The words of their names say which is the source; otherwise the first one is.
    """
    candidates = [profile for name, profile in profiles.items() if name not in taken and _has_names(profile)]
    best: tuple[float, str, str] | None = None
    for first, second in combinations(candidates, 2):
        shared = len(first.counts.keys() & second.counts.keys())
        share = shared / min(first.distinct, second.distinct)
        loops = float((first.cells == second.cells).mean())
        if share >= _LEAST_SHARED and loops <= _MOST_LOOPS and (best is None or share > best[0]):
            best = (share, first.name, second.name)
    if best is None:
        return None
    share, source, target = best
    if _is_called(source, _TAKERS - _GIVERS) or _is_called(target, _GIVERS - _TAKERS):
        source, target = target, source
    return source, target, f"{share:.0%} of the names in one are in the other, too: a row leads between them"


def find_weight(columns: Iterable[ColumnReading]) -> str | None:
    """Return the column of numbers whose name says that it flows; None if none does."""
    numbers = (column.name for column in columns if column.role == "number")
    return next((name for name in numbers if set(split_name(name)) & _WEIGHTS), None)


def _has_names(profile: Profile) -> bool:
    rows = len(profile.cells)
    if profile.distinct < _LEAST_NAMES or profile.filled < _LEAST_FILLED * rows:
        return False
    if profile.is_number and not (profile.is_whole and is_identifier_name(profile.name)):
        return False
    return profile.distinct <= rows / 2


def _is_called(name: str, words: set[str]) -> bool:
    own = split_name(name)
    return bool({*own, "".join(own)} & words)
