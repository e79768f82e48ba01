""".

Called by `api`, `app`, `context` and `pages`. May import the modules of `console` and the wings below
`console`.
"""
