"""From raw scores to p-values, and from p-values to alerts.

Called by `bundle`, `bundle_files`, `explanation`, `fitting`, `provenance`, `scoring`, `window_alerts`,
`serving`, `steps` and `judging`. May import `entities`, `dependence`, the modules of `model` and the wings
below `model`.
"""
