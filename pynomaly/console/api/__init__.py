"""The API under ``/api/v1``: reads and actions as JSON.

Called by `console.app`. May import the other packages of `console` but `console.pages`.
"""
