"""Columns to the time of the rows: formats, epochs, joined columns.

Called by `intake`. May import what `data.intake` may import.
"""
