"""Replay: walk history in memory under several retraining policies, and write to no record.

Called by `flows`. Imports `training` and `monitoring`, so that a replay decides as production does.
"""
