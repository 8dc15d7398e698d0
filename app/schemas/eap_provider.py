"""The directory of EAP providers and their services: the part of Open Referral HSDS 3.0 that somebody in need reads."""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from app.models.eap_provider import STARTING_POINT, EapStatus
from app.models.strain import Basis
from app.schemas.base import Day, Flag, In, Name, Out, Prose, Resource, TimeZone

HOUR = 3600
PARTS = {
    "FREQ": r"DAILY|WEEKLY|MONTHLY|YEARLY",
    "INTERVAL": r"[1-9]\d{0,2}",
    "COUNT": r"[1-9]\d{0,3}",
    "UNTIL": r"\d{8}(T\d{6}Z)?",
    "BYDAY": r"([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)(,([+-]?[1-5])?(MO|TU|WE|TH|FR|SA|SU)){0,20}",
    "BYMONTHDAY": r"-?([1-9]|[12]\d|3[01])(,-?([1-9]|[12]\d|3[01])){0,30}",
    "BYMONTH": r"([1-9]|1[0-2])(,([1-9]|1[0-2])){0,11}",
    "WKST": r"MO|TU|WE|TH|FR|SA|SU",
}


def _recurrence(value: str) -> str:
    parts = [part.partition("=") for part in value.split(";")]
    names = [name for name, _, _ in parts]
    known = all(name in PARTS and re.fullmatch(PARTS[name], given) for name, _, given in parts)
    if not known or len(set(names)) < len(names) or "FREQ" not in names or {"UNTIL", "COUNT"} <= set(names):
        raise ValueError("Must be an RFC 5545 recurrence of whole days, such as FREQ=WEEKLY;BYDAY=MO,TU.")
    return value


def _distinct(value: list[Any]) -> list[Any]:
    if len(set(value)) < len(value):
        raise ValueError("Must not say the same twice.")
    return value


Channel = Literal["phone", "video", "chat", "email", "text_message", "app", "in_person"]
Language = Annotated[
    str, StringConstraints(max_length=35, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$"), Field(examples=["en"])
]
Number = Annotated[
    str, StringConstraints(max_length=40, pattern=r"^\+?[0-9][0-9 ().-]*$"), Field(examples=["+44 20 7946 0000"])
]
Extension = Annotated[str, StringConstraints(max_length=10, pattern=r"^[0-9]+$"), Field(examples=["12"])]
Recurrence = Annotated[
    str,
    StringConstraints(max_length=200),
    AfterValidator(_recurrence),
    Field(examples=["FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"], description="On which days, as an RFC 5545 recurrence."),
]
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), Field(examples=["08:00"])]
Url = Annotated[
    str,
    StringConstraints(max_length=500, pattern=r"^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?$"),
    Field(examples=["https://harbour.example/eap"]),
]
Sessions = Annotated[int, Field(strict=True, ge=0, le=1000)]
Within = Annotated[int, Field(strict=True, ge=HOUR, le=90 * 86_400)]
Channels = Annotated[list[Channel], Field(min_length=1, max_length=10), AfterValidator(_distinct)]
Languages = Annotated[list[Language], Field(min_length=1, max_length=50), AfterValidator(_distinct)]

PHONE = {"number": "+44 20 7946 0000", "kind": "voice", "description": "Day and night"}
PROVIDER: dict[str, Any] = {"name": "Lighthouse EAP", "url": "https://lighthouse.example/", "phones": [PHONE]}
SERVICE: dict[str, Any] = {
    "name": "Counselling",
    "channels": ["phone", "video"],
    "languages": ["en", "cy"],
    "opening_hours": [{"rrule": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "opens_at": "08:00", "closes_at": "20:00"}],
    "time_zone": "Europe/London",
    "sessions_included": 6,
    "confidentiality_statement": "Your employer never learns that you called, nor what you said.",
    "eligibility": "You, and adults who live with you.",
}


class Phone(In):
    """A number to call or to write to."""

    number: Number
    extension: Extension | None = None
    kind: Literal["voice", "text", "textphone", "fax"] = "voice"
    description: Name | None = None


class Hours(In):
    """On some days, from one time to another. What closes before it opens closes on the day after."""

    rrule: Recurrence
    opens_at: TimeOfDay
    closes_at: TimeOfDay


Phones = Annotated[list[Phone], Field(max_length=20)]
OpeningHours = Annotated[list[Hours], Field(max_length=20)]


