"""Receivers of scores, alerts and decisions outside Pynomaly, one module a kind.

A receiver takes a part (rows of a table, each with a key) and returns when it has them. The same part handed
over twice leaves what handing it over once leaves.

Called by `notices` and `steps.delivery`. May import `ledger`, `store`, the modules of `records` and the
wings below `records`.
"""

from pynomaly.records.sinks.kind import Part, Receiver, SinkKind
from pynomaly.records.sinks.kinds import SINKS

__all__ = ["SINKS", "Part", "Receiver", "SinkKind"]
