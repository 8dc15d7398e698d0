"""How many people asked for help: frozen month by month, rounded, and withheld where it could tell of somebody.

At least ten people, rounded to five, by one published breakdown: Ballast's own choice, on the side of what is usual for
such figures. Fewer than that and nobody at all look the same.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import duties
from app.auth import Caller
from app.models import EapCount, EapReferral, Employee, Organisation, ServiceArea

MINIMUM, ROUNDED_TO = 10, 5
MONTHS_SHOWN = 24


def freeze(session: Session, caller: Caller, now: datetime) -> duties.Done:
    """Keep the counts of the first month that is over and not kept yet. From then on that month never changes."""
    organisation = session.get_one(Organisation, caller.organisation_id)
    known = set(session.scalars(select(EapCount.month).where(EapCount.organisation_id == caller.organisation_id)))
    missing = [month for month in _months_over(organisation.created_at, now) if month not in known]
    if not missing:
        return duties.Done()
    total, people = _asked(session, caller, missing[0])
    areas = session.scalars(select(ServiceArea.id).where(ServiceArea.organisation_id == caller.organisation_id)).all()
    shown = released(total, {area: people[area] for area in areas})
    about = {"organisation_id": caller.organisation_id, "month": missing[0]}
    rules = {"minimum": MINIMUM, "rounded_to": ROUNDED_TO}
    session.add_all(
        EapCount(**about, **rules, service_area_id=area, people=None if number is None else rounded(number))
        for area, number in shown.items()
    )
    return duties.Done(more=len(missing) > 1)


def _months_over(since: datetime, now: datetime) -> list[date]:
    """Return the first days of the months that have ended, the oldest first."""
    first, this = (moment.astimezone(UTC).date().replace(day=1) for moment in (since, now))
    months: list[date] = []
    while (this := (this - timedelta(days=1)).replace(day=1)) >= first and len(months) < MONTHS_SHOWN:
        months.append(this)
    return months[::-1]


def _asked(session: Session, caller: Caller, month: date) -> tuple[int, Counter[UUID | None]]:
    """Return how many people sent a referral in a month, in all and by the service area that they are in now."""
    next_month = (month + timedelta(days=31)).replace(day=1)
    first, after = (datetime(day.year, day.month, 1, tzinfo=UTC) for day in (month, next_month))
    query = (
        select(EapReferral.employee_id, Employee.service_area_id)
        .distinct()
        .join(
            Employee,
            (Employee.organisation_id == EapReferral.organisation_id) & (Employee.id == EapReferral.employee_id),
        )
        .where(
            EapReferral.organisation_id == caller.organisation_id,
            EapReferral.requested_at >= first,
            EapReferral.requested_at < after,
        )
    )
    rows = session.execute(query).all()
    return len(rows), Counter(row.service_area_id for row in rows)


def released(total: int, people: Mapping[UUID, int]) -> dict[UUID | None, int | None]:
    """Return which numbers are shown: each of enough people, and those withheld together of enough people too.

    So that what is left of the total, when all that is shown is taken away, tells no more than a number that is shown.
    """
    shown: dict[UUID, int] = {area: number for area, number in people.items() if number >= MINIMUM}
    for area in sorted(shown, key=lambda each: (shown[each], str(each))):
        if not 0 < total - sum(shown.values()) < MINIMUM:
            break
        del shown[area]
    return {None: total if total >= MINIMUM else None, **{area: shown.get(area) for area in people}}


def rounded(number: int) -> int:
    """Return a number of people to the nearest five."""
    return ROUNDED_TO * ((number + ROUNDED_TO // 2) // ROUNDED_TO)


def read(session: Session, caller: Caller) -> Mapping[str, Any]:
    """Return the frozen months, the newest first."""
    rows = session.scalars(
        select(EapCount)
        .where(EapCount.organisation_id == caller.organisation_id)
        .order_by(EapCount.month.desc(), EapCount.service_area_id)
    ).all()
    months: dict[date, dict[str, Any]] = {}
    for row in rows:
        month = months.setdefault(row.month, {"month": f"{row.month:%Y-%m}", "people": None, "service_areas": []})
        if row.service_area_id is None:
            month["people"] = row.people
        else:
            month["service_areas"].append({"service_area_id": row.service_area_id, "people": row.people})
    shown = list(months.values())[:MONTHS_SHOWN]
    return {"minimum": MINIMUM, "rounded_to": ROUNDED_TO, "months": shown}
