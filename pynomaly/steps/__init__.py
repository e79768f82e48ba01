"""Steps of the life cycle: each gathers facts, asks `judging`, and writes the decision down.

One room a domain: `notices`, `alerting`, `training`, `promotion`, `scoring`, `monitoring`, `reporting`,
`operations` and `replay`. The same words name modules of `config`, `tasks`, `flows` and `flows.cli`. The
modules beside the rooms serve every room and import none: `champion`, `explanations`, `keys`, `runner`.

Called by `flows`, `console` and `tasks`. May import `records`, and the wings below it.
"""
