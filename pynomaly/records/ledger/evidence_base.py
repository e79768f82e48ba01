"""What all evidence of decisions has in common: it is a mapping of its fields, and is read back from a row.

A field stands in the ledger under its name, or under its ``key`` where Python reserves the name; an optional
field that is None does not stand there. Called only by ``decision_evidence.py`` and ``rows.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, Protocol, Self

from pynomaly.errors import RecordError

__all__ = ["DecisionEvidence", "HasEvidence", "optional_field"]


class HasEvidence(Protocol):
    """A decision, as far as its evidence is concerned."""

    @property
    def kind(self) -> str:
        """One of :data:`pynomaly.records.ledger.DECISION_KINDS`."""

    @property
    def subject(self) -> str:
        """What the decision is about."""

    @property
    def evidence(self) -> Mapping[str, Any]:
        """The evidence as it is stored."""


def optional_field() -> Any:
    """Return a field that does not stand in the ledger while it is None."""
    return field(default=None, metadata={"optional": True})


@dataclass(frozen=True)
class DecisionEvidence(Mapping[str, Any]):
    """Base of all evidence: a mapping of its fields, in their order."""

    kinds: ClassVar[tuple[str, ...]] = ()
    """Kinds of decision that have this evidence."""

    def __getitem__(self, key: str) -> Any:
        return self._read_values()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read_values())

    def __len__(self) -> int:
        return len(self._read_values())

    def _read_values(self) -> dict[str, Any]:
        values = {item.metadata.get("key", item.name): getattr(self, item.name) for item in fields(self)}
        left_out = {item.name for item in fields(self) if item.metadata.get("optional")}
        return {key: value for key, value in values.items() if key not in left_out or value is not None}

    @classmethod
    def of(cls, decision: HasEvidence) -> Self:
        """Read the evidence of a decision; keys of other editions are left out.

        Raises
        ------
        RecordError
            If the decision has no such evidence.
        """
        values: dict[str, Any] = {}
        for item in fields(cls):
            key = item.metadata.get("key", item.name)
            if key in decision.evidence:
                values[item.name] = decision.evidence[key]
            elif item.default is MISSING and item.default_factory is MISSING:
                raise RecordError(
                    f"the evidence of the decision {decision.kind!r} about {decision.subject!r} lacks {key!r}"
                )
        return cls(**values)
