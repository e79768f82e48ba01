"""Promotion: change the champion on evidence, ask a person, watch the first windows, take a change back.

Called by `monitoring`, `reporting`, `scoring`, `flows`, `console.queries`, `console.actions`,
`console.pages` and `tasks`. May import `notices`, `alerting`, `training`, the modules of `steps` and the
wings below `steps`.
"""
