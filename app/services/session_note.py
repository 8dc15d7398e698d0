"""Notes of coaching sessions: private to their author, or shared with those who take part, a sealed copy for each."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from app import clock, events, queries, texts
from app.auth import Caller
from app.database import execute
from app.errors import Conflict, NotFound
from app.models import SessionNote, SessionNoteCopy
from app.models.base import new_id
from app.models.session_note import NoteState, Visibility
from app.reads import Read
from app.relations import ORGANISATION
from app.schemas.base import Reason
from app.schemas.session_note import NoteCreate, NoteUpdate
from app.services import history
from app.services import session_part as people
from app.services.own_record import OwnRecord

MOST_OF_ONE = 100
SEALED_IN = "session_note_copy.sealed"
TABLE, COPY = SessionNote.__table__, SessionNoteCopy.__table__
NOTES = queries.Listing(
    "session_note",
    sorts={"id": TABLE.c.id, "created_at": TABLE.c.created_at},
    filters={
        "session_id": TABLE.c.session_id == bindparam("session_id"),
        "author_id": TABLE.c.author_id == bindparam("author_id"),
        "visibility": TABLE.c.visibility == bindparam("visibility"),
    },
    syncs=False,  # a watermark would tell that somebody has changed what nobody else may know of
)
COPIES = select(COPY.c.note_id, COPY.c.employee_id, COPY.c.id, COPY.c.sealed).where(
    COPY.c.organisation_id == ORGANISATION, COPY.c.note_id == any_(bindparam("ids", type_=ARRAY(Uuid())))
)


def list_(
    session: Session, caller: Caller, paging: queries.Paging, session_id: UUID, filters: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return a page of the notes of a session that the caller can read: who takes part, and who has left notes there.

    Raise NotFound for a session not the caller's to know of, Forbidden for one without their part.
    """
    if not _count_own(session, caller, session_id):
        people.require_part(session, caller, session_id)
    page = queries.paginate(session, caller, NOTES, paging, {**filters, "session_id": session_id})
    return {**page, "data": _shown(session, caller, page["data"])}


def read(session: Session, caller: Caller, session_id: UUID, note_id: UUID) -> Mapping[str, Any]:
    """Return one note. That somebody else's was read is recorded."""
    return _shown(session, caller, [_row(session, caller, session_id, note_id)])[0]


def create(session: Session, caller: Caller, session_id: UUID, data: NoteCreate) -> Mapping[str, Any]:
    """Note something on a session that one takes part in. Raise Conflict for one note too many."""
    people.require_part(session, caller, session_id)
    note = make(session, caller, session_id, data.text, data.visibility)
    return read(session, caller, session_id, note.id)


def make(session: Session, caller: Caller, session_id: UUID, text: str, visibility: Visibility) -> SessionNote:
    """Add a note by the caller, who has been found to take part."""
    if _count_own(session, caller, session_id) >= MOST_OF_ONE:
        raise Conflict("too_many_notes", f"One person keeps at most {MOST_OF_ONE} notes on a session.")
    note = SessionNote(
        organisation_id=caller.organisation_id,
        id=new_id(),
        session_id=session_id,
        author_id=caller.employee_id,
        visibility=visibility,
        state=NoteState.written,
    )
    session.add(note)
    session.flush()
    _write(session, caller, note, text)
    _record(session, caller, note, "created", private=visibility == Visibility.private_to_author)
    return note


def change(session: Session, caller: Caller, session_id: UUID, note_id: UUID, data: NoteUpdate) -> Mapping[str, Any]:
    """Change a note of one's own, or who can read it. Raise Conflict for a withdrawn one."""
    note = _to_change(session, caller, session_id, note_id, "update")
    before, text = note.visibility, _text(session, caller, note_id)
    given = data.given()
    wanted, said = given.get("visibility", before), given.get("text", text)
    changed = [name for name, is_new in (("text", said != text), ("visibility", wanted != before)) if is_new]
    if changed:
        if said is None:
            raise texts.Unreadable
        note.visibility, note.updated_at = wanted, clock.now()
        _write(session, caller, note, said)
        stayed_private = {before, wanted} == {Visibility.private_to_author}
        _record(session, caller, note, "updated", private=stayed_private, fields=changed)
    return read(session, caller, session_id, note_id)


def withdraw(
    session: Session, caller: Caller, session_id: UUID, note_id: UUID, data: Reason | None = None
) -> Mapping[str, Any]:
    """Take back a note of one's own: its text is gone for everyone, for good."""
    note = _to_change(session, caller, session_id, note_id, "withdraw")
    session.execute(update(SessionNoteCopy).where(*_copies_of(caller, note)).values(sealed=b""))
    note.state, note.withdrawn_at = NoteState.withdrawn, clock.now()
    reason = {"reason": data.reason} if data is not None and data.reason is not None else {}
    private = note.visibility == Visibility.private_to_author
    _record(session, caller, note, "withdrawn", private=private, **reason)
    return read(session, caller, session_id, note_id)


