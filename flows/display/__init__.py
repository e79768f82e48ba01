"""What the command line prints: each function lays one result out as a person reads it, within 80 columns.

It formats plain dictionaries of results, and runs no flow.

Called by `cli` and `demo`. May import the wings below `flows`.
"""
