"""Prefect flows: they only connect tasks in order. Decisions are made in the library (``pynomaly``)."""
