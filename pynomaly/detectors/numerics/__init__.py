"""Arithmetic of detectors: sums in a fixed order, compiled loops, nearest rows, ellipses and tree paths.

The same input gives the same bits, whatever rows stand beside it.

Called by `attributions`, `base`, `contract`, `input_validation`, `methods`, `past_rows`, `pyod_door`,
`series`, `sklearn_door`, `torch_door`, `steps.training`, `records.registry` and `model.explanation`. May
import the wings below `detectors`.
"""
