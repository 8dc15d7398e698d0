"""The spine: organisations, people, the library, clients, call events, strain, and what is written beside a change.

Works with the code before it: there is none. Imports nothing from ``app``.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TENANT_TABLES = (
    "agent_alias",
    "audit_entry",
    "call_event",
    "call_event_receipt",
    "call_flag",
    "client",
    "client_key",
    "employee",
    "feed_counter",
    "idempotent_answer",
    "outcome_mapping",
    "outgoing_event",
    "pillar",
    "practice",
    "refused_call_event",
    "role_grant",
    "service_area",
    "source",
    "strain_rule",
    "strain_signal",
    "support_prompt",
    "team",
    "team_member",
    "unmapped_code",
)

# A plain expression, so that the policy is also one of a Citus schema.
TENANT = "nullif(current_setting(''app.organisation_id'', true), '''')::uuid"

FUNCTIONS = (
    """
    CREATE FUNCTION set_tenant(organisation uuid) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE format('SET LOCAL app.organisation_id = %L', organisation::text);
    END $$
    """,
    f"""
    CREATE FUNCTION protect_tenant_table(protected regclass, tenant_column name DEFAULT 'organisation_id')
    RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', protected);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', protected);
        EXECUTE format('CREATE POLICY tenant ON %s USING (%I = {TENANT}) WITH CHECK (%I = {TENANT})',
                       protected, tenant_column, tenant_column);
        EXECUTE format('CREATE POLICY owner ON %s TO CURRENT_USER USING (true) WITH CHECK (true)', protected);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO ballast_app', protected);
    END $$
    """,
    """
    CREATE FUNCTION authenticate_client(organisation uuid, key_digest bytea)
    RETURNS TABLE (id uuid, scopes text[]) LANGUAGE plpgsql AS $$
    #variable_conflict use_column
    BEGIN
        EXECUTE format('SET LOCAL app.organisation_id = %L', organisation::text);
        RETURN QUERY
            SELECT c.id, c.scopes FROM client_key k
            JOIN client c ON c.organisation_id = k.organisation_id AND c.id = k.client_id
            WHERE k.organisation_id = organisation AND k.digest = key_digest AND k.revoked_at IS NULL
              AND (k.expires_at IS NULL OR k.expires_at > now()) AND c.revoked_at IS NULL;
    END $$
    """,
    """
    CREATE FUNCTION authenticate_person(organisation uuid, attribute text, given text)
    RETURNS TABLE (id uuid, roles text[]) LANGUAGE plpgsql AS $$
    #variable_conflict use_column
    DECLARE
        person uuid[];
    BEGIN
        EXECUTE format('SET LOCAL app.organisation_id = %L', organisation::text);
        IF attribute = 'user_name' THEN
            person := ARRAY(SELECT e.id FROM employee e
                            WHERE e.organisation_id = organisation AND e.user_name_key = given AND e.active);
        ELSIF attribute = 'email' THEN
            person := ARRAY(SELECT e.id FROM employee e
                            WHERE e.organisation_id = organisation AND e.email_key = given AND e.active);
        ELSIF attribute = 'external_id' THEN
            person := ARRAY(SELECT e.id FROM employee e
                            WHERE e.organisation_id = organisation AND e.external_id = given AND e.active);
        ELSIF attribute = 'employee_number' THEN
            person := ARRAY(SELECT e.id FROM employee e
                            WHERE e.organisation_id = organisation AND e.employee_number = given AND e.active);
        END IF;
        RETURN QUERY
            SELECT found.id, ARRAY(SELECT g.role FROM role_grant g
                                   WHERE g.organisation_id = organisation AND g.employee_id = found.id
                                     AND g.state = 'active')
            FROM unnest(person) AS found (id);
    END $$
    """,
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "audit_entry",
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("recorded_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_audit_entry")),
        sa.UniqueConstraint("organisation_id", "number", name=op.f("uq_audit_entry_organisation_id_number")),
    )
    op.create_index(
        "ix_audit_entry_resource", "audit_entry", ["organisation_id", "resource", "resource_id"], unique=False
    )
    op.create_index("ix_audit_entry_since", "audit_entry", ["organisation_id", "resource", "number"], unique=False)
    op.create_index(
        "ix_audit_entry_unnumbered",
        "audit_entry",
        ["organisation_id", "id"],
        unique=False,
        postgresql_where=sa.text("number IS NULL"),
    )
    op.create_table(
        "call_event_receipt",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("call_event_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "source_id", "event_id", name=op.f("pk_call_event_receipt")),
    )
    op.create_table(
        "client",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("revoked_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_client")),
        sa.UniqueConstraint("organisation_id", "name", name=op.f("uq_client_organisation_id_name")),
    )
    op.create_table(
        "feed_counter",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "feed", name=op.f("pk_feed_counter")),
    )
    op.create_table(
        "idempotent_answer",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("key_digest", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", postgresql.JSONB(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "key_digest", name=op.f("pk_idempotent_answer")),
    )
    op.create_index(
        "ix_idempotent_answer_created_at", "idempotent_answer", ["organisation_id", "created_at"], unique=False
    )
    op.create_table(
        "organisation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("monitoring_purpose", sa.Text(), nullable=False),
        sa.Column("minimum_group_size", sa.Integer(), nullable=False),
        sa.Column("team_prompt_signals", sa.Integer(), nullable=False),
        sa.Column("team_prompt_days", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("minimum_group_size >= 5", name=op.f("ck_organisation_minimum_group_size")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisation")),
    )
    op.create_table(
        "organisation_directory",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('active', 'closed')", name=op.f("ck_organisation_directory_state")),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f("pk_organisation_directory")),
        sa.UniqueConstraint("slug", name=op.f("uq_organisation_directory_slug")),
    )
    op.create_index(
        "ix_organisation_directory_due_at",
        "organisation_directory",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_table(
        "outgoing_event",
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("occurred_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_outgoing_event")),
        sa.UniqueConstraint("organisation_id", "number", name=op.f("uq_outgoing_event_organisation_id_number")),
    )
    op.create_index(
        "ix_outgoing_event_unnumbered",
        "outgoing_event",
        ["organisation_id", "id"],
        unique=False,
        postgresql_where=sa.text("number IS NULL"),
    )
    op.create_table(
        "pillar",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("hidden", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("origin IN ('ballast', 'organisation')", name=op.f("ck_pillar_origin")),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_pillar")),
        sa.UniqueConstraint("organisation_id", "key", name=op.f("uq_pillar_organisation_id_key")),
    )
    op.create_table(
        "practice",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("hidden", sa.Boolean(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("how_to", sa.Text(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("when_it_helps", sa.Text(), nullable=False),
        sa.Column("moment", sa.Text(), server_default=sa.text("'any_time'"), nullable=False),
        sa.Column("pillars", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("caution", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("origin IN ('ballast', 'organisation')", name=op.f("ck_practice_origin")),
        sa.CheckConstraint("cardinality(pillars) > 0", name=op.f("ck_practice_pillars")),
        sa.CheckConstraint("minutes BETWEEN 1 AND 480", name=op.f("ck_practice_minutes")),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_practice")),
        sa.UniqueConstraint("organisation_id", "key", name=op.f("uq_practice_organisation_id_key")),
    )
    op.create_index("ix_practice_pillars", "practice", ["pillars"], unique=False, postgresql_using="gin")
    op.create_table(
        "service_area",
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_service_area")),
        sa.UniqueConstraint("organisation_id", "external_id", name=op.f("uq_service_area_organisation_id_external_id")),
        sa.UniqueConstraint("organisation_id", "name_key", name=op.f("uq_service_area_organisation_id_name_key")),
    )
    op.create_table(
        "strain_rule",
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("basis_label", sa.Text(), server_default=sa.text("'judgement'"), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("condition", postgresql.JSONB(), nullable=False),
        sa.Column("severity", postgresql.JSONB(), nullable=False),
        sa.Column("hard_severity", sa.Integer(), nullable=False),
        sa.Column("cooldown_seconds", sa.Integer(), nullable=False),
        sa.Column("service_area_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("prompt_kind", sa.Text(), nullable=False),
        sa.Column("prompt_minutes", sa.Integer(), nullable=True),
        sa.Column("prompt_expires_seconds", sa.Integer(), nullable=False),
        sa.Column("prompt_pillar", sa.Text(), nullable=True),
        sa.Column("retired_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "basis_label IN ('judgement', 'evidence', 'guidance')", name=op.f("ck_strain_rule_basis_label")
        ),
        sa.CheckConstraint(
            "prompt_kind IN ('break', 'debrief', 'mentor', 'practice', 'team_review')",
            name=op.f("ck_strain_rule_prompt_kind"),
        ),
        sa.CheckConstraint("cooldown_seconds >= 0", name=op.f("ck_strain_rule_cooldown")),
        sa.CheckConstraint("hard_severity BETWEEN 1 AND 10", name=op.f("ck_strain_rule_hard_severity")),
        sa.CheckConstraint("prompt_expires_seconds > 0", name=op.f("ck_strain_rule_prompt_expiry")),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_strain_rule")),
        sa.UniqueConstraint("organisation_id", "name_key", name=op.f("uq_strain_rule_organisation_id_name_key")),
    )
    op.create_table(
        "client_key",
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("last_four", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_client_key_digest")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "client_id"],
            ["client.organisation_id", "client.id"],
            name=op.f("fk_client_key_organisation_id_client_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_client_key")),
        sa.UniqueConstraint("organisation_id", "digest", name=op.f("uq_client_key_organisation_id_digest")),
    )
    op.create_index("ix_client_key_client", "client_key", ["organisation_id", "client_id"], unique=False)
    op.create_table(
        "employee",
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("user_name", sa.Text(), nullable=False),
        sa.Column("user_name_key", sa.Text(), nullable=False),
        sa.Column("employee_number", sa.Text(), nullable=True),
        sa.Column("given_name", sa.Text(), nullable=True),
        sa.Column("family_name", sa.Text(), nullable=True),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("email_key", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("department", sa.Text(), nullable=True),
        sa.Column("division", sa.Text(), nullable=True),
        sa.Column("cost_center", sa.Text(), nullable=True),
        sa.Column("employment_status", sa.Text(), nullable=True),
        sa.Column("locale", sa.Text(), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column("hired_on", sa.Date(), nullable=True),
        sa.Column("left_on", sa.Date(), nullable=True),
        sa.Column("manager_id", sa.Uuid(), nullable=True),
        sa.Column("manager_external_id", sa.Text(), nullable=True),
        sa.Column("service_area_id", sa.Uuid(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("deactivated_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("prompts_paused_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("manager_id <> id", name=op.f("ck_employee_own_manager")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "manager_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_employee_organisation_id_manager_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "service_area_id"],
            ["service_area.organisation_id", "service_area.id"],
            name=op.f("fk_employee_organisation_id_service_area_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_employee")),
        sa.UniqueConstraint("organisation_id", "external_id", name=op.f("uq_employee_organisation_id_external_id")),
        sa.UniqueConstraint("organisation_id", "user_name_key", name=op.f("uq_employee_organisation_id_user_name_key")),
    )
    op.create_index("ix_employee_email_key", "employee", ["organisation_id", "email_key"], unique=False)
    op.create_index("ix_employee_manager", "employee", ["organisation_id", "manager_id"], unique=False)
    op.create_index(
        "ix_employee_manager_awaited",
        "employee",
        ["organisation_id", "manager_external_id"],
        unique=False,
        postgresql_where=sa.text("manager_external_id IS NOT NULL"),
    )
    op.create_index("ix_employee_number", "employee", ["organisation_id", "employee_number"], unique=False)
    op.create_index("ix_employee_service_area", "employee", ["organisation_id", "service_area_id"], unique=False)
    op.create_table(
        "refused_call_event",
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("source_id", sa.Uuid(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("errors", postgresql.JSONB(), nullable=False),
        sa.Column("replayed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("call_event_id", sa.Uuid(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "client_id"],
            ["client.organisation_id", "client.id"],
            name=op.f("fk_refused_call_event_organisation_id_client_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_refused_call_event")),
    )
    op.create_index(
        "ix_refused_call_event_created_at", "refused_call_event", ["organisation_id", "created_at"], unique=False
    )
    op.create_index(
        "ix_refused_call_event_event", "refused_call_event", ["organisation_id", "source_id", "event_id"], unique=False
    )
    op.create_table(
        "source",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "client_id"],
            ["client.organisation_id", "client.id"],
            name=op.f("fk_source_organisation_id_client_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_source")),
        sa.UniqueConstraint("organisation_id", "name_key", name=op.f("uq_source_organisation_id_name_key")),
    )
    op.create_table(
        "agent_alias",
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=True),
        sa.Column("agent_ref", sa.Text(), nullable=False),
        sa.Column("agent_key", sa.Text(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "employee_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_agent_alias_organisation_id_employee_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "source_id"],
            ["source.organisation_id", "source.id"],
            name=op.f("fk_agent_alias_organisation_id_source_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_agent_alias")),
        sa.UniqueConstraint(
            "organisation_id",
            "agent_key",
            "source_id",
            name=op.f("uq_agent_alias_organisation_id_agent_key_source_id"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index("ix_agent_alias_employee", "agent_alias", ["organisation_id", "employee_id"], unique=False)
    op.create_table(
        "call_event",
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.Column("agent_ref", sa.Text(), nullable=False),
        sa.Column("agent_key", sa.Text(), nullable=False),
        sa.Column("employee_id", sa.Uuid(), nullable=True),
        sa.Column("root_contact_id", sa.Text(), nullable=True),
        sa.Column("leg_id", sa.Text(), nullable=True),
        sa.Column("platform", sa.Text(), nullable=True),
        sa.Column("queue_ref", sa.Text(), nullable=True),
        sa.Column("queue_name", sa.Text(), nullable=True),
        sa.Column("team_ref", sa.Text(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("direction", sa.Text(), nullable=True),
        sa.Column("started_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("answered_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("ended_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("wrapup_ended_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("queue_seconds", sa.Integer(), nullable=True),
        sa.Column("talk_seconds", sa.Integer(), nullable=True),
        sa.Column("hold_seconds", sa.Integer(), nullable=True),
        sa.Column("wrapup_seconds", sa.Integer(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("disposition_code", sa.Text(), nullable=True),
        sa.Column("disposition_key", sa.Text(), nullable=True),
        sa.Column("disposition_label", sa.Text(), nullable=True),
        sa.Column("disposition_scheme", sa.Text(), nullable=True),
        sa.Column("markers", postgresql.JSONB(), nullable=True),
        sa.Column("sentiment", postgresql.JSONB(), nullable=True),
        sa.Column("outcomes", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("as_of", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("as_of_event_id", sa.Text(), nullable=False),
        sa.Column("field_as_of", postgresql.JSONB(), nullable=True),
        sa.Column("voided_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("void_reason", sa.Text(), nullable=True),
        sa.Column("disputed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("dispute_reason", sa.Text(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("voided_at IS NOT NULL OR void_reason IS NULL", name=op.f("ck_call_event_void_reason")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "employee_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_call_event_organisation_id_employee_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "source_id"],
            ["source.organisation_id", "source.id"],
            name=op.f("fk_call_event_organisation_id_source_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_call_event")),
        sa.UniqueConstraint(
            "organisation_id",
            "source_id",
            "contact_id",
            "agent_key",
            name=op.f("uq_call_event_organisation_id_source_id_contact_id_agent_key"),
        ),
    )
    op.create_index(
        "ix_call_event_disposition",
        "call_event",
        ["organisation_id", "source_id", "disposition_key"],
        unique=False,
        postgresql_where=sa.text("disposition_key IS NOT NULL"),
    )
    op.create_index(
        "ix_call_event_employee", "call_event", ["organisation_id", "employee_id", "ended_at"], unique=False
    )
    op.create_index(
        "ix_call_event_marked",
        "call_event",
        ["organisation_id", "source_id"],
        unique=False,
        postgresql_where=sa.text("markers <> '[]'::jsonb"),
    )
    op.create_index(
        "ix_call_event_unmatched",
        "call_event",
        ["organisation_id", "agent_key"],
        unique=False,
        postgresql_where=sa.text("employee_id IS NULL"),
    )
    op.create_table(
        "outcome_mapping",
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("code_key", sa.Text(), nullable=False),
        sa.Column("outcomes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('disposition', 'marker')", name=op.f("ck_outcome_mapping_kind")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "source_id"],
            ["source.organisation_id", "source.id"],
            name=op.f("fk_outcome_mapping_organisation_id_source_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_outcome_mapping")),
        sa.UniqueConstraint(
            "organisation_id",
            "source_id",
            "kind",
            "code_key",
            name=op.f("uq_outcome_mapping_organisation_id_source_id_kind_code_key"),
        ),
    )
    op.create_table(
        "role_grant",
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("granted_by", sa.Text(), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("approved_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "role IN ('programme_lead', 'hr_administrator', 'coach', 'eap_coordinator', 'auditor', 'data_protection_officer')",
            name=op.f("ck_role_grant_role"),
        ),
        sa.CheckConstraint("state IN ('pending', 'active', 'revoked')", name=op.f("ck_role_grant_state")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "employee_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_role_grant_organisation_id_employee_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_role_grant")),
    )
    op.create_index(
        "uq_role_grant_open",
        "role_grant",
        ["organisation_id", "employee_id", "role"],
        unique=True,
        postgresql_where=sa.text("state <> 'revoked'"),
    )
    op.create_table(
        "strain_signal",
        sa.Column("rule_id", sa.Uuid(), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("rule", postgresql.JSONB(), nullable=False),
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("triggered_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("window_from", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("window_to", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("measure", sa.Double(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("call_event_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("call_flag_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("superseded_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('raised', 'superseded')", name=op.f("ck_strain_signal_state")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "employee_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_strain_signal_organisation_id_employee_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "rule_id"],
            ["strain_rule.organisation_id", "strain_rule.id"],
            name=op.f("fk_strain_signal_organisation_id_rule_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_strain_signal")),
    )
    op.create_index("ix_strain_signal_triggered_at", "strain_signal", ["organisation_id", "triggered_at"], unique=False)
    op.create_index(
        "uq_strain_signal_live",
        "strain_signal",
        ["organisation_id", "employee_id", "triggered_at", "rule_id"],
        unique=True,
        postgresql_where=sa.text("state = 'raised'"),
    )
    op.create_table(
        "team",
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("lead_id", sa.Uuid(), nullable=True),
        sa.Column("service_area_id", sa.Uuid(), nullable=True),
        sa.Column("last_call_on", sa.Date(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "lead_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_team_organisation_id_lead_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "service_area_id"],
            ["service_area.organisation_id", "service_area.id"],
            name=op.f("fk_team_organisation_id_service_area_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_team")),
        sa.UniqueConstraint("organisation_id", "external_id", name=op.f("uq_team_organisation_id_external_id")),
        sa.UniqueConstraint("organisation_id", "name_key", name=op.f("uq_team_organisation_id_name_key")),
    )
    op.create_index("ix_team_lead", "team", ["organisation_id", "lead_id"], unique=False)
    op.create_table(
        "unmapped_code",
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("code_key", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("kind IN ('disposition', 'marker')", name=op.f("ck_unmapped_code_kind")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "source_id"],
            ["source.organisation_id", "source.id"],
            name=op.f("fk_unmapped_code_organisation_id_source_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_unmapped_code")),
        sa.UniqueConstraint(
            "organisation_id",
            "source_id",
            "kind",
            "code_key",
            name=op.f("uq_unmapped_code_organisation_id_source_id_kind_code_key"),
        ),
    )
    op.create_table(
        "call_flag",
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("call_event_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("taken_back_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind IS NULL OR kind IN ('angry_at_the_situation', 'aimed_at_me', 'threat_or_hate', 'distressing')",
            name=op.f("ck_call_flag_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "call_event_id"],
            ["call_event.organisation_id", "call_event.id"],
            name=op.f("fk_call_flag_organisation_id_call_event_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "employee_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_call_flag_organisation_id_employee_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_call_flag")),
    )
    op.create_index(
        "ix_call_flag_employee", "call_flag", ["organisation_id", "employee_id", "occurred_at"], unique=False
    )
    op.create_index(
        "uq_call_flag_call",
        "call_flag",
        ["organisation_id", "employee_id", "call_event_id"],
        unique=True,
        postgresql_where=sa.text("call_event_id IS NOT NULL AND taken_back_at IS NULL"),
    )
    op.create_table(
        "support_prompt",
        sa.Column("employee_id", sa.Uuid(), nullable=True),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("signal_id", sa.Uuid(), nullable=True),
        sa.Column("practice_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=True),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("offered_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("answered_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("done_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('break', 'debrief', 'mentor', 'practice', 'team_review')", name=op.f("ck_support_prompt_kind")
        ),
        sa.CheckConstraint(
            "state IN ('offered', 'accepted', 'done', 'declined', 'expired', 'superseded')",
            name=op.f("ck_support_prompt_state"),
        ),
        sa.CheckConstraint("(employee_id IS NULL) <> (team_id IS NULL)", name=op.f("ck_support_prompt_addressee")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "employee_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_support_prompt_organisation_id_employee_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "practice_id"],
            ["practice.organisation_id", "practice.id"],
            name=op.f("fk_support_prompt_organisation_id_practice_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "signal_id"],
            ["strain_signal.organisation_id", "strain_signal.id"],
            name=op.f("fk_support_prompt_organisation_id_signal_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "team_id"],
            ["team.organisation_id", "team.id"],
            name=op.f("fk_support_prompt_organisation_id_team_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_support_prompt")),
    )
    op.create_index(
        "ix_support_prompt_employee", "support_prompt", ["organisation_id", "employee_id", "offered_at"], unique=False
    )
    op.create_index(
        "ix_support_prompt_expiry",
        "support_prompt",
        ["organisation_id", "expires_at"],
        unique=False,
        postgresql_where=sa.text("state = 'offered'"),
    )
    op.create_index(
        "ix_support_prompt_open",
        "support_prompt",
        ["organisation_id", "employee_id"],
        unique=False,
        postgresql_where=sa.text("state = 'offered'"),
    )
    op.create_index("ix_support_prompt_signal", "support_prompt", ["organisation_id", "signal_id"], unique=False)
    op.create_index(
        "uq_support_prompt_team_open",
        "support_prompt",
        ["organisation_id", "team_id"],
        unique=True,
        postgresql_where=sa.text("team_id IS NOT NULL AND state = 'offered'"),
    )
    op.create_table(
        "team_member",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("employee_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "employee_id"],
            ["employee.organisation_id", "employee.id"],
            name=op.f("fk_team_member_organisation_id_employee_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id", "team_id"],
            ["team.organisation_id", "team.id"],
            name=op.f("fk_team_member_organisation_id_team_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_team_member")),
        sa.UniqueConstraint(
            "organisation_id", "team_id", "employee_id", name=op.f("uq_team_member_organisation_id_team_id_employee_id")
        ),
    )
    op.create_index("ix_team_member_employee", "team_member", ["organisation_id", "employee_id"], unique=False)
    for statement in FUNCTIONS:
        op.execute(statement)
    op.execute("SELECT protect_tenant_table('organisation', 'id')")
    for table in TENANT_TABLES:
        op.execute(f"SELECT protect_tenant_table('{table}')")
    op.execute("GRANT SELECT, INSERT, UPDATE ON organisation_directory TO ballast_app")
    op.execute("REVOKE UPDATE, DELETE ON audit_entry FROM ballast_app")
    op.execute("GRANT UPDATE (number) ON audit_entry TO ballast_app")
    op.execute("GRANT SELECT ON alembic_version TO ballast_app")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_table("team_member")
    op.drop_table("support_prompt")
    op.drop_table("call_flag")
    op.drop_table("unmapped_code")
    op.drop_table("team")
    op.drop_table("strain_signal")
    op.drop_table("role_grant")
    op.drop_table("outcome_mapping")
    op.drop_table("call_event")
    op.drop_table("agent_alias")
    op.drop_table("source")
    op.drop_table("refused_call_event")
    op.drop_table("employee")
    op.drop_table("client_key")
    op.drop_table("strain_rule")
    op.drop_table("service_area")
    op.drop_table("practice")
    op.drop_table("pillar")
    op.drop_table("outgoing_event")
    op.drop_table("organisation_directory")
    op.drop_table("organisation")
    op.drop_table("idempotent_answer")
    op.drop_table("feed_counter")
    op.drop_table("client")
    op.drop_table("call_event_receipt")
    op.drop_table("audit_entry")
    op.execute("DROP FUNCTION authenticate_client, authenticate_person, protect_tenant_table, set_tenant")
