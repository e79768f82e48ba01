"""The champion over HTTP: the same scores as the score flow, for programs that send single rows.

``champion`` follows the champion alias of the registry. ``rows`` turns a request into a frame and scores
into a response. ``bodies`` describes both, and ``openapi`` has FastAPI write the document. ``web`` is the
server. ``exporter`` serves metrics of pipelines. Nothing here writes records; only the score flow stores
scores.

Called by `flows`. May import `records`, and the wings below it.
"""
