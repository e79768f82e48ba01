"""What a table shows of time: the step of its rows, periods, and whether the past tells of the present.

Called by `intake`. May import what `data.intake` may import.
"""

from __future__ import annotations

from pynomaly.data.intake.context.choice import SERIES_CANDIDATES, Context, read_context

__all__ = ["SERIES_CANDIDATES", "Context", "read_context"]
