"""Where events are delivered to, what is to be delivered, and what became of each attempt."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Dated, Owned, Versioned, belongs_to, now, one_of


class MessageFormat(StrEnum):
    """What the body of a webhook looks like."""

    standard = "standard"
    cloudevents = "cloudevents"


class DisabledReason(StrEnum):
    """Why we stopped delivering to an endpoint by ourselves."""

    gone = "gone"
    failing = "failing"


class DeliveryKind(StrEnum):
    """Why something is delivered."""

    event = "event"
    replay = "replay"
    test = "test"


class DeliveryState(StrEnum):
    """How far a delivery is. All but the first are final."""

    pending = "pending"
    delivered = "delivered"
    failed = "failed"


class WebhookEndpoint(Owned, Versioned, Base):
    """A URL of one client that events are delivered to, as far as that client may see them.

    ``keys`` are sealed: 32 bytes of the shared secret, then the 32 of the ed25519 seed. One worker at a time holds an
    endpoint, by ``lease_token`` until ``lease_until``, and delivers to it. It is off since its client paused it, or
    since we disabled it: never both.
    """

    __tablename__ = "webhook_endpoint"
    __table_args__ = (
        belongs_to("client", "client_id"),
        one_of("format", MessageFormat),
        one_of("disabled_reason", DisabledReason),
        CheckConstraint("concurrency BETWEEN 1 AND 10", name="concurrency"),
        CheckConstraint("(disabled_at IS NULL) = (disabled_reason IS NULL)", name="disabled"),
        CheckConstraint("disabled_at IS NULL OR NOT active", name="disabled_is_not_active"),
        CheckConstraint("paused_at IS NULL OR (NOT active AND disabled_at IS NULL)", name="paused"),
        CheckConstraint("(previous_keys IS NULL) = (previous_keys_until IS NULL)", name="previous_keys"),
        CheckConstraint("(lease_token IS NULL) = (lease_until IS NULL)", name="lease"),
        Index("ix_webhook_endpoint_client", "organisation_id", "client_id"),
    )
    told: ClassVar[tuple[str, ...]] = ("client_id",)  # what its events say beside the id: whose they are

    client_id: Mapped[UUID]
    url: Mapped[str]
    description: Mapped[str | None]
    event_types: Mapped[list[str]]
    format: Mapped[MessageFormat] = mapped_column(Text, default=MessageFormat.standard)
    concurrency: Mapped[int] = mapped_column(default=2)
    active: Mapped[bool] = mapped_column(default=True)
    paused_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[DisabledReason | None] = mapped_column(Text)
    failing_since: Mapped[datetime | None]  # since when every attempt has failed
    last_delivered_at: Mapped[datetime | None]
    keys: Mapped[bytes] = mapped_column(LargeBinary)
    previous_keys: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_keys_until: Mapped[datetime | None]
    position: Mapped[int] = mapped_column(BigInteger)  # the number of the last event of the feed that was looked at
    provider_position: Mapped[int] = mapped_column(BigInteger)  # likewise of the feed of EAP providers
    lease_token: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]


class WebhookDelivery(Owned, Dated, Base):
    """One message for one endpoint: tried until it is delivered, or its retries are used up."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        belongs_to("webhook_endpoint", "endpoint_id", ondelete="CASCADE"),
        one_of("kind", DeliveryKind),
        one_of("state", DeliveryState),
        CheckConstraint("(state = 'pending') = (due_at IS NOT NULL)", name="due_while_pending"),
        CheckConstraint("(state = 'pending') = (finished_at IS NULL)", name="finished"),
        Index(
            "uq_webhook_delivery_event",
            "organisation_id",
            "endpoint_id",
            "event_id",
            unique=True,
            postgresql_where=text("kind = 'event'"),
        ),
        Index(
            "ix_webhook_delivery_due",
            "organisation_id",
            "endpoint_id",
            "due_at",
            "id",
            postgresql_where=text("state = 'pending'"),
        ),
        Index("ix_webhook_delivery_endpoint", "organisation_id", "endpoint_id", "id"),
        Index(
            "ix_webhook_delivery_finished",
            "organisation_id",
            "finished_at",
            postgresql_where=text("finished_at IS NOT NULL"),
        ),
    )

    endpoint_id: Mapped[UUID]
    event_id: Mapped[UUID]  # the webhook-id, the same for every attempt and replay
    kind: Mapped[DeliveryKind] = mapped_column(Text)
    type: Mapped[str]
    occurred_at: Mapped[datetime]
    data: Mapped[dict[str, Any]]
    state: Mapped[DeliveryState] = mapped_column(Text, default=DeliveryState.pending)
    attempts: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    due_at: Mapped[datetime | None] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]


class WebhookAttempt(Owned, Base):
    """One try to deliver: what the receiver answered, or why there was no answer. Insert only."""

    __tablename__ = "webhook_attempt"
    __table_args__ = (
        belongs_to("webhook_delivery", "delivery_id", ondelete="CASCADE"),
        UniqueConstraint("organisation_id", "delivery_id", "number"),
    )

    delivery_id: Mapped[UUID]
    number: Mapped[int]
    attempted_at: Mapped[datetime]
    duration_ms: Mapped[int]
    status: Mapped[int | None]
    failure: Mapped[str | None]  # a code of ours: timed_out, address_not_allowed, ..., see guard.py
    answer: Mapped[str | None]  # the first 4 KB of the body


class ProviderEvent(Owned, Base):
    """What the clients of one EAP provider alone may learn of: a feed apart, so that nobody else can count it."""

    __tablename__ = "provider_event"
    __table_args__ = (
        belongs_to("eap_provider", "provider_id"),
        UniqueConstraint("organisation_id", "number"),
        Index("ix_provider_event_unnumbered", "organisation_id", "id", postgresql_where=text("number IS NULL")),
        Index("ix_provider_event_provider", "organisation_id", "provider_id", "number"),
    )

    provider_id: Mapped[UUID]
    number: Mapped[int | None] = mapped_column(BigInteger)
    occurred_at: Mapped[datetime] = mapped_column(default=now)
    type: Mapped[str]
    resource: Mapped[str]
    resource_id: Mapped[UUID]
    data: Mapped[dict[str, Any]]
