"""Who asks, and what they may: actors with roles, tokens, sessions, limits and headers.

Called by `console.api`, `console.pages` and `console.app`. May import `console.pipelines`.
"""
