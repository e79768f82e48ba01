"""Tests of one column against the reference: of two samples, in its season, and over windows together.

Called by `drift` and `steps`. May import what `judging.drift` may import.
"""
