"""Detection methods, one file each: a subclass of `Detector`, its parameters, and its source.

Found by name through `detectors.catalogue`, which imports a file when its detector is asked for. Imports
`detectors.base`, `detectors.numerics` and the doors to PyOD, scikit-learn and PyTorch.
"""
