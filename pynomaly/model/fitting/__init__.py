"""Fit features, detector and calibration; golden rows, column importance and known anomalies beside them.

Called by `bundle` and `steps`. May import `calibration`, `scoring`, the modules of `model` and the wings
below `model`.
"""
