"""Prefect tasks: the library's steps, decorated with retries, timeouts, artifacts and events.

No decision is made here. Tasks pass paths and hashes to each other, never frames, and cache nothing: the
steps themselves find what an earlier run of the same work left.

Called by `flows`. May import `steps`, and the wings below it.
"""
