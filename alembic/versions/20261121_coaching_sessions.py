"""Coaching sessions, their attendees and series.

Adds tables alone, so that the code before it works on. Imports nothing from ``app``.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TENANT_TABLES = ("coaching_session", "session_attendee", "session_booking", "session_link", "session_series")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "session_series",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("coach_id", sa.Uuid(), nullable=False),
        sa.Column("requested_by_id", sa.Uuid(), nullable=True),
        sa.Column("rrule", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("duration_seconds", sa.Integer(), nullable=False),
        sa.Column("until_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('one_to_one', 'group', 'debrief', 'coach_the_coach', 'peer')", name=op.f("ck_session_series_kind")
        ),
        sa.CheckConstraint("state IN ('active', 'ended')", name=op.f("ck_session_series_state")),
        sa.CheckConstraint("duration_seconds BETWEEN 300 AND 43200", name=op.f("ck_session_series_duration")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "coach_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_session_series_organisation_id_coach_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "requested_by_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_session_series_organisation_id_requested_by_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_session_series")),
    )
    op.create_index("ix_session_series_coach", "session_series", ["organisation_id", "coach_id"], unique=False)
    op.create_index(
        "ix_session_series_requested_by", "session_series", ["organisation_id", "requested_by_id"], unique=False
    )
    op.create_table(
        "coaching_session",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("agenda", sa.Text(), nullable=True),
        sa.Column("pillars", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("coach_id", sa.Uuid(), nullable=True),
        sa.Column("requested_by_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("ends_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("meeting_url", sa.Text(), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("series_id", sa.Uuid(), nullable=True),
        sa.Column("occurrence_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("prompt_id", sa.Uuid(), nullable=True),
        sa.Column("signal_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("scheduled_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("started_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("completed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("acknowledged_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("closed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "sorts_at",
            sa.TIMESTAMP(timezone=True),
            sa.Computed("coalesce(starts_at, created_at)", persisted=True),
            nullable=False,
        ),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "ends_at > starts_at AND ends_at - starts_at <= interval '12 hours'",
            name=op.f("ck_coaching_session_length"),
        ),
        sa.CheckConstraint(
            "kind IN ('one_to_one', 'group', 'debrief', 'coach_the_coach', 'peer')",
            name=op.f("ck_coaching_session_kind"),
        ),
        sa.CheckConstraint(
            "state IN ('requested', 'declined', 'cancelled') OR (starts_at IS NOT NULL AND coach_id IS NOT NULL)",
            name=op.f("ck_coaching_session_settled"),
        ),
        sa.CheckConstraint(
            "state IN ('requested', 'scheduled', 'declined', 'in_progress', 'completed', 'acknowledged', 'cancelled', 'no_show')",
            name=op.f("ck_coaching_session_state"),
        ),
        sa.CheckConstraint(
            "(series_id IS NULL) = (occurrence_at IS NULL)", name=op.f("ck_coaching_session_occurrence")
        ),
        sa.CheckConstraint("(starts_at IS NULL) = (ends_at IS NULL)", name=op.f("ck_coaching_session_both_times")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "coach_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_coaching_session_organisation_id_coach_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "prompt_id"],
            ["support_prompt.organisation_id", "support_prompt.id"],
            name=op.f("fk_coaching_session_organisation_id_prompt_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "requested_by_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_coaching_session_organisation_id_requested_by_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "series_id"],
            ["session_series.organisation_id", "session_series.id"],
            name=op.f("fk_coaching_session_organisation_id_series_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "signal_id"],
            ["strain_signal.organisation_id", "strain_signal.id"],
            name=op.f("fk_coaching_session_organisation_id_signal_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_coaching_session")),
        sa.UniqueConstraint(
            "organisation_id",
            "series_id",
            "occurrence_at",
            name=op.f("uq_coaching_session_organisation_id_series_id_occurrence_at"),
        ),
    )
    op.create_index(
        "ix_coaching_session_coach", "coaching_session", ["organisation_id", "coach_id", "starts_at"], unique=False
    )
    op.create_index(
        "ix_coaching_session_pillars", "coaching_session", ["pillars"], unique=False, postgresql_using="gin"
    )
    op.create_index(
        "ix_coaching_session_requested_by", "coaching_session", ["organisation_id", "requested_by_id"], unique=False
    )
    op.create_index(
        "ix_coaching_session_sorts_at", "coaching_session", ["organisation_id", "sorts_at", "id"], unique=False
    )
    op.create_index(
        "uq_coaching_session_prompt",
        "coaching_session",
        ["organisation_id", "prompt_id"],
        unique=True,
        postgresql_where=sa.text("prompt_id IS NOT NULL AND state NOT IN ('declined', 'cancelled', 'no_show')"),
    )
    op.create_table(
        "session_attendee",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("answer_note", sa.Text(), nullable=True),
        sa.Column("answered_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("attended", sa.Boolean(), nullable=True),
        sa.Column("acknowledged_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("removed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "answer IN ('needs_action', 'accepted', 'declined', 'tentative')", name=op.f("ck_session_attendee_answer")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "employee_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_session_attendee_organisation_id_employee_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "session_id"],
            ["coaching_session.organisation_id", "coaching_session.id"],
            name=op.f("fk_session_attendee_organisation_id_session_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_session_attendee")),
        sa.UniqueConstraint(
            "organisation_id",
            "session_id",
            "employee_id",
            name=op.f("uq_session_attendee_organisation_id_session_id_employee_id"),
        ),
    )
    op.create_index(
        "ix_session_attendee_employee", "session_attendee", ["organisation_id", "employee_id"], unique=False
    )
    op.create_table(
        "session_link",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("goal_id", sa.Uuid(), nullable=True),
        sa.Column("call_event_id", sa.Uuid(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(goal_id IS NULL) <> (call_event_id IS NULL)", name=op.f("ck_session_link_one_target")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "call_event_id"],
            ["call_event.organisation_id", "call_event.id"],
            name=op.f("fk_session_link_organisation_id_call_event_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "employee_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_session_link_organisation_id_employee_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "goal_id"],
            ["goal.organisation_id", "goal.id"],
            name=op.f("fk_session_link_organisation_id_goal_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "session_id"],
            ["coaching_session.organisation_id", "coaching_session.id"],
            name=op.f("fk_session_link_organisation_id_session_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_session_link")),
    )
    op.create_index("ix_session_link_call_event", "session_link", ["organisation_id", "call_event_id"], unique=False)
    op.create_index("ix_session_link_goal", "session_link", ["organisation_id", "goal_id"], unique=False)
    op.create_index(
        "uq_session_link_call_event",
        "session_link",
        ["organisation_id", "session_id", "call_event_id"],
        unique=True,
        postgresql_where=sa.text("call_event_id IS NOT NULL"),
    )
    op.create_index(
        "uq_session_link_goal",
        "session_link",
        ["organisation_id", "session_id", "goal_id"],
        unique=True,
        postgresql_where=sa.text("goal_id IS NOT NULL"),
    )
    op.create_table(
        "session_booking",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ends_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_session_booking_length")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "employee_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_session_booking_organisation_id_employee_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "session_id"],
            ["coaching_session.organisation_id", "coaching_session.id"],
            name=op.f("fk_session_booking_organisation_id_session_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "employee_id", "starts_at", name=op.f("pk_session_booking")),
        sa.UniqueConstraint(
            "organisation_id",
            "session_id",
            "employee_id",
            name=op.f("uq_session_booking_organisation_id_session_id_employee_id"),
        ),
    )
    for table in TENANT_TABLES:
        op.execute(f"SELECT protect_tenant_table('{table}')")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("session_booking")
    op.drop_table("session_link")
    op.drop_table("session_attendee")
    op.drop_table("coaching_session")
    op.drop_table("session_series")
