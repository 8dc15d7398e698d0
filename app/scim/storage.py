"""The library's storage interface over our tables: one session, one organisation, one transaction."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from scim2_models import (
    ForbiddenException,
    NotFoundException,
    PreconditionFailedException,
    Resource,
    ResourceType,
    ResponseParameters,
    SCIMException,
    SearchRequest,
)
from scim2_server.conditions import opaque_tag
from scim2_server.storage import ScimStorage, SearchPage
from sqlalchemy import Row, bindparam, select
from sqlalchemy import and_ as every
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import queries
from app.auth import Caller
from app.database import execute
from app.errors import NotFound, Refusal
from app.models import Employee
from app.relations import ORGANISATION
from app.scim import rendering
from app.scim.columns import MEMBER, PEOPLE, PERSON, TEAM, TEAMS
from app.scim.groups import Groups
from app.scim.people import People
from app.scim.refusals import scim_error_of
from app.scim.resources import GROUP, USER
from app.scim.search import Search
from app.services import scim_settings

GROUPS_REFUSED = "This organisation takes no groups as teams: its SCIM settings say so."
ONE = {
    USER.id: select(*rendering.PERSON_COLUMNS).where(PEOPLE.shown, PERSON.c.id == bindparam("id")),
    GROUP.id: select(*rendering.TEAM_COLUMNS).where(TEAMS.shown, TEAM.c.id == bindparam("id")),
}
LOCKED = {kind: query.with_for_update() for kind, query in ONE.items()}
MEMBERS = (
    select(*rendering.MEMBER_COLUMNS)
    .join(PERSON, every(PERSON.c.organisation_id == MEMBER.c.organisation_id, PERSON.c.id == MEMBER.c.employee_id))
    .where(MEMBER.c.organisation_id == ORGANISATION, PERSON.c.scim_hidden_at.is_(None))
    .where(MEMBER.c.team_id.in_(bindparam("teams", expanding=True)))
    .order_by(MEMBER.c.team_id, MEMBER.c.id)
)


class Storage(ScimStorage):
    """Reads and writes the people and teams of the caller's organisation."""

    supports_cursors = True

    def __init__(
        self,
        session: Session,
        caller: Caller,
        base_url: str = "",
        *,
        savepoints: bool = False,
        locks: bool = False,
    ) -> None:
        self.session, self.caller, self.base_url = session, caller, base_url
        self.savepoints, self.locks = savepoints, locks
        self.last: Any = None  # the row that was read last
        self.held: dict[UUID, Employee] = {}  # the people whose rows were locked when they were read
        self.people, self.groups = People(session, caller, alone=locks), Groups(session, caller)

    @contextmanager
    def operation(self) -> Iterator[None]:
        """Enclose one operation; one of a bulk request leaves nothing behind where it fails."""
        if not self.savepoints:
            yield
            return
        with self.session.begin_nested():
            yield
            self.session.flush()

    def get(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        response_parameters: ResponseParameters[Any] | None = None,
    ) -> Resource[Any]:
        """Return a resource, as the library's model."""
        members = response_parameters is None or wants_members(response_parameters)
        shown = self.render(resource_type, self.row(resource_type, resource_id), members=members, named=True)
        return rendering.resource_of(resource_type, shown)

    def row(self, resource_type: ResourceType, resource_id: str, *, lock: bool = False) -> Any:
        """Return the row behind a resource. Raise NotFoundException where there is none."""
        try:
            values = {"organisation_id": self.caller.organisation_id, "id": UUID(resource_id)}
        except ValueError:
            raise NotFoundException from None
        lock = lock or self.locks
        if lock and resource_type is USER:
            self.last = self._hold(values["id"])
            return self.last
        query = (LOCKED if lock else ONE)[str(resource_type.id)]
        row = execute(self.session, query, values).mappings().one_or_none()
        if row is None:
            raise NotFoundException
        self.last = row
        return row

    def _hold(self, person_id: UUID) -> dict[str, Any]:
        try:
            person = queries.get_allowed(self.session, self.caller, Employee, person_id, "update")
        except NotFound:
            raise NotFoundException from None
        if person.scim_hidden_at is not None:
            raise NotFoundException
        self.held[person_id] = person
        return rendering.row_of(person)

    def render(
        self, resource_type: ResourceType, row: Mapping[str, Any], *, members: bool = True, named: bool = False
    ) -> dict[str, Any]:
        """Return the JSON object of one row."""
        if resource_type is USER:
            return rendering.person(row, self.base_url)
        found = self._members([row["id"]]).get(row["id"], []) if members else None
        return rendering.team(row, found, self.base_url, named=named)

    def search(
        self, resource_types: list[ResourceType], search_request: SearchRequest[Any], *, position: Any = None
    ) -> SearchPage:
        """Return one page of resources, as the library's models."""
        total, pairs, following, before = self.page(resource_types, search_request, position)
        found = [rendering.resource_of(kind, shown) for kind, shown in pairs]
        return SearchPage(total, found, following, before)

    def page(
        self, resource_types: Sequence[ResourceType], request: SearchRequest[Any], position: Any
    ) -> tuple[int | None, list[tuple[ResourceType, dict[str, Any]]], Any, Any]:
        """Return how many resources match, one page of them as JSON objects, and where the next and previous begin.

        Raise InvalidFilterException for what cannot be filtered by.
        """
        search = Search(resource_types, request, position)
        values = {"organisation_id": self.caller.organisation_id}
        rows = [] if request.count == 0 else execute(self.session, search.rows(), values).all()
        total = None
        if request.cursor is None:
            total = rows[0].total if rows else execute(self.session, search.count(), values).scalar_one()
        page, following, before = search.cut(rows)
        whole = len(resource_types) == 1
        found = {(row.kind, row.id): row._mapping for row in page} if whole else self._rows(page)
        named = bool(request.attributes)
        shown = self._render_all(page, found, members=wants_members(request), named=named)
        return total, shown, following, before

    def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        """Store a new resource, and return it as it is stored."""
        return self._model(resource_type, self.add(resource_type, resource))

    def add(self, kind: ResourceType, resource: Resource[Any]) -> Any:
        """Store a new resource, and return its row."""
        self.require_groups(kind)
        with _in_scim_words():
            if kind is USER:
                return self.people.create(resource)
            team_id = self.groups.create(resource)
        return self.row(kind, str(team_id))

    def create_users(self, resources: Sequence[Resource[Any]]) -> list[UUID | SCIMException]:
        """Store new, active users at once, and return each one's id, or why it was not stored."""
        return self.people.create_many(resources)

    def update(
        self, resource_type: ResourceType, resource: Resource[Any], *, expected_version: str | None = None
    ) -> Resource[Any]:
        """Make the stored resource what the given one is. Raise PreconditionFailedException for another version."""
        current = self._of_version(resource_type, str(resource.id), expected_version)
        return self._model(resource_type, self.change(resource_type, current, resource))

    def change(self, kind: ResourceType, current: Any, resource: Resource[Any]) -> Any:
        """Make what is stored, whose row was read, what the resource says, and return its row."""
        self.require_groups(kind)
        with _in_scim_words():
            if kind is GROUP:
                self.groups.update(current["id"], resource, current)
                return self.row(kind, str(current["id"]))
            person = self.people.update(current, resource, self.held.get(current["id"]))
            if person.manager_id != current["manager_id"]:
                self.groups.follow_manager(person.id)
        return rendering.row_of(person)

    def delete(self, resource_type: ResourceType, resource_id: str, *, expected_version: str | None = None) -> None:
        """Hide a person, or remove a team."""
        current = self._of_version(resource_type, resource_id, expected_version)
        writer: Any = self.people if resource_type is USER else self.groups
        writer.delete(current["id"])

    def require_groups(self, kind: ResourceType) -> None:
        """Raise ForbiddenException for a group where the organisation takes none."""
        if kind is GROUP and not scim_settings.of(self.session, self.caller).groups_are_teams:
            raise ForbiddenException(detail=GROUPS_REFUSED)

    def _of_version(self, kind: ResourceType, resource_id: str, expected: str | None) -> Any:
        self.require_groups(kind)
        if kind is USER and expected is not None and self.last is not None and str(self.last["id"]) == resource_id:
            row = self.last  # read a moment ago; that nobody came between is seen when it is locked
        else:
            row = self.row(kind, resource_id, lock=kind is GROUP)
        if expected is not None and opaque_tag(expected) != opaque_tag(rendering.version_of(kind, row)):
            raise PreconditionFailedException
        return row

    def _model(self, kind: ResourceType, row: Any) -> Resource[Any]:
        return rendering.resource_of(kind, self.render(kind, row, named=True))

    def _render_all(
        self, keys: Sequence[Row[Any]], rows: Mapping[Any, Any], *, members: bool, named: bool
    ) -> list[tuple[ResourceType, dict[str, Any]]]:
        teams = [key.id for key in keys if key.kind == GROUP.id]
        of_team = self._members(teams) if members and teams else {}
        pairs = []
        for key in keys:
            row = rows[key.kind, key.id]
            if key.kind == USER.id:
                pairs.append((USER, rendering.person(row, self.base_url)))
            else:
                pairs.append((GROUP, rendering.team(row, of_team.get(key.id), self.base_url, named=named)))
        return pairs

    def _rows(self, keys: Sequence[Row[Any]]) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for kind in (USER, GROUP):
            ids = [key.id for key in keys if key.kind == kind.id]
            values = {"organisation_id": self.caller.organisation_id, "ids": ids}
            rows = execute(self.session, ALL[str(kind.id)], values).mappings() if ids else ()
            found |= {(kind.id, row["id"]): row for row in rows}
        return found

    def _members(self, teams: Sequence[UUID]) -> dict[UUID, list[Any]]:
        found: dict[UUID, list[Any]] = {}
        values = {"organisation_id": self.caller.organisation_id, "teams": list(teams)}
        for row in execute(self.session, MEMBERS, values).all():
            found.setdefault(row.team_id, []).append(row)
        return found


@contextmanager
def _in_scim_words() -> Iterator[None]:
    """Say in SCIM's words what our services refuse."""
    try:
        yield
    except (IntegrityError, Refusal) as error:
        known = scim_error_of(error)
        if known is None:
            raise
        raise known from error


def _all(columns: Sequence[Any], table: Any) -> Any:
    return select(*columns).where(
        table.c.organisation_id == ORGANISATION, table.c.id.in_(bindparam("ids", expanding=True))
    )


ALL = {USER.id: _all(rendering.PERSON_COLUMNS, PERSON), GROUP.id: _all(rendering.TEAM_COLUMNS, TEAM)}


def wants_members(parameters: Any) -> bool:
    """Return whether an answer may hold the members of a group, which are many."""
    excluded = {str(path).rpartition(":")[2].lower() for path in parameters.excluded_attributes or ()}
    wanted = {str(path).rpartition(":")[2].lower().partition(".")[0] for path in parameters.attributes or ()}
    return "members" not in excluded and (not wanted or "members" in wanted)
