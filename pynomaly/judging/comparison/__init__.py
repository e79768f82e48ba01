"""Comparison of models: metrics, paired tests, the choice among candidates, and what a verdict permits.

Pure: numbers and settings in, frozen results out.

Called by `alerts`, `drift`, `tasks`, `steps` and `records`. May import the modules of `judging` and the
wings below `judging`.
"""
