"""The provider's side of EAP referrals over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.models.eap_referral import ReferralState, Urgency
from app.routers.parameters import Paged, Synced
from app.routing import Route, allows
from app.schemas.base import Page, SyncPage
from app.schemas.eap_referral import Attendance, CaseOut, StatusReason, StepOut
from app.services import eap_case as cases

router = APIRouter(prefix="/v1/eap-cases", tags=["EAP cases"], route_class=Route)

PERSON = "person"
Reference = Annotated[str | None, Query(max_length=20)]


@router.get("")
@allows("eap_case", "read")
async def list_eap_cases(
    call: Call,
    paging: Synced,
    reference: Reference = None,
    state: ReferralState | None = None,
    urgency: Urgency | None = None,
    service_id: UUID | None = None,
) -> SyncPage[CaseOut]:
    """List what was sent to one's provider. `modified_since` makes it the provider's feed; there is no other."""
    filters = {"reference": reference, "state": state, "urgency": urgency, "service_id": service_id}
    return await call.page(cases.list_, paging, filters)


@router.get("/{case_id}")
@allows("eap_case", "read")
async def read_eap_case(call: Call, case_id: UUID) -> CaseOut:
    """Read one case, with what the person lets the provider have now. They can see that it was read."""
    return await call(cases.read, case_id)


@router.post("/{case_id}/accept")
@allows("eap_case", "accept", secret=PERSON)
async def accept_eap_case(call: Call, case_id: UUID) -> CaseOut:
    """Take it on."""
    return await call(cases.move, case_id, "accept")


@router.post("/{case_id}/reject")
@allows("eap_case", "reject", secret=PERSON)
async def reject_eap_case(call: Call, case_id: UUID, data: StatusReason) -> CaseOut:
    """Say why it cannot be taken on."""
    return await call(cases.move, case_id, "reject", data)


@router.post("/{case_id}/start")
@allows("eap_case", "start", secret=PERSON)
async def start_eap_case(call: Call, case_id: UUID) -> CaseOut:
    """Say that there was a first contact."""
    return await call(cases.move, case_id, "start")


@router.post("/{case_id}/hold")
@allows("eap_case", "hold", secret=PERSON)
async def hold_eap_case(call: Call, case_id: UUID, data: StatusReason) -> CaseOut:
    """Let it rest, and say why."""
    return await call(cases.move, case_id, "hold", data)


@router.post("/{case_id}/resume")
@allows("eap_case", "resume", secret=PERSON)
async def resume_eap_case(call: Call, case_id: UUID) -> CaseOut:
    """Go on with it."""
    return await call(cases.move, case_id, "resume")


@router.post("/{case_id}/record-attendance")
@allows("eap_case", "record_attendance", secret=PERSON)
async def record_eap_attendance(call: Call, case_id: UUID, data: Attendance) -> CaseOut:
    """Say how many sessions were used by now, in all."""
    return await call(cases.record_attendance, case_id, data)


@router.post("/{case_id}/complete")
@allows("eap_case", "complete", secret=PERSON)
async def complete_eap_case(call: Call, case_id: UUID) -> CaseOut:
    """Say that it has come to its end."""
    return await call(cases.move, case_id, "complete")


@router.post("/{case_id}/fail")
@allows("eap_case", "fail", secret=PERSON)
async def fail_eap_case(call: Call, case_id: UUID, data: StatusReason) -> CaseOut:
    """Say why it came to nothing."""
    return await call(cases.move, case_id, "fail", data)


@router.post("/{case_id}/cancel")
@allows("eap_case", "cancel", secret=PERSON)
async def cancel_eap_case(call: Call, case_id: UUID, data: StatusReason) -> CaseOut:
    """Call it off, and say why."""
    return await call(cases.move, case_id, "cancel", data)


@router.get("/{case_id}/history")
@allows("eap_case", "read")
async def list_eap_case_history(call: Call, paging: Paged, case_id: UUID) -> Page[StepOut]:
    """List the steps since it was sent, the newest first, with the reasons that the provider's side gave."""
    return await call.page(cases.list_history, paging, case_id)
