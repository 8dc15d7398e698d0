"""Strain rules: when exposure is too much, and what is offered then."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, ValidationError, model_validator

from app.errors import Unprocessable
from app.models.strain import Basis
from app.problems import MOST_FAULTS, UNION_KINDS, fault_of
from app.schemas.base import Flag, In, Key, Name, Out, Prose, Resource

DAY = 86_400
Window = Annotated[int, Field(strict=True, ge=60, le=31 * DAY, description="Seconds.")]
Weight = Annotated[int, Field(strict=True, ge=0, le=10)]
HowMany = Annotated[int, Field(strict=True, ge=1, le=100)]
Share = Annotated[float, Field(strict=True, gt=0, le=1)]


class HardCallCount(In):
    """So many hard calls within a window."""

    kind: Literal["hard_call_count"]
    count: HowMany
    window_seconds: Window


class HardCallStreak(In):
    """So many hard calls in a row, all of them within a window."""

    kind: Literal["hard_call_streak"]
    count: HowMany
    window_seconds: Window


class UnresolvedShare(In):
    """A share of the calls within a window has the outcome `unresolved`. Severity plays no part."""

    kind: Literal["unresolved_share"]
    share: Share
    minimum_calls: HowMany
    window_seconds: Window


class TalkWithoutPause(In):
    """So much time on calls without a pause. Severity plays no part; wrapping up is not a pause.

    Looked at are the last two times `talk_seconds` + `pause_seconds`, twelve hours at most.
    """

    kind: Literal["talk_without_pause"]
    talk_seconds: Annotated[int, Field(strict=True, ge=60, le=6 * 3600)]
    pause_seconds: Annotated[int, Field(strict=True, ge=30, le=3600)]


class AboveTeamMedian(In):
    """More hard calls on the last shifts than a multiple of the team's median.

    A shift is a calendar day with a call, in the organisation's time zone. A day is looked at when it is over: with the
    first call of the team on a later day. Who had fewer shifts lately is left out of the comparison.
    """

    kind: Literal["above_team_median"]
    multiple: Annotated[float, Field(strict=True, gt=1, le=10)]
    shifts: Annotated[int, Field(strict=True, ge=1, le=20)]
    minimum_team: Annotated[int, Field(strict=True, ge=5, le=1000)] = Field(
        default=5, description="With fewer people to compare there is no signal. Not below 5."
    )
    minimum_hard_calls: HowMany = Field(
        default=3, description="With fewer hard calls there is no signal, whatever the median is."
    )


class SelfFlag(In):
    """The person says themself that a call was hard. A signal of this kind is theirs alone."""

    kind: Literal["self_flag"]


Condition = Annotated[
    HardCallCount | HardCallStreak | UnresolvedShare | TalkWithoutPause | AboveTeamMedian | SelfFlag,
    Field(discriminator="kind"),
]


class AboveTeamMedianOut(AboveTeamMedian):
    """More hard calls on the last shifts than a multiple of the team's median."""

    minimum_team: int
    minimum_hard_calls: int


ConditionOut = Annotated[
    HardCallCount | HardCallStreak | UnresolvedShare | TalkWithoutPause | AboveTeamMedianOut | SelfFlag,
    Field(discriminator="kind"),
]
# Our outcomes, the kinds of a flag, and `flag` for one without a kind: a test holds them together.
SeverityKey = Literal[
    "resolved",
    "unresolved",
    "escalated",
    "complaint",
    "refusal_given",
    "abusive",
    "threatening",
    "distressed_caller",
    "safeguarding",
    "abandoned",
    "other",
    "angry_at_the_situation",
    "aimed_at_me",
    "threat_or_hate",
    "distressing",
    "flag",
]
Severity = Annotated[
    dict[SeverityKey, Weight],
    Field(
        description="How hard a call with this outcome, or with this flag of the person's own, is: 0 to 10. `flag` is"
        " for one without a kind. A call is as hard as the hardest that holds for it; what is not named weighs 0."
    ),
]
SEVERITY: dict[SeverityKey, int] = {
    "threatening": 10,
    "abusive": 8,
    "safeguarding": 7,
    "distressed_caller": 6,
    "escalated": 4,
    "complaint": 4,
    "refusal_given": 3,
    "unresolved": 2,
    "threat_or_hate": 10,
    "aimed_at_me": 8,
    "distressing": 7,
    "flag": 6,
    "angry_at_the_situation": 5,
}
OWN_CHOICE = "The organisation's own choice."


def _each_once(value: list[UUID]) -> list[UUID]:
    if len(set(value)) != len(value):
        raise ValueError("Must name each service area once.")
    return value


Areas = Annotated[list[UUID], Field(max_length=50), AfterValidator(_each_once)]
OfferedKind = Literal["break", "debrief", "mentor", "practice"]
Minutes = Annotated[int, Field(strict=True, ge=1, le=120)]
Expiry = Annotated[int, Field(strict=True, ge=60, le=31 * DAY)]