class ProviderCreate(In):
    """A provider for the directory."""

    model_config = ConfigDict(json_schema_extra={"examples": [PROVIDER]})

    name: Name
    description: Prose | None = None
    url: Url | None = None
    phones: Phones = Field(default_factory=list, description="Shown with every referral.")
    status: EapStatus = EapStatus.active
    assured_on: Day | None = Field(default=None, description="When somebody last made sure that all of this is true.")


class ProviderUpdate(In):
    """A merge patch."""

    name: Name = Field(default="")
    description: Prose | None = None
    url: Url | None = None
    phones: Phones = Field(default_factory=list)
    status: EapStatus = EapStatus.active
    assured_on: Day | None = None


class PhoneOut(Out):
    """A number to call or to write to."""

    number: str
    extension: str | None
    kind: str
    description: str | None


class HoursOut(Out):
    """On some days, from one time to another, in the service's time zone."""

    rrule: str
    opens_at: str
    closes_at: str


class ProviderOut(Resource):
    """Somebody outside the organisation who helps its people in confidence."""

    name: str
    description: str | None
    url: str | None
    phones: list[PhoneOut]
    status: EapStatus
    assured_on: date | None


class _Service(In):
    description: Prose | None = None
    sessions_included: Sessions | None = Field(default=None, description="How many sessions cost nothing.")
    eligibility: Prose | None = Field(default=None, description="Who may use it.")
    phones: Phones = Field(default_factory=list)
    assured_on: Day | None = None
    always_open: Flag = Field(default=False, description="Open at every hour of every day.")
    opening_hours: OpeningHours = Field(default_factory=list)
    time_zone: TimeZone = "UTC"
    crisis_line: Flag = Field(default=False, description="For when it cannot wait; shown with every referral.")
    status: EapStatus = EapStatus.active
    routine_seconds: Within = Field(default=5 * 86_400, description="First contact is due within this time.")
    soon_seconds: Within = Field(default=2 * 86_400, description="The same, where it should be soon.")
    urgent_seconds: Within = Field(default=86_400, description="The same, where it is urgent.")
    basis: Prose = Field(default=STARTING_POINT, description="Where the three times come from.")
    basis_label: Basis = Field(default=Basis.judgement, description="What kind of ground that is.")


class ServiceCreate(_Service):
    """What a provider offers."""

    model_config = ConfigDict(json_schema_extra={"examples": [SERVICE]})

    name: Name
    channels: Channels
    languages: Languages = Field(description="BCP 47.")
    confidentiality_statement: Prose = Field(description="What is kept from whom, in words for the person who asks.")

    @model_validator(mode="after")
    def _consistent(self) -> "ServiceCreate":
        require_order(self.model_dump())
        return self


class ServiceUpdate(_Service):
    """A merge patch."""

    name: Name = Field(default="")
    channels: Channels = Field(default_factory=list)
    languages: Languages = Field(default_factory=list)
    confidentiality_statement: Prose = Field(default="")


def require_order(values: dict[str, Any]) -> None:
    """Raise ValueError where hours stand beside always open, or what is urgent may wait longer than what is not."""
    if values["always_open"] and values["opening_hours"]:
        raise ValueError("What is always open has no opening hours.")
    if not values["urgent_seconds"] <= values["soon_seconds"] <= values["routine_seconds"]:
        raise ValueError("The time of what is urgent must not be the longer one.")


class ServiceOut(Resource):
    """What a provider offers, when, in which languages, and what it keeps to itself."""

    provider_id: UUID
    name: str
    description: str | None
    channels: list[Channel]
    languages: list[str]
    always_open: bool
    opening_hours: list[HoursOut]
    time_zone: str
    sessions_included: int | None
    confidentiality_statement: str
    eligibility: str | None
    crisis_line: bool
    phones: list[PhoneOut]
    status: EapStatus
    assured_on: date | None
    routine_seconds: int
    soon_seconds: int
    urgent_seconds: int
    basis: str
    basis_label: Basis


class ProviderClientCreate(In):
    """Which client is to act for a provider."""

    client_id: UUID = Field(description="A client that holds no scope but `eap:read` and `eap:write`.")


class ProviderClientOut(Out):
    """A client that acts for a provider."""

    id: UUID
    provider_id: UUID
    client_id: UUID
    created_at: datetime


class HelpContact(Out):
    """Where to turn to now. Crisis lines come first."""

    name: str
    number: str
    extension: str | None
    kind: str
    description: str | None
    crisis_line: bool
    always_open: bool
