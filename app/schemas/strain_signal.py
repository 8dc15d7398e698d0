"""Strain signals: that exposure was too much, and why."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from app.models.strain import SignalState
from app.schemas.base import Resource
from app.schemas.strain_rule import RuleContent

WhichState = Literal["raised", "superseded", "any"]


class StrainSignalOut(Resource):
    """That exposure was too much: the rule as it was, the window, the count and the calls behind it.

    It speaks of calls. How anybody felt is not known here and not inferred.
    """

    employee_id: UUID
    rule_id: UUID
    rule_version: int
    rule: RuleContent = Field(description="The rule as it was.")
    triggered_at: datetime
    window_from: datetime
    window_to: datetime
    measure: float = Field(description="What was counted or measured.")
    threshold: float = Field(description="What the rule looks for.")
    explanation: str
    call_event_ids: list[UUID]
    call_flag_ids: list[UUID] = Field(description="The person's own flags behind it. Only they see such a signal.")
    private: bool = Field(description="It rests on the person's own flags: nobody else sees it, or what it led to.")
    state: SignalState = Field(description="`superseded`: what is known of the calls by now no longer bears it out.")
    superseded_at: datetime | None
