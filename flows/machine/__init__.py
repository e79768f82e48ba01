"""Processes and servers of this machine: Prefect's environment, the servers of `pynomaly up`, addresses.

Called by `cli` and `demo`. May import the wings below `flows`.
"""
