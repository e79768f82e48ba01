"""Fit features, detector and calibration; golden rows, column importance and known anomalies beside them.

Called by `model.bundle`. Imports `model.calibration`, `model.features` and `model.scoring`.
"""
