"""The tables, as the newest version has them."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator


class UtcTime(TypeDecorator[datetime]):
    """A moment: with its zone on PostgreSQL, as UTC on SQLite, which knows no zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn any zone into UTC."""
        if value is None:
            return None
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002
    ) -> datetime | None:
        """Give back UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData()

# Who works on runs. A process that ends without a word is known by its pid and start time on its
# own machine, and by its silence on others.
processes = Table(
    "tracer_processes",
    metadata,
    Column("owner_id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("boot", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", Float, nullable=False),
    Column("heartbeat_at", UtcTime, nullable=False),
)

# `state` is the account; the other columns repeat what is asked for, so that it can be found.
runs = Table(
    "tracer_runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("correlation_id", Text, nullable=False, index=True),
    Column("owner_id", Text, ForeignKey("tracer_processes.owner_id", ondelete="SET NULL")),
    Column("blueprint", Text, nullable=False, index=True),
    Column("status", Text, nullable=False, index=True),
    Column("principal", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False, index=True),
    Column("hour", Text, nullable=False),
    Column("finished_at", UtcTime),
    Column("seconds", Float),
    Column("source_bytes", BigInteger),
    Column("rows_read", BigInteger),
    Column("rows_made", BigInteger),
    Column("score", Float),
    Column("completeness", Float),
    Column("validity", Float),
    Column("uniqueness", Float),
    Column("error_category", Text),
    Column("error_type", Text),
    Column("error_stage", Text),
    Column("from_cache", Boolean, nullable=False),
    Column("output_path", Text, index=True),
    Column("outputs_due_at", UtcTime, index=True),
    Column("personal_due_at", UtcTime, index=True),
    Column("outputs_deleted_at", UtcTime),
    Column("personal_deleted_at", UtcTime),
    Column("state", Text, nullable=False),
)

# `personal` may be cleared; the chain holds a salted HMAC of it. Triggers refuse any other change.
audit = Table(
    "tracer_audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("run_id", Text, index=True),
    Column("blueprint", Text),
    Column("details", Text, nullable=False),
    Column("personal", Text),
    Column("personal_salt", Text),
    Column("personal_mac", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("mac", Text, nullable=False),
)
