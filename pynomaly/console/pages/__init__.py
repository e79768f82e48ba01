"""Pages: the same reads and actions as the API, drawn as HTML that works without a script.

Called by `console.app`. May import the other packages of `console`.
"""
