"""What SCIM needs of people and teams, an organisation's rules for it, and callers who hold a token of a client key.

Adds columns, a table and functions alone, so that the code before it works on. Imports nothing from ``app``.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# What Unicode makes lower case one character by one, and the two places where it is not one by one: the dotted capital
# I becomes two, and the sigma at the end of a word counts as any other.
PAIRS = [(c, chr(c).lower()) for c in range(0x110000) if len(chr(c).lower()) == 1 and chr(c).lower() != chr(c)]
UPPER = "".join(chr(upper) for upper, _ in PAIRS) + "\u03c2"
LOWER = "".join(lower for _, lower in PAIRS) + "\u03c3"

SCIM_FOLDED = f"""
    CREATE FUNCTION scim_folded(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT CASE WHEN octet_length(value) = length(value) THEN lower(value COLLATE "C")
        ELSE normalize(translate(replace(normalize(value, NFC), U&'\\0130', U&'i\\0307'), '{UPPER}', '{LOWER}'), NFC) END
    $$
"""
AUTHENTICATE_CLIENT_KEY = """
    CREATE FUNCTION authenticate_client_key(organisation uuid, key_id uuid)
    RETURNS TABLE (id uuid, scopes text[]) LANGUAGE plpgsql AS $$
    #variable_conflict use_column
    BEGIN
        EXECUTE format('SET LOCAL app.organisation_id = %L', organisation::text);
        RETURN QUERY
            SELECT c.id, c.scopes FROM client_key k
            JOIN client c ON c.organisation_id = k.organisation_id AND c.id = k.client_id
            WHERE k.organisation_id = organisation AND k.id = key_id AND k.revoked_at IS NULL
              AND (k.expires_at IS NULL OR k.expires_at > now()) AND c.revoked_at IS NULL;
    END $$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("employee", sa.Column("organization", sa.Text(), nullable=True))
    op.add_column("employee", sa.Column("emails", postgresql.JSONB(none_as_null=True), nullable=True))
    for name in ("scim_owned", "scim_absent"):
        empty = sa.text("'{}'::text[]")
        op.add_column("employee", sa.Column(name, sa.ARRAY(sa.Text()), server_default=empty, nullable=False))
    op.add_column("employee", sa.Column("scim_hidden_at", sa.TIMESTAMP(timezone=True), nullable=True))
    op.create_index(
        "ix_employee_emails", "employee", ["organisation_id"], postgresql_where=sa.text("emails IS NOT NULL")
    )
    op.add_column("team", sa.Column("members_version", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column(
        "team",
        sa.Column("members_changed_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.create_table(
        "scim_settings",
        sa.Column("service_area_attribute", sa.Text(), nullable=False),
        sa.Column("groups_are_teams", sa.Boolean(), nullable=False),
        sa.Column("team_lead", sa.Text(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "service_area_attribute IN ('none', 'department', 'division', 'cost_center', 'organization')",
            name=op.f("ck_scim_settings_service_area_attribute"),
        ),
        sa.CheckConstraint("team_lead IN ('kept', 'common_manager')", name=op.f("ck_scim_settings_team_lead")),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_scim_settings")),
        sa.UniqueConstraint("organisation_id", name=op.f("uq_scim_settings_organisation_id")),
    )
    op.execute(
        "INSERT INTO scim_settings (organisation_id, id, service_area_attribute, groups_are_teams, team_lead)"
        " SELECT id, gen_random_uuid(), 'department', true, 'kept' FROM organisation"
    )
    op.execute("SELECT protect_tenant_table('scim_settings')")
    op.get_bind().exec_driver_sql(SCIM_FOLDED)
    op.execute(AUTHENTICATE_CLIENT_KEY)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP FUNCTION authenticate_client_key, scim_folded")
    op.drop_table("scim_settings")
    op.drop_column("team", "members_changed_at")
    op.drop_column("team", "members_version")
    op.drop_index("ix_employee_emails", table_name="employee")
    for name in ("scim_hidden_at", "scim_absent", "scim_owned", "emails", "organization"):
        op.drop_column("employee", name)
