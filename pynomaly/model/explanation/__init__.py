"""Reasons for a score: how much each column contributes, and which value was expected in its place.

Terms, paths and occlusion need no other library; SHAP and LIME are imported only when they are asked for.

Called by `bundle`, `window_alerts`, `serving`, `steps.promotion`, `steps.scoring`, `steps.reporting`,
`judging.comparison` and `judging.drift`. May import `entities`, `dependence`, `sketch`, `calibration`,
`scoring`, the modules of `model` and the wings below `model`.
"""