def list_history(
    session: Session, caller: Caller, paging: queries.Paging, session_id: UUID, note_id: UUID
) -> Mapping[str, Any]:
    """Return a page of the changes of a note, of the times in which it was shared."""
    _row(session, caller, session_id, note_id)
    return history.list_(session, caller, paging, "session_note", note_id)


def _count_own(session: Session, caller: Caller, session_id: UUID) -> int:
    own = select(func.count()).where(
        SessionNote.organisation_id == caller.organisation_id,
        SessionNote.session_id == session_id,
        SessionNote.author_id == caller.employee_id,
    )
    return session.execute(own).scalar_one()


def _row(session: Session, caller: Caller, session_id: UUID, note_id: UUID) -> dict[str, Any]:
    row = queries.read(session, caller, "session_note", note_id)
    if row["session_id"] != session_id:
        raise NotFound
    return row


def _to_change(session: Session, caller: Caller, session_id: UUID, note_id: UUID, action: str) -> SessionNote:
    _row(session, caller, session_id, note_id)
    return queries.get_allowed(session, caller, SessionNote, note_id, action)


def _write(session: Session, caller: Caller, note: SessionNote, text: str) -> None:
    """Replace the copies of a note: one for its author and, where it is shared, one for each who takes part."""
    session.execute(delete(SessionNoteCopy).where(*_copies_of(caller, note)))
    readers = {note.author_id}
    if note.visibility == Visibility.shared_with_attendees:
        readers |= people.of(session, caller, note.session_id)
    for reader_id in sorted(readers):
        copy = SessionNoteCopy(
            organisation_id=caller.organisation_id, id=new_id(), note_id=note.id, employee_id=reader_id
        )
        try:
            copy.sealed = texts.seal(session, caller, reader_id, SEALED_IN, copy.id, text)
        except texts.Unreadable:
            if reader_id == note.author_id:
                raise
            continue  # nothing new is kept of a person who was erased
        session.add(copy)
    session.flush()


def _copies_of(caller: Caller, note: SessionNote) -> tuple[ColumnElement[bool], ...]:
    return (SessionNoteCopy.organisation_id == caller.organisation_id, SessionNoteCopy.note_id == note.id)


def _record(session: Session, caller: Caller, note: SessionNote, verb: str, *, private: bool, **details: Any) -> None:
    """Write a change to the audit. Of a private note that is no more than that somebody changed something of theirs."""
    if private:
        events.record(session, caller, OwnRecord.ACTION, OwnRecord())
    else:
        about = {"visibility": note.visibility, **details}
        events.record(session, caller, f"session_note.{verb}", note, subject_id=note.author_id, details=about)


def _text(session: Session, caller: Caller, note_id: UUID) -> str | None:
    copies = _copies(session, caller, [note_id])
    (text,) = texts.reveal_many(session, caller, [_sealed(copy) for copy in copies if copy.employee_id == caller.id])
    return text


def _copies(session: Session, caller: Caller, note_ids: Collection[UUID]) -> Sequence[Any]:
    session.flush()
    values = {"organisation_id": caller.organisation_id, "ids": list(note_ids)}
    return execute(session, COPIES, values).all() if note_ids else ()


def _sealed(copy: Any) -> texts.Sealed:
    return (copy.employee_id, SEALED_IN, copy.id, copy.sealed)


def _shown(session: Session, caller: Caller, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return notes with the text of the caller's own copies, and record that those of others are read."""
    copies = _copies(session, caller, [row["id"] for row in rows])
    written = {row["id"] for row in rows if row["state"] == NoteState.written}
    mine = [copy for copy in copies if copy.employee_id == caller.id and copy.note_id in written]
    opened = texts.reveal_many(session, caller, [_sealed(copy) for copy in mine])
    told = {copy.note_id: text for copy, text in zip(mine, opened, strict=True)}
    reads = [Read(row["id"], row["author_id"], "session_participant") for row in rows if told.get(row["id"])]
    events.record_reads(session, caller, "session_note", reads)
    readers: dict[UUID, list[UUID]] = {row["id"]: [] for row in rows}
    for copy in copies:
        readers[copy.note_id].append(copy.employee_id)
    return [
        {**row, "text": told.get(row["id"]), "shared_with": sorted(set(readers[row["id"]]) - {row["author_id"]})}
        for row in rows
    ]
