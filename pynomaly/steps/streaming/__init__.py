"""The live path: messages are scored and recorded as they come; windows close into the batch path.

Called by `flows.demo`, `flows.cli` and `tasks`. May import `notices`, `alerting`, `training`, `promotion`,
`delivery`, `scoring`, the modules of `steps` and the wings below `steps`.
"""
