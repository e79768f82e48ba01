"""Cells to values: what they look like, marks of numbers, missing values."""
