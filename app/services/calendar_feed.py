"""Calendar feeds: made, renewed and revoked by the person whose sessions they show."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock, events, queries
from app.auth import Caller, make_key
from app.errors import Conflict
from app.models import CalendarFeed
from app.models.calendar_feed import FeedState
from app.schemas.base import Reason
from app.schemas.calendar_feed import FeedCreate, FeedUpdate
from app.services import plan_owner as owners

MOST = 10
TABLE = CalendarFeed.__table__
FEEDS = queries.Listing(
    "calendar_feed", sorts={"id": TABLE.c.id, "name": TABLE.c.name, "created_at": TABLE.c.created_at}, syncs=False
)


def list_(session: Session, caller: Caller, paging: queries.Paging) -> Mapping[str, Any]:
    """Return a page of one's own feeds, revoked ones too."""
    return queries.paginate(session, caller, FEEDS, paging, {})


def read(session: Session, caller: Caller, feed_id: UUID) -> dict[str, Any]:
    """Return one feed, without its address."""
    return queries.read(session, caller, "calendar_feed", feed_id)


def create(session: Session, caller: Caller, data: FeedCreate, public_url: str) -> Mapping[str, Any]:
    """Make a feed and return it with its address, which is not kept. Raise Conflict for one too many."""
    employee_id = owners.owner_of_new(session, caller, "calendar_feed", None).id
    owners.hold(session, caller, employee_id)
    _require_room(session, caller)
    key, digest = make_key(caller.organisation_id, "cal")
    feed = CalendarFeed(
        organisation_id=caller.organisation_id,
        employee_id=employee_id,
        name=data.name,
        show_subject=data.show_subject,
        digest=digest,
        last_four=key[-4:],
        state=FeedState.active,
    )
    session.add(feed)
    events.record(session, caller, "calendar_feed.created", feed, details={"show_subject": data.show_subject})
    return {**read(session, caller, feed.id), "url": _address(public_url, key)}


def change(session: Session, caller: Caller, feed_id: UUID, data: FeedUpdate) -> Mapping[str, Any]:
    """Change what a feed is called, or whether it shows subjects."""
    feed = queries.get_allowed(session, caller, CalendarFeed, feed_id, "update")
    changed = {name: value for name, value in data.given().items() if getattr(feed, name) != value}
    for name, value in changed.items():
        setattr(feed, name, value)
    if changed:
        events.record(session, caller, "calendar_feed.updated", feed, details={"fields": sorted(changed)})
    return read(session, caller, feed_id)


def rotate(session: Session, caller: Caller, feed_id: UUID, public_url: str) -> Mapping[str, Any]:
    """Give a feed a new address and return it. The old one answers no more."""
    feed = queries.get_allowed(session, caller, CalendarFeed, feed_id, "rotate")
    key, feed.digest = make_key(caller.organisation_id, "cal")
    feed.last_four, feed.rotated_at = key[-4:], clock.now()
    events.record(session, caller, "calendar_feed.rotated", feed)
    return {**read(session, caller, feed_id), "url": _address(public_url, key)}


def revoke(session: Session, caller: Caller, feed_id: UUID, data: Reason | None = None) -> Mapping[str, Any]:
    """End a feed for good. Its address answers no more."""
    feed = queries.get_allowed(session, caller, CalendarFeed, feed_id, "revoke")
    feed.state, feed.revoked_at = FeedState.revoked, clock.now()
    reason = {"reason": data.reason} if data is not None and data.reason is not None else {}
    events.record(session, caller, "calendar_feed.revoked", feed, details={"state": feed.state, **reason})
    return read(session, caller, feed_id)


def _require_room(session: Session, caller: Caller) -> None:
    mine = select(func.count()).where(
        CalendarFeed.organisation_id == caller.organisation_id,
        CalendarFeed.employee_id == caller.employee_id,
        CalendarFeed.state == FeedState.active,
    )
    if session.execute(mine).scalar_one() >= MOST:
        raise Conflict("too_many_feeds", f"A person keeps at most {MOST} feeds: revoke one that is not needed.")


def _address(public_url: str, key: str) -> str:
    return f"{public_url.rstrip('/')}/v1/calendars/{key}.ics"
