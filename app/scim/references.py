"""Whom and what a user names: their manager, their service area, and who was deleted under the same user name."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from scim2_models import InvalidValueException
from sqlalchemy import ARRAY, Text, Uuid, bindparam, case, func, select
from sqlalchemy.orm import Session

from app.auth import Caller
from app.database import execute
from app.models import ServiceArea
from app.models.base import folded
from app.models.scim_settings import ServiceAreaAttribute
from app.relations import ORGANISATION
from app.schemas.service_area import ServiceAreaCreate
from app.scim.columns import PERSON
from app.services import employee as employees
from app.services import scim_settings
from app.services import service_area as service_areas

AREA, SETTINGS = ServiceArea.__table__, scim_settings.TABLE
AREA_ATTRIBUTES = tuple(each.value for each in ServiceAreaAttribute if each != ServiceAreaAttribute.none)
UNKNOWN_MANAGER = "manager: there is no user with this id."


def _given(name: str, of: type[Text] | type[Uuid[Any]]) -> Any:
    return select(func.unnest(bindparam(name, type_=ARRAY(of()))))


HIDDEN = select(PERSON.c.id).where(PERSON.c.organisation_id == ORGANISATION, PERSON.c.scim_hidden_at.is_not(None))
MANAGERS = select(PERSON.c.id).where(PERSON.c.organisation_id == ORGANISATION, PERSON.c.scim_hidden_at.is_(None))
AREAS = select(AREA.c.id).where(AREA.c.organisation_id == ORGANISATION)
NAME_OF_AREA = case(*((SETTINGS.c.service_area_attribute == each, bindparam(each)) for each in AREA_ATTRIBUTES))
FIND_MANAGERS = MANAGERS.where(PERSON.c.id.in_(_given("ids", Uuid)))
FIND_AREAS = AREAS.add_columns(AREA.c.name_key).where(AREA.c.name_key.in_(_given("keys", Text)))
FIND_HIDDEN = HIDDEN.with_only_columns(PERSON.c.user_name_key).where(PERSON.c.user_name_key.in_(_given("keys", Text)))
# All that one new user asks of the database, at once.
FOR_NEW = select(
    *SETTINGS.c,
    HIDDEN.where(PERSON.c.user_name_key == bindparam("user_name_key")).scalar_subquery().label("hidden_id"),
    MANAGERS.where(PERSON.c.id == bindparam("manager_id")).scalar_subquery().label("manager_id"),
    AREAS.where(AREA.c.name_key == NAME_OF_AREA).correlate(SETTINGS).scalar_subquery().label("area_id"),
).where(SETTINGS.c.organisation_id == ORGANISATION)


class References:
    """Looks up what users of one organisation name. What was found is remembered until the next operation."""

    def __init__(self, session: Session, caller: Caller) -> None:
        self.session, self.caller = session, caller
        self.managers: set[UUID] = set()
        self.areas: dict[str, UUID] = {}

    def look_up(self, values: Mapping[str, Any]) -> UUID | None:
        """Look up what a new user names, and return who was deleted under their name."""
        keys = {each: None if values[each] is None else folded(values[each]) for each in AREA_ATTRIBUTES}
        name = folded(values["user_name"] or "")
        row = self._execute(FOR_NEW, **keys, user_name_key=name, manager_id=values["manager_id"]).one()
        scim_settings.keep(self.session, row)
        area = keys.get(row.service_area_attribute)
        self.managers = {row.manager_id} if row.manager_id else set()
        self.areas = {area: row.area_id} if area is not None and row.area_id is not None else {}
        hidden: UUID | None = row.hidden_id
        return hidden

    def look_up_many(self, people: Sequence[Mapping[str, Any]]) -> None:
        """Look up what many new users name."""
        ids = {values["manager_id"] for values in people if values["manager_id"] is not None}
        self.managers = set(self._execute(FIND_MANAGERS, ids=list(ids)).scalars()) if ids else set()
        attribute = self._attribute()
        keys = {folded(values[attribute]) for values in people if attribute and values[attribute] is not None}
        rows = self._execute(FIND_AREAS, keys=list(keys)) if keys else ()
        self.areas = {row.name_key: row.id for row in rows}

    def hidden(self, user_names: Sequence[str]) -> set[str]:
        """Return, of these names, those under which somebody was deleted who would come back."""
        found = set(self._execute(FIND_HIDDEN, keys=[folded(name) for name in user_names]).scalars())
        return {name for name in user_names if folded(name) in found}

    def of(self, values: Mapping[str, Any], current: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the service area that the organisation's rule derives, where what it derives from changes.

        Raise InvalidValueException for a manager whom nobody knows.
        """
        self._require_manager(values["manager_id"], current)
        attribute = self._attribute() if _differs(values, current, AREA_ATTRIBUTES) else None
        if attribute is None or not _differs(values, current, (attribute,)):
            return {}
        return {"service_area_id": None if values[attribute] is None else self._area(values[attribute])}

    def _require_manager(self, manager_id: UUID | None, current: Mapping[str, Any] | None) -> None:
        if manager_id is None or manager_id in self.managers:
            return
        if current is not None and current["manager_id"] == manager_id:
            return
        if self._execute(FIND_MANAGERS, ids=[manager_id]).first() is None:
            raise InvalidValueException(detail=UNKNOWN_MANAGER)

    def _attribute(self) -> str | None:
        attribute = str(scim_settings.of(self.session, self.caller).service_area_attribute)
        return None if attribute == ServiceAreaAttribute.none else attribute

    def _area(self, name: str) -> UUID:
        """Return the service area of this name, made where it is new: by one transaction at a time."""
        key = folded(name)
        found = self.areas.get(key)
        if found is None:
            employees.lock_names(self.session, self.caller)
            rows = self._execute(FIND_AREAS, keys=[key])
            found = next((row.id for row in rows), None)
        if found is None:
            made = service_areas.create(self.session, self.caller, ServiceAreaCreate(name=name))
            found = self.areas[key] = made["id"]
        return found

    def _execute(self, statement: Any, **values: Any) -> Any:
        return execute(self.session, statement, {"organisation_id": self.caller.organisation_id, **values})


def _differs(values: Mapping[str, Any], current: Mapping[str, Any] | None, names: Sequence[str]) -> bool:
    return any(values[name] != (None if current is None else current[name]) for name in names)
