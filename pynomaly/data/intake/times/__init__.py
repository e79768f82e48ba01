"""Columns to the time of the rows: formats, epochs, joined columns."""
