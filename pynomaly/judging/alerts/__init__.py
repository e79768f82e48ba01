"""Alerts: which rows make one, how severe it is, how good a sample says they are, which set p-values anew.

Pure: rows and settings in, frozen results out.

Called by `console`, `tasks`, `steps` and `records`. May import `comparison`, the modules of `judging` and
the wings below `judging`.
"""
