"""Shape a table as it was read into the one shape of rows that everything else expects.

Times become UTC, labels 0, 1 or not known, cells numbers or missing, counters increases, long tables wide.
With the settings' defaults only times and labels change.

Called by `intake`, `migration`, `sources`, `streams`, `serving`, `steps.alerting` and `judging`. May import
the modules of `data` and the wings below `data`.
"""
