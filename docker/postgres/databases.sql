-- One database a part, so that each is backed up, upgraded and thrown away by itself.
CREATE DATABASE prefect;
CREATE DATABASE mlflow;
CREATE DATABASE mlflow_auth;
CREATE DATABASE ledger;
