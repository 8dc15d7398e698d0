"""Who may do what: work patterns, mentors, their pairs and when these met."""

from typing import Any

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.sql.expression import exists

from app.models import Employee, MentorAssignment, MentorMeeting, MentorProfile, WorkPattern
from app.policy.rule import Models, Policy, rule
from app.relations import (
    ANYONE,
    HR_ADMINISTRATOR,
    LEADS,
    LINE_MANAGER,
    ME,
    NEAR,
    ORGANISATION,
    PROGRAMME_LEAD,
    SELF,
    TEAM_LEAD,
    Relation,
)

PAIR, MEETING = MentorAssignment.__table__, MentorMeeting.__table__


def _to_agree(person: Any, agreed_at: Any) -> ColumnElement[bool]:
    return and_(person == ME, agreed_at.is_(None))


def _of_an_active_person() -> ColumnElement[bool]:
    person = Employee.__table__.alias("person_of_profile")
    return exists(
        select(1).where(
            person.c.organisation_id == ORGANISATION,
            person.c.id == MentorProfile.__table__.c.employee_id,
            person.c.active,
        )
    )


# A pair is about its mentee. The mentor is the other side of it.
MENTOR = Relation("mentor", lambda _subject: PAIR.c.mentor_id == ME)
MENTOR_WHO_MET = Relation("mentor", lambda _subject: MEETING.c.mentor_id == ME)
MENTEE_TO_AGREE = Relation("mentee_to_agree", lambda _subject: _to_agree(PAIR.c.mentee_id, PAIR.c.mentee_agreed_at))
MENTOR_TO_AGREE = Relation("mentor_to_agree", lambda _subject: _to_agree(PAIR.c.mentor_id, PAIR.c.mentor_agreed_at))
PROPOSER = Relation("proposer", lambda _subject: PAIR.c.requested_by_id == ME)
SIDES = (SELF, MENTOR)
TOGETHER = {"active": "active", "paused": "paused"}

POLICY: Policy = {
    ("work_pattern", "read"): rule("employees:read", *NEAR, *LEADS),
    ("work_pattern", "update"): rule("employees:write", SELF, HR_ADMINISTRATOR),
    ("mentor_starting_value", "read"): rule("mentors:read", ANYONE),
    # A directory: who is to pick a mentor has to see them. Those who have left are not in it.
    ("mentor_profile", "read"): rule(
        "mentors:read", ANYONE, client_sees=_of_an_active_person, others_see=_of_an_active_person
    ),
    ("mentor_profile", "create"): rule("mentors:write", SELF, PROGRAMME_LEAD),
    ("mentor_profile", "update"): rule("mentors:write", SELF, PROGRAMME_LEAD),
    ("mentor_profile", "delete"): rule("mentors:write", SELF, PROGRAMME_LEAD),
    ("mentor_assignment", "read"): rule(None, *SIDES, LINE_MANAGER, TEAM_LEAD, PROGRAMME_LEAD),
    ("mentor_assignment", "suggest"): rule(None, *NEAR, PROGRAMME_LEAD),
    # To whom is asked of the mentee; a mentor offers to mentor anyone who then agrees.
    ("mentor_assignment", "create"): rule(None, *NEAR, PROGRAMME_LEAD),
    ("mentor_assignment", "offer"): rule(None, ANYONE),
    ("mentor_assignment", "update"): rule(None, *SIDES, moves=TOGETHER),
    ("mentor_assignment", "accept"): rule(None, MENTEE_TO_AGREE, MENTOR_TO_AGREE, moves={"proposed": "active"}),
    ("mentor_assignment", "decline"): rule(None, *SIDES, PROPOSER, moves={"proposed": "declined"}),
    ("mentor_assignment", "pause"): rule(None, *SIDES, PROGRAMME_LEAD, moves={"active": "paused"}),
    ("mentor_assignment", "resume"): rule(None, *SIDES, PROGRAMME_LEAD, moves={"paused": "active"}),
    ("mentor_assignment", "complete"): rule(None, *SIDES, PROGRAMME_LEAD, moves=dict.fromkeys(TOGETHER, "completed")),
    ("mentor_assignment", "end"): rule(None, *SIDES, PROGRAMME_LEAD, moves=dict.fromkeys(TOGETHER, "ended_early")),
    ("mentor_assignment", "record_meeting"): rule(None, *SIDES, moves=TOGETHER),
    # How it goes: when they met, what was said of it, its flags. Those who lead the mentee see that there is a pair.
    ("mentor_assignment", "follow"): rule(None, *SIDES, PROGRAMME_LEAD),
    ("mentor_meeting", "read"): rule(None, SELF, MENTOR_WHO_MET, PROGRAMME_LEAD),
    ("mentor_meeting", "create"): rule(None, SELF, MENTOR_WHO_MET),
    ("mentor_meeting", "withdraw"): rule(None, SELF, MENTOR_WHO_MET, moves={"recorded": "withdrawn"}),
}

MODELS: Models = {
    "work_pattern": (WorkPattern, WorkPattern.__table__.c.employee_id),
    "mentor_profile": (MentorProfile, MentorProfile.__table__.c.employee_id),
    "mentor_assignment": (MentorAssignment, MentorAssignment.__table__.c.mentee_id),
    "mentor_meeting": (MentorMeeting, MentorMeeting.__table__.c.mentee_id),
}
