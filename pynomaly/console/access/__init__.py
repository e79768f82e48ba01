"""Who asks, and what they may: actors with roles, tokens, sessions, limits and headers.

Called by `api`, `app`, `context`, `pages` and `flows.cli`. May import the modules of `console` and the wings
below `console`.
"""
