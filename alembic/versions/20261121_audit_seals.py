"""Seals of the audit trail, sealed reasons, recorded reads and break-glass access.

Reasons that stand in plain in the details of older entries stay there: an entry is never changed.

Adds columns that may be empty, tables, and a trigger that lets a number be set once, so that the code before it works
on. Imports nothing from ``app``.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

REFUSE = """
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'An audit entry that has its number is never changed.' USING ERRCODE = 'insufficient_privilege';
END $$
"""


def upgrade() -> None:
    """Record reads, seal what is numbered and let nobody change it; ask for a reading in an emergency."""
    op.add_column("audit_entry", sa.Column("access_right", sa.Text(), nullable=True))
    op.add_column("audit_entry", sa.Column("reason", sa.LargeBinary(), nullable=True))
    op.create_index(
        "ix_audit_entry_looked_at",
        "audit_entry",
        ["organisation_id", "subject_id", "id"],
        unique=False,
        postgresql_where=sa.text("access_right IS NOT NULL"),
    )
    op.execute(REFUSE)
    op.execute(
        "CREATE TRIGGER numbered_once BEFORE UPDATE ON audit_entry FOR EACH ROW WHEN (OLD.number IS NOT NULL)"
        " EXECUTE FUNCTION refuse_audit_change()"
    )
    op.create_table(
        "audit_seal",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("first_number", sa.BigInteger(), nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.Column("digests", sa.LargeBinary(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("first_number <= last_number", name=op.f("ck_audit_seal_span")),
        sa.CheckConstraint(
            "octet_length(digests) = 32 * (last_number - first_number + 1)", name=op.f("ck_audit_seal_digests")
        ),
        sa.CheckConstraint("octet_length(head) = 32", name=op.f("ck_audit_seal_head")),
        sa.PrimaryKeyConstraint("organisation_id", "number", name=op.f("pk_audit_seal")),
        sa.UniqueConstraint("organisation_id", "first_number", name=op.f("uq_audit_seal_organisation_id_first_number")),
    )
    op.create_table(
        "audit_anchor",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("seal_number", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("anchored_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "seal_number", "place", name=op.f("pk_audit_anchor")),
    )
    _create_break_glass()
    for table in ("audit_seal", "audit_anchor", "break_glass_request", "access_notice"):
        op.execute(f"SELECT protect_tenant_table('{table}')")
    for table in ("audit_seal", "audit_anchor"):
        op.execute(f"REVOKE UPDATE, DELETE ON {table} FROM ballast_app")


def _create_break_glass() -> None:
    op.create_table(
        "break_glass_request",
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("requested_by_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("delay_seconds", sa.Integer(), nullable=False),
        sa.Column("delay_reason", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("approved_by_id", sa.Uuid(), nullable=True),
        sa.Column("approved_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("second_approved_by_id", sa.Uuid(), nullable=True),
        sa.Column("second_approved_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("denied_by_id", sa.Uuid(), nullable=True),
        sa.Column("used_at", sa.TIMESTAMP(timezone=True), nullable=True),
        *_versioned(),
        sa.CheckConstraint(
            "state IN ('pending', 'approved', 'denied', 'expired', 'used')", name=op.f("ck_break_glass_request_state")
        ),
        sa.CheckConstraint("requested_by_id <> employee_id", name=op.f("ck_break_glass_request_own")),
        sa.CheckConstraint(
            "approved_by_id NOT IN (requested_by_id, employee_id)", name=op.f("ck_break_glass_request_approver")
        ),
        sa.CheckConstraint(
            "second_approved_by_id NOT IN (requested_by_id, employee_id, approved_by_id)",
            name=op.f("ck_break_glass_request_second_approver"),
        ),
        sa.CheckConstraint("delay_seconds BETWEEN 0 AND 604800", name=op.f("ck_break_glass_request_delay")),
        sa.CheckConstraint(
            "(delay_seconds > 0) = (delay_reason IS NOT NULL)", name=op.f("ck_break_glass_request_delay_reason")
        ),
        sa.CheckConstraint(
            "state NOT IN ('approved', 'used') OR (approved_by_id IS NOT NULL"
            " AND (delay_seconds = 0 OR second_approved_by_id IS NOT NULL))",
            name=op.f("ck_break_glass_request_approved"),
        ),
        *(
            _refers("break_glass_request", "employee", column)
            for column in (
                "employee_id",
                "requested_by_id",
                "approved_by_id",
                "second_approved_by_id",
                "denied_by_id",
            )
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_break_glass_request")),
    )
    op.create_index(
        "ix_break_glass_request_requested_by", "break_glass_request", ["organisation_id", "requested_by_id"]
    )
    op.create_index(
        "ix_break_glass_request_expires_at",
        "break_glass_request",
        ["organisation_id", "expires_at"],
        postgresql_where=sa.text("state IN ('pending', 'approved')"),
    )
    op.create_table(
        "access_notice",
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("entry_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("told_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("acknowledged_at", sa.TIMESTAMP(timezone=True), nullable=True),
        *_versioned(),
        _refers("access_notice", "employee", "employee_id"),
        _refers("access_notice", "break_glass_request", "request_id"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_access_notice")),
    )
    op.create_index("ix_access_notice_employee", "access_notice", ["organisation_id", "employee_id", "told_at"])


def _versioned() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
    )


def _refers(table: str, to: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organisation_id", column],
        [f"{to}.organisation_id", f"{to}.id"],
        name=op.f(f"fk_{table}_organisation_id_{column}"),
    )


def downgrade() -> None:
    """Remove the seals and the recorded reads: without its column a read would pass for a change."""
    op.drop_table("access_notice")
    op.drop_table("break_glass_request")
    op.drop_table("audit_anchor")
    op.drop_table("audit_seal")
    op.execute("DROP TRIGGER numbered_once ON audit_entry")
    op.execute("DROP FUNCTION refuse_audit_change")
    op.drop_index("ix_audit_entry_looked_at", table_name="audit_entry")
    op.execute("DELETE FROM audit_entry WHERE access_right IS NOT NULL")
    op.drop_column("audit_entry", "reason")
    op.drop_column("audit_entry", "access_right")
