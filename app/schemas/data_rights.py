"""What is held about a person, its erasure, and how long it is kept."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from app.holding import Effect
from app.models.job import JobState
from app.personal_data_classes import Basis, CountsFrom, DataClass
from app.schemas.base import Flag, In, Out, Prose, Resource


class RecordsOut(Out):
    """Rows of one kind. Other people are in them by their ids alone."""

    record: str = Field(description="What kind of row.")
    relation: str = Field(description="`about_the_person`, or `the_person_had_a_part`: of these only that part.")
    rows: list[dict[str, Any]]


class RetentionOut(Out):
    """How long it is kept."""

    counts_from: CountsFrom
    keep_days: int | None
    in_words: str


class PersonalClassOut(Out):
    """One class of data: why it is there, where it is from, who gets it, how long it is kept, and all of it."""

    data_class: DataClass
    title: str
    purpose: str
    source: str
    recipients: list[str]
    retention: RetentionOut
    records: list[RecordsOut]


class PersonalDataOut(Out):
    """Everything that is held about one person."""

    person_id: UUID
    organisation_id: UUID
    classes: list[PersonalClassOut]
    not_included: list[str] = Field(description="What is not in it, and why.")


class DataExportOut(Resource):
    """An export that takes longer, or that somebody started for the person. Its content is for the person alone."""

    employee_id: UUID
    requested_by_id: UUID
    state: JobState
    progress: int = Field(description="In per cent.")
    record_count: int | None
    failure: str | None = Field(description="Why it failed, where it did.")
    finished_at: datetime | None
    expires_at: datetime = Field(description="Then it is removed.")


class ErasureCreate(In):
    """Whether to erase, or only to say what would go."""

    dry_run: Flag = Field(default=False, description="Only count. Possible while the person is still active.")


class ErasedRecordsOut(Out):
    """What becomes of the rows of one kind."""

    data_class: DataClass
    record: str
    count: int
    effect: Effect = Field(
        description="`deleted`; `blanked`: words and names go, states and numbers stay; `kept`: it names an id alone."
    )


class ErasureOut(Out):
    """What an erasure did, or would do."""

    employee_id: UUID
    dry_run: bool
    pseudonym: str | None = Field(description="What the person is called from then on. Null in a dry run.")
    erased_at: datetime | None
    erased_by_id: UUID | None
    records: list[ErasedRecordsOut]


class RetentionRuleUpdate(In):
    """A merge patch: absent keeps."""

    keep_days: int | None = Field(
        default=None, ge=1, le=36_500, strict=True, description="How many days. Null: until it is erased."
    )
    basis: Prose | None = Field(default=None, description="On what ground. Null: as it started.")


class RetentionRuleOut(Resource):
    """How long one class of data is kept."""

    data_class: DataClass
    title: str
    counts_from: CountsFrom = Field(
        description="`deactivation` of the person, or the `record` itself. `fixed`: held by the service itself."
    )
    keep_days: int | None
    least_days: int
    in_words: str
    basis: str
    basis_label: Basis | None = Field(description="Of the starting value. Null where the organisation gave its own.")
    starting_keep_days: int | None
    last_run_at: datetime | None = Field(description="When something was last removed by this rule.")
    last_run_records: int | None
