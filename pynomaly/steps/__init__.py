"""Steps of the life cycle: each reads facts, calls a pure judging function, and records the decision.

The only package that may import all the others. A step takes the pipeline's settings and small values,
returns a small frozen result, and is safe to run again. Called by ``tasks/`` and by the command line.
"""
