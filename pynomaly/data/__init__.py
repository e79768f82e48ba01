"""Input data: the column contract, windows, sources, and the checks that run before any use.

Times are aware and in UTC; windows are ``[start, end)``.

Called by `flows`, `console`, `tasks`, `serving`, `steps`, `records`, `judging` and `model`. May import
`config`, and the wings below it.
"""

from pynomaly.data.frame import FrameContract, hash_frame
from pynomaly.data.window import Window, parse_moment, split_windows

__all__ = ["FrameContract", "Window", "hash_frame", "parse_moment", "split_windows"]
