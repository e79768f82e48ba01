"""Alerts: which rows make one alert, how severe it is, and how good a sample says the alerts are.

Pure: rows and settings in, frozen results out.

Called by `tasks`, `steps` and `records`. May import `comparison`, the modules of `judging` and the wings
below `judging`.
"""
