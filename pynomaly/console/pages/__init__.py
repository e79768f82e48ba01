"""Pages: the same reads and actions as the API, drawn as HTML that works without a script.

Called by `app`. May import `queries`, `access`, `own_data`, `live`, `context`, `actions`, `api`, the modules
of `console` and the wings below `console`.
"""
