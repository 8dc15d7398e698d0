"""EAP providers, their services, referrals and consents.

Adds tables, and to the organisation a column with a default, so that the code before it works on. Imports nothing from
``app``.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TENANT_TABLES = (
    "eap_provider",
    "eap_service",
    "eap_provider_client",
    "eap_submission",
    "eap_referral",
    "eap_case",
    "eap_step",
    "consent_text",
    "eap_consent",
    "eap_count",
)
INSERT_ONLY = ("eap_step", "consent_text", "eap_consent")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column(
        "organisation", sa.Column("public_eap_directory", sa.Boolean(), server_default=sa.text("true"), nullable=False)
    )
    op.create_table(
        "eap_provider",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("phones", JSONB(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("assured_on", sa.Date(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status IN ('active', 'inactive', 'defunct', 'temporarily_closed')", name=op.f("ck_eap_provider_status")
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_eap_provider")),
        sa.UniqueConstraint("organisation_id", "name_key", name=op.f("uq_eap_provider_organisation_id_name_key")),
    )
    op.create_table(
        "eap_service",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("channels", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("languages", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("always_open", sa.Boolean(), nullable=False),
        sa.Column("opening_hours", JSONB(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("sessions_included", sa.Integer(), nullable=True),
        sa.Column("confidentiality_statement", sa.Text(), nullable=False),
        sa.Column("eligibility", sa.Text(), nullable=True),
        sa.Column("crisis_line", sa.Boolean(), nullable=False),
        sa.Column("phones", JSONB(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("assured_on", sa.Date(), nullable=True),
        sa.Column("routine_seconds", sa.Integer(), nullable=False),
        sa.Column("soon_seconds", sa.Integer(), nullable=False),
        sa.Column("urgent_seconds", sa.Integer(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("basis_label", sa.Text(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "basis_label IN ('judgement', 'evidence', 'guidance')", name=op.f("ck_eap_service_basis_label")
        ),
        sa.CheckConstraint(
            "status IN ('active', 'inactive', 'defunct', 'temporarily_closed')", name=op.f("ck_eap_service_status")
        ),
        sa.CheckConstraint(
            "0 < urgent_seconds AND urgent_seconds <= soon_seconds AND soon_seconds <= routine_seconds",
            name=op.f("ck_eap_service_first_contact"),
        ),
        sa.CheckConstraint("cardinality(channels) > 0", name=op.f("ck_eap_service_channels")),
        sa.CheckConstraint("sessions_included >= 0", name=op.f("ck_eap_service_sessions_included")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "provider_id"],
            ["eap_provider.organisation_id", "eap_provider.id"],
            name=op.f("fk_eap_service_organisation_id_provider_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_eap_service")),
    )
    op.create_index("ix_eap_service_provider", "eap_service", ["organisation_id", "provider_id"], unique=False)
    op.create_table(
        "eap_provider_client",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "client_id"],
            ["client.organisation_id", "client.id"],
            name=op.f("fk_eap_provider_client_organisation_id_client_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "provider_id"],
            ["eap_provider.organisation_id", "eap_provider.id"],
            name=op.f("fk_eap_provider_client_organisation_id_provider_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_eap_provider_client")),
        sa.UniqueConstraint(
            "organisation_id", "client_id", name=op.f("uq_eap_provider_client_organisation_id_client_id")
        ),
    )
    op.create_index(
        "ix_eap_provider_client_provider", "eap_provider_client", ["organisation_id", "provider_id"], unique=False
    )
    op.create_table(
        "eap_submission",
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("referred_by_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("proposed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(state = 'proposed') = (proposed_at IS NOT NULL)", name=op.f("ck_eap_submission_proposed_at")
        ),
        sa.CheckConstraint("kind IN ('suggested', 'management')", name=op.f("ck_eap_submission_kind")),
        sa.CheckConstraint("state IN ('draft', 'proposed')", name=op.f("ck_eap_submission_state")),
        sa.CheckConstraint("referred_by_id <> employee_id", name=op.f("ck_eap_submission_own_referrer")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "employee_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_eap_submission_organisation_id_employee_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "referred_by_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_eap_submission_organisation_id_referred_by_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_eap_submission")),
    )
    op.create_index("ix_eap_submission_employee", "eap_submission", ["organisation_id", "employee_id"], unique=False)
    op.create_index(
        "ix_eap_submission_referred_by", "eap_submission", ["organisation_id", "referred_by_id"], unique=False
    )
    op.create_table(
        "eap_referral",
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("submission_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("urgency", sa.Text(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=True),
        sa.Column("provider_id", sa.Uuid(), nullable=True),
        sa.Column("coordinator_id", sa.Uuid(), nullable=True),
        sa.Column("note", sa.LargeBinary(), nullable=True),
        sa.Column("contact", sa.LargeBinary(), nullable=True),
        sa.Column("requested_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("first_contact_due_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("first_contact_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("closed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("sessions_used", sa.Integer(), nullable=False),
        sa.Column("sessions_included", sa.Integer(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(kind = 'self') = (submission_id IS NULL)", name=op.f("ck_eap_referral_submission")),
        sa.CheckConstraint("kind IN ('self', 'suggested', 'management')", name=op.f("ck_eap_referral_kind")),
        sa.CheckConstraint(
            "state IN ('draft', 'proposed', 'declined_by_employee', 'requested', 'accepted', 'rejected', 'in_progress', 'on_hold', 'completed', 'failed', 'cancelled')",
            name=op.f("ck_eap_referral_state"),
        ),
        sa.CheckConstraint("urgency IN ('routine', 'soon', 'urgent')", name=op.f("ck_eap_referral_urgency")),
        sa.CheckConstraint("coordinator_id <> employee_id", name=op.f("ck_eap_referral_own_coordinator")),
        sa.CheckConstraint("sessions_used >= 0", name=op.f("ck_eap_referral_sessions_used")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "coordinator_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_eap_referral_organisation_id_coordinator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "employee_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_eap_referral_organisation_id_employee_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "provider_id"],
            ["eap_provider.organisation_id", "eap_provider.id"],
            name=op.f("fk_eap_referral_organisation_id_provider_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "service_id"],
            ["eap_service.organisation_id", "eap_service.id"],
            name=op.f("fk_eap_referral_organisation_id_service_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "submission_id"],
            ["eap_submission.organisation_id", "eap_submission.id"],
            name=op.f("fk_eap_referral_organisation_id_submission_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_eap_referral")),
        sa.UniqueConstraint(
            "organisation_id", "submission_id", name=op.f("uq_eap_referral_organisation_id_submission_id")
        ),
    )
    op.create_index("ix_eap_referral_coordinator", "eap_referral", ["organisation_id", "coordinator_id"], unique=False)
    op.create_index("ix_eap_referral_employee", "eap_referral", ["organisation_id", "employee_id"], unique=False)
    op.create_index("ix_eap_referral_requested_at", "eap_referral", ["organisation_id", "requested_at"], unique=False)
    op.create_table(
        "eap_case",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.Uuid(), nullable=False),
        sa.Column("referral_id", sa.Uuid(), nullable=False),
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("urgency", sa.Text(), nullable=False),
        sa.Column("first_contact_due_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("first_contact_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("closed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("sessions_used", sa.Integer(), nullable=False),
        sa.Column("sessions_included", sa.Integer(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "state IN ('requested', 'accepted', 'rejected', 'in_progress', 'on_hold', 'completed', 'failed', 'cancelled')",
            name=op.f("ck_eap_case_state"),
        ),
        sa.CheckConstraint("urgency IN ('routine', 'soon', 'urgent')", name=op.f("ck_eap_case_urgency")),
        sa.CheckConstraint("sessions_used >= 0", name=op.f("ck_eap_case_sessions_used")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "employee_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_eap_case_organisation_id_employee_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "provider_id"],
            ["eap_provider.organisation_id", "eap_provider.id"],
            name=op.f("fk_eap_case_organisation_id_provider_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "referral_id"],
            ["eap_referral.organisation_id", "eap_referral.id"],
            name=op.f("fk_eap_case_organisation_id_referral_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "service_id"],
            ["eap_service.organisation_id", "eap_service.id"],
            name=op.f("fk_eap_case_organisation_id_service_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_eap_case")),
        sa.UniqueConstraint("organisation_id", "reference", name=op.f("uq_eap_case_organisation_id_reference")),
        sa.UniqueConstraint("organisation_id", "referral_id", name=op.f("uq_eap_case_organisation_id_referral_id")),
    )
    op.create_index("ix_eap_case_provider", "eap_case", ["organisation_id", "provider_id"], unique=False)
    op.create_table(
        "eap_step",
        sa.Column("referral_id", sa.Uuid(), nullable=False),
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("taken_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=True),
        sa.Column("recorded_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "state IN ('draft', 'proposed', 'declined_by_employee', 'requested', 'accepted', 'rejected', 'in_progress', 'on_hold', 'completed', 'failed', 'cancelled')",
            name=op.f("ck_eap_step_state"),
        ),
        sa.CheckConstraint(
            "taken_by IN ('employee', 'referrer', 'coordinator', 'provider')", name=op.f("ck_eap_step_taken_by")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "employee_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_eap_step_organisation_id_employee_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "referral_id"],
            ["eap_referral.organisation_id", "eap_referral.id"],
            name=op.f("fk_eap_step_organisation_id_referral_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_eap_step")),
    )
    op.create_index("ix_eap_step_referral", "eap_step", ["organisation_id", "referral_id", "id"], unique=False)
    op.create_table(
        "consent_text",
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("recipient IN ('provider', 'referrer')", name=op.f("ck_consent_text_recipient")),
        sa.CheckConstraint("version > 0", name=op.f("ck_consent_text_version")),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_consent_text")),
        sa.UniqueConstraint(
            "organisation_id",
            "recipient",
            "language",
            "version",
            name=op.f("uq_consent_text_organisation_id_recipient_language_version"),
        ),
    )
    op.create_table(
        "eap_consent",
        sa.Column("referral_id", sa.Uuid(), nullable=False),
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Uuid(), nullable=True),
        sa.Column("referrer_id", sa.Uuid(), nullable=True),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("text_id", sa.Uuid(), nullable=False),
        sa.Column("text_version", sa.Integer(), nullable=False),
        sa.Column("text_sha256", sa.Text(), nullable=False),
        sa.Column("given_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "(recipient = 'provider') = (provider_id IS NOT NULL)", name=op.f("ck_eap_consent_provider")
        ),
        sa.CheckConstraint(
            "(recipient = 'referrer') = (referrer_id IS NOT NULL)", name=op.f("ck_eap_consent_referrer")
        ),
        sa.CheckConstraint(
            "(recipient = 'provider') = (scope IN ('reference_only', 'name', 'name_and_contact'))",
            name=op.f("ck_eap_consent_scope_of_recipient"),
        ),
        sa.CheckConstraint("recipient IN ('provider', 'referrer')", name=op.f("ck_eap_consent_recipient")),
        sa.CheckConstraint(
            "scope IN ('reference_only', 'name', 'name_and_contact', 'none', 'contact_made', 'attendance', 'progress')",
            name=op.f("ck_eap_consent_scope"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "employee_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_eap_consent_organisation_id_employee_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "provider_id"],
            ["eap_provider.organisation_id", "eap_provider.id"],
            name=op.f("fk_eap_consent_organisation_id_provider_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "referral_id"],
            ["eap_referral.organisation_id", "eap_referral.id"],
            name=op.f("fk_eap_consent_organisation_id_referral_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "referrer_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_eap_consent_organisation_id_referrer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "text_id"],
            ["consent_text.organisation_id", "consent_text.id"],
            name=op.f("fk_eap_consent_organisation_id_text_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_eap_consent")),
        sa.UniqueConstraint(
            "organisation_id",
            "referral_id",
            "recipient",
            "number",
            name=op.f("uq_eap_consent_organisation_id_referral_id_recipient_number"),
        ),
    )
    op.create_table(
        "eap_count",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("service_area_id", sa.Uuid(), nullable=True),
        sa.Column("people", sa.Integer(), nullable=True),
        sa.Column("minimum", sa.Integer(), nullable=False),
        sa.Column("rounded_to", sa.Integer(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("minimum >= 10", name=op.f("ck_eap_count_minimum")),
        sa.CheckConstraint("people >= minimum AND mod(people, rounded_to) = 0", name=op.f("ck_eap_count_people")),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_eap_count")),
        sa.UniqueConstraint(
            "organisation_id",
            "month",
            "service_area_id",
            name=op.f("uq_eap_count_organisation_id_month_service_area_id"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    for table in TENANT_TABLES:
        op.execute(f"SELECT protect_tenant_table('{table}')")
    for table in INSERT_ONLY:
        op.execute(f"REVOKE UPDATE, DELETE ON {table} FROM ballast_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("eap_count")
    op.drop_table("eap_consent")
    op.drop_table("consent_text")
    op.drop_table("eap_step")
    op.drop_table("eap_case")
    op.drop_table("eap_referral")
    op.drop_table("eap_submission")
    op.drop_table("eap_provider_client")
    op.drop_table("eap_service")
    op.drop_table("eap_provider")
    op.drop_column("organisation", "public_eap_directory")
