"""The words that people are shown before they consent."""

from datetime import datetime
from uuid import UUID

from pydantic import ConfigDict, Field

from app.models.eap_referral import Recipient
from app.schemas.base import In, Out, Prose
from app.schemas.eap_provider import Language


class ConsentTextCreate(In):
    """New words. They are the next version in their language; those before stay as they were."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"recipient": "referrer", "language": "en", "words": "I agree that ..."}]}
    )

    recipient: Recipient = Field(description="To whom something is disclosed.")
    language: Language
    words: Prose


class ConsentTextOut(Out):
    """Words to be shown whole, as they are, before somebody consents. They never change: other words are a version."""

    id: UUID
    created_at: datetime
    recipient: Recipient
    language: str
    version: int
    words: str
    sha256: str = Field(description="Of the words in UTF-8, in hexadecimal. Sent back with the consent.")
