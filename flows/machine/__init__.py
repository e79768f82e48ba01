"""Processes and servers of this machine: Prefect's environment, the servers of `pynomaly up`, addresses.

Called by `flows.cli` and `flows.demo`, and by tests that need a server. Imports the library and no flow.
"""
