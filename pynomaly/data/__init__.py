"""Input data: the column contract, windows, sources, and the checks that run before any use.

Imports only ``config`` and ``errors``. Times are aware and in UTC; windows are ``[start, end)``.
"""

from pynomaly.data.frame import FrameContract, hash_frame
from pynomaly.data.window import Window, parse_moment, split_windows

__all__ = ["FrameContract", "Window", "hash_frame", "parse_moment", "split_windows"]
