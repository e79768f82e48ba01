"""Tables of who may come in, and what they keep: tokens, sign-ins, answered requests, saved views."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Integer, LargeBinary, String, Table, Text

from pynomaly.records.ledger.tables import Moment, metadata

__all__ = ["access_tokens", "answered_requests", "saved_views", "sign_ins"]

access_tokens = Table(
    "access_tokens",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("role", String(16), nullable=False),
    Column("pipelines", JSON, nullable=False),
    Column("created", Moment, nullable=False),
    Column("expires", Moment, nullable=False),
    Column("revoked", Moment),
    Column("used", Moment),
)

answered_requests = Table(
    "answered_requests",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("request", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("at", Moment, nullable=False, index=True),
)

sign_ins = Table(
    "sign_ins",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("issuer", Text, nullable=False),
    Column("subject", String(255), nullable=False),
    Column("name", String(200), nullable=False),
    Column("email", String(320), nullable=False),
    Column("roles", JSON, nullable=False),
    Column("created", Moment, nullable=False),
    Column("expires", Moment, nullable=False, index=True),
    Column("ended", Moment),
)

saved_views = Table(
    "saved_views",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("name", String(80), primary_key=True),
    Column("query", Text, nullable=False),
    Column("saved", Moment, nullable=False),
)
