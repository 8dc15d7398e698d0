"""Sources of several kinds, with addresses and credentials of their own, and what is counted of them.

Adds tables and columns with defaults alone, so that the code before it works on. Imports nothing from ``app``.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TENANT_TABLES = ("source_credential", "source_count", "source_health")
COUNTED = ("accepted", "updated", "duplicates", "dropped", "refused", "coded", "unmapped")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("source", sa.Column("kind", sa.Text(), server_default=sa.text("'api'"), nullable=False))
    op.add_column(
        "source", sa.Column("options", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False)
    )
    op.add_column(
        "source", sa.Column("silent_after_seconds", sa.Integer(), server_default=sa.text("86400"), nullable=True)
    )
    op.create_check_constraint(
        op.f("ck_source_kind"), "source", "kind IN ('api', 'cloudevents', 'eventbridge', 'twilio', 'mapping')"
    )
    op.create_check_constraint(op.f("ck_source_silent_after_seconds"), "source", "silent_after_seconds > 0")
    op.add_column(
        "refused_call_event",
        sa.Column("assumed", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )
    _create_credentials()
    _create_counts()
    for table in TENANT_TABLES:
        op.execute(f"SELECT protect_tenant_table('{table}')")


def _create_credentials() -> None:
    op.create_table(
        "source_credential",
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("settings", postgresql.JSONB(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("last_four", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('bearer', 'header', 'basic', 'hmac', 'zendesk', 'twilio')", name=op.f("ck_source_credential_kind")
        ),
        sa.CheckConstraint("(digest IS NULL) <> (sealed IS NULL)", name=op.f("ck_source_credential_one_secret")),
        sa.CheckConstraint("digest IS NULL OR octet_length(digest) = 32", name=op.f("ck_source_credential_digest")),
        sa.CheckConstraint(
            "(kind IN ('bearer', 'header', 'basic')) = (digest IS NOT NULL)", name=op.f("ck_source_credential_kept_as")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "source_id"],
            ["source.organisation_id", "source.id"],
            name=op.f("fk_source_credential_organisation_id_source_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_source_credential")),
    )
    op.create_index("ix_source_credential_source", "source_credential", ["organisation_id", "source_id"])


def _create_counts() -> None:
    op.create_table(
        "source_count",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("began_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in COUNTED),
        sa.Column("last_received_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "source_id"],
            ["source.organisation_id", "source.id"],
            name=op.f("fk_source_count_organisation_id_source_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "source_id", "began_at", "slot", name=op.f("pk_source_count")),
    )
    op.create_index("ix_source_count_began_at", "source_count", ["organisation_id", "began_at"])
    op.create_table(
        "source_health",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("watched_since", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("last_received_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("last_mapped_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'healthy', 'silent', 'unmapped', 'refusing', 'inactive')",
            name=op.f("ck_source_health_state"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "source_id"],
            ["source.organisation_id", "source.id"],
            name=op.f("fk_source_health_organisation_id_source_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "source_id", name=op.f("pk_source_health")),
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in reversed(TENANT_TABLES):
        op.drop_table(table)
    op.drop_column("refused_call_event", "assumed")
    for name in ("silent_after_seconds", "options", "kind"):
        op.drop_column("source", name)
