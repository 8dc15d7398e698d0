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
from app.models.employee import AgentAlias, Employee
from app.models.organisation import DirectoryEntry, Organisation
from app.models.practice import Pillar, Practice
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
    "DirectoryEntry",
    "Employee",
    "FeedCounter",
    "IdempotentAnswer",
    "Organisation",
    "OutcomeMapping",
    "OutgoingEvent",
    "Pillar",
    "Practice",
    "RefusedCallEvent",
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
