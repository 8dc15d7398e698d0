"""Coaching sessions, their attendees and links, free slots and counts."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from app.models.coaching_session import LONGEST, Answer, SessionKind, SessionState
from app.schemas.base import In, Key, Name, Out, Prose, Reason, Resource, TimeZone
from app.schemas.base import Moment as AnyMoment

MOST_ATTENDEES = 50
SHORTEST_SECONDS, LONGEST_SECONDS = 300, int(LONGEST.total_seconds())


def _distinct(value: list[UUID]) -> list[UUID]:
    if len(set(value)) != len(value):
        raise ValueError("Must not name anybody twice.")
    return value


def _distinct_keys(value: list[str]) -> list[str]:
    if len(set(value)) != len(value):
        raise ValueError("Must not name a pillar twice.")
    return value


People = Annotated[list[UUID], Field(max_length=MOST_ATTENDEES), AfterValidator(_distinct)]
AboutPillars = Annotated[list[Key], Field(max_length=20), AfterValidator(_distinct_keys)]
Address = Annotated[str, StringConstraints(max_length=500, pattern=r"^https://[^\s<>\"]+$")]

TIMES: dict[str, Any] = {
    "starts_at": "2099-03-02T10:00:00+01:00",
    "ends_at": "2099-03-02T10:45:00+01:00",
    "time_zone": "Europe/Berlin",
}
SESSION: dict[str, Any] = {
    "kind": "one_to_one",
    "subject": "After the long evenings",
    "agenda": "What went well; what to hand over earlier.",
    "pillars": ["physical_health"],
    **TIMES,
    "location": "Room 4",
}


def _whole_second(value: datetime) -> datetime:
    return value.replace(microsecond=0)


# Calendars know no parts of a second.
Moment = Annotated[AnyMoment, AfterValidator(_whole_second)]


class Times(In):
    """When a session is: two instants, and the zone in which people tell its time."""

    starts_at: Moment | None = Field(default=None, description="When it begins, with an offset.")
    ends_at: Moment | None = Field(
        default=None,
        description=f"When it ends: {SHORTEST_SECONDS // 60} minutes to {LONGEST_SECONDS // 3600} hours later.",
    )
    time_zone: TimeZone | None = Field(
        default=None, description="Left out, the coach's, else your own, else that of the organisation."
    )


class SessionCreate(Times):
    """A session to plan or to ask for. Named by its coach or by a client with a time, it is scheduled at once."""

    model_config = ConfigDict(json_schema_extra={"examples": [SESSION]})

    kind: SessionKind = SessionKind.one_to_one
    subject: Name
    agenda: Prose | None = None
    pillars: AboutPillars = Field(default_factory=list, description="Keys of the pillars that it is about.")
    coach_id: UUID | None = Field(
        default=None, description="Who coaches. Left out, it is a request that any coach may take."
    )
    attendee_ids: People = Field(
        default_factory=list, description="Who is invited, beside the coach. Left out, the calling person."
    )
    location: Name | None = None
    meeting_url: Address | None = Field(default=None, description="Where to meet online; https only.")
    goal_ids: People = Field(default_factory=list, description="Goals to speak of, of those that you may see.")
    call_event_ids: People = Field(default_factory=list, description="Calls to speak of, of those that you may see.")


class DebriefCreate(Times):
    """A debrief that grows out of an accepted prompt. Nothing has to be said: any coach may take it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"agenda": "The second call."}]})

    coach_id: UUID | None = Field(default=None, description="With whom. Left out, any coach may take it.")
    subject: Name = "Debrief"
    agenda: Prose | None = None
    call_event_ids: People = Field(default_factory=list, description="Calls to speak of, of those that you may see.")


class SessionUpdate(In):
    """A merge patch. Times and people change by verbs of their own, which look for double bookings."""

    kind: SessionKind = Field(default=SessionKind.one_to_one)
    subject: Name = Field(default="")
    agenda: Prose | None = None
    pillars: AboutPillars = Field(default_factory=list)
    location: Name | None = None
    meeting_url: Address | None = None


