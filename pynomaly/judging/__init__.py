"""Pure verdicts: how good, which is better, what moved, is it bad enough, should we train again.

Nothing here reads or writes anything. Every function returns a small frozen object with its reasons;
the steps write it down. What cannot be computed counts as failed, and says so.
"""

__all__: list[str] = []
