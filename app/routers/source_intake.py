"""What belongs to a source's own address: credentials, trying a payload out, health, and what could not be taken."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.routers.parameters import Paged
from app.routing import Route, allows
from app.schemas.base import Page
from app.schemas.call_event import RefusedCallEventOut, Replay
from app.schemas.source_intake import (
    DeliveryTest,
    DeliveryTestResult,
    SourceCredentialCreate,
    SourceCredentialCreated,
    SourceCredentialOut,
    SourceHealthOut,
)
from app.services import parked_call_event as parked
from app.services import source_credential as credentials
from app.services import source_health, source_trial

router = APIRouter(prefix="/v1/sources/{source_id}", tags=["Intake"], route_class=Route)

Replayed = Annotated[bool | None, Query(description="Only those that were replayed, or only the others.")]


@router.get("/health")
@allows("source", "read")
async def read_source_health(call: Call, source_id: UUID) -> SourceHealthOut:
    """Read whether a source delivers, and whether what it delivers is understood."""
    return await call(source_health.read, source_id)


@router.post("/test")
@allows("source", "dry_run")
async def test_source(call: Call, source_id: UUID, data: DeliveryTest) -> DeliveryTestResult:
    """Try what a payload would become: the call events, their outcomes, whose they are, what is left out and why.

    Nothing is stored. Signatures are not checked.
    """
    return await call(source_trial.attempt, source_id, data, call.app.state.settings.public_url)


@router.get("/credentials")
@allows("source_credential", "read")
async def list_source_credentials(call: Call, paging: Paged, source_id: UUID) -> Page[SourceCredentialOut]:
    """List the credentials that open a source's address, by their last four characters."""
    return await call.page(credentials.list_, paging, source_id)


@router.post("/credentials", status_code=201)
@allows("source_credential", "create", secret="secret")  # noqa: S106 - the name of a field
async def create_source_credential(
    call: Call, source_id: UUID, data: SourceCredentialCreate
) -> SourceCredentialCreated:
    """Give a source's address one more credential. A secret that is made here is shown this once.

    To rotate: make the new one, give it to the platform, then delete the old one.
    """
    return await call(credentials.create, source_id, data)


@router.get("/credentials/{credential_id}")
@allows("source_credential", "read")
async def read_source_credential(call: Call, source_id: UUID, credential_id: UUID) -> SourceCredentialOut:
    """Read what is known of one credential."""
    return await call(credentials.read, source_id, credential_id)


@router.delete("/credentials/{credential_id}", status_code=204)
@allows("source_credential", "delete", unversioned=True)
async def delete_source_credential(call: Call, source_id: UUID, credential_id: UUID) -> None:
    """End a credential at once: the next delivery with it is refused."""
    return await call(credentials.delete, source_id, credential_id)


@router.get("/refused")
@allows("parked_call_event", "read")
async def list_parked_call_events(
    call: Call, paging: Paged, source_id: UUID, replayed: Replayed = None
) -> Page[RefusedCallEventOut]:
    """List what came to a source's address within a week and could not be taken: what was fine of it, and why not."""
    return await call.page(parked.list_, paging, source_id, {"replayed": replayed})


@router.get("/refused/{parked_id}")
@allows("parked_call_event", "read")
async def read_parked_call_event(call: Call, source_id: UUID, parked_id: UUID) -> RefusedCallEventOut:
    """Read one item that could not be taken. People are not shown who the agent was."""
    return await call(parked.read, source_id, parked_id)


@router.post("/refused/{parked_id}/replay")
@allows("parked_call_event", "replay")
async def replay_parked_call_event(
    call: Call, source_id: UUID, parked_id: UUID, data: Replay | None = None
) -> RefusedCallEventOut:
    """Try an item again, corrected, as if its source had sent it so. The answer says which call event it became."""
    return await call(parked.replay, source_id, parked_id, data)
