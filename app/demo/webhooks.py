"""Where the demo organisation's front end wants to be told of prompts. Switched off: nobody is there to receive it."""

from datetime import timedelta

from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.models.webhook import MessageFormat
from app.schemas.webhook import WebhookEndpointCreate, WebhookEndpointUpdate
from app.services import webhook_endpoint as endpoints
from app.settings import Settings

URL = "https://desktops.harbour.example/ballast"
AS_SHIPPED = Settings.model_construct()  # whatever ports this service may reach, the demo can be made


def make(session: Session, front_end: Caller) -> None:
    """Let the front end have made an endpoint yesterday, and have switched it off."""
    with clock.standing_at(clock.now() - timedelta(days=1)):
        made = endpoints.create(
            session,
            front_end,
            WebhookEndpointCreate(
                url=URL,
                description="Offers a break on the agents' desktops, between two calls.",
                event_types=["support_prompt.*"],
                format=MessageFormat.standard,
            ),
            AS_SHIPPED,
        )
        endpoints.change(session, front_end, made["id"], WebhookEndpointUpdate(active=False), AS_SHIPPED)
