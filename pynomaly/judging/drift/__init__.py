"""Windows against the reference: drift, degradation, the decision to retrain, and the verdict of a bake.

Called by `steps.monitoring`, `steps.training`, `steps.promotion` and `steps.replay`. Pure. Imports `model`
and below, and no other room of `judging`.
"""
