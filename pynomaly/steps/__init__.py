"""Steps of the life cycle: each gathers facts, asks a pure judge, and writes down what was decided.

The only rooms that may touch all the others. A step takes the pipeline's settings and small values, returns
a small frozen result, and is safe to run again. Called by ``tasks/`` and by the command line.
"""
