"""Support prompts as they change: what each of those who follow them is told, by the policy that lists go by.

What changes is read from the audit's feed, numbered after commit, so that nothing is skipped. It says which prompts to
look at; what is told of them is what the viewer may read at this moment.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import ARRAY, Integer, Select, Uuid, and_, bindparam, func, or_, select
from sqlalchemy.orm import Session

from app import access, queries
from app.auth import Caller, find_people
from app.crypto import Vault
from app.database import execute, set_tenant
from app.errors import Forbidden
from app.live import cursor as cursors
from app.live import ticket as tickets
from app.live.stream import Viewer
from app.models import AuditEntry, SupportPrompt, Team, TeamMember
from app.models.strain import PromptState
from app.relations import ME, ORGANISATION
from app.schemas.live import OpenPromptsOut, PromptRemovedOut
from app.schemas.support_prompt import SupportPromptOut
from app.services import support_prompt as prompts

RESOURCE, MEMBERSHIP = "support_prompt", "team_member"
OFFERED, *GOING = (f"{RESOURCE}.{verb}" for verb in ("offered", "accepted", "declined", "expired", "superseded"))
SNAPSHOT, REMOVED = "snapshot", "support_prompt.removed"
MOST_ENTRIES = 2_000  # of one organisation, read at once
MOST_RESUMED = 200  # events; who missed more starts anew
AT_ONCE = 200

ENTRY, PROMPT, MEMBER, TEAM = (model.__table__ for model in (AuditEntry, SupportPrompt, TeamMember, Team))
OUT: TypeAdapter[Any] = TypeAdapter(SupportPromptOut)


def _ids(name: str) -> Any:
    return select(func.unnest(bindparam(name, type_=ARRAY(Uuid()))))


CHANGED = and_(
    ENTRY.c.organisation_id == ORGANISATION,
    ENTRY.c.number > bindparam("since", type_=ENTRY.c.number.type),
    ENTRY.c.number <= bindparam("until", type_=ENTRY.c.number.type),
)
ENTRIES = (
    select(ENTRY.c.number, ENTRY.c.action, PROMPT.c.id, PROMPT.c.employee_id, PROMPT.c.team_id, PROMPT.c.private)
    .join(PROMPT, and_(PROMPT.c.organisation_id == ENTRY.c.organisation_id, PROMPT.c.id == ENTRY.c.resource_id))
    .where(CHANGED, ENTRY.c.resource == RESOURCE, ENTRY.c.access_right.is_(None))
    .order_by(ENTRY.c.number)
    .limit(bindparam("most", type_=Integer()))
)
OWN_ENTRIES = ENTRIES.where(PROMPT.c.employee_id == ME)
NOT_YET_OFFERED = select(ENTRY.c.resource_id).where(
    *(ENTRY.c.organisation_id == ORGANISATION, ENTRY.c.resource == RESOURCE, ENTRY.c.action == OFFERED),
    ENTRY.c.resource_id.in_(_ids("ids")),
    or_(ENTRY.c.number.is_(None), ENTRY.c.number > bindparam("until", type_=ENTRY.c.number.type)),
)
MEMBERS_CHANGED = select(ENTRY.c.number).where(CHANGED, ENTRY.c.resource == MEMBERSHIP).limit(1)
MEMBERS = select(MEMBER.c.team_id, MEMBER.c.employee_id).where(
    MEMBER.c.organisation_id == ORGANISATION, MEMBER.c.team_id.in_(_ids("teams"))
)
OF_THE_TEAM = select(MEMBER.c.employee_id).where(
    MEMBER.c.organisation_id == ORGANISATION, MEMBER.c.team_id == bindparam("of_team", type_=Uuid())
)
# A lead's own prompts come on their own stream alone, and what is private on no other: a team's may hang on a wall.
LISTING = queries.Listing(
    RESOURCE,
    sorts={"id": PROMPT.c.id},
    filters={
        "state": prompts.LISTING.filters["state"],
        "ids": PROMPT.c.id.in_(_ids("ids")),
        "own": PROMPT.c.employee_id == bindparam("own", type_=Uuid()),
        "of_team": and_(
            ~PROMPT.c.private,
            or_(
                PROMPT.c.team_id == bindparam("of_team", type_=Uuid()),
                and_(PROMPT.c.employee_id != ME, PROMPT.c.employee_id.in_(OF_THE_TEAM)),
            ),
        ),
    },
    syncs=False,
)


@dataclass(frozen=True, slots=True)
class Happened:
    """One thing to tell: the number up to which that is, the name of the event, and its data as JSON."""

    number: int
    name: str
    data: str


@dataclass(frozen=True, slots=True)
class Opening:
    """What a stream begins with."""

    viewer: Viewer
    position: int
    members: str
    happened: Sequence[Happened]


Members = Mapping[UUID, frozenset[UUID]]


@dataclass(frozen=True, slots=True)
class Look:
    """What has changed in an organisation up to a number. ``more``: that is not yet all."""

    until: int
    entries: Sequence[Any]
    members: Members
    more: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one viewer is to be told of. ``anew``: of all that is open, since what they follow is not what it was."""

    viewer: Viewer
    entries: Sequence[Any]
    anew: bool
    until: int


