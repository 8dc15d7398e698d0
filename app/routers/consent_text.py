"""The words of consents over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.models.eap_referral import Recipient
from app.routers.parameters import Paged
from app.routing import Route, allows
from app.schemas.base import Page
from app.schemas.consent_text import ConsentTextCreate, ConsentTextOut
from app.services import consent_text as texts

router = APIRouter(prefix="/v1/consent-texts", tags=["EAP directory"], route_class=Route)

Language = Annotated[str | None, Query(max_length=35)]
Current = Annotated[bool | None, Query(description="Whether they are the ones to be shown now.")]


@router.get("")
@allows("consent_text", "read")
async def list_consent_texts(
    call: Call, paging: Paged, recipient: Recipient | None = None, language: Language = None, current: Current = None
) -> Page[ConsentTextOut]:
    """List the words that people are shown before they consent, the earlier versions too."""
    return await call.page(texts.list_, paging, {"recipient": recipient, "language": language, "current": current})


@router.post("", status_code=201)
@allows("consent_text", "create")
async def create_consent_text(call: Call, data: ConsentTextCreate) -> ConsentTextOut:
    """Add words of one's own as the next version in a language. Consents to earlier ones stay what they are."""
    return await call(texts.create, data)


@router.get("/{text_id}")
@allows("consent_text", "read")
async def read_consent_text(call: Call, text_id: UUID) -> ConsentTextOut:
    """Read one version of the words, as it was shown."""
    return await call(texts.read, text_id)
