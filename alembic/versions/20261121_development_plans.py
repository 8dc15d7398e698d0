"""Development plans with their goals, progress updates and reviews, and goal templates.

Adds tables alone, so that the code before it works on. Imports nothing from ``app``.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TENANT_TABLES = ("development_plan", "goal", "goal_template", "progress_update", "review", "review_action")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "goal_template",
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("pillars", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("baseline", sa.Double(), nullable=True),
        sa.Column("target", sa.Double(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("why_it_matters", sa.Text(), nullable=True),
        sa.Column("how_to_reach_it", sa.Text(), nullable=True),
        sa.Column("if_then", sa.Text(), nullable=True),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("due_in_days", sa.Integer(), nullable=True),
        sa.Column("update_every_days", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('count', 'percent', 'scale', 'duration', 'binary')", name=op.f("ck_goal_template_kind")
        ),
        sa.CheckConstraint("priority IN ('high', 'medium', 'low')", name=op.f("ck_goal_template_priority")),
        sa.CheckConstraint("state IN ('active', 'archived')", name=op.f("ck_goal_template_state")),
        sa.CheckConstraint("cardinality(pillars) > 0", name=op.f("ck_goal_template_pillars")),
        sa.CheckConstraint("due_in_days BETWEEN 1 AND 1830", name=op.f("ck_goal_template_due_in_days")),
        sa.CheckConstraint("update_every_days BETWEEN 1 AND 366", name=op.f("ck_goal_template_update_every_days")),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_goal_template")),
    )
    op.create_index("ix_goal_template_pillars", "goal_template", ["pillars"], unique=False, postgresql_using="gin")
    op.create_table(
        "development_plan",
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("proposed_by_id", sa.Uuid(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=True),
        sa.Column("agreed_support", sa.Text(), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("next_review_on", sa.Date(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "state IN ('proposed', 'draft', 'active', 'in_review', 'completed', 'abandoned', 'declined', 'archived')",
            name=op.f("ck_development_plan_state"),
        ),
        sa.CheckConstraint("ends_on > starts_on", name=op.f("ck_development_plan_period")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "employee_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_development_plan_organisation_id_employee_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "proposed_by_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_development_plan_organisation_id_proposed_by_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_development_plan")),
    )
    op.create_index(
        "ix_development_plan_employee",
        "development_plan",
        ["organisation_id", "employee_id", "starts_on"],
        unique=False,
    )
    op.create_index("ix_development_plan_starts_on", "development_plan", ["organisation_id", "starts_on"], unique=False)
    op.create_table(
        "goal",
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=True),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("template_id", sa.Uuid(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("pillars", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("baseline", sa.Double(), nullable=True),
        sa.Column("target", sa.Double(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("why_it_matters", sa.Text(), nullable=True),
        sa.Column("how_to_reach_it", sa.Text(), nullable=True),
        sa.Column("if_then", sa.Text(), nullable=True),
        sa.Column("confidence", sa.Integer(), nullable=True),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("update_every_days", sa.Integer(), nullable=True),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("health", sa.Text(), nullable=True),
        sa.Column("update_due_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("activated_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("closed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(state = 'active') = (health IS NOT NULL)", name=op.f("ck_goal_health_while_active")),
        sa.CheckConstraint(
            "health IN ('not_updated', 'on_track', 'at_risk', 'off_track')", name=op.f("ck_goal_health")
        ),
        sa.CheckConstraint("kind IN ('count', 'percent', 'scale', 'duration', 'binary')", name=op.f("ck_goal_kind")),
        sa.CheckConstraint("priority IN ('high', 'medium', 'low')", name=op.f("ck_goal_priority")),
        sa.CheckConstraint(
            "state IN ('draft', 'active', 'achieved', 'missed', 'abandoned')", name=op.f("ck_goal_state")
        ),
        sa.CheckConstraint("confidence BETWEEN 1 AND 5", name=op.f("ck_goal_confidence")),
        sa.CheckConstraint("parent_id <> id", name=op.f("ck_goal_own_parent")),
        sa.CheckConstraint("update_every_days BETWEEN 1 AND 366", name=op.f("ck_goal_update_every_days")),
        sa.CheckConstraint("weight BETWEEN 1 AND 100", name=op.f("ck_goal_weight")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "employee_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_goal_organisation_id_employee_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "parent_id"],
            ["goal.organisation_id", "goal.id"],
            name=op.f("fk_goal_organisation_id_parent_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "plan_id"],
            ["development_plan.organisation_id", "development_plan.id"],
            name=op.f("fk_goal_organisation_id_plan_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "template_id"],
            ["goal_template.organisation_id", "goal_template.id"],
            name=op.f("fk_goal_organisation_id_template_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_goal")),
    )
    op.create_index("ix_goal_employee", "goal", ["organisation_id", "employee_id"], unique=False)
    op.create_index(
        "ix_goal_parent",
        "goal",
        ["organisation_id", "parent_id"],
        unique=False,
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.create_index("ix_goal_pillars", "goal", ["pillars"], unique=False, postgresql_using="gin")
    op.create_index("ix_goal_plan", "goal", ["organisation_id", "plan_id"], unique=False)
    op.create_index(
        "ix_goal_template",
        "goal",
        ["organisation_id", "template_id"],
        unique=False,
        postgresql_where=sa.text("template_id IS NOT NULL"),
    )
    op.create_index(
        "ix_goal_update_due_at",
        "goal",
        ["organisation_id", "update_due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'active' AND health <> 'not_updated'"),
    )
    op.create_table(
        "review",
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("reviewer_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("held_on", sa.Date(), nullable=True),
        sa.Column("shown_when", sa.Text(), nullable=False),
        sa.Column("self_part", sa.Text(), nullable=True),
        sa.Column("self_shared_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("reviewer_part", sa.Text(), nullable=True),
        sa.Column("reviewer_shared_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("completed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('one_to_one', 'appraisal')", name=op.f("ck_review_kind")),
        sa.CheckConstraint("shown_when IN ('each_shared', 'both_shared')", name=op.f("ck_review_shown_when")),
        sa.CheckConstraint("state IN ('open', 'completed')", name=op.f("ck_review_state")),
        sa.CheckConstraint("reviewer_id <> employee_id", name=op.f("ck_review_own_reviewer")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "employee_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_review_organisation_id_employee_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "plan_id"],
            ["development_plan.organisation_id", "development_plan.id"],
            name=op.f("fk_review_organisation_id_plan_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "reviewer_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_review_organisation_id_reviewer_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_review")),
    )
    op.create_index("ix_review_employee", "review", ["organisation_id", "employee_id"], unique=False)
    op.create_index("ix_review_plan", "review", ["organisation_id", "plan_id"], unique=False)
    op.create_table(
        "progress_update",
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("goal_id", sa.Uuid(), nullable=False),
        sa.Column("recorded_by_id", sa.Uuid(), nullable=False),
        sa.Column("as_of", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("health", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("confidence", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("withdrawn_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "health IN ('not_updated', 'on_track', 'at_risk', 'off_track')", name=op.f("ck_progress_update_health")
        ),
        sa.CheckConstraint("state IN ('recorded', 'withdrawn')", name=op.f("ck_progress_update_state")),
        sa.CheckConstraint("confidence BETWEEN 1 AND 5", name=op.f("ck_progress_update_confidence")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "employee_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_progress_update_organisation_id_employee_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "goal_id"],
            ["goal.organisation_id", "goal.id"],
            name=op.f("fk_progress_update_organisation_id_goal_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "recorded_by_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_progress_update_organisation_id_recorded_by_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_progress_update")),
    )
    op.create_index(
        "ix_progress_update_goal", "progress_update", ["organisation_id", "goal_id", "as_of", "id"], unique=False
    )
    op.create_table(
        "review_action",
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("review_id", sa.Uuid(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("goal_id", sa.Uuid(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "employee_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_review_action_organisation_id_employee_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "goal_id"],
            ["goal.organisation_id", "goal.id"],
            name=op.f("fk_review_action_organisation_id_goal_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "review_id"],
            ["review.organisation_id", "review.id"],
            name=op.f("fk_review_action_organisation_id_review_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_review_action")),
    )
    op.create_index("ix_review_action_review", "review_action", ["organisation_id", "review_id"], unique=False)
    for table in TENANT_TABLES:
        op.execute(f"SELECT protect_tenant_table('{table}')")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("review_action")
    op.drop_table("progress_update")
    op.drop_table("review")
    op.drop_table("goal")
    op.drop_table("development_plan")
    op.drop_table("goal_template")
