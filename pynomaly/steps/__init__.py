"""Steps of the life cycle: each gathers facts, asks `judging`, and writes the decision down.

One room a domain, from the lowest floor: `alerting`, `training`, `promotion`, `scoring`, `monitoring`,
`reporting`, `operations`, `replay`. A room imports rooms on floors below it. The modules beside them
(`champion`, `explanations`, `keys`, `notify`, `runner`) serve every room and import none. Called by `tasks`,
`flows` and `serving`'s users; may import `records`, `judging` and everything below.
"""