def ticket(
    session: Session, caller: Caller, vault: Vault, public_url: str, path: str, team_id: UUID | None
) -> Mapping[str, Any]:
    """Return a ticket to one's own stream, or to that of a team. Raise NotFound or Forbidden where it is not theirs."""
    _require(session, caller, team_id)
    assert caller.employee_id is not None  # noqa: S101  # the policy lets people only
    text, until = tickets.issue(vault, caller.organisation_id, caller.employee_id, team_id)
    return {"ticket": text, "expires_at": until, "url": public_url.rstrip("/") + path}


def open_(session: Session, caller: Caller, vault: Vault, team_id: UUID | None, cursor: str | None) -> Opening:
    """Return what a stream begins with: what happened since a cursor, or, without a sound one, all that is open.

    Raise NotFound or Forbidden where the team's stream is not theirs.
    """
    _require(session, caller, team_id)
    assert caller.employee_id is not None  # noqa: S101  # the policy lets people only
    viewer = Viewer(caller.organisation_id, caller.employee_id, team_id)
    values = queries.parameters(caller)
    position = execute(session, queries.WATERMARK, values).scalar_one()
    teams = [team_id] if team_id else []
    members = _members(session, values, teams)
    digest = cursors.digest_of(members.get(team_id)) if team_id else ""
    since = cursors.number_of(vault, viewer, digest, cursor)
    if since is None or since > position:
        return Opening(viewer, position, digest, [_snapshot(session, caller, vault, viewer, position)])
    query, most = (ENTRIES, MOST_ENTRIES) if team_id else (OWN_ENTRIES, MOST_RESUMED)
    found = execute(session, query, {**values, "since": since, "until": position, "most": most + 1}).all()
    entries = concerning(viewer, found, members)
    if len(found) > most or len(entries) > MOST_RESUMED:
        return Opening(viewer, position, digest, [_snapshot(session, caller, vault, viewer, position)])
    return Opening(viewer, position, digest, _happened(session, caller, vault, viewer, entries))


def look(session: Session, organisation_id: UUID, since: int, teams: AbstractSet[UUID], known: Members | None) -> Look:
    """Return what has changed since a number. ``known`` are the teams' members as last read; None reads them anew."""
    set_tenant(session, organisation_id)
    values = {"organisation_id": organisation_id, "since": since}
    until = execute(session, queries.WATERMARK, values).scalar_one()
    entries: Sequence[Any] = ()
    if until > since:
        values["until"] = until
        entries = execute(session, ENTRIES, {**values, "most": MOST_ENTRIES}).all()
        if known is not None and execute(session, MEMBERS_CHANGED, values).first():
            known = None
    more = len(entries) == MOST_ENTRIES
    if known is None or not teams <= known.keys():
        known = _members(session, values, teams)
    return Look(entries[-1].number if more else max(until, since), entries, known, more)


def report(
    session: Session, organisation_id: UUID, vault: Vault, wanted: Sequence[Wanted]
) -> dict[Viewer, Sequence[Happened] | None]:
    """Return what each viewer is told, by what they may read now. None for one who may no longer follow."""
    set_tenant(session, organisation_id)
    people = find_people(session, organisation_id, {each.viewer.person_id for each in wanted})
    told: dict[Viewer, Sequence[Happened] | None] = {}
    for each in wanted:
        viewer, caller = each.viewer, people.get(each.viewer.person_id)
        if caller is None or not _may_follow(session, caller, viewer.team_id):
            told[viewer] = None
        elif each.anew:
            told[viewer] = [_snapshot(session, caller, vault, viewer, each.until)]
        else:
            told[viewer] = _happened(session, caller, vault, viewer, each.entries)
    return told


