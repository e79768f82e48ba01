"""Cells to values: what they look like, marks of numbers, missing values.

Called by `intake`. May import what `data.intake` may import.
"""
