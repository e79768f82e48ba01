"""The API under ``/api/v1``: reads and actions as JSON.

Called by `app`, `graph` and `pages`. May import `queries`, `access`, `own_data`, `live`, `context`,
`actions`, the modules of `console` and the wings below `console`.
"""
