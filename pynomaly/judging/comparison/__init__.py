"""Comparison of models: metrics, paired tests, the choice among candidates, and what a verdict permits.

Called by `steps.training`, `steps.promotion` and `steps.replay`. Pure: numbers and settings in, frozen
results out. Imports `model` and below, and no other room of `judging`.
"""
