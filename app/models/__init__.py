"""Every table of the service."""

from app.models.audit import AuditEntry, FeedCounter, IdempotentAnswer, OutgoingEvent
from app.models.audit_seal import AuditAnchor, AuditSeal
from app.models.base import Base
from app.models.break_glass import AccessNotice, BreakGlassRequest
from app.models.calendar_feed import CalendarFeed
from app.models.call_event import (
    CallEvent,
    CallEventReceipt,
    CallFlag,
    OutcomeMapping,
    RefusedCallEvent,
    Source,
    UnmappedCode,
)
from app.models.client import Client, ClientKey, RoleGrant
from app.models.coaching_session import CoachingSession, SessionAttendee, SessionBooking, SessionLink, SessionSeries
from app.models.data_rights import DataExport, Erasure, RetentionRule
from app.models.development_plan import DevelopmentPlan
from app.models.eap_provider import EapProvider, EapProviderClient, EapService
from app.models.eap_referral import ConsentText, EapCase, EapConsent, EapCount, EapReferral, EapStep, EapSubmission
from app.models.employee import AgentAlias, Employee
from app.models.goal import Goal, GoalTemplate, ProgressUpdate
from app.models.mentor import MentorAssignment, MentorMeeting, MentorProfile
from app.models.mentor_match import MentorMatch, MentorMatchPair, MentorMatchUnmatched
from app.models.organisation import DirectoryEntry, Organisation
from app.models.person_key import MasterKey, PersonKey
from app.models.practice import Pillar, Practice
from app.models.review import Review, ReviewAction
from app.models.scim_settings import ScimSettings
from app.models.session_action import SessionAction
from app.models.session_feedback import SessionFeedback
from app.models.session_note import SessionNote, SessionNoteCopy
from app.models.source_intake import SourceCount, SourceCredential, SourceHealth
from app.models.strain import StrainRule, StrainSignal, SupportPrompt
from app.models.team import ServiceArea, Team, TeamMember
from app.models.thought_record import ThoughtRecord, ThoughtShare
from app.models.webhook import ProviderEvent, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from app.models.work_pattern import WorkPattern

__all__ = [
    "AccessNotice",
    "AgentAlias",
    "AuditAnchor",
    "AuditEntry",
    "AuditSeal",
    "Base",
    "BreakGlassRequest",
    "CalendarFeed",
    "CallEvent",
    "CallEventReceipt",
    "CallFlag",
    "Client",
    "ClientKey",
    "CoachingSession",
    "ConsentText",
    "DataExport",
    "DevelopmentPlan",
    "DirectoryEntry",
    "EapCase",
    "EapConsent",
    "EapCount",
    "EapProvider",
    "EapProviderClient",
    "EapReferral",
    "EapService",
    "EapStep",
    "EapSubmission",
    "Employee",
    "Erasure",
    "FeedCounter",
    "Goal",
    "GoalTemplate",
    "IdempotentAnswer",
    "MasterKey",
    "MentorAssignment",
    "MentorMatch",
    "MentorMatchPair",
    "MentorMatchUnmatched",
    "MentorMeeting",
    "MentorProfile",
    "Organisation",
    "OutcomeMapping",
    "OutgoingEvent",
    "PersonKey",
    "Pillar",
    "Practice",
    "ProgressUpdate",
    "ProviderEvent",
    "RefusedCallEvent",
    "RetentionRule",
    "Review",
    "ReviewAction",
    "RoleGrant",
    "ScimSettings",
    "ServiceArea",
    "SessionAction",
    "SessionAttendee",
    "SessionBooking",
    "SessionFeedback",
    "SessionLink",
    "SessionNote",
    "SessionNoteCopy",
    "SessionSeries",
    "Source",
    "SourceCount",
    "SourceCredential",
    "SourceHealth",
    "StrainRule",
    "StrainSignal",
    "SupportPrompt",
    "Team",
    "TeamMember",
    "ThoughtRecord",
    "ThoughtShare",
    "UnmappedCode",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WorkPattern",
]
