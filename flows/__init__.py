"""Prefect flows: wiring only. Each body reads as the paragraph it runs; decisions live in the library."""
