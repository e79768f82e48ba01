"""Rows as edges between entities: what each edge's past says of its two ends, and payments to try it on.

May import the modules of `data` and the wings below `data`.

Called by `sources`, `streams` and `serving`. May import the modules of `data` and the wings below `data`.
"""

from pynomaly.data.relations.features import add_relations

__all__ = ["add_relations"]
