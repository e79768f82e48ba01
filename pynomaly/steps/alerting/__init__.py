"""Alerts: scored rows become alerts once, people answer them, answers become labels.

Training takes the labels that answers gave.

Called by `delivery`, `operations`, `promotion`, `reporting`, `scoring`, `streaming`, `training`,
`flows.cli`, `console` and `tasks`. May import `notices`, the modules of `steps` and the wings below `steps`.
"""
