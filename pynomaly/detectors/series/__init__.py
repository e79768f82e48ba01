"""Detectors that look back: each row is scored with the rows before it, and with a delay those after it.

One small file a method. Called by the catalogue. May import `methods`, the modules of `detectors` and
`numerics`.

Called by no other package. May import `numerics`, `methods`, the modules of `detectors` and the wings below
`detectors`.
"""
