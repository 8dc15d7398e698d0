"""Which events a client may be told of: the one answer that the feed, the webhooks and a replay share.

An event is let through by the rule for reading the resource that it is about. The scope is asked first. Where the rule
narrows the rows that clients see, the row is asked too:

- goals, progress, signals, prompts, sources: the row is there, and this client may read it now. So what became private
  is not told of any more, nor is what was an own source's before it was given to another client.
- mentor profiles: not while there is a row that this client may not read. That it was deleted still arrives.
- strain rules: the scope alone. A retired one can no longer be read, but that it was retired is no secret.
- webhook endpoints: the event itself says whose the endpoint was, since it may be gone.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, case, cast, or_, select, true
from sqlalchemy.sql.expression import exists

from app.events import OF_PROVIDERS, PUBLISHED
from app.models import EapCase, EapProviderClient, OutgoingEvent, ProviderEvent
from app.policy import MODELS, POLICY
from app.policy.webhooks import READ
from app.relations import ME, ORGANISATION

ASKED_OF_THE_ROW = ("goal", "progress_update", "strain_signal", "support_prompt", "source")
UNLESS_HIDDEN = ("mentor_profile",)
BY_SCOPE_ALONE = ("strain_rule",)

CONSENT_WITHDRAWN = "eap_case.consent_withdrawn"
EVENT: Any = OutgoingEvent.__table__
PROVIDER_EVENT: Any = ProviderEvent.__table__
CASE: Any = EapCase.__table__


@dataclass(frozen=True, eq=False)
class Feed:
    """A sequence of numbered events: which of its types some scopes open, and which of its rows a client sees.

    ``position`` names the column that says how far an endpoint was served from it.
    """

    name: str
    position: str
    table: Any
    types: Callable[[Collection[str]], frozenset[str]]
    seen: Callable[[], ColumnElement[bool]]


def resource_of(event_type: str) -> str:
    """Return what kind of thing an event is about."""
    return event_type.rpartition(".")[0]


def _shared_types(scopes: Collection[str]) -> frozenset[str]:
    if READ not in scopes:
        return frozenset()
    return frozenset(each for each in PUBLISHED if POLICY[resource_of(each), "read"].scope in scopes)


def _provider_types(scopes: Collection[str]) -> frozenset[str]:
    opened = {READ, POLICY["eap_case", "read"].scope}
    return OF_PROVIDERS if opened.issubset(scopes) else frozenset()


def _readable(resource: str, event: Any) -> ColumnElement[bool]:
    """Return whether the row that an event is about is there, and a client may read it."""
    return _row(resource, event, lambda seen: seen)


def _hidden(resource: str, event: Any) -> ColumnElement[bool]:
    return _row(resource, event, lambda seen: ~seen)


def _row(resource: str, event: Any, which: Callable[[ColumnElement[bool]], ColumnElement[bool]]) -> ColumnElement[bool]:
    table: Any = MODELS[resource][0].__table__
    sees = POLICY[resource, "read"].client_sees
    seen: ColumnElement[bool] = sees() if sees is not None else true()
    it = and_(table.c.organisation_id == ORGANISATION, table.c.id == event.c.resource_id)
    return exists(select(1).select_from(table).where(it, which(seen)).correlate(event))


@cache
def _shared_seen() -> ColumnElement[bool]:
    asked: Mapping[str, ColumnElement[bool]] = {
        **{resource: _readable(resource, EVENT) for resource in ASKED_OF_THE_ROW},
        **{resource: ~_hidden(resource, EVENT) for resource in UNLESS_HIDDEN},
        "webhook_endpoint": EVENT.c.data["client_id"].astext == cast(ME, Text),
    }
    return case(asked, value=EVENT.c.resource, else_=true())


@cache
def _provider_seen() -> ColumnElement[bool]:
    """Let the clients of the provider alone see it, and only while the person lets the provider see the case.

    That they took this back is told: from then on the case is not there.
    """
    binding = EapProviderClient.__table__.alias("binding_of_event")
    mine = exists(
        select(1)
        .select_from(binding)
        .where(
            binding.c.organisation_id == ORGANISATION,
            binding.c.client_id == ME,
            binding.c.provider_id == PROVIDER_EVENT.c.provider_id,
        )
        .correlate(PROVIDER_EVENT)
    )
    return and_(mine, or_(PROVIDER_EVENT.c.type == CONSENT_WITHDRAWN, _readable("eap_case", PROVIDER_EVENT)))


SHARED = Feed("events", "position", EVENT, _shared_types, _shared_seen)
OF_A_PROVIDER = Feed("provider_events", "provider_position", PROVIDER_EVENT, _provider_types, _provider_seen)
FEEDS = (SHARED, OF_A_PROVIDER)


def matching(wanted: Collection[str], types: Collection[str]) -> frozenset[str]:
    """Return which of some types are wanted: by their name, by ``resource.*`` or by ``*``."""
    if "*" in wanted:
        return frozenset(types)
    return frozenset(each for each in types if each in wanted or f"{resource_of(each)}.*" in wanted)
