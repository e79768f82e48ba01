"""What the command line prints: each function lays one result out as a person reads it, within 80 columns.

Called by `flows.cli` and `flows.demo`. Imports results' plain dictionaries alone, and no flow.
"""
