"""Who may do what: coaching sessions, their attendees, links and series."""

from typing import Any

from sqlalchemy import ColumnElement, and_, case, or_, select
from sqlalchemy.sql.expression import exists

from app.models import CoachingSession, Goal, RoleGrant, SessionAttendee, SessionLink, SessionSeries, Team, TeamMember
from app.models.client import GrantState, Role
from app.models.employee import Employee
from app.policy.rule import Models, Policy, rule
from app.relations import ANYONE, LINE_MANAGER, ME, NEAR, ORGANISATION, PROGRAMME_LEAD, SELF, TEAM_LEAD, Relation

SESSION, ATTENDED, SERIES = CoachingSession.__table__, SessionAttendee.__table__, SessionSeries.__table__


def _sessions_that_i_attend() -> Any:
    mine = ATTENDED.alias("attended_by_me")
    return select(mine.c.session_id).where(
        mine.c.organisation_id == ORGANISATION, mine.c.employee_id == ME, mine.c.removed_at.is_(None)
    )


def _coached_by_me(_subject: ColumnElement[Any]) -> ColumnElement[bool]:
    return SESSION.c.coach_id == ME


def _attended_by_me(_subject: ColumnElement[Any]) -> ColumnElement[bool]:
    return SESSION.c.id.in_(_sessions_that_i_attend())


