"""The tables of what stands between a request and its route: keys, remembered answers, webhooks and their outbox.

Times are seconds since 1970, so that SQLite and PostgreSQL compare them alike.
"""

from sqlalchemy import JSON, Column, Double, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from api.service.tables import metadata

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
    Column("last_used_at", Double),
)

remembered_answers = Table(
    "remembered_answers",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("route", String(512), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("body_sha256", String(64), nullable=False),
    Column("seed", String(32), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("claimed_until", Double),
    Column("status", Integer),
    Column("headers", JSON),
    Column("body", LargeBinary),
    Index("remembered_answers_by_age", "created_at"),
)
"""Answers to requests that had an Idempotency-Key; `status` is null while the first one is being answered."""

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("url", Text, nullable=False),
    Column("events", JSON, nullable=False),
    Column("secret", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
)

webhook_outbox = Table(
    "webhook_outbox",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("webhook_id", String(64), ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("event", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("due_at", Double),
    Column("outcome", String(16), nullable=False, default="waiting"),
    Column("last_fault", String(200)),
    Index("webhook_outbox_by_due", "due_at"),
)
"""Events to tell webhooks of; `due_at` is null when there is nothing left to try."""
