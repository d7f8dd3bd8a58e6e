"""Runs, the processes that work on them, and the audit trail."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

FIXED = ("at", "action", "run_id", "blueprint", "details", "personal_mac", "key_id", "previous")

SQLITE_TRIGGERS = (
    """
    CREATE TRIGGER tracer_audit_no_delete BEFORE DELETE ON tracer_audit
    BEGIN SELECT RAISE(ABORT, 'entries of the audit trail are never deleted'); END
    """,
    # INSERT OR REPLACE deletes without asking the trigger above
    """
    CREATE TRIGGER tracer_audit_no_replace BEFORE INSERT ON tracer_audit
    WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM tracer_audit)
    BEGIN SELECT RAISE(ABORT, 'entries of the audit trail follow one another'); END
    """,
    f"""
    CREATE TRIGGER tracer_audit_no_update BEFORE UPDATE ON tracer_audit
    WHEN NEW.personal IS NOT NULL OR NEW.personal_salt IS NOT NULL
      OR NEW.seq IS NOT OLD.seq OR NEW.mac IS NOT OLD.mac
      OR {" OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in FIXED)}
    BEGIN SELECT RAISE(ABORT, 'entries of the audit trail are never changed'); END
    """,
)
POSTGRESQL_TRIGGERS = (
    f"""
    CREATE FUNCTION tracer_audit_guard() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP IN ('DELETE', 'TRUNCATE') THEN
        RAISE EXCEPTION 'entries of the audit trail are never deleted';
      ELSIF TG_OP = 'UPDATE' THEN
        IF NEW.personal IS NOT NULL OR NEW.personal_salt IS NOT NULL
          OR NEW.seq IS DISTINCT FROM OLD.seq OR NEW.mac IS DISTINCT FROM OLD.mac
          OR {" OR ".join(f"NEW.{name} IS DISTINCT FROM OLD.{name}" for name in FIXED)}
        THEN
          RAISE EXCEPTION 'entries of the audit trail are never changed';
        END IF;
      ELSIF NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM tracer_audit) THEN
        RAISE EXCEPTION 'entries of the audit trail follow one another';
      END IF;
      RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER tracer_audit_rows BEFORE INSERT OR UPDATE OR DELETE ON tracer_audit
    FOR EACH ROW EXECUTE FUNCTION tracer_audit_guard()
    """,
    """
    CREATE TRIGGER tracer_audit_truncate BEFORE TRUNCATE ON tracer_audit
    FOR EACH STATEMENT EXECUTE FUNCTION tracer_audit_guard()
    """,
)


def upgrade() -> None:
    """Make the tables; columns are spelled out, because those of the package move on."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "tracer_processes",
        sa.Column("owner_id", sa.Text, primary_key=True),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("boot", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started", sa.Float, nullable=False),
        sa.Column("heartbeat_at", moment, nullable=False),
    )
    op.create_table(
        "tracer_runs",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("correlation_id", sa.Text, nullable=False, index=True),
        sa.Column(
            "owner_id", sa.Text, sa.ForeignKey("tracer_processes.owner_id", ondelete="SET NULL")
        ),
        sa.Column("blueprint", sa.Text, nullable=False, index=True),
        sa.Column("status", sa.Text, nullable=False, index=True),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("created_at", moment, nullable=False, index=True),
        sa.Column("hour", sa.Text, nullable=False),
        sa.Column("finished_at", moment),
        sa.Column("seconds", sa.Float),
        sa.Column("source_bytes", sa.BigInteger),
        sa.Column("rows_read", sa.BigInteger),
        sa.Column("rows_made", sa.BigInteger),
        sa.Column("score", sa.Float),
        sa.Column("completeness", sa.Float),
        sa.Column("validity", sa.Float),
        sa.Column("uniqueness", sa.Float),
        sa.Column("error_category", sa.Text),
        sa.Column("error_type", sa.Text),
        sa.Column("error_stage", sa.Text),
        sa.Column("from_cache", sa.Boolean, nullable=False),
        sa.Column("output_path", sa.Text, index=True),
        sa.Column("outputs_due_at", moment, index=True),
        sa.Column("personal_due_at", moment, index=True),
        sa.Column("outputs_deleted_at", moment),
        sa.Column("personal_deleted_at", moment),
        sa.Column("state", sa.Text, nullable=False),
    )
    op.create_table(
        "tracer_audit",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, index=True),
        sa.Column("blueprint", sa.Text),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("personal", sa.Text),
        sa.Column("personal_salt", sa.Text),
        sa.Column("personal_mac", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("mac", sa.Text, nullable=False),
    )
    sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in SQLITE_TRIGGERS if sqlite else POSTGRESQL_TRIGGERS:
        op.execute(sa.text(statement))