def concerning(viewer: Viewer, entries: Iterable[Any], members: Members) -> list[Any]:
    """Return those of the entries that a viewer may have to be told of; whether they are, the policy decides."""
    if viewer.team_id is None:
        return [entry for entry in entries if entry.employee_id == viewer.person_id]
    theirs = members.get(viewer.team_id, frozenset()) - {viewer.person_id}
    return [e for e in entries if not e.private and (e.team_id == viewer.team_id or e.employee_id in theirs)]


def _require(session: Session, caller: Caller, team_id: UUID | None) -> None:
    if team_id is not None:
        queries.read(session, caller, "team", team_id)
        if not _may_follow(session, caller, team_id):
            raise Forbidden("not_allowed", "Only who leads this team, or the programme, may follow its prompts.")


def _may_follow(session: Session, caller: Caller, team_id: UUID | None) -> bool:
    if team_id is None:
        return True
    values = {**queries.parameters(caller), "team": team_id}
    return execute(session, _followed(caller.roles), values).first() is not None


@cache
def _followed(roles: frozenset[str]) -> Select[Any]:
    someone = Caller(UUID(int=0), "person", None, roles=roles)
    may = access.predicate(someone, "team", "watch")
    return select(TEAM.c.id).where(TEAM.c.organisation_id == ORGANISATION, TEAM.c.id == bindparam("team"), may)


def _members(session: Session, values: Mapping[str, Any], teams: Collection[UUID]) -> Members:
    found: dict[UUID, set[UUID]] = {team: set() for team in teams}
    for row in execute(session, MEMBERS, {**values, "teams": list(teams)}) if teams else ():
        found[row.team_id].add(row.employee_id)
    return {team: frozenset(people) for team, people in found.items()}


def _snapshot(session: Session, caller: Caller, vault: Vault, viewer: Viewer, number: int) -> Happened:
    """Return all that is open; of a team's, without what was offered after ``number``, which is told in its turn."""
    # Were it also over by the next look, nothing would be told of it, and whoever had it would keep it.
    rows = _rows(session, caller, vault, viewer, state=PromptState.offered)
    if viewer.team_id is not None and rows:
        values = {**queries.parameters(caller), "ids": [row["id"] for row in rows], "until": number}
        later = set(execute(session, NOT_YET_OFFERED, values).scalars())
        rows = [row for row in rows if row["id"] not in later]
    data = OpenPromptsOut(data=[OUT.validate_python(row, from_attributes=True) for row in rows])
    return Happened(number, SNAPSHOT, data.model_dump_json())


def _happened(
    session: Session, caller: Caller, vault: Vault, viewer: Viewer, entries: Sequence[Any]
) -> Sequence[Happened]:
    """Return what a viewer is told of entries: each of their own; of a team's, how each prompt stands now.

    Whoever may see only what is open learns of the rest that it is gone: once, and not what became of it.
    """
    if not entries:
        return ()
    rows = {row["id"]: row for row in _rows(session, caller, vault, viewer, ids=list({e.id for e in entries}))}
    if viewer.team_id is None:
        return [Happened(e.number, e.action, _json(rows[e.id])) for e in entries if e.id in rows]
    told = []
    for prompt_id, theirs in _by_prompt(entries).items():
        actions = {entry.action: entry.number for entry in theirs}
        gone = [actions[action] for action in GOING if action in actions]
        if prompt_id in rows:
            told.append(Happened(theirs[-1].number, theirs[-1].action, _json(rows[prompt_id])))
        elif gone and OFFERED not in actions:  # else it came and went before it was told of
            said = PromptRemovedOut(id=prompt_id, removed=True).model_dump_json()
            told.append(Happened(gone[0], REMOVED, said))
    return sorted(told, key=lambda each: each.number)


def _by_prompt(entries: Sequence[Any]) -> Mapping[UUID, Sequence[Any]]:
    found: dict[UUID, list[Any]] = defaultdict(list)
    for entry in entries:
        found[entry.id].append(entry)
    return found


def _rows(session: Session, caller: Caller, vault: Vault, viewer: Viewer, **filters: Any) -> list[Mapping[str, Any]]:
    """Return the prompts that are a viewer's to see, each as GET shows it."""
    target = {"of_team": viewer.team_id} if viewer.team_id else {"own": viewer.person_id}
    rows: list[Mapping[str, Any]] = []
    cursor = None
    while True:
        paging = queries.Paging(vault, AT_ONCE, cursor)
        page = queries.paginate(session, caller, LISTING, paging, {**filters, **target})
        rows += (prompts.shown(caller, row) for row in page["data"])
        cursor = page["next_cursor"]
        if cursor is None:
            return rows


def _json(row: Mapping[str, Any]) -> str:
    return OUT.dump_json(OUT.validate_python(row, from_attributes=True)).decode()