class Schedule(Times, Reason):
    """Agree to a request, at the time that it names or at another."""

    model_config = ConfigDict(json_schema_extra={"examples": [TIMES]})

    coach_id: UUID | None = Field(
        default=None, description="Who coaches, where a client agrees to a request that names nobody."
    )


class Reschedule(Times, Reason):
    """Another time. Everybody is asked again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**TIMES, "reason": "The early shift was moved."}]})

    starts_at: Moment
    ends_at: Moment


class PeopleChange(Reason):
    """Another coach, more attendees or fewer, in one step."""

    coach_id: UUID | None = Field(default=None, description="Who coaches from now on. Left out, who does already.")
    add_ids: People = Field(default_factory=list, description="Who is invited as well.")
    remove_ids: People = Field(default_factory=list, description="Who is taken off.")


class InvitationAnswer(In):
    """What an attendee says to an invitation. Who declines is free again at that time."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"answer": "accepted"}]})

    answer: Literal["accepted", "declined", "tentative"]
    note: Prose | None = Field(default=None, description="A word to the coach.")


class Completion(Reason):
    """That a session was held, and who was not there."""

    absent_ids: People = Field(default_factory=list, description="Who was invited and did not come.")


class AttendeeOut(Out):
    """Somebody who is invited. To a lead who takes no part, only that they are."""

    employee_id: UUID
    answer: Answer | None
    answered_at: datetime | None
    note: str | None = Field(description="Their word to the coach: for the two of them.")
    attended: bool | None = Field(description="Null until the session was held.")
    acknowledged_at: datetime | None


class SessionOut(Resource):
    """A session, as the caller may know of it: who only leads somebody in it sees when, what kind and its state."""

    kind: SessionKind
    state: SessionState
    starts_at: datetime | None = Field(description="Null while it is asked for without a time.")
    ends_at: datetime | None
    time_zone: str = Field(description="In which people tell its time.")
    subject: str | None
    agenda: str | None
    pillars: list[str]
    coach_id: UUID | None
    requested_by_id: UUID | None
    attendees: list[AttendeeOut]
    location: str | None
    meeting_url: str | None
    reason: str | None = Field(description="The word with which it was declined, cancelled or moved.")
    sequence: int = Field(description="Counts the changes of time and place, as in iCalendar.")
    series_id: UUID | None
    occurrence_at: datetime | None = Field(description="When the series has it begin, however it was moved since.")
    prompt_id: UUID | None = Field(description="The prompt that it grew out of: shown to the prompt's person alone.")
    signal_id: UUID | None = Field(description="The signal behind that prompt: shown to its person alone.")
    scheduled_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    acknowledged_at: datetime | None


class LinkCreate(In):
    """One goal or one call event to speak of: exactly one of the two."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"goal_id": "0192f0c1-2b3c-7d4e-8f50-617283940a1b", "call_event_id": None}]}
    )

    goal_id: UUID | None = None
    call_event_id: UUID | None = None


class LinkOut(Out):
    """What a session is to speak of. Shown to those who may see the goal or the call event itself."""

    id: UUID
    session_id: UUID
    employee_id: UUID = Field(description="Whose goal or call it is.")
    goal_id: UUID | None
    call_event_id: UUID | None
    created_at: datetime


class Slot(Out):
    """A time at which everybody is free."""

    starts_at: datetime
    ends_at: datetime


class FreeSlots(Out):
    """Common free time, the earliest first."""

    slots: list[Slot]
    more: bool = Field(description="Whether there are more than were asked for.")


class KindCount(Out):
    """How many sessions of a kind were held. Null where too few people took part to show it."""

    kind: SessionKind
    sessions: int | None
    people: int | None


class SessionCounts(Out):
    """Sessions that were held in whole calendar months of the organisation, naming nobody."""

    minimum_group_size: int
    starts_on: date
    ends_on: date
    kinds: list[KindCount]