def _asked_for_by_me(_subject: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return whether I asked for it, as long as no coach has agreed: from then on it is theirs who take part."""
    return and_(SESSION.c.requested_by_id == ME, SESSION.c.scheduled_at.is_(None))


def _open_to_every_coach(_subject: ColumnElement[Any]) -> ColumnElement[bool]:
    return and_(SESSION.c.coach_id.is_(None), SESSION.c.state == "requested")


def _in_the_schedule_of(near: Relation) -> Relation:
    """Return that relation to somebody who takes part, in what was scheduled: not in what was only asked for."""

    def predicate(_subject: ColumnElement[Any]) -> ColumnElement[bool]:
        theirs = ATTENDED.alias("attended_by_theirs")
        attends = exists(
            select(1).where(
                theirs.c.organisation_id == ORGANISATION,
                theirs.c.session_id == SESSION.c.id,
                theirs.c.removed_at.is_(None),
                near.predicate(theirs.c.employee_id),
            )
        )
        return and_(SESSION.c.scheduled_at.is_not(None), or_(attends, near.predicate(SESSION.c.coach_id)))

    return Relation(near.name, predicate)


def _leads_me(subject: ColumnElement[Any]) -> ColumnElement[bool]:
    me, member, team = (
        Employee.__table__.alias("me_with_a_manager"),
        TeamMember.__table__.alias("me_in_a_team"),
        Team.__table__.alias("team_that_i_am_in"),
    )
    managed = exists(select(1).where(me.c.organisation_id == ORGANISATION, me.c.id == ME, me.c.manager_id == subject))
    led = exists(
        select(1)
        .select_from(member.join(team, _same(member, team, "team_id")))
        .where(member.c.organisation_id == ORGANISATION, member.c.employee_id == ME, team.c.lead_id == subject)
    )
    return or_(managed, led)


def _in_a_team_with_me(subject: ColumnElement[Any]) -> ColumnElement[bool]:
    mine, theirs = TeamMember.__table__.alias("my_membership"), TeamMember.__table__.alias("their_membership")
    together = and_(theirs.c.organisation_id == mine.c.organisation_id, theirs.c.team_id == mine.c.team_id)
    return exists(
        select(1)
        .select_from(mine.join(theirs, together))
        .where(mine.c.organisation_id == ORGANISATION, mine.c.employee_id == ME, theirs.c.employee_id == subject)
    )


def _is_a_coach(subject: ColumnElement[Any]) -> ColumnElement[bool]:
    grant = RoleGrant.__table__.alias("grant_to_coach")
    return exists(
        select(1).where(
            grant.c.organisation_id == ORGANISATION,
            grant.c.employee_id == subject,
            grant.c.role == Role.coach,
            grant.c.state == GrantState.active,
        )
    )


def _same(member: Any, team: Any, column: str) -> ColumnElement[bool]:
    return and_(team.c.organisation_id == member.c.organisation_id, team.c.id == member.c[column])


def _coaches_the_series(_subject: ColumnElement[Any]) -> ColumnElement[bool]:
    return SERIES.c.coach_id == ME


def _in_a_series_of_mine() -> ColumnElement[bool]:
    of_it = SESSION.alias("occurrence")
    return exists(
        select(1).where(
            of_it.c.organisation_id == ORGANISATION,
            of_it.c.series_id == SERIES.c.id,
            of_it.c.id.in_(_sessions_that_i_attend()),
        )
    )


def _not_of_a_private_goal() -> ColumnElement[bool]:
    goal, link = Goal.__table__.alias("linked_goal"), SessionLink.__table__
    return ~exists(select(1).where(goal.c.organisation_id == ORGANISATION, goal.c.id == link.c.goal_id, goal.c.private))


COACH_OF_THE_SESSION = Relation("coach_of_the_session", _coached_by_me)
COACH_OF_THE_SERIES = Relation("coach_of_the_series", _coaches_the_series)
ATTENDEE = Relation("attendee", _attended_by_me)
REQUESTER = Relation("requester_of_the_session", _asked_for_by_me)
COACH_OF_OPEN_REQUESTS = Relation("coach_of_open_requests", _open_to_every_coach, role=Role.coach)
COACH = Relation("coach", role=Role.coach)
THEIR_REPORT = Relation("their_report", _leads_me)
TEAM_MATE = Relation("team_mate", _in_a_team_with_me)
OF_A_COACH = Relation("anyone_of_a_coach", _is_a_coach)

WRITE = "sessions:write"
OPEN = {state: state for state in ("requested", "scheduled", "in_progress")}

POLICY: Policy = {
    # Leads see when, what kind and in what state; the words and the others are hidden: services/session_reading.py.
    ("coaching_session", "read"): rule(
        "sessions:read", SELF, _in_the_schedule_of(LINE_MANAGER), _in_the_schedule_of(TEAM_LEAD), COACH_OF_OPEN_REQUESTS
    ),
    ("coaching_session", "count"): rule(None, PROGRAMME_LEAD),
    ("coaching_session", "create"): rule(WRITE, ANYONE),
    # A debrief out of a prompt: which prompt, its own rule below says.
    ("coaching_session", "take_up"): rule(None, ANYONE),
    ("coaching_session", "update"): rule(WRITE, SELF, moves=OPEN),
    ("coaching_session", "schedule"): rule(
        WRITE, COACH_OF_THE_SESSION, COACH_OF_OPEN_REQUESTS, moves={"requested": "scheduled"}
    ),
    ("coaching_session", "decline"): rule(WRITE, COACH_OF_THE_SESSION, moves={"requested": "declined"}),
    ("coaching_session", "answer"): rule(None, ATTENDEE, moves={"scheduled": "scheduled"}),
    ("coaching_session", "reschedule"): rule(WRITE, COACH_OF_THE_SESSION, moves={"scheduled": "scheduled"}),
    ("coaching_session", "change_people"): rule(
        WRITE, COACH_OF_THE_SESSION, moves={state: state for state in ("requested", "scheduled")}
    ),
    ("coaching_session", "start"): rule(WRITE, COACH_OF_THE_SESSION, moves={"scheduled": "in_progress"}),
    ("coaching_session", "complete"): rule(
        WRITE, COACH_OF_THE_SESSION, moves={"scheduled": "completed", "in_progress": "completed"}
    ),
    ("coaching_session", "mark_no_show"): rule(WRITE, COACH_OF_THE_SESSION, moves={"scheduled": "no_show"}),
    ("coaching_session", "acknowledge"): rule(None, ATTENDEE, moves={"completed": "acknowledged"}),
    ("coaching_session", "cancel"): rule(
        WRITE, COACH_OF_THE_SESSION, REQUESTER, moves={"requested": "cancelled", "scheduled": "cancelled"}
    ),
    # Whom one sees in the schedule of a session that one takes no part in.
    ("session_attendee", "read"): rule("sessions:read", *NEAR),
    # Whom one may name in a session, as its coach or as an attendee, and whose free time one may ask for.
    ("session_attendee", "create"): rule(WRITE, *NEAR, THEIR_REPORT, TEAM_MATE, OF_A_COACH, COACH),
    # A link shows no more than its goal or call event would: these are the relations that read those.
    ("session_link", "read"): rule(None, *NEAR, others_see=_not_of_a_private_goal),
    ("session_link", "create"): rule(None, ANYONE),
    ("session_link", "delete"): rule(None, *NEAR, others_see=_not_of_a_private_goal),
    ("session_series", "read"): rule("sessions:read", SELF),
    ("session_series", "create"): rule(WRITE, ANYONE),
    ("session_series", "change"): rule(WRITE, COACH_OF_THE_SERIES, moves={"active": "active"}),
    ("session_series", "cancel"): rule(WRITE, COACH_OF_THE_SERIES, moves={"active": "ended"}),
    ("support_prompt", "request_debrief"): rule(None, SELF, moves={"accepted": "accepted"}),
}

# Whom a session is about are all who take part in it: the caller, where they do.
_MY_SESSION: ColumnElement[Any] = case(
    (or_(_coached_by_me(ME), _attended_by_me(ME), _asked_for_by_me(ME)), ME), else_=None
)
_MY_SERIES: ColumnElement[Any] = case((or_(SERIES.c.coach_id == ME, _in_a_series_of_mine()), ME), else_=None)

MODELS: Models = {
    "coaching_session": (CoachingSession, _MY_SESSION),
    "session_attendee": (SessionAttendee, ATTENDED.c.employee_id),
    "session_link": (SessionLink, SessionLink.__table__.c.employee_id),
    "session_series": (SessionSeries, _MY_SERIES),
}
