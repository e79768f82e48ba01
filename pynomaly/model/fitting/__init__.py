"""Fit features, detector and calibration; golden rows, column importance and known anomalies beside them.

Called by `bundle`, `window_alerts` and `steps`. May import `entities`, `dependence`, `calibration`,
`scoring`, the modules of `model` and the wings below `model`.
"""
