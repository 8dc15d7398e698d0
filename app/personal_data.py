"""The catalogue of personal data: each table that holds something about people, and what becomes of it.

A test over the database says that no table is missing: one that names nobody stands in ``NOBODY``, with the reason.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, literal, select

from app import models as m
from app.holding import Effect, Holding, Sealed
from app.models.review import ShownWhen
from app.personal_data_classes import DataClass

GONE = "Erased"


def _by_row(table: Any) -> ColumnElement[str]:
    """Return a text that is unique by the row, and says nothing."""
    return literal("erased-") + cast(table.c.id, Text)


def _reviewer_part_is_shown(row: Mapping[str, Any]) -> bool:
    """Return whether the owner of the plan reads what the reviewer said."""
    alone = row["shown_when"] == ShownWhen.each_shared
    return row["reviewer_shared_at"] is not None and (alone or row["self_shared_at"] is not None)


def _attended(table: Any, person: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the scheduled sessions to which a person is invited."""
    seat = m.SessionAttendee.__table__.alias("seat")
    mine = select(seat.c.session_id).where(
        seat.c.organisation_id == table.c.organisation_id, seat.c.employee_id == person, seat.c.removed_at.is_(None)
    )
    return and_(table.c.id.in_(mine), table.c.coach_id.is_distinct_from(person))


D, E = DataClass, Effect
PLAIN = ("lease_token", "lease_until", "attempts")
HOLDINGS: tuple[Holding, ...] = (
    Holding(
        m.Employee,
        D.directory,
        about=("id",),
        by=("manager_id",),
        part=("id",),
        effect=E.blanked,
        withheld=("user_name_key", "email_key", "forgotten"),
    ),
    Holding(m.AgentAlias, D.directory, effect=E.deleted, withheld=("agent_key",)),
    Holding(m.TeamMember, D.directory, effect=E.deleted),
    Holding(m.Team, D.directory, about=(), by=("lead_id",), part=("id", "name"), effect=E.blanked),
    Holding(m.WorkPattern, D.directory, effect=E.deleted),
    Holding(
        m.CallEvent,
        D.calls,
        effect=E.blanked,
        blanks={
            "contact_id": _by_row,
            "agent_ref": _by_row,
            "agent_key": _by_row,
            "root_contact_id": None,
            "leg_id": None,
            "sentiment": None,
            "void_reason": None,
            "dispute_reason": None,
            "field_as_of": None,
        },
        withheld=("agent_key", "disposition_key", "as_of_event_id", "field_as_of"),
    ),
    Holding(m.CallFlag, D.strain, effect=E.deleted),
    Holding(m.StrainSignal, D.strain, effect=E.blanked, blanks={"call_flag_ids": []}),
    Holding(m.SupportPrompt, D.strain),
    Holding(
        m.DevelopmentPlan,
        D.programme,
        by=("proposed_by_id",),
        part=("id", "state", "created_at"),
        effect=E.blanked,
        blanks={"title": GONE, "purpose": None, "agreed_support": None},
    ),
    Holding(
        m.Goal,
        D.programme,
        effect=E.blanked,
        blanks={
            "title": GONE,
            "description": None,
            "why_it_matters": None,
            "how_to_reach_it": None,
            "if_then": None,
            "unit": None,
        },
    ),
    Holding(
        m.ProgressUpdate,
        D.programme,
        by=("recorded_by_id",),
        part=("id", "as_of", "state"),
        effect=E.blanked,
        blanks={"note": None},
    ),
    Holding(
        m.Review,
        D.programme,
        by=("reviewer_id",),
        part=("id", "kind", "held_on", "state", "completed_at"),
        effect=E.blanked,
        blanks={"self_part": None, "self_sealed": None, "reviewer_part": None, "reviewer_sealed": None},
        withheld=("self_part", "reviewer_part"),
        sealed=(
            Sealed("self_sealed", "review.self_part"),
            Sealed("reviewer_sealed", "review.reviewer_part", shown=_reviewer_part_is_shown),
        ),
    ),
    Holding(m.ReviewAction, D.programme, effect=E.blanked, blanks={"words": GONE}),
    Holding(m.MentorProfile, D.programme, effect=E.deleted),
    Holding(
        m.MentorAssignment,
        D.programme,
        about=("mentee_id", "mentor_id"),
        by=("requested_by_id",),
        part=("id", "state", "created_at"),
        effect=E.blanked,
        blanks={"rationale": None, "reasons": [], "ended_reason": None},
    ),
    Holding(m.MentorMeeting, D.programme, about=("mentee_id", "mentor_id"), by=("noted_by_id",), part=("id", "met_at")),
    Holding(
        m.MentorMatch,
        D.programme,
        about=(),
        by=("requested_by_id",),
        part=("id", "state", "created_at"),
        withheld=PLAIN,
    ),
    Holding(m.MentorMatchPair, D.programme, about=("mentee_id", "mentor_id"), effect=E.deleted),
    Holding(m.MentorMatchUnmatched, D.programme, about=("mentee_id",), effect=E.deleted),
    Holding(
        m.CoachingSession,
        D.coaching,
        about=("coach_id",),
        by=("requested_by_id",),
        part=("id", "kind", "state", "starts_at", "ends_at", "created_at"),
        withheld=("sorts_at",),
        through=_attended,
    ),
    Holding(m.SessionSeries, D.coaching, about=("coach_id",), by=("requested_by_id",), part=("id", "kind", "state")),
    Holding(m.SessionAttendee, D.coaching, effect=E.blanked, blanks={"answer_note": None}),
    Holding(m.SessionLink, D.coaching, effect=E.deleted),
    Holding(m.SessionBooking, D.coaching, effect=E.deleted),
    # Each reader's copy of a note is theirs. What a coach wrote for themself has no copy for the person: it is theirs.
    Holding(m.SessionNote, D.coaching, about=("author_id",)),
    Holding(
        m.SessionNoteCopy, D.coaching, effect=E.deleted, sealed=(Sealed("sealed", "session_note_copy.sealed"),)
    ),
    Holding(
        m.SessionAction,
        D.coaching,
        by=("agreed_by_id", "done_by_id"),
        part=("id", "state", "created_at"),
        effect=E.blanked,
        blanks={"words": GONE},
    ),
    # A coach reads marks by the quarter, and never whose one was: so they have no part in the rows.
    Holding(
        m.SessionFeedback,
        D.coaching,
        by=("coach_id",),
        part=(),
        effect=E.blanked,
        blanks={"words": None},
        sealed=(Sealed("words", "session_feedback.words"),),
    ),
    Holding(m.CalendarFeed, D.account, effect=E.deleted, withheld=("digest",)),
    Holding(
        m.ThoughtRecord, D.wellbeing, effect=E.deleted, sealed=(Sealed("content", "thought_record.content"),)
    ),
    Holding(m.ThoughtShare, D.wellbeing, by=("shared_with_id",), part=("id", "created_at"), effect=E.deleted),
    Holding(
        m.EapSubmission,
        D.eap,
        by=("referred_by_id",),
        part=("id", "kind", "state", "proposed_at", "created_at"),
        effect=E.blanked,
        blanks={"reason": None},
        sealed=(Sealed("reason", "eap_submission.reason"),),
        clause=lambda table: table.c.state == "proposed",
    ),
    Holding(
        m.EapReferral,
        D.eap,
        by=("coordinator_id",),
        part=(),
        effect=E.blanked,
        blanks={"note": None, "contact": None},
        sealed=(Sealed("note", "eap_referral.note"), Sealed("contact", "eap_referral.contact")),
    ),
    Holding(m.EapCase, D.eap),
    Holding(m.EapStep, D.eap, sealed=(Sealed("reason", "eap_step.reason"),)),
    Holding(m.EapConsent, D.eap, by=("referrer_id",), part=()),
    # Shown once the person was told, which the export sees to. What was done is an entry of their access log too.
    Holding(
        m.BreakGlassRequest,
        D.audit,
        by=("requested_by_id", "approved_by_id", "second_approved_by_id", "denied_by_id"),
        part=("id", "state", "created_at"),
        sealed=(
            Sealed("reason", "break_glass_request.reason"),
            Sealed("delay_reason", "break_glass_request.delay_reason"),
        ),
    ),
    Holding(m.AccessNotice, D.audit),
    Holding(
        m.AuditEntry,
        D.audit,
        about=("subject_id",),
        by=("actor_id",),
        part=("id", "recorded_at", "action"),
        withheld=("request_id", "number"),
        sealed=(Sealed("reason", "audit_entry.reason", key="subject_id"),),
    ),
    Holding(m.RoleGrant, D.account, effect=E.blanked, blanks={"reason": None}),
    Holding(
        m.DataExport, D.account, by=("requested_by_id",), part=("id", "state", "created_at"), effect=E.deleted,
        withheld=("content", *PLAIN),
    ),
    Holding(m.Erasure, D.audit, by=("erased_by_id",), part=("id", "erased_at")),
    Holding(m.PersonKey, D.account, about=("id",), effect=E.deleted, withheld=("wrapped", "key_id")),
)  # fmt: skip
BY_TABLE: Mapping[str, Holding] = {holding.table.fullname: holding for holding in HOLDINGS}

