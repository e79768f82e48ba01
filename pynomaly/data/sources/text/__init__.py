"""Text before it is a table: which files, which lines, and which cells are numbers.

Called by `intake` and `sources`. May import what `data.sources` may import.
"""
