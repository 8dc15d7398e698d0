"""A data key for each person, wrapped, in a schema of its own, and the master keys that they are wrapped under.

And what is sealed under these: thought records, and the parts of reviews beside the plain columns, which the worker
empties and a later release removes. The schema ``keys`` can be dumped and restored apart from everything else, so nothing in it refers to another schema
and nothing outside refers to it. Adds alone, so that the code before it works on. Down loses what is sealed. Imports nothing from ``app``.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("CREATE SCHEMA keys")
    op.execute("GRANT USAGE ON SCHEMA keys TO ballast_app")
    op.create_table(
        "person_key",
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("destroyed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(wrapped IS NULL) = (destroyed_at IS NOT NULL)", name=op.f("ck_person_key_destroyed")),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_person_key")),
        schema="keys",
    )
    op.execute("SELECT protect_tenant_table('keys.person_key')")
    # Of the installation: no organisation's row, and of no secret.
    op.create_table(
        "master_key",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("proof", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_master_key")),
        schema="keys",
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON keys.master_key TO ballast_app")
    op.create_table(
        "thought_record",
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "employee_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_thought_record_organisation_id_employee_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_thought_record")),
    )
    op.create_index(
        "ix_thought_record_employee", "thought_record", ["organisation_id", "employee_id", "id"], unique=False
    )
    op.create_table(
        "thought_share",
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("shared_with_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "employee_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_thought_share_organisation_id_employee_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "record_id"],
            ["thought_record.organisation_id", "thought_record.id"],
            name=op.f("fk_thought_share_organisation_id_record_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "shared_with_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_thought_share_organisation_id_shared_with_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_thought_share")),
        sa.UniqueConstraint(
            "organisation_id",
            "record_id",
            "shared_with_id",
            name=op.f("uq_thought_share_organisation_id_record_id_shared_with_id"),
        ),
    )
    op.create_index(
        "ix_thought_share_shared_with", "thought_share", ["organisation_id", "shared_with_id"], unique=False
    )
    op.add_column("review", sa.Column("self_sealed", sa.LargeBinary(), nullable=True))
    op.add_column("review", sa.Column("reviewer_sealed", sa.LargeBinary(), nullable=True))
    op.create_index(
        "ix_review_plain",
        "review",
        ["organisation_id", "id"],
        unique=False,
        postgresql_where=sa.text("self_part IS NOT NULL OR reviewer_part IS NOT NULL"),
    )
    for table in ("thought_record", "thought_share"):
        op.execute(f"SELECT protect_tenant_table('{table}')")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_review_plain", table_name="review")
    op.drop_column("review", "reviewer_sealed")
    op.drop_column("review", "self_sealed")
    op.drop_table("thought_share")
    op.drop_table("thought_record")
    op.execute("DROP TABLE keys.master_key, keys.person_key")
    op.execute("DROP SCHEMA keys")
