"""Prefect tasks: the library's steps, decorated with retries, timeouts, artifacts and events.

No decision is taken here. Tasks hand each other paths and hashes, never frames, and cache nothing: the
steps themselves find what an earlier run of the same work left.
"""
