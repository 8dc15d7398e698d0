"""Matching of mentors and mentees for a cohort, as a job that is confirmed.

Adds tables alone, so that the code before it works on. Imports nothing from ``app``.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TENANT_TABLES = ("mentor_match", "mentor_match_pair", "mentor_match_unmatched")


def _refers(table: str, column: str, to: str, ondelete: str | None = None) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organisation_id", column],
        [f"{to}.organisation_id", f"{to}.id"],
        name=op.f(f"fk_{table}_organisation_id_{column}"),
        ondelete=ondelete,
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "mentor_match",
        sa.Column("requested_by_id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("service_area_id", sa.Uuid(), nullable=True),
        sa.Column("mentee_ids", sa.ARRAY(sa.Uuid()), nullable=True),
        sa.Column("pillar", sa.Text(), nullable=True),
        sa.Column("first", sa.Text(), nullable=False),
        sa.Column("require_shared_language", sa.Boolean(), nullable=False),
        sa.Column("require_shared_pillar", sa.Boolean(), nullable=False),
        sa.Column("least_score", sa.Integer(), nullable=False),
        sa.Column("weights", postgresql.JSONB(), nullable=False),
        sa.Column("mentee_count", sa.Integer(), nullable=False),
        sa.Column("mentor_count", sa.Integer(), nullable=True),
        sa.Column("pair_count", sa.Integer(), nullable=True),
        sa.Column("unmatched_count", sa.Integer(), nullable=True),
        sa.Column("total_fit", sa.Integer(), nullable=True),
        sa.Column("confirmed_count", sa.Integer(), nullable=False),
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
        sa.CheckConstraint("first IN ('total_fit', 'most_mentees')", name=op.f("ck_mentor_match_first")),
        sa.CheckConstraint("least_score >= 0", name=op.f("ck_mentor_match_least_score")),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name=op.f("ck_mentor_match_state")
        ),
        sa.CheckConstraint("progress BETWEEN 0 AND 100", name=op.f("ck_mentor_match_progress")),
        sa.CheckConstraint(
            "(state = 'running') = (lease_until IS NOT NULL)", name=op.f("ck_mentor_match_lease_while_running")
        ),
        sa.CheckConstraint("(state = 'failed') = (failure IS NOT NULL)", name=op.f("ck_mentor_match_why_failed")),
        _refers("mentor_match", "requested_by_id", "employee"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_mentor_match")),
    )
    op.create_index("ix_mentor_match_created_at", "mentor_match", ["organisation_id", "created_at"], unique=False)
    op.create_index(
        "ix_mentor_match_to_do",
        "mentor_match",
        ["organisation_id", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_table(
        "mentor_match_pair",
        sa.Column("match_id", sa.Uuid(), nullable=False),
        sa.Column("mentee_id", sa.Uuid(), nullable=False),
        sa.Column("mentor_id", sa.Uuid(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("reasons", postgresql.JSONB(), nullable=False),
        sa.Column("focus_pillars", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("assignment_id", sa.Uuid(), nullable=True),
        sa.Column("confirmed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("mentor_id <> mentee_id", name=op.f("ck_mentor_match_pair_own_mentor")),
        _refers("mentor_match_pair", "match_id", "mentor_match", ondelete="CASCADE"),
        _refers("mentor_match_pair", "mentee_id", "employee"),
        _refers("mentor_match_pair", "mentor_id", "employee"),
        _refers("mentor_match_pair", "assignment_id", "mentor_assignment"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_mentor_match_pair")),
        sa.UniqueConstraint(
            "organisation_id",
            "match_id",
            "mentee_id",
            name=op.f("uq_mentor_match_pair_organisation_id_match_id_mentee_id"),
        ),
    )
    op.create_table(
        "mentor_match_unmatched",
        sa.Column("match_id", sa.Uuid(), nullable=False),
        sa.Column("mentee_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("obstacles", postgresql.JSONB(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        _refers("mentor_match_unmatched", "match_id", "mentor_match", ondelete="CASCADE"),
        _refers("mentor_match_unmatched", "mentee_id", "employee"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_mentor_match_unmatched")),
        sa.UniqueConstraint(
            "organisation_id",
            "match_id",
            "mentee_id",
            name=op.f("uq_mentor_match_unmatched_organisation_id_match_id_mentee_id"),
        ),
    )
    for table in TENANT_TABLES:
        op.execute(f"SELECT protect_tenant_table('{table}')")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in reversed(TENANT_TABLES):
        op.drop_table(table)
