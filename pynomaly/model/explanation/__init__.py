"""Reasons for a score: what each column carries, and what it would be expected to hold.

Terms, paths and occlusion need nothing more; the doors to SHAP and LIME open when they are asked for.

Called by `bundle`, `serving`, `steps.promotion`, `steps.scoring`, `steps.reporting`, `judging.comparison`
and `judging.drift`. May import `sketch`, the modules of `model` and the wings below `model`.
"""
