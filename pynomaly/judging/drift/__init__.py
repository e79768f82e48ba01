"""Windows against the reference: drift, degradation, the decision to retrain, and the verdict of a bake.

Pure: numbers and settings in, frozen results out.

Called by `account`, `flows.demo`, `console.queries`, `steps` and `records`. May import `comparison`, the
modules of `judging` and the wings below `judging`.
"""
