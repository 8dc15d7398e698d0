"""Webhook endpoints, what is delivered to them, and the feed of EAP providers.

Adds tables, an index and a nullable column alone, so that the code before it works on. Imports nothing from ``app``.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TENANT_TABLES = ("webhook_endpoint", "webhook_delivery", "webhook_attempt", "provider_event")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("organisation_directory", sa.Column("deliver_at", sa.TIMESTAMP(timezone=True), nullable=True))
    op.create_index(
        "ix_organisation_directory_deliver_at",
        "organisation_directory",
        ["deliver_at"],
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_index(
        "ix_outgoing_event_type",
        "outgoing_event",
        ["organisation_id", "type", "number"],
        postgresql_where=sa.text("number IS NOT NULL"),
    )
    _create_endpoints()
    _create_deliveries()
    _create_provider_events()
    for table in TENANT_TABLES:
        op.execute(f"SELECT protect_tenant_table('{table}')")
    op.execute(
        "INSERT INTO feed_counter (organisation_id, feed, value) "
        "SELECT organisation_id, 'provider_events', 0 FROM organisation_directory"
    )


def _create_endpoints() -> None:
    op.create_table(
        "webhook_endpoint",
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("event_types", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("paused_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("disabled_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("failing_since", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("last_delivered_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("keys", sa.LargeBinary(), nullable=False),
        sa.Column("previous_keys", sa.LargeBinary(), nullable=True),
        sa.Column("previous_keys_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("provider_position", sa.BigInteger(), nullable=False),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("updated_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("concurrency BETWEEN 1 AND 10", name=op.f("ck_webhook_endpoint_concurrency")),
        sa.CheckConstraint("format IN ('standard', 'cloudevents')", name=op.f("ck_webhook_endpoint_format")),
        sa.CheckConstraint("disabled_reason IN ('gone', 'failing')", name=op.f("ck_webhook_endpoint_disabled_reason")),
        sa.CheckConstraint(
            "(disabled_at IS NULL) = (disabled_reason IS NULL)", name=op.f("ck_webhook_endpoint_disabled")
        ),
        sa.CheckConstraint(
            "disabled_at IS NULL OR NOT active", name=op.f("ck_webhook_endpoint_disabled_is_not_active")
        ),
        sa.CheckConstraint(
            "paused_at IS NULL OR (NOT active AND disabled_at IS NULL)", name=op.f("ck_webhook_endpoint_paused")
        ),
        sa.CheckConstraint(
            "(previous_keys IS NULL) = (previous_keys_until IS NULL)", name=op.f("ck_webhook_endpoint_previous_keys")
        ),
        sa.CheckConstraint("(lease_token IS NULL) = (lease_until IS NULL)", name=op.f("ck_webhook_endpoint_lease")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "client_id"],
            ["client.organisation_id", "client.id"],
            name=op.f("fk_webhook_endpoint_organisation_id_client_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_webhook_endpoint")),
    )
    op.create_index("ix_webhook_endpoint_client", "webhook_endpoint", ["organisation_id", "client_id"])


def _create_deliveries() -> None:
    op.create_table(
        "webhook_delivery",
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("finished_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('event', 'replay', 'test')", name=op.f("ck_webhook_delivery_kind")),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'failed')", name=op.f("ck_webhook_delivery_state")),
        sa.CheckConstraint(
            "(state = 'pending') = (due_at IS NOT NULL)", name=op.f("ck_webhook_delivery_due_while_pending")
        ),
        sa.CheckConstraint("(state = 'pending') = (finished_at IS NULL)", name=op.f("ck_webhook_delivery_finished")),
        sa.ForeignKeyConstraint(
            ["organisation_id", "endpoint_id"],
            ["webhook_endpoint.organisation_id", "webhook_endpoint.id"],
            name=op.f("fk_webhook_delivery_organisation_id_endpoint_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_webhook_delivery")),
    )
    op.create_index(
        "uq_webhook_delivery_event",
        "webhook_delivery",
        ["organisation_id", "endpoint_id", "event_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'event'"),
    )
    op.create_index(
        "ix_webhook_delivery_due",
        "webhook_delivery",
        ["organisation_id", "endpoint_id", "due_at", "id"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("ix_webhook_delivery_endpoint", "webhook_delivery", ["organisation_id", "endpoint_id", "id"])
    op.create_index(
        "ix_webhook_delivery_finished",
        "webhook_delivery",
        ["organisation_id", "finished_at"],
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )
    op.create_table(
        "webhook_attempt",
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("attempted_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "delivery_id"],
            ["webhook_delivery.organisation_id", "webhook_delivery.id"],
            name=op.f("fk_webhook_attempt_organisation_id_delivery_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_webhook_attempt")),
        sa.UniqueConstraint(
            "organisation_id",
            "delivery_id",
            "number",
            name=op.f("uq_webhook_attempt_organisation_id_delivery_id_number"),
        ),
    )


def _create_provider_events() -> None:
    op.create_table(
        "provider_event",
        sa.Column("provider_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("occurred_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Uuid(), nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id", "provider_id"],
            ["eap_provider.organisation_id", "eap_provider.id"],
            name=op.f("fk_provider_event_organisation_id_provider_id"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id", name=op.f("pk_provider_event")),
        sa.UniqueConstraint("organisation_id", "number", name=op.f("uq_provider_event_organisation_id_number")),
    )
    op.create_index(
        "ix_provider_event_unnumbered",
        "provider_event",
        ["organisation_id", "id"],
        postgresql_where=sa.text("number IS NULL"),
    )
    op.create_index("ix_provider_event_provider", "provider_event", ["organisation_id", "provider_id", "number"])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DELETE FROM feed_counter WHERE feed = 'provider_events'")
    for table in reversed(TENANT_TABLES):
        op.drop_table(table)
    op.drop_index("ix_outgoing_event_type", "outgoing_event")
    op.drop_index("ix_organisation_directory_deliver_at", "organisation_directory")
    op.drop_column("organisation_directory", "deliver_at")
