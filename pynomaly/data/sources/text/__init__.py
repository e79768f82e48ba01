"""Text before it is a table: which files, which lines, and which cells are numbers.

Called by `intake`, `sources` and `streams`. May import what `data.sources` may import.
"""
