"""An export of Amira's in the demo organisation, as the job would have left it."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from app import clock, jobs
from app.auth import Caller
from app.models import DataExport
from app.models.job import JobState
from app.services import data_export as exports
from app.services import personal_records as records


def make(session: Session, organisation_id: UUID, amira: UUID) -> None:
    """Let Amira have asked yesterday for everything that is held about her."""
    system, person = Caller(organisation_id, "system", None), Caller(organisation_id, "person", amira)
    with clock.standing_at(clock.now() - timedelta(days=1)):
        export = DataExport(
            organisation_id=organisation_id,
            employee_id=amira,
            requested_by_id=amira,
            state=JobState.queued,
            progress=0,
            attempts=1,
            expires_at=clock.now() + exports.KEPT,
        )
        jobs.enqueue(session, person, export)
        rows = {each.name: records.read(session, person, each) for each in records.SECTIONS}
        exports.store(session, system, export, rows)
        jobs.end(session, system, export, JobState.succeeded)
