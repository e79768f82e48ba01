"""Settings of edges: what cannot be an edge is refused, with what is allowed."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pynomaly.config import RELATION_KINDS, Data, Graph

ENDS = {"source": "a", "target": "b"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"source": "b"}, "an edge needs two columns"),
        ({"weight": "a"}, "which is an end of the edge"),
        ({"windows": ["1d", "24h"]}, "names one twice"),
        ({"windows": ["0s"]}, "longer than nothing"),
        ({"windows": []}, "at least 1"),
        ({"windows": ["30d"]}, "each window must be shorter"),
        ({"features": ["flow"]}, "need data.graph.weight"),
        ({"features": ["flows"]}, "'flow'"),
        ({"source": ""}, "at least 1 character"),
        ({"weights": "w"}, "Extra inputs"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Graph.model_validate(ENDS | settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"time": None}, "data.graph needs data.time"),
        ({"long": {"name": "n", "value": "v"}}, "an edge or one quantity"),
        ({"label": "a"}, "reads as a part of the edge"),
    ],
)
def test_a_graph_needs_its_own_columns_and_times(settings: dict[str, Any], words: str) -> None:
    content = {"source": "csv", "path": "x.csv", "time": "t", "graph": ENDS}
    with pytest.raises(ValidationError, match=words):
        Data.model_validate(content | settings)


def test_every_kind_has_names_of_its_own() -> None:
    whole = Graph.model_validate(ENDS | {"weight": "w", "features": RELATION_KINDS})
    parts = [
        Graph.model_validate(ENDS | {"weight": "w", "features": [kind]}).names for kind in RELATION_KINDS
    ]
    assert whole.names == tuple(name for names in parts for name in names)
    assert len(set(whole.names)) == len(whole.names)
    assert not any("flow" in name for name in Graph.model_validate(ENDS | {"features": RELATION_KINDS}).names)


def test_rows_are_read_as_far_back_as_edges_count() -> None:
    content = {"source": "csv", "path": "x.csv", "time": "t", "graph": ENDS}
    data = Data.model_validate(content | {"series": {"columns": ["w"], "history": "2d"}})
    assert data.lookback == data.graph.history > data.own_lookback
    assert not data.drop_lookback().lookback
