"""EAP referrals over HTTP, as the person has them."""

from uuid import UUID

from fastapi import APIRouter

from app.call import Call
from app.models.eap_referral import ReferralKind, ReferralState
from app.routers.parameters import Paged
from app.routing import Route, allows
from app.schemas.base import Page
from app.schemas.eap_referral import (
    ConsentGiven,
    ConsentOut,
    ConsentWithdrawn,
    CoordinatorChoice,
    CountsOut,
    ReferralCreate,
    ReferralOut,
    ReferralRequest,
    ReferralUpdate,
    StatusReason,
    StepOut,
)
from app.services import eap_consent as consents
from app.services import eap_count as counts
from app.services import eap_referral as referrals

router = APIRouter(prefix="/v1/eap-referrals", tags=["EAP referrals"], route_class=Route)


@router.get("")
@allows("eap_referral", "read")
async def list_eap_referrals(
    call: Call, paging: Paged, kind: ReferralKind | None = None, state: ReferralState | None = None
) -> Page[ReferralOut]:
    """List one's own referrals, the newest first; a coordinator's also hold those that they help with."""
    return await call.page(referrals.list_, paging, {"kind": kind, "state": state})


@router.post("", status_code=201)
@allows("eap_referral", "create")
async def create_eap_referral(call: Call, data: ReferralCreate) -> ReferralOut:
    """Draft a referral of one's own. There is no place in it for anything clinical."""
    return await call(referrals.create, data)


@router.get("/counts")
@allows("eap_referral", "count")
async def read_eap_counts(call: Call) -> CountsOut:
    """Read how many people asked for help, for the programme lead: by month, rounded, and not at all of few people."""
    return await call(counts.read)


@router.get("/{referral_id}")
@allows("eap_referral", "read")
async def read_eap_referral(call: Call, referral_id: UUID) -> ReferralOut:
    """Read one referral. When a coordinator does, the person can see that they did."""
    return await call(referrals.read, referral_id)


@router.patch("/{referral_id}")
@allows("eap_referral", "update")
async def update_eap_referral(call: Call, referral_id: UUID, data: ReferralUpdate) -> ReferralOut:
    """Change a draft, or a suggestion before the answer to it, by a JSON merge patch."""
    return await call(referrals.update, referral_id, data)


@router.post("/{referral_id}/request")
@allows("eap_referral", "request")
async def request_eap_referral(call: Call, referral_id: UUID, data: ReferralRequest) -> ReferralOut:
    """Send it to the provider: of a suggestion this is the yes. Before, the provider has nothing of it."""
    return await call(referrals.request, referral_id, data)


@router.post("/{referral_id}/decline")
@allows("eap_referral", "decline")
async def decline_eap_referral(call: Call, referral_id: UUID) -> ReferralOut:
    """Say no to a suggestion. No reason is asked for, and who suggested it sees no difference."""
    return await call(referrals.decline, referral_id)


@router.post("/{referral_id}/cancel")
@allows("eap_referral", "cancel")
async def cancel_eap_referral(call: Call, referral_id: UUID, data: StatusReason) -> ReferralOut:
    """End a draft or what is under way."""
    return await call(referrals.cancel, referral_id, data)


@router.post("/{referral_id}/give-consent")
@allows("eap_referral", "give_consent")
async def give_eap_consent(call: Call, referral_id: UUID, data: ConsentGiven) -> ReferralOut:
    """Consent to a disclosure, in place of the consent before. It names the words that were shown, by their hash."""
    return await call(referrals.give_consent, referral_id, data)


@router.post("/{referral_id}/withdraw-consent")
@allows("eap_referral", "withdraw_consent")
async def withdraw_eap_consent(call: Call, referral_id: UUID, data: ConsentWithdrawn) -> ReferralOut:
    """Take a consent back. From the next read on, its recipient sees nothing by it."""
    return await call(referrals.withdraw_consent, referral_id, data)


@router.post("/{referral_id}/assign-coordinator")
@allows("eap_referral", "assign_coordinator")
async def assign_eap_coordinator(call: Call, referral_id: UUID, data: CoordinatorChoice) -> ReferralOut:
    """Ask another coordinator to help, or none."""
    return await call(referrals.assign_coordinator, referral_id, data)


@router.get("/{referral_id}/consents")
@allows("eap_consent", "read")
async def list_eap_consents(call: Call, paging: Paged, referral_id: UUID) -> Page[ConsentOut]:
    """List what was consented to and taken back, the newest first. Nothing of it is ever changed."""
    return await call.page(consents.list_, paging, referral_id)


@router.get("/{referral_id}/history")
@allows("eap_referral", "read")
async def list_eap_referral_history(call: Call, paging: Paged, referral_id: UUID) -> Page[StepOut]:
    """List the steps of a referral, the newest first: in what part, when, and why."""
    return await call.page(referrals.list_history, paging, referral_id)
