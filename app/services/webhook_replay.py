"""Which events are delivered once more, when somebody asks for those of a time or for some by their ids."""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Integer, Row, Select, Text, Uuid, bindparam, func, select
from sqlalchemy.orm import Session

from app import clock, queries
from app.auth import Caller
from app.database import execute
from app.errors import Fault, Unprocessable
from app.relations import ORGANISATION
from app.schemas.webhook import Replay
from app.services.event_feed import KEPT, number_before
from app.webhooks.access import Feed, matching


def require_question(asked: Replay) -> None:
    """Raise Unprocessable for a request that names neither a time nor events, or both, or a time that ends too soon."""
    if (asked.since is None) == (asked.event_ids is None):
        raise Unprocessable(faults=[Fault("/since", "one_of_two", "Give either since or event_ids.")])
    if asked.until is not None and (asked.since is None or asked.until <= asked.since):
        raise Unprocessable(faults=[Fault("/until", "out_of_range", "Must come after since.")])


def find(
    session: Session, client: Caller, feed: Feed, wanted: Collection[str], asked: Replay, limit: int
) -> Sequence[Row[Any]]:
    """Return the id and the moment of the events of a feed that are asked for, wanted, and the client's to know of.

    The earliest come first. What is not kept any more is passed over.
    """
    types = matching(wanted, feed.types(client.scopes))
    if not types:
        return ()
    kept = clock.now() - KEPT
    values = {**queries.parameters(client), "types": sorted(types), "most": limit}
    if asked.event_ids is not None:
        return execute(session, _asked(feed, by_id=True), {**values, "ids": asked.event_ids, "since": kept}).all()
    since = max(asked.since or kept, kept)
    after = number_before(session, client, feed, since)
    values |= {"since": since, "until": asked.until or clock.now(), "after": after}
    return execute(session, _asked(feed, by_id=False), values).all()


@cache
def _asked(feed: Feed, *, by_id: bool) -> Select[Any]:
    table = feed.table
    moment = table.c.occurred_at
    query = select(table.c.id, moment).where(
        table.c.organisation_id == ORGANISATION,
        table.c.number > (0 if by_id else bindparam("after", type_=BigInteger())),
        table.c.type.in_(select(func.unnest(bindparam("types", type_=ARRAY(Text))))),
        moment >= bindparam("since", type_=moment.type),
        feed.seen(),
    )
    if by_id:
        query = query.where(table.c.id.in_(select(func.unnest(bindparam("ids", type_=ARRAY(Uuid))))))
    else:
        query = query.where(moment < bindparam("until", type_=moment.type))
    return query.order_by(moment, table.c.id).limit(bindparam("most", type_=Integer()))


def told_of(asked: Replay) -> dict[str, Any]:
    """Return what the history says of a request: the time, or how many ids; not what that found."""
    if asked.since is None:
        return {"event_ids": len(asked.event_ids or ())}
    return {"since": asked.since.isoformat(), "until": asked.until.isoformat() if asked.until else None}
