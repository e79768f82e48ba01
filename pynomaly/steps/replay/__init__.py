"""Replay: walk history in memory under several retraining policies, and write to no record.

It calls what training and monitoring call, so that a replay decides as production does.

Called by `flows.cli`. May import `notices`, `alerting`, `training`, `promotion`, `monitoring`, the modules
of `steps` and the wings below `steps`.
"""
