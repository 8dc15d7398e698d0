"""Mentor profiles over HTTP, and the starting values of mentoring."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.call import Call
from app.routers.development_plan import PillarKey
from app.routers.parameters import Paged, Synced
from app.routing import Route, allows
from app.schemas.base import HistoryEntry, Page, SyncPage
from app.schemas.mentor_profile import ProfileCreate, ProfileOut, ProfileUpdate, StartingValues
from app.services import history
from app.services import mentor_defaults as defaults
from app.services import mentor_profile as profiles

router = APIRouter(prefix="/v1", tags=["Mentors"], route_class=Route)

Language = Annotated[
    str | None,
    Query(max_length=35, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", description="A language, such as `en`."),
]


@router.get("/mentor-starting-values")
@allows("mentor_starting_value", "read")
async def read_mentor_starting_values(call: Call) -> StartingValues:
    """Read what mentoring starts with where nobody says otherwise: each value with its basis."""
    return await call(defaults.list_)


@router.get("/mentor-profiles")
@allows("mentor_profile", "read")
async def list_mentor_profiles(
    call: Call,
    paging: Synced,
    employee_id: UUID | None = None,
    service_area_id: UUID | None = None,
    pillar: PillarKey = None,
    language: Language = None,
    accepting: bool | None = None,
    has_capacity: bool | None = None,
) -> SyncPage[ProfileOut]:
    """List the people who can be mentors, so that somebody who wants one can choose."""
    filters = {
        "employee_id": employee_id,
        "service_area_id": service_area_id,
        "pillar": pillar,
        "language": language,
        "accepting": accepting,
        "has_capacity": has_capacity,
    }
    return await call.page(profiles.list_, paging, filters)


@router.post("/mentor-profiles", status_code=201)
@allows("mentor_profile", "create")
async def create_mentor_profile(call: Call, data: ProfileCreate) -> ProfileOut:
    """Say that one can be a mentor; a programme lead can say so for others."""
    return await call(profiles.create, data)


@router.get("/mentor-profiles/{profile_id}")
@allows("mentor_profile", "read")
async def read_mentor_profile(call: Call, profile_id: UUID) -> ProfileOut:
    """Read one profile."""
    return await call(profiles.read, profile_id)


@router.patch("/mentor-profiles/{profile_id}")
@allows("mentor_profile", "update")
async def update_mentor_profile(call: Call, profile_id: UUID, data: ProfileUpdate) -> ProfileOut:
    """Change a profile by a JSON merge patch. Pairs that there are stay as they are."""
    return await call(profiles.update, profile_id, data)


@router.delete("/mentor-profiles/{profile_id}", status_code=204)
@allows("mentor_profile", "delete")
async def delete_mentor_profile(call: Call, profile_id: UUID) -> None:
    """Take oneself out of the directory. Not while one is a mentor, or is asked to be."""
    return await call(profiles.delete, profile_id)


@router.get("/mentor-profiles/{profile_id}/history")
@allows("mentor_profile", "read")
async def list_mentor_profile_history(call: Call, paging: Paged, profile_id: UUID) -> Page[HistoryEntry]:
    """List what became of a profile, the newest first."""
    return await call.page(history.list_, paging, "mentor_profile", profile_id)