_SETTINGS = "a setting of the organisation"
_LIBRARY = "a text for everyone"
# Tables that name nobody, and why that is so.
NOBODY: Mapping[str, str] = {
    "audit_anchor": "the head of a seal",
    "audit_seal": "digests of entries",
    "call_event_receipt": "the id of a message",
    "client": "a machine",
    "client_key": "a machine's",
    "consent_text": _LIBRARY,
    "eap_count": "a rounded number of people, ten or more",
    "eap_provider": "somebody outside, by their public contacts",
    "eap_provider_client": "a machine for a provider",
    "eap_service": "what a provider offers",
    "feed_counter": "a number",
    "goal_template": _LIBRARY,
    "idempotent_answer": "an answer, sealed, for 24 hours: a person's under their key",
    "keys.master_key": "a key of the installation",
    "organisation": "a tenant",
    "organisation_directory": "a tenant",
    "outcome_mapping": _SETTINGS,
    "outgoing_event": "the id of a row, its version and state, for 90 days",
    "pillar": _LIBRARY,
    "practice": _LIBRARY,
    "refused_call_event": "what could not be read and was safe to keep, for a week",
    "retention_rule": _SETTINGS,
    "scim_settings": _SETTINGS,
    "service_area": "an area of work",
    "source": "a machine",
    "source_count": "how many items came, by five minutes, for eight days",
    "source_credential": "a machine's",
    "source_health": "how a machine is",
    "strain_rule": _SETTINGS,
    "unmapped_code": "a code and how often it came",
    "provider_event": "the id of a case, its version and state, for 90 days",
    "webhook_attempt": "what a machine answered, for 30 days after the last attempt",
    "webhook_delivery": "the id of a row, its version and state, for 30 days after the last attempt",
    "webhook_endpoint": "the address of a machine, and what signs for it",
}
