"""What a row that is a job has: work that takes too long for a request, done by a worker outside of any transaction."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import one_of


class JobState(StrEnum):
    """How far a job is. The last three are final."""

    queued = "queued"
    running = "running"
    succeeded = "succeeded"
    failed = "failed"
    cancelled = "cancelled"


class Job:
    """Columns of a row that is a job. While it runs, a worker holds it by ``lease_token`` until ``lease_until``."""

    state: Mapped[JobState] = mapped_column(Text, default=JobState.queued)
    progress: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    lease_token: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    failure: Mapped[str | None]


def job_rules(table: str) -> tuple[CheckConstraint | Index, ...]:
    """Return the constraints of a table of jobs, and the index by which workers find those that are not finished."""
    return (
        one_of("state", JobState),
        CheckConstraint("progress BETWEEN 0 AND 100", name="progress"),
        CheckConstraint("(state = 'running') = (lease_until IS NOT NULL)", name="lease_while_running"),
        CheckConstraint("(state = 'failed') = (failure IS NOT NULL)", name="why_failed"),
        Index(
            f"ix_{table}_to_do",
            "organisation_id",
            "id",
            postgresql_where=text("state IN ('queued', 'running')"),
        ),
    )
