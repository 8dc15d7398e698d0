"""Exports, the ledger of erasures, and retention rules with their starting values.

Adds tables and columns alone, so that the code before it works on. Imports nothing from ``app``.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TENANT_TABLES = ("data_export", "erasure", "retention_rule")
STARTING_DAYS = {
    "directory": 2190,
    "calls": 730,
    "strain": 365,
    "programme": 730,
    "coaching": 365,
    "wellbeing": 90,
    "eap": 1095,
    "account": None,
    "audit": None,
}


def _refers(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organisation_id", column],
        ["employee.organisation_id", "employee.id"],
        name=op.f(f"fk_{table}_organisation_id_{column}"),
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("employee", sa.Column("erased_at", sa.TIMESTAMP(timezone=True), nullable=True))
    empty = sa.text("'{}'::text[]")
    op.add_column("employee", sa.Column("forgotten", sa.ARRAY(sa.Text()), server_default=empty, nullable=False))
    op.create_check_constraint(
        op.f("ck_employee_erased"),
        "employee",
        "erased_at IS NULL OR (NOT active AND user_name LIKE 'erased-%' AND external_id IS NULL AND email IS NULL"
        " AND given_name IS NULL AND family_name IS NULL AND display_name LIKE 'Erased person %')",
    )
    op.create_index(
        "ix_employee_left",
        "employee",
        ["organisation_id", "deactivated_at"],
        postgresql_where=sa.text("NOT active AND erased_at IS NULL"),
    )
    op.create_table(
        "data_export",
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("requested_by_id", sa.Uuid(), nullable=False),
        sa.Column("record_count", sa.Integer(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("started_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("finished_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name=op.f("ck_data_export_state")
        ),
        sa.CheckConstraint("progress BETWEEN 0 AND 100", name=op.f("ck_data_export_progress")),
        sa.CheckConstraint(
            "(state = 'running') = (lease_until IS NOT NULL)", name=op.f("ck_data_export_lease_while_running")
        ),
        sa.CheckConstraint("(state = 'failed') = (failure IS NOT NULL)", name=op.f("ck_data_export_why_failed")),
        sa.CheckConstraint("(state = 'succeeded') = (content IS NOT NULL)", name=op.f("ck_data_export_content")),
        _refers("data_export", "employee_id"),
        _refers("data_export", "requested_by_id"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_data_export")),
    )
    op.create_index("ix_data_export_employee", "data_export", ["organisation_id", "employee_id"])
    op.create_index(
        "ix_data_export_to_do",
        "data_export",
        ["organisation_id", "id"],
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_table(
        "erasure",
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("pseudonym", sa.Text(), nullable=False),
        sa.Column("erased_by_id", sa.Uuid(), nullable=True),
        sa.Column("erased_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("counts", postgresql.JSONB(), nullable=False),
        sa.Column("filed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_erasure")),
        sa.UniqueConstraint("organisation_id", "employee_id", name=op.f("uq_erasure_organisation_id_employee_id")),
    )
    op.create_index("ix_erasure_unfiled", "erasure", ["organisation_id"], postgresql_where=sa.text("filed_at IS NULL"))
    op.create_table(
        "retention_rule",
        sa.Column("data_class", sa.Text(), nullable=False),
        sa.Column("keep_days", sa.Integer(), nullable=True),
        sa.Column("basis", sa.Text(), nullable=True),
        sa.Column("last_run_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("last_run_records", sa.Integer(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("keep_days BETWEEN 1 AND 36500", name=op.f("ck_retention_rule_keep_days")),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_retention_rule")),
        sa.UniqueConstraint("organisation_id", "data_class", name=op.f("uq_retention_rule_organisation_id_data_class")),
    )
    for data_class, keep_days in STARTING_DAYS.items():
        op.execute(
            sa.text(
                "INSERT INTO retention_rule (organisation_id, id, data_class, keep_days)"
                " SELECT id, gen_random_uuid(), :data_class, CAST(:keep_days AS integer) FROM organisation"
            ).bindparams(data_class=data_class, keep_days=keep_days)
        )
    for table in TENANT_TABLES:
        op.execute(f"SELECT protect_tenant_table('{table}')")
    # A line of the ledger is written once, and noted as filed once.
    op.execute("REVOKE UPDATE, DELETE ON erasure FROM ballast_app")
    op.execute("GRANT UPDATE (filed_at) ON erasure TO ballast_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in reversed(TENANT_TABLES):
        op.drop_table(table)
    op.drop_index("ix_employee_left", table_name="employee")
    op.drop_constraint(op.f("ck_employee_erased"), "employee", type_="check")
    op.drop_column("employee", "forgotten")
    op.drop_column("employee", "erased_at")