class Offer(In):
    """What is offered when the rule is met."""

    kind: OfferedKind
    minutes: Minutes | None = Field(default=None, description="How long it takes. A break needs it.")
    expires_seconds: Expiry = Field(description="For how long the offer makes sense, from the moment of the signal on.")
    pillar: Key | None = Field(
        default=None, description="The pillar to take a practice from. A practice needs it; a break may have it."
    )

    @model_validator(mode="after")
    def _whole(self) -> "Offer":
        if self.kind == "break" and self.minutes is None:
            raise ValueError("A break needs minutes.")
        if self.kind == "practice" and self.pillar is None:
            raise ValueError("A practice needs a pillar.")
        return self


class StrainRuleCreate(In):
    """A whole rule."""

    name: Name
    description: Prose = Field(description="What it looks for and why, for the people it is about.")
    basis: Prose = Field(default=OWN_CHOICE, description="Where its values come from.")
    basis_label: Basis = Field(default=Basis.judgement, description="What kind of ground that is.")
    enabled: Flag = True
    condition: Condition
    severity: Severity = Field(default_factory=SEVERITY.copy)
    hard_severity: Annotated[int, Field(strict=True, ge=1, le=10)] = Field(
        default=5, description="From which severity on a call is hard for this rule."
    )
    cooldown_seconds: Annotated[int, Field(strict=True, ge=0, le=31 * DAY)] = Field(
        default=4 * 3600, description="After a signal there is no other one of this rule and person for so long."
    )
    service_area_ids: Areas = Field(
        default_factory=list, description="Only people of these service areas. Empty: everyone."
    )
    prompt: Offer


class ConditionPatch(In):
    """Members of the condition to change. With another `kind`, members that it does not have fall away."""

    kind: str = Field(default="", max_length=40)
    count: HowMany = Field(default=1)
    window_seconds: Window = Field(default=60)
    share: Share = Field(default=1.0)
    minimum_calls: HowMany = Field(default=1)
    talk_seconds: Annotated[int, Field(strict=True, ge=60)] = Field(default=60)
    pause_seconds: Annotated[int, Field(strict=True, ge=30)] = Field(default=30)
    multiple: Annotated[float, Field(strict=True, gt=1)] = Field(default=2.0)
    shifts: HowMany = Field(default=1)
    minimum_team: Annotated[int, Field(strict=True, ge=5)] = Field(default=5)
    minimum_hard_calls: HowMany = Field(default=3)


class OfferPatch(In):
    """Members of the offer to change."""

    kind: OfferedKind = Field(default="break")
    minutes: Minutes | None = None
    expires_seconds: Expiry = Field(default=60)
    pillar: Key | None = None


class StrainRuleUpdate(In):
    """A merge patch: absent keeps, null clears, objects are merged member by member."""

    name: Name = Field(default="")
    description: Prose = Field(default="")
    basis: Prose = Field(default="")
    basis_label: Basis = Field(default=Basis.judgement)
    enabled: Flag = Field(default=True)
    condition: ConditionPatch = Field(default_factory=ConditionPatch)
    severity: dict[SeverityKey, Weight | None] = Field(default_factory=dict, description="Null takes a weight out.")
    hard_severity: Annotated[int, Field(strict=True, ge=1, le=10)] = Field(default=5)
    cooldown_seconds: Annotated[int, Field(strict=True, ge=0, le=31 * DAY)] = Field(default=0)
    service_area_ids: Areas = Field(default_factory=list)
    prompt: OfferPatch = Field(default_factory=OfferPatch)


CONDITIONS = {
    model.model_fields["kind"].annotation.__args__[0]: frozenset(model.model_fields)  # type: ignore[union-attr]  # Literal
    for model in (HardCallCount, HardCallStreak, UnresolvedShare, TalkWithoutPause, AboveTeamMedian, SelfFlag)
}
UNION_KINDS.update(CONDITIONS)


def merged(rule: Mapping[str, Any], patch: StrainRuleUpdate) -> StrainRuleCreate:
    """Return a rule with a merge patch applied. Raise Unprocessable where the whole is then not valid."""
    given = patch.model_dump(exclude_unset=True, mode="json")
    whole = {name: rule[name] for name in StrainRuleCreate.model_fields}
    for name, value in given.items():
        whole[name] = {**whole[name], **value} if isinstance(value, dict) else value
    whole["severity"] = {key: weight for key, weight in whole["severity"].items() if weight is not None}
    known = CONDITIONS.get(whole["condition"]["kind"])
    if known and whole["condition"]["kind"] != rule["condition"]["kind"]:
        kept = known | given["condition"].keys()
        whole["condition"] = {name: value for name, value in whole["condition"].items() if name in kept}
    try:
        return StrainRuleCreate.model_validate(whole)
    except ValidationError as error:
        raise Unprocessable(faults=[fault_of(one) for one in error.errors()[:MOST_FAULTS]]) from None


class OfferOut(Out):
    """What is offered when the rule is met."""

    kind: OfferedKind
    minutes: int | None
    expires_seconds: int
    pillar: str | None


class RuleContent(Out):
    """What a rule says."""

    name: str
    description: str
    basis: str = Field(description="Where its values come from. They are starting points, to be adjusted locally.")
    basis_label: Basis
    condition: ConditionOut
    severity: dict[str, int]
    hard_severity: int
    cooldown_seconds: int
    service_area_ids: list[UUID]
    prompt: OfferOut


class StrainRuleOut(RuleContent, Resource):
    """When exposure is too much, and what is offered then."""

    key: str | None = Field(description="Names one of the rules that come with the service.")
    enabled: bool
