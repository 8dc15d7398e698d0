"""A manager's suggestions of the EAP over HTTP."""

from uuid import UUID

from fastapi import APIRouter

from app.call import Call
from app.models.eap_referral import SubmissionState
from app.routers.parameters import Paged
from app.routing import Route, allows
from app.schemas.base import Page
from app.schemas.eap_referral import SharedOut, SubmissionCreate, SubmissionOut
from app.services import eap_submission as submissions

router = APIRouter(prefix="/v1/eap-submissions", tags=["EAP referrals"], route_class=Route)


@router.get("")
@allows("eap_submission", "read")
async def list_eap_submissions(
    call: Call, paging: Paged, employee_id: UUID | None = None, state: SubmissionState | None = None
) -> Page[SubmissionOut]:
    """List one's own suggestions, as they were made."""
    return await call.page(submissions.list_, paging, {"employee_id": employee_id, "state": state})


@router.post("", status_code=201)
@allows("eap_submission", "create")
async def create_eap_submission(call: Call, data: SubmissionCreate) -> SubmissionOut:
    """Draft a suggestion to somebody whom one leads. None is ever mandatory."""
    return await call(submissions.create, data)


@router.get("/{submission_id}")
@allows("eap_submission", "read")
async def read_eap_submission(call: Call, submission_id: UUID) -> SubmissionOut:
    """Read one's own suggestion. It never changes by what the person does."""
    return await call(submissions.read, submission_id)


@router.post("/{submission_id}/propose")
@allows("eap_submission", "propose")
async def propose_eap_submission(call: Call, submission_id: UUID) -> SubmissionOut:
    """Show it to the person, who is free to say no. Nothing goes to a provider by this."""
    return await call(submissions.propose, submission_id)


@router.delete("/{submission_id}", status_code=204)
@allows("eap_submission", "delete")
async def delete_eap_submission(call: Call, submission_id: UUID) -> None:
    """Throw a draft away."""
    return await call(submissions.delete, submission_id)


@router.get("/{submission_id}/shared")
@allows("eap_submission", "read")
async def read_eap_shared(call: Call, submission_id: UUID) -> SharedOut:
    """Read what the person lets one know. Unanswered, declined and kept to oneself look the same."""
    return await call(submissions.read_shared, submission_id)
