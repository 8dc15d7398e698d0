"""Notes, actions and feedback of coaching sessions, and calendar feeds.

Adds tables alone, so that the code before it works on. Imports nothing from ``app``.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TENANT_TABLES = ("session_note", "session_note_copy", "session_action", "session_feedback", "calendar_feed")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "session_note",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("visibility", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("withdrawn_at", sa.TIMESTAMP(timezone=True), nullable=True),
        *_keys(),
        *_versions(),
        sa.CheckConstraint(
            "visibility IN ('private_to_author', 'shared_with_attendees')", name=op.f("ck_session_note_visibility")
        ),
        sa.CheckConstraint("state IN ('written', 'withdrawn')", name=op.f("ck_session_note_state")),
        sa.CheckConstraint(
            "(state = 'withdrawn') = (withdrawn_at IS NOT NULL)", name=op.f("ck_session_note_withdrawn")
        ),
        _refers("session_note", "coaching_session", "session_id"),
        _refers("session_note", "employee", "author_id"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_session_note")),
    )
    op.create_index("ix_session_note_session", "session_note", ["organisation_id", "session_id"], unique=False)
    op.create_index("ix_session_note_author", "session_note", ["organisation_id", "author_id"], unique=False)
    op.create_table(
        "session_note_copy",
        sa.Column("note_id", sa.Uuid(), nullable=False),
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        *_keys(),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        _refers("session_note_copy", "session_note", "note_id"),
        _refers("session_note_copy", "employee", "employee_id"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_session_note_copy")),
        sa.UniqueConstraint(
            "organisation_id",
            "note_id",
            "employee_id",
            name=op.f("uq_session_note_copy_organisation_id_note_id_employee_id"),
        ),
    )
    op.create_index(
        "ix_session_note_copy_employee", "session_note_copy", ["organisation_id", "employee_id"], unique=False
    )
    op.create_table(
        "session_action",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("agreed_by_id", sa.Uuid(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("done_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("done_by_id", sa.Uuid(), nullable=True),
        sa.Column("goal_id", sa.Uuid(), nullable=True),
        *_keys(),
        *_versions(),
        sa.CheckConstraint("state IN ('open', 'done', 'dropped')", name=op.f("ck_session_action_state")),
        sa.CheckConstraint("(state = 'done') = (done_at IS NOT NULL)", name=op.f("ck_session_action_done_at")),
        sa.CheckConstraint("(done_at IS NULL) = (done_by_id IS NULL)", name=op.f("ck_session_action_done_by")),
        _refers("session_action", "coaching_session", "session_id"),
        _refers("session_action", "employee", "employee_id"),
        _refers("session_action", "employee", "agreed_by_id"),
        _refers("session_action", "employee", "done_by_id"),
        _refers("session_action", "goal", "goal_id"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_session_action")),
    )
    op.create_index("ix_session_action_session", "session_action", ["organisation_id", "session_id"], unique=False)
    op.create_index("ix_session_action_employee", "session_action", ["organisation_id", "employee_id"], unique=False)
    op.create_index(
        "ix_session_action_goal",
        "session_action",
        ["organisation_id", "goal_id"],
        unique=False,
        postgresql_where=sa.text("goal_id IS NOT NULL"),
    )
    op.create_table(
        "session_feedback",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("coach_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("rating", sa.Integer(), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=True),
        *_keys(),
        *_versions(),
        sa.CheckConstraint(
            "kind IN ('one_to_one', 'group', 'debrief', 'coach_the_coach', 'peer')",
            name=op.f("ck_session_feedback_kind"),
        ),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name=op.f("ck_session_feedback_rating")),
        _refers("session_feedback", "coaching_session", "session_id"),
        _refers("session_feedback", "employee", "employee_id"),
        _refers("session_feedback", "employee", "coach_id"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_session_feedback")),
        sa.UniqueConstraint(
            "organisation_id",
            "session_id",
            "employee_id",
            name=op.f("uq_session_feedback_organisation_id_session_id_employee_id"),
        ),
    )
    for column in ("employee", "coach", "created_at"):
        key = column if column == "created_at" else f"{column}_id"
        op.create_index(f"ix_session_feedback_{column}", "session_feedback", ["organisation_id", key], unique=False)
    op.create_table(
        "calendar_feed",
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("show_subject", sa.Boolean(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("last_four", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("rotated_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.TIMESTAMP(timezone=True), nullable=True),
        *_keys(),
        *_versions(),
        sa.CheckConstraint("state IN ('active', 'revoked')", name=op.f("ck_calendar_feed_state")),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_calendar_feed_digest")),
        sa.CheckConstraint("(state = 'revoked') = (revoked_at IS NOT NULL)", name=op.f("ck_calendar_feed_revoked")),
        _refers("calendar_feed", "employee", "employee_id"),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_calendar_feed")),
        sa.UniqueConstraint("organisation_id", "digest", name=op.f("uq_calendar_feed_organisation_id_digest")),
    )
    op.create_index("ix_calendar_feed_employee", "calendar_feed", ["organisation_id", "employee_id"], unique=False)
    for table in TENANT_TABLES:
        op.execute(f"SELECT protect_tenant_table('{table}')")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("calendar_feed")
    op.drop_table("session_feedback")
    op.drop_table("session_action")
    op.drop_table("session_note_copy")
    op.drop_table("session_note")


def _keys() -> tuple[sa.Column, ...]:
    return (
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
    )


def _versions() -> tuple[sa.Column, ...]:
    return (
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
    )


def _refers(table: str, target: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organisation_id", column],
        [f"{target}.organisation_id", f"{target}.id"],
        name=op.f(f"fk_{table}_organisation_id_{column}"),
    )
