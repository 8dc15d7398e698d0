"""What every schema shares: strict types, refused extras, pages."""

from datetime import UTC, date, datetime
from functools import cache
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WrapValidator,
)

from app.models.base import folded

T = TypeVar("T")

FIRST_YEAR, LAST_YEAR = 1900, 2200


def _text(value: Any) -> Any:
    if isinstance(value, (int, float)):
        raise ValueError("Must be a text.")
    return value


def _in_utc(value: datetime) -> datetime:
    if not FIRST_YEAR < value.year < LAST_YEAR:
        raise ValueError(f"Must lie between the years {FIRST_YEAR} and {LAST_YEAR}.")
    return value.astimezone(UTC)


def _in_range(value: date) -> date:
    if not FIRST_YEAR < value.year < LAST_YEAR:
        raise ValueError(f"Must lie between the years {FIRST_YEAR} and {LAST_YEAR}.")
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("Must not be blank.")
    return value.strip()


def _comparable(value: str) -> str:
    # Folding lengthens some texts eighteen-fold, and the folded form must fit an index: 600 characters are 2,400 bytes.
    if len(value) > 30 and len(folded(value)) > 600:
        raise ValueError("Must be shorter in its compatibility form.")
    return value


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _known_zone(value: str) -> str:
    if value not in _zones():
        raise ValueError("Must be a time zone of the IANA database, such as Europe/London.")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_text), AfterValidator(_in_utc)]
Day = Annotated[date, BeforeValidator(_text), AfterValidator(_in_range)]
Int = Annotated[int, Field(strict=True, ge=-(2**31), le=2**31 - 1)]
Count = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]
Seconds = Annotated[int, Field(strict=True, ge=0, le=366 * 86_400)]
Flag = Annotated[bool, Field(strict=True)]
Name = Annotated[str, StringConstraints(max_length=200), AfterValidator(_not_blank), AfterValidator(_comparable)]
Reference = Annotated[str, StringConstraints(max_length=200, pattern=r"\S"), AfterValidator(_comparable)]
Email = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$"), AfterValidator(_comparable)]
TimeZone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_known_zone)]
Prose = Annotated[str, StringConstraints(max_length=4000), AfterValidator(_not_blank)]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]

# A value that is documented, but not checked with the rest: of many items each is checked on its own, so that a bad one
# sinks no other.
AS_SENT = WrapValidator(lambda value, _check: value)


class In(BaseModel):
    """A request body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    def given(self) -> dict[str, Any]:
        """Return the fields that were sent: absent means keep, null means clear."""
        return self.model_dump(exclude_unset=True)


class Out(BaseModel):
    """A representation. No field has a default: a generated client sees each as always there."""

    model_config = ConfigDict(from_attributes=True)


class Resource(Out):
    """What the representation of a row that changes always holds."""

    id: UUID
    version: int = Field(description="Counts the changes; the ETag is this number in quotes.")
    created_at: datetime
    updated_at: datetime
    allowed_actions: list[str] = Field(description="What you may do to it now.")


class Page(Out, Generic[T]):
    """One keyset page of a list."""

    data: list[T]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page. Null on the last page.")


class SyncPage(Page[T], Generic[T]):
    """One keyset page of a list that can be polled for changes."""

    next_watermark: str | None = Field(description="Send it as `modified_since` next time: nothing is ever skipped.")


class Reason(In):
    """Why something is done."""

    reason: Prose | None = Field(default=None, description="Why, for the history.")


class HistoryEntry(Out):
    """One change of a row: who, when, and why."""

    id: UUID
    action: str
    recorded_at: datetime
    actor_kind: str
    actor_id: UUID | None
    details: dict[str, Any] = Field(description="Names of changed fields, states, the given reason (null once erased).")
