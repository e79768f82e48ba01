"""Reads of the console by GraphQL: types made from what the API answers, and the cost of a query.

Called by `app`. May import `queries`, `access`, `own_data`, `live`, `context`, `actions`, `api`, the modules
of `console` and the wings below `console`.
"""
