"""Detection methods, one file each: a subclass of `Detector`, its parameters, and its source.

The catalogue imports a file by name when its detector is asked for. Imports
`detectors.base`, `detectors.numerics` and the doors to PyOD, scikit-learn and PyTorch.

Called by `series` and `model`. May import `numerics`, the modules of `detectors` and the wings below
`detectors`.
"""
