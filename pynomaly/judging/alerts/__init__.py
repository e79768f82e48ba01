"""Alerts: which rows make one alert, how severe it is, and how good a sample says the alerts are.

Called by `steps.alerting`, `steps.operations` and `steps.reporting`. Pure. Imports `model` and below, and no
other room of `judging`.
"""
