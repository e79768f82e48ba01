"""What a query of GraphQL costs, before it is answered: its depth, and how many items it may come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)

__all__ = ["DEFAULT_LIMIT", "MAX_COST", "MAX_DEPTH", "MAX_LIMIT", "MAX_TOKENS", "QueryCost", "measure_query"]

MAX_DEPTH = 8
"""Fields within fields."""
MAX_COST = 10_000
"""Items that a query may come to, and the work for them."""
MAX_TOKENS = 2_000
"""Words and signs of a query."""
MAX_LIMIT = 500
"""Items of one list."""
DEFAULT_LIMIT = 50

_PAGES = frozenset(("pipelines", "alerts", "decisions"))
_WORK: Mapping[str, int] = {"alerts": 20, "decisions": 20, "facts": 100, "promotions": 1000}
"""What a field costs beside its items: it is a query of the ledger, or several."""
_LISTS_OF_TYPES = frozenset(("fields", "inputFields", "interfaces", "possibleTypes"))
_MAX_OF_TYPES = 2
_INTROSPECTION_DEPTH = 15


@dataclass(frozen=True)
class QueryCost:
    """What a query costs.

    Attributes
    ----------
    depth : int
        Fields within fields; those that describe the types themselves are counted apart.
    cost : int
        Items that it may come to, and the work for them.
    type_depth : int
        Fields within ``__schema`` and ``__type``.
    type_lists : int
        Lists of fields within lists of fields there.
    """

    depth: int = 0
    cost: int = 0
    type_depth: int = 0
    type_lists: int = 0

    def find_problem(self) -> str:
        """Return why the query is not answered; empty: it is."""
        if self.depth > MAX_DEPTH:
            return f"the query goes {self.depth} fields deep; {MAX_DEPTH} are allowed"
        if self.cost > MAX_COST:
            return (
                f"the query may cost {self.cost:,}; {MAX_COST:,} is allowed: ask for fewer items by `limit`, "
                "or for their parts in another query"
            )
        if self.type_depth > _INTROSPECTION_DEPTH or self.type_lists > _MAX_OF_TYPES:
            return "the query about types goes too deep; ask for one type by `__type`"
        return ""

    def join(self, other: QueryCost) -> QueryCost:
        """Return the cost of both together."""
        return QueryCost(
            max(self.depth, other.depth),
            self.cost + other.cost,
            max(self.type_depth, other.type_depth),
            max(self.type_lists, other.type_lists),
        )


def measure_query(document: DocumentNode, variables: Mapping[str, Any], operation: str = "") -> QueryCost:
    """Return what a query costs; where it has several operations, that of the dearest without a name.

    Fragments are measured once each, so that the time is that of reading the query. One that holds itself
    costs nothing here; a query with such a fragment is refused as invalid.
    """
    measure = _Measure(
        {item.name.value: item for item in document.definitions if isinstance(item, FragmentDefinitionNode)},
        variables,
    )
    costs = [
        measure.add_fields(item.selection_set)
        for item in document.definitions
        if isinstance(item, OperationDefinitionNode)
        and (not operation or (item.name and item.name.value == operation))
    ]
    return max(costs, key=lambda item: (bool(item.find_problem()), item.cost), default=QueryCost())


@dataclass
class _Measure:
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]
    measured: dict[str, QueryCost] = field(default_factory=dict)

    def add_fields(self, selected: SelectionSetNode | None) -> QueryCost:
        total = QueryCost()
        for item in selected.selections if selected else ():
            if isinstance(item, FieldNode):
                total = total.join(self._measure_field(item))
            elif isinstance(item, InlineFragmentNode):
                total = total.join(self.add_fields(item.selection_set))
            elif isinstance(item, FragmentSpreadNode):
                total = total.join(self._measure_fragment(item.name.value))
        return total

    def _measure_fragment(self, name: str) -> QueryCost:
        if name not in self.measured:
            self.measured[name] = QueryCost()
            fragment = self.fragments.get(name)
            self.measured[name] = self.add_fields(fragment.selection_set if fragment else None)
        return self.measured[name]

    def _measure_field(self, item: FieldNode) -> QueryCost:
        name, below = item.name.value, self.add_fields(item.selection_set)
        if name.startswith("__"):
            return QueryCost(1, 1, max(below.depth, below.type_depth), below.type_lists)
        return QueryCost(
            below.depth + 1,
            _WORK.get(name, 1) + below.cost * (self._read_limit(item) if name in _PAGES else 1),
            below.type_depth,
            below.type_lists + (name in _LISTS_OF_TYPES),
        )

    def _read_limit(self, item: FieldNode) -> int:
        """Return how many items a list may have; what cannot be read counts as the most."""
        for argument in item.arguments:
            if argument.name.value == "limit":
                value: Any = None
                if isinstance(argument.value, IntValueNode):
                    value = int(argument.value.value)
                elif isinstance(argument.value, VariableNode):
                    value = self.variables.get(argument.value.name.value)
                return max(1, min(value, MAX_LIMIT)) if isinstance(value, int) else MAX_LIMIT
        return DEFAULT_LIMIT
