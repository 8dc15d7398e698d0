"""Working patterns, mentor profiles, mentor assignments and their meetings.

Adds tables alone, so that the code before it works on. Imports nothing from ``app``.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TENANT_TABLES = ("work_pattern", "mentor_profile", "mentor_assignment", "mentor_meeting")


def _person(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organisation_id", column],
        ["employee.organisation_id", "employee.id"],
        name=op.f(f"fk_{table}_organisation_id_{column}"),
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "work_pattern",
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column("languages", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("hours", postgresql.JSONB(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        _person("work_pattern", "employee_id"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_work_pattern")),
        sa.UniqueConstraint("organisation_id", "employee_id", name=op.f("uq_work_pattern_organisation_id_employee_id")),
    )
    op.create_table(
        "mentor_profile",
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("pillars", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("languages", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column("hours", postgresql.JSONB(), nullable=True),
        sa.Column("accepting", sa.Boolean(), nullable=False),
        sa.Column("about", sa.Text(), nullable=True),
        sa.Column("starting_values", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("cardinality(pillars) > 0", name=op.f("ck_mentor_profile_pillars")),
        sa.CheckConstraint("capacity BETWEEN 0 AND 50", name=op.f("ck_mentor_profile_capacity")),
        _person("mentor_profile", "employee_id"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_mentor_profile")),
        sa.UniqueConstraint(
            "organisation_id", "employee_id", name=op.f("uq_mentor_profile_organisation_id_employee_id")
        ),
    )
    op.create_table(
        "mentor_assignment",
        sa.Column("mentor_id", sa.Uuid(), nullable=False),
        sa.Column("mentee_id", sa.Uuid(), nullable=False),
        sa.Column("requested_by_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("focus_pillars", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("rationale", sa.Text(), nullable=True),
        sa.Column("reasons", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("agreed_cadence_days", sa.Integer(), nullable=False),
        sa.Column("later_cadence_days", sa.Integer(), nullable=True),
        sa.Column("planned_sessions", sa.Integer(), nullable=False),
        sa.Column("starting_values", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=True),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("mentee_agreed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("mentor_agreed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("answer_due_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("activated_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("paused_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("resumed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("paused_because", sa.Text(), nullable=True),
        sa.Column("away_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("closed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("ended_reason", sa.Text(), nullable=True),
        sa.Column("last_met_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("meetings_held", sa.Integer(), nullable=False),
        sa.Column("next_planned_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("meeting_due_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("health", sa.Text(), nullable=True),
        sa.Column("flagged_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("due_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "state IN ('proposed', 'active', 'paused', 'declined', 'expired', 'completed', 'ended_early')",
            name=op.f("ck_mentor_assignment_state"),
        ),
        sa.CheckConstraint("kind IN ('ongoing', 'one_off')", name=op.f("ck_mentor_assignment_kind")),
        sa.CheckConstraint("health IN ('amber', 'red')", name=op.f("ck_mentor_assignment_health")),
        sa.CheckConstraint(
            "paused_because IN ('asked', 'person_inactive')", name=op.f("ck_mentor_assignment_paused_because")
        ),
        sa.CheckConstraint("mentor_id <> mentee_id", name=op.f("ck_mentor_assignment_own_mentor")),
        sa.CheckConstraint("cardinality(focus_pillars) > 0", name=op.f("ck_mentor_assignment_focus_pillars")),
        sa.CheckConstraint(
            "agreed_cadence_days BETWEEN 1 AND 366", name=op.f("ck_mentor_assignment_agreed_cadence_days")
        ),
        sa.CheckConstraint(
            "later_cadence_days BETWEEN 1 AND 366", name=op.f("ck_mentor_assignment_later_cadence_days")
        ),
        sa.CheckConstraint("planned_sessions BETWEEN 1 AND 100", name=op.f("ck_mentor_assignment_planned_sessions")),
        sa.CheckConstraint("ends_on >= starts_on", name=op.f("ck_mentor_assignment_period")),
        sa.CheckConstraint("health IS NULL OR state = 'active'", name=op.f("ck_mentor_assignment_health_while_active")),
        sa.CheckConstraint(
            "(state = 'paused') = (paused_because IS NOT NULL)", name=op.f("ck_mentor_assignment_why_paused")
        ),
        _person("mentor_assignment", "mentor_id"),
        _person("mentor_assignment", "mentee_id"),
        _person("mentor_assignment", "requested_by_id"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_mentor_assignment")),
    )
    op.create_index(
        "uq_mentor_assignment_open_pair",
        "mentor_assignment",
        ["organisation_id", "mentor_id", "mentee_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('proposed', 'active', 'paused')"),
    )
    op.create_index("ix_mentor_assignment_mentor", "mentor_assignment", ["organisation_id", "mentor_id"], unique=False)
    op.create_index("ix_mentor_assignment_mentee", "mentor_assignment", ["organisation_id", "mentee_id"], unique=False)
    op.create_index(
        "ix_mentor_assignment_due_at",
        "mentor_assignment",
        ["organisation_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_table(
        "mentor_meeting",
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("mentor_id", sa.Uuid(), nullable=False),
        sa.Column("mentee_id", sa.Uuid(), nullable=False),
        sa.Column("noted_by_id", sa.Uuid(), nullable=False),
        sa.Column("met_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("duration_seconds", sa.Integer(), nullable=True),
        sa.Column("next_planned_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("withdrawn_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('recorded', 'withdrawn')", name=op.f("ck_mentor_meeting_state")),
        sa.CheckConstraint("duration_seconds BETWEEN 60 AND 86400", name=op.f("ck_mentor_meeting_duration_seconds")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "assignment_id"],
            ["mentor_assignment.organisation_id", "mentor_assignment.id"],
            name=op.f("fk_mentor_meeting_organisation_id_assignment_id"),
        ),
        _person("mentor_meeting", "mentor_id"),
        _person("mentor_meeting", "mentee_id"),
        _person("mentor_meeting", "noted_by_id"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_mentor_meeting")),
    )
    op.create_index(
        "ix_mentor_meeting_assignment",
        "mentor_meeting",
        ["organisation_id", "assignment_id", "met_at", "id"],
        unique=False,
    )
    for table in TENANT_TABLES:
        op.execute(f"SELECT protect_tenant_table('{table}')")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in reversed(TENANT_TABLES):
        op.drop_table(table)
