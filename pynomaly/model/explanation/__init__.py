"""Reasons for a score: what each column carries, and what it would be expected to hold.

Called by `model.bundle` and `steps.alerting`. Imports `model.sketch`, `model.features` and the doors to SHAP
and LIME.
"""
