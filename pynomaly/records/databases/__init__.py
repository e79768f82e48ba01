"""New databases of Prefect and MLflow: the SQL of their tables, and the function that makes a file of it.

Called by `registry` and `flows.machine`. May import the modules of `records` and the wings below `records`.
"""

from pynomaly.records.databases.new_database import make_new_database, read_database_sql

__all__ = ["make_new_database", "read_database_sql"]
