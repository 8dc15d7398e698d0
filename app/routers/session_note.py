"""Notes of coaching sessions over HTTP."""

from uuid import UUID

from fastapi import APIRouter

from app.call import Call
from app.models.session_note import Visibility
from app.routers.parameters import Paged
from app.routing import Route, allows
from app.schemas.base import HistoryEntry, Page, Reason
from app.schemas.session_note import NoteCreate, NoteOut, NoteUpdate
from app.services import session_note as notes

router = APIRouter(prefix="/v1/coaching-sessions/{session_id}/notes", tags=["Session notes"], route_class=Route)


@router.get("")
@allows("session_note", "read")
async def list_session_notes(
    call: Call, paging: Paged, session_id: UUID, author_id: UUID | None = None, visibility: Visibility | None = None
) -> Page[NoteOut]:
    """List one's own notes on a session, and those that are shared with one."""
    return await call.page(notes.list_, paging, session_id, {"author_id": author_id, "visibility": visibility})


@router.post("", status_code=201)
@allows("session_note", "create")
async def create_session_note(call: Call, session_id: UUID, data: NoteCreate) -> NoteOut:
    """Note something on a session that one takes part in. A private note leaves no trace that others can see."""
    return await call(notes.create, session_id, data)


@router.get("/{note_id}")
@allows("session_note", "read")
async def read_session_note(call: Call, session_id: UUID, note_id: UUID) -> NoteOut:
    """Read one note. Its author can see who read a shared one."""
    return await call(notes.read, session_id, note_id)


@router.patch("/{note_id}")
@allows("session_note", "update")
async def update_session_note(call: Call, session_id: UUID, note_id: UUID, data: NoteUpdate) -> NoteOut:
    """Change a note of one's own, or who can read it, by a JSON merge patch."""
    return await call(notes.change, session_id, note_id, data)


@router.post("/{note_id}/withdraw")
@allows("session_note", "withdraw")
async def withdraw_session_note(call: Call, session_id: UUID, note_id: UUID, data: Reason | None = None) -> NoteOut:
    """Take back a note of one's own. Its text is gone for everyone, for good."""
    return await call(notes.withdraw, session_id, note_id, data)


@router.get("/{note_id}/history")
@allows("session_note", "read")
async def list_session_note_history(call: Call, paging: Paged, session_id: UUID, note_id: UUID) -> Page[HistoryEntry]:
    """List what became of a note while it was shared, the newest first."""
    return await call.page(notes.list_history, paging, session_id, note_id)
