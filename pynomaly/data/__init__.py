"""Input data: the column contract, windows, sources, and the checks that run before any use.

Imports only ``config`` and ``errors``. Times are aware and in UTC; windows are ``[start, end)``.
"""

from pynomaly.data.frame import FrameContract, digest
from pynomaly.data.window import Window, parse_moment, split

__all__ = ["FrameContract", "Window", "digest", "parse_moment", "split"]
