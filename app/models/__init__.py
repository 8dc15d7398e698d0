"""Every table of the service."""

from app.models.audit import AuditEntry, FeedCounter, IdempotentAnswer, OutgoingEvent
from app.models.base import Base
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
from app.models.development_plan import DevelopmentPlan
from app.models.employee import AgentAlias, Employee
from app.models.goal import Goal, GoalTemplate, ProgressUpdate
from app.models.organisation import DirectoryEntry, Organisation
from app.models.practice import Pillar, Practice
from app.models.review import Review, ReviewAction
from app.models.strain import StrainRule, StrainSignal, SupportPrompt
from app.models.team import ServiceArea, Team, TeamMember

__all__ = [
    "AgentAlias",
    "AuditEntry",
    "Base",
    "CallEvent",
    "CallEventReceipt",
    "CallFlag",
    "Client",
    "ClientKey",
    "DevelopmentPlan",
    "DirectoryEntry",
    "Employee",
    "FeedCounter",
    "Goal",
    "GoalTemplate",
    "IdempotentAnswer",
    "Organisation",
    "OutcomeMapping",
    "OutgoingEvent",
    "Pillar",
    "Practice",
    "ProgressUpdate",
    "RefusedCallEvent",
    "Review",
    "ReviewAction",
    "RoleGrant",
    "ServiceArea",
    "Source",
    "StrainRule",
    "StrainSignal",
    "SupportPrompt",
    "Team",
    "TeamMember",
    "UnmappedCode",
]
