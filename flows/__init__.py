"""Prefect flows, and the processes and commands around them. Nothing here decides: the library does.

A flow connects tasks in order and reads as a paragraph. People start it through the command ``pynomaly``, a
schedule or a button of Prefect.

Called by no other package. May import `tasks`, `serving` and `console`, and the wings below them.
"""
