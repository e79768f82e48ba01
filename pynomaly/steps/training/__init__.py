"""Training: plan it, read and split the reference, fit candidates, compare them, register the winner.

Called by `monitoring`, `operations`, `replay`, `reporting`, `flows`, `console.queries`, `console.pages` and
`tasks`. May import `notices`, `alerting`, the modules of `steps` and the wings below `steps`.
"""
