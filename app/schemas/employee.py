"""Employees, as they are synced and shown."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, model_validator

from app.schemas.base import AS_SENT, Day, Email, Flag, In, Moment, Name, Out, Reference, Resource, TimeZone

Mode = Literal["upsert", "complete"]
ItemStatus = Literal["created", "updated", "unchanged", "rejected"]
MOST_AT_ONCE = 1000


class EmployeeFields(In):
    """What HR says of a person, beside their names and places."""

    employee_number: Reference | None = None
    given_name: Name | None = None
    family_name: Name | None = None
    email: Email | None = None
    title: Name | None = None
    department: Name | None = None
    division: Name | None = None
    cost_center: Name | None = None
    organization: Name | None = None
    employment_status: Name | None = None
    locale: Annotated[str, Field(max_length=35, pattern=r"^[A-Za-z]{2,8}([_-][A-Za-z0-9]{1,8})*$")] | None = None
    time_zone: TimeZone | None = None
    hired_on: Day | None = None
    left_on: Day | None = None


class EmployeeCreate(EmployeeFields):
    """A new employee."""

    user_name: Name = Field(description="Unique without regard to case.")
    display_name: Name
    external_id: Reference | None = Field(default=None, description="The person's key in the HR system.")
    manager_id: UUID | None = None
    service_area_id: UUID | None = None


class EmployeeUpdate(EmployeeFields):
    """A merge patch: absent keeps, null clears."""

    user_name: Name = Field(default="", description="Unique without regard to case.")
    display_name: Name = Field(default="")
    external_id: Reference | None = None
    manager_id: UUID | None = None
    service_area_id: UUID | None = None


class EmployeeSync(EmployeeFields):
    """One person of an HR sync, known by their external id. Absent fields are kept, null ones cleared."""

    external_id: Reference = Field(description="The person's key in the HR system, compared exactly.")
    user_name: Name = Field(
        default="", description="Unique without regard to case. A new person without one gets the external id."
    )
    display_name: Name = Field(default="", description="Needed for a person who is new.")
    manager_external_id: Reference | None = Field(
        default=None, description="The manager's external id. The manager may come later, in this batch or another."
    )
    service_area: Name | None = Field(default=None, description="The service area's name; made where it is new.")
    active: Flag = Field(
        default=True, description="False says that they left. Otherwise they are here: who had left is reactivated."
    )


class EmployeeBatch(In):
    """Up to 1,000 people. Each is checked on its own: one bad item never sinks the batch."""

    mode: Mode = Field(
        default="upsert",
        description=(
            "`complete` says that this is everyone whose external id lies after `after` and up to `through`: active "
            "people in that range who are not in the batch are reported as missing."
        ),
    )
    after: Reference | None = Field(
        default=None,
        description=(
            "With `complete`: where the range begins, itself not in it; null is the very beginning. To send more than "
            "1,000 people, sort them by external id (by code point), cut the list into batches, and give each batch "
            "as `after` the last external id of the batch before and as `through` its own last one; the first has no "
            "`after` and the last no `through`. Batches are independent: any of them can be repeated, in any order."
        ),
    )
    through: Reference | None = Field(
        default=None, description="With `complete`: where the range ends, itself in it; null is the very end."
    )
    dry_run: Flag = Field(default=False, description="Say what would change, and change nothing.")
    deactivate_missing: Flag = Field(
        default=False,
        description=(
            "With `complete`: deactivate who is missing, up to 1,000 people in one batch. Nobody is while an item of "
            "the batch has no external id that can be read: it could be theirs."
        ),
    )
    employees: Annotated[list[Annotated[EmployeeSync, AS_SENT]], Field(max_length=MOST_AT_ONCE)]

    @model_validator(mode="after")
    def _make_sense(self) -> "EmployeeBatch":
        if self.mode == "upsert" and (self.after is not None or self.through is not None or self.deactivate_missing):
            raise ValueError("after, through and deactivate_missing go with mode complete.")
        if self.after is not None and self.through is not None and self.after >= self.through:
            raise ValueError("through must come behind after.")
        if self.deactivate_missing and not self.employees:
            raise ValueError("An empty list deactivates nobody: it is more often a fault than the truth.")
        return self

    def covers(self, external_id: str) -> bool:
        """Whether an external id lies in the range that the batch speaks of."""
        return (self.after is None or self.after < external_id) and (
            self.through is None or external_id <= self.through
        )


class ItemFault(Out):
    """What is wrong with one item."""

    pointer: str
    code: str
    detail: str


class EmployeeItemResult(Out):
    """What became of one item, in the order of the batch."""

    index: int
    external_id: str | None
    status: ItemStatus
    id: UUID | None = Field(description="Null where the item was rejected, and for a new person of a dry run.")
    changed: list[str] = Field(description="Names of the fields that changed, or would. Empty for a new person.")
    manager_awaited: bool = Field(description="The manager is not known yet; the link is made when they come.")
    errors: list[ItemFault]


class MissingEmployee(Out):
    """Someone active whom a complete sync did not name."""

    id: UUID
    external_id: str
    deactivated: bool = Field(description="Whether they were deactivated, or would be.")


class EmployeeBatchResult(Out):
    """What a batch did, or would do."""

    dry_run: bool
    created: int
    updated: int
    unchanged: int
    rejected: int
    results: list[EmployeeItemResult]
    managers_found: int = Field(description="How many people outside the batch got the manager they were waiting for.")
    missing_count: int
    missing: list[MissingEmployee] = Field(description="The first 1,000 of them, by external id.")


class EmployeeOut(Resource):
    """A person in the directory."""

    external_id: str | None
    user_name: str
    employee_number: str | None
    given_name: str | None
    family_name: str | None
    display_name: str
    email: str | None
    title: str | None
    department: str | None
    division: str | None
    cost_center: str | None
    organization: str | None
    employment_status: str | None
    locale: str | None
    time_zone: str | None
    hired_on: date | None
    left_on: date | None
    manager_id: UUID | None
    manager_external_id: str | None = Field(description="The manager HR named who is not known here yet.")
    service_area_id: UUID | None
    active: bool
    deactivated_at: datetime | None


class PromptPause(In):
    """Until when no support prompts are wanted. Null wants them again."""

    until: Moment | None


class AgentAliasCreate(In):
    """The name that a call platform uses for this employee."""

    agent_ref: Reference
    source_id: UUID | None = Field(default=None, description="The source whose name it is. Null: any source.")


class AgentAliasOut(Out):
    """A name that a call platform uses for an employee."""

    id: UUID
    employee_id: UUID
    source_id: UUID | None
    agent_ref: str
    created_at: datetime
    attached_call_events: int = Field(description="How many call events it has attached to the employee.")
