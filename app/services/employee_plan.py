"""What an HR sync would do, worked out for the whole batch before anything is written.

An item is judged by how things stand after the batch, not by its place in it: managers may come later, two people may
swap names. Who would break a rule is rejected, which can take the ground from under others, so it is asked again until
nobody is.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from app import clock
from app.auth import Caller
from app.errors import Fault
from app.models.base import folded, new_id
from app.schemas.base import Resource
from app.schemas.employee import EmployeeFields, EmployeeOut
from app.services import employee_bulk as bulk

PLAIN = frozenset(EmployeeFields.model_fields) | {"user_name", "display_name"}
SHOWN = tuple(sorted(EmployeeOut.model_fields.keys() - Resource.model_fields.keys() - {"deactivated_at"}))
COLUMNS = tuple(column.name for column in bulk.WRITTEN)

NAME_TAKEN = Fault("/user_name", "already_exists", "Somebody else has this user name.")
NAME_MISSING = Fault("/display_name", "missing", "A new person needs a name to be shown by.")
OWN_MANAGER = Fault("/manager_external_id", "own_manager", "Nobody manages themself.")
OWNED = "The identity provider sets this by SCIM: change it there."
# What a batch calls the columns that it names by another row's key.
LINKS = {"manager_id": "manager_external_id", "service_area_id": "service_area"}
CIRCLE = Fault("/manager_external_id", "manager_cycle", "The line of managers would come back to the person.")


@dataclass(eq=False)
class Person:
    """Somebody whom the batch names; or, without an index, somebody who waits for a manager that it may bring."""

    index: int | None
    external_id: str | None
    given: Mapping[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    current: Mapping[str, Any] | None = None
    id: UUID = field(default_factory=new_id)
    values: dict[str, Any] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)

    @cached_property
    def name_key(self) -> str:
        """The folded user name that the person would have."""
        if "user_name" in self.given:
            return folded(self.given["user_name"])
        return str(self.current["user_name_key"]) if self.current is not None else folded(self.external_id or "")

    @property
    def awaited(self) -> str | None:
        """The external id of the manager whom HR names, or named earlier and who is not here yet."""
        if "manager_external_id" in self.given or self.current is None:
            return self.given.get("manager_external_id")
        return self.current["manager_external_id"]  # type: ignore[no-any-return]  # a row's values are not typed

    @property
    def status(self) -> str:
        if self.faults:
            return "rejected"
        if self.current is None:
            return "created"
        return "updated" if self.changed else "unchanged"


class Plan:
    """A batch and what is known of those whom it touches."""

    def __init__(self, session: Session, caller: Caller, people: list[Person], *, lock: bool) -> None:
        self.session, self.tenant = session, {"tenant": caller.organisation_id}
        self.people = people
        self._find(lock)
        self.ids = self._find_managers()
        self.holders = self._find_holders()
        self.lines: dict[UUID, UUID | None] | None = None

    def accepted(self) -> Iterator[Person]:
        return (person for person in self.people if not person.faults)

    def settle(self) -> None:
        """Reject, until nobody is left to be rejected, who would take a name or close a circle."""
        while True:
            fault, losers = NAME_TAKEN, self._without_name()
            if not losers:
                fault, losers = CIRCLE, self._circle_closers()
            if not losers:
                return
            for person in losers:
                person.faults.append(fault)
                if person.current is None:
                    self.ids.pop(person.external_id, None)

    def work_out(self, areas: Mapping[str, UUID]) -> None:
        """Say what each accepted person's row would hold, and which fields that changes."""
        now = clock.now()
        for person in self.accepted():
            person.values = self._values(person, areas, now)
            if person.current is not None:
                person.changed = [name for name in SHOWN if person.values[name] != person.current[name]]

    def freed_names(self) -> list[UUID]:
        """Return who gives up a user name that another person of the batch takes."""
        renamed = [p for p in self.accepted() if p.current is None or p.name_key != p.current["user_name_key"]]
        wanted = {person.name_key for person in renamed}
        return [p.id for p in renamed if p.current is not None and p.current["user_name_key"] in wanted]

    def _find(self, lock: bool) -> None:
        named = {person.external_id: person for person in self.accepted()}
        for row in self._rows(bulk.FIND_AND_LOCK if lock else bulk.FIND, named):
            named[row["external_id"]].current, named[row["external_id"]].id = dict(row), row["id"]
        self._refuse_owned([person for person in named.values() if person.current and person.current["scim_owned"]])
        new = [person for person in named.values() if person.current is None]
        for person in new:
            if "display_name" not in person.given:
                person.faults.append(NAME_MISSING)
        waiting = self._rows(bulk.FIND_WAITING_AND_LOCK if lock else bulk.FIND_WAITING, [p.external_id for p in new])
        for row in waiting:
            if row["external_id"] is None or row["external_id"] not in named:
                self.people.append(Person(None, row["external_id"], current=dict(row), id=row["id"]))

    def _refuse_owned(self, people: list[Person]) -> None:
        """Reject who is to get another value where the identity provider sets it: two sources would fight over it."""
        if not people:
            return
        values = {**self.tenant, "ids": [person.id for person in people]}
        links = {row.id: row for row in self.session.execute(bulk.FIND_LINKS, values)}
        for person in people:
            current = {**(person.current or {}), **_linked(links[person.id])}
            owned = {LINKS.get(name, name) for name in current["scim_owned"]}
            for name, value in person.given.items():
                compared = folded(value) if name == "service_area" and value is not None else value
                if name in owned and compared != current[name]:
                    person.faults.append(Fault(f"/{name}", "owned_by_scim", OWNED))

    def _rows(self, query: Any, external_ids: Collection[str | None]) -> Iterable[RowMapping]:
        if not external_ids:
            return ()
        return self.session.execute(query, {**self.tenant, "external_ids": list(external_ids)}).mappings()

    def _find_managers(self) -> dict[str | None, UUID]:
        found: dict[str | None, UUID] = {
            person.external_id: person.id for person in self.accepted() if person.external_id
        }
        wanted = {person.awaited for person in self.accepted()} - found.keys() - {None}
        if wanted:
            values = {**self.tenant, "external_ids": list(wanted)}
            found |= {row.external_id: row.id for row in self.session.execute(bulk.FIND_IDS, values)}
        return found

    def _find_holders(self) -> dict[str, UUID]:
        keys = [p.name_key for p in self.accepted() if p.current is None or p.name_key != p.current["user_name_key"]]
        if not keys:
            return {}
        rows = self.session.execute(bulk.FIND_HOLDERS, {**self.tenant, "keys": keys})
        return {row.user_name_key: row.id for row in rows}

    def _without_name(self) -> list[Person]:
        """Return who wants a name that an earlier item takes, or that its holder keeps."""
        final = {person.id: person.name_key for person in self.accepted()}
        takers: dict[str, Person] = {}
        losers: list[Person] = []
        for person in self.accepted():
            loser, key = person, final[person.id]
            holder = self.holders.get(key, person.id)
            if key not in takers and (holder == person.id or final.get(holder, key) != key):
                takers[key] = person
                continue
            losers.append(loser)
            while loser.current is not None:  # who loses keeps the old name, so whoever has taken that one loses too
                kept = final[loser.id] = loser.current["user_name_key"]
                if kept not in takers:
                    break
                loser = takers.pop(kept)
                losers.append(loser)
        return losers

    def manager(self, person: Person) -> tuple[UUID | None, str | None]:
        """Return the manager that the person would have, and the external id of one who is awaited."""
        name = person.awaited
        if name is None:
            keeps = person.current is not None and "manager_external_id" not in person.given
            return (person.current["manager_id"] if person.current is not None and keeps else None), None
        found = self.ids.get(name)
        return (found, None) if found is not None else (None, name)

    def _circle_closers(self) -> list[Person]:
        """Return whose new manager closes a circle: of each circle the last item. Who loses keeps the old manager."""
        planned = {person.id: self.manager(person)[0] for person in self.accepted()}
        moved = {p.id: p for p in self.accepted() if planned[p.id] != (p.current["manager_id"] if p.current else None)}
        if not moved:
            return []
        if self.lines is None:
            values = {**self.tenant, "ids": [planned[id_] for id_ in moved if planned[id_] is not None]}
            self.lines = {row.id: row.manager_id for row in self.session.execute(bulk.FIND_LINES, values)}
        managers, starts = {**self.lines, **planned}, list(moved)
        losers: list[Person] = []
        while starts:
            closers = [moved[id_] for id_ in _circle(managers, starts[-1]) if id_ in moved]
            if not closers:
                starts.pop()
                continue
            loser = max(closers, key=lambda person: -1 if person.index is None else person.index)
            losers.append(moved.pop(loser.id))
            managers[loser.id] = loser.current["manager_id"] if loser.current else None
            starts.append(loser.id)
        return losers

    def _values(self, person: Person, areas: Mapping[str, UUID], now: datetime) -> dict[str, Any]:
        given, current = person.given, person.current
        values = dict.fromkeys(COLUMNS) if current is None else {name: current[name] for name in COLUMNS}
        values |= {name: value for name, value in given.items() if name in PLAIN}
        values |= {"id": person.id, "external_id": person.external_id, "user_name_key": person.name_key}
        values["user_name"] = values["user_name"] or person.external_id
        if "email" in given:
            values["email_key"] = None if given["email"] is None else folded(given["email"])
        values["manager_id"], values["manager_external_id"] = self.manager(person)
        if "service_area" in given:
            name = given["service_area"]
            values["service_area_id"] = None if name is None else areas[folded(name)]
        if person.index is not None and not (current and "active" in current["scim_owned"]):
            values["active"] = given.get("active", True)
            if current is None or current["active"] != values["active"]:
                values["deactivated_at"] = None if values["active"] else now
        return values


def _linked(row: Any) -> dict[str, Any]:
    return {"manager_external_id": row.manager_external_id, "service_area": row.service_area}


def _circle(managers: Mapping[UUID, UUID | None], start: UUID) -> list[UUID]:
    """Return the people of the circle that the line above ``start`` runs into; none where it ends."""
    line: dict[UUID, None] = {}
    node: UUID | None = start
    while node is not None and node not in line:
        line[node] = None
        node = managers.get(node)
    path = list(line)
    return [] if node is None else path[path.index(node) :]
