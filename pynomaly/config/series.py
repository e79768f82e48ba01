"""Settings of what is read of a row's past."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, get_args

from pydantic import Field, model_validator

from pynomaly.config.settings import Settings
from pynomaly.config.spelling.units import Duration, spell_duration

__all__ = ["PAST_FEATURES", "RELATION_KINDS", "Graph", "RelationKind", "Series"]

PAST_FEATURES = ("change", "level", "spread")
"""Features that are added for each column of ``data.series``."""

RelationKind = Literal[
    "first", "pair", "degree", "fan", "flow", "passed", "usual", "new", "change", "since", "cycle"
]

RELATION_KINDS: tuple[RelationKind, ...] = get_args(RelationKind)
"""Kinds of features of an edge's past, in the order of their columns."""

_DEFAULT: tuple[RelationKind, ...] = ("first", "passed", "new", "change", "since", "cycle")
"""Those that compare an entity with its own past: sizes alone say whose edge it is, not what is odd in it."""

WEIGHTED = ("flow", "passed", "usual")
"""Kinds that need ``data.graph.weight``."""


class Series(Settings):
    """Time-series features, added while rows are read; none unless columns are named."""

    columns: tuple[str, ...] = Field(
        (), description="numeric columns to follow over time; empty adds nothing"
    )
    rows: int = Field(12, ge=1, le=1000, description="rows of the same entity to look back on")
    history: Duration = Field(
        timedelta(days=1), description="rows older than this do not count; read before each window"
    )

    past: int = Field(
        0, ge=0, le=2000, description="rows before a row that a detector may look back on; 0: none"
    )
    step: Duration | None = Field(
        None, description="usual time from one row of an entity to its next; none: rows as they come"
    )
    gap: int = Field(
        5, ge=0, le=100, description="missing steps that are filled by a line; after more a row has no past"
    )
    delay: Duration = Field(
        timedelta(0), description="time after a row that its score waits for, and reads rows of"
    )

    @property
    def oldest(self) -> timedelta:
        """How much older than a row the rows before it may be that a detector reads."""
        return self.history if self.step is None else self.past * self.step + self.step / 2

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that are added."""
        return tuple(f"{name}:{feature}" for name in self.columns for feature in PAST_FEATURES)

    @model_validator(mode="after")
    def _whole(self) -> Series:
        if self.history <= timedelta(0):
            raise ValueError("data.series.history must be longer than nothing")
        if len(set(self.columns)) < len(self.columns):
            raise ValueError(f"data.series.columns names one twice: {list(self.columns)}")
        if self.step is not None and self.step <= timedelta(0):
            raise ValueError("data.series.step must be longer than nothing; null takes rows as they come")
        if self.delay and not self.past:
            raise ValueError(
                f"data.series.delay is {spell_duration(self.delay)} and data.series.past is 0: only rows "
                "with a past can wait for later rows; set data.series.past, for example to 300"
            )
        return self


class Graph(Settings):
    """Rows as edges of a directed graph, with features of both ends from the past alone."""

    source: str = Field(min_length=1, description="column with the entity that an edge starts at")
    target: str = Field(min_length=1, description="column with the entity that it leads to")
    weight: str | None = Field(
        None, description="column with what flows along it, such as an amount; none: edges are counted alone"
    )
    bipartite: bool = Field(
        False, description="whether source and target are of two kinds, so that one id names two entities"
    )
    windows: tuple[Duration, ...] = Field(
        (timedelta(days=1), timedelta(days=7)),
        min_length=1,
        max_length=5,
        description="lengths of time before an edge that it is described over",
    )
    history: Duration = Field(
        timedelta(days=30),
        description="older edges do not count, so a pair without one since is new; read before each window",
    )
    features: tuple[RelationKind, ...] = Field(
        _DEFAULT, min_length=1, description="kinds of features; flow, passed and usual need a weight"
    )

    @property
    def kinds(self) -> tuple[RelationKind, ...]:
        """Kinds of features that are made, in the order of their columns."""
        return tuple(
            kind
            for kind in RELATION_KINDS
            if kind in self.features
            and (self.weight is not None or kind not in WEIGHTED)
            and not (self.bipartite and kind in ("passed", "cycle"))
        )

    @property
    def ends(self) -> tuple[str, ...]:
        """Columns with the two ends."""
        return (self.source, self.target)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that are added."""
        pair = f"{self.source}-{self.target}"
        names: list[str] = []
        for kind in self.kinds:
            if kind == "first":
                names.append(f"{pair}:first")
            elif kind == "pair":
                names += [f"{pair}:repeats_{span}" for span in self.spans]
                names += [] if self.bipartite else [f"{pair}:returns_{span}" for span in self.spans]
            elif kind == "since":
                names += [f"{name}:since" for name in (pair, self.source, self.target)]
            elif kind == "cycle":
                names += [f"{pair}:closes_{span}" for span in self.spans]
            elif kind == "usual":
                names += [f"{name}:times_usual" for name in self.ends]
            else:
                names += [f"{name}:{word}" for name in self.ends for word in self._list_words(kind, name)]
        return tuple(names)

    @property
    def spans(self) -> tuple[str, ...]:
        """How the windows are spelled in the names of columns."""
        return tuple(spell_duration(window) for window in self.windows)

    def _list_words(self, kind: RelationKind, end: str) -> list[str]:
        """Return what follows the name of an end in the columns of a kind."""
        words = {
            "degree": ("sends", "receives"),
            "fan": ("fan_out", "fan_in"),
            "flow": ("flow_out", "flow_in"),
        }.get(kind, (str(kind),))
        if self.bipartite and len(words) == 2:
            words = words[:1] if end == self.source else words[1:]
        return [f"{word}_{span}" for word in words for span in self.spans]

    @model_validator(mode="after")
    def _whole(self) -> Graph:
        if self.source == self.target:
            raise ValueError(
                f"data.graph.source and data.graph.target are both {self.source!r}; an edge needs two columns"
            )
        if self.weight in self.ends:
            raise ValueError(f"data.graph.weight is {self.weight!r}, which is an end of the edge")
        if len(set(self.windows)) < len(self.windows):
            raise ValueError(f"data.graph.windows names one twice: {list(self.spans)}")
        if min(self.windows) <= timedelta(0):
            raise ValueError("data.graph.windows must be longer than nothing")
        if max(self.windows) >= self.history:
            raise ValueError(
                f"data.graph.windows holds {spell_duration(max(self.windows))} and data.graph.history is "
                f"{spell_duration(self.history)}; each window must be shorter, or nothing is left to "
                "compare it with"
            )
        if not self.kinds:
            raise ValueError(
                f"data.graph.features {list(self.features)} need data.graph.weight, or one kind of entity"
            )
        return self
