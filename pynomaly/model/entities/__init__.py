"""What is an entity's own: level and scale of its numbers, learned from its rows and those of the others.

Called by `bundle_files`, `calibration`, `explanation`, `features`, `fitting`, `scoring`, `window_alerts` and
`steps`. May import the wings below `model`.
"""
