"""Challengers that failed since the last promotion that stood are counted, however they failed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pynomaly.records.ledger import Decision
from pynomaly.steps.training.attempts import list_failed_attempts

AT = datetime(2026, 1, 5, tzinfo=UTC)


class Decisions:
    """A ledger that holds the given decisions: kind, outcome, actor, version, and what was replaced."""

    def __init__(self, *lines: tuple[str, str, str, int | None, int | None]) -> None:
        self.decisions = [
            _Line(seq, *line) for seq, line in enumerate(lines, start=1)
        ]  # oldest first, listed newest first

    def list_decisions(self, pipeline: str) -> list[Any]:
        assert pipeline == "pump"
        return self.decisions[::-1]


class _Line:
    def __init__(
        self, seq: int, kind: str, outcome: str, actor: str, version: int | None, replaces: int | None
    ) -> None:
        self.seq, self.kind, self.outcome, self.actor = seq, kind, outcome, actor
        self.version, self.replaces, self.as_of = version, replaces, AT


FIRST = ("promote", "first", "gate", 1, None)
REFUSED = ("refuse", "inconclusive", "gate", 2, 1)


@pytest.mark.parametrize(
    ("more", "count"),
    [
        ((), 0),
        ((REFUSED,), 1),
        ((("expired", "expired", "gate", 2, 1), ("reject", "rejected", "ada", 3, 1)), 2),
        ((("refuse", "policy", "gate", 2, 1),), 0),
        ((REFUSED, ("promote", "superior", "gate", 3, 1)), 0),
        ((REFUSED, ("promote", "policy", "ada", 3, 1)), 1),
        ((REFUSED, ("promote", "superior", "gate", 3, 1), ("rollback", "done", "bake", 1, 3)), 2),
        ((("promote", "superior", "gate", 2, 1), ("rollback", "done", "ada", 1, 2)), 0),
        (
            (
                ("promote", "superior", "gate", 2, 1),
                ("rollback", "done", "bake", 1, 2),
                ("promote", "superior", "gate", 3, 1),
            ),
            0,
        ),
    ],
)
def test_failed_challengers_are_counted_since_the_last_standing_promotion(
    more: tuple[tuple[str, str, str, int | None, int | None], ...], count: int
) -> None:
    failed = list_failed_attempts(Decisions(FIRST, *more), "pump")  # type: ignore[arg-type]
    assert len(failed) == count
    assert [item.seq for item in failed] == sorted((item.seq for item in failed), reverse=True)


def test_a_decision_is_what_is_counted() -> None:
    assert {"kind", "outcome", "actor", "seq", "as_of"} <= set(Decision.__dataclass_fields__)
