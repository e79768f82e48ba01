"""Arithmetic of detectors: sums in a fixed order, compiled loops, nearest rows, ellipses and tree paths.

Called by `detectors.methods` and `detectors.base`. The same input gives the same bits, whatever rows stand
beside it. Imports nothing else of the library but `errors`.
"""
