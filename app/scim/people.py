"""SCIM users as employees: what a user's attributes mean to our columns, written by the employees' own services."""

from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from pydantic import ValidationError
from scim2_models import InvalidValueException, Resource, SCIMException, UniquenessException
from sqlalchemy import ARRAY, Text, bindparam, func, select
from sqlalchemy.orm import Session

from app import clock, events
from app.auth import Caller
from app.database import execute
from app.errors import Conflict
from app.models import Employee, ServiceArea
from app.models.base import folded
from app.models.scim_settings import ServiceAreaAttribute
from app.relations import ORGANISATION
from app.schemas.employee import EmployeeCreate, EmployeeUpdate
from app.schemas.service_area import ServiceAreaCreate
from app.scim.columns import PERSON
from app.scim.resources import ENTERPRISE
from app.services import employee as employees
from app.services import employee_many, scim_settings
from app.services import service_area as service_areas

# The columns that a user's attributes fill, beside the manager and the e-mail addresses.
ENTERPRISE_FIELDS = ("employee_number", "cost_center", "organization", "division", "department")
OWNED = (
    *("external_id", "user_name", "given_name", "family_name", "display_name", "title", "locale", "time_zone"),
    *(*ENTERPRISE_FIELDS, "email", "manager_id", "service_area_id", "active"),
)

AREA = ServiceArea.__table__
FIND_AREA = select(AREA.c.id).where(AREA.c.organisation_id == ORGANISATION, AREA.c.name_key == bindparam("key"))
FIND_HIDDEN = select(PERSON.c.id).where(
    PERSON.c.organisation_id == ORGANISATION,
    PERSON.c.user_name_key == bindparam("key"),
    PERSON.c.scim_hidden_at.is_not(None),
)
HIDDEN_NAMES = select(PERSON.c.user_name_key).where(
    PERSON.c.organisation_id == ORGANISATION,
    PERSON.c.scim_hidden_at.is_not(None),
    PERSON.c.user_name_key.in_(select(func.unnest(bindparam("keys", type_=ARRAY(Text()))))),
)
FIND_MANAGER = select(PERSON.c.id).where(
    PERSON.c.organisation_id == ORGANISATION, PERSON.c.id == bindparam("id"), PERSON.c.scim_hidden_at.is_(None)
)


class Overtaken(Exception):
    """Somebody else changed the person between the reading and the change: the request is to be begun anew."""


class People:
    """Writes users of one organisation in one transaction."""

    def __init__(self, session: Session, caller: Caller) -> None:
        self.session, self.caller = session, caller

    def create(self, resource: Resource[Any]) -> UUID:
        """Add a person, or take one back who was deleted under this name, and return the id.

        Raise Conflict where the user name or the external id is taken.
        """
        values = self._values(resource)
        hidden = self._one(FIND_HIDDEN, key=folded(values["user_name"] or ""))
        if hidden is not None:
            return self._take_back(hidden, values)
        active = values["active"]
        data = _checked(EmployeeCreate, _plain(values))
        created = employees.add(self.session, self.caller, data, _provider(values))
        if not active:
            employees.deactivate(self.session, self.caller, created.id, None)
        return created.id

    def create_many(self, resources: Sequence[Resource[Any]]) -> list[UUID | SCIMException]:
        """Add active people in few statements, and return each one's id, or why they were not added."""
        results: list[UUID | SCIMException | None] = []
        ready = []
        for resource in resources:
            try:
                values = self._values(resource)
                ready.append((_checked(EmployeeCreate, _plain(values)), _provider(values)))
                results.append(None)
            except SCIMException as error:
                results.append(error)
        made = iter(employee_many.create_many(self.session, self.caller, ready))
        found = [next(made) if each is None else each for each in results]
        return [UniquenessException(detail=e.problem_detail) if isinstance(e, Conflict) else e for e in found]

    def hidden(self, user_names: Sequence[str]) -> set[str]:
        """Return, of these names, those under which somebody was deleted who would come back."""
        values = {"organisation_id": self.caller.organisation_id, "keys": [folded(name) for name in user_names]}
        found = set(execute(self.session, HIDDEN_NAMES, values).scalars())
        return {name for name in user_names if folded(name) in found}

    def update(self, employee_id: UUID, resource: Resource[Any], current: Mapping[str, Any]) -> bool:
        """Make a person what the resource says, and return whether they have another manager now.

        ``current`` is their row as it was read.

        Raise Conflict where the user name or the external id is taken, or a manager would close a circle.
        """
        values = self._values(resource, current)
        emails, absent, active = values.pop("emails"), values.pop("scim_absent"), values.pop("active")
        changed = {name: value for name, value in values.items() if value != current[name]}
        touched = {*changed, *(["active"] if active != current["active"] else [])}
        touched |= {"email"} if emails != current["emails"] else set()
        provider = {
            "emails": emails,
            "scim_absent": absent,
            "scim_owned": [name for name in OWNED if name in current["scim_owned"] or name in touched],
        }
        data = _checked(EmployeeUpdate, changed)
        after = employees.change(self.session, self.caller, employee_id, data, provider)
        if after.version > current["version"] + 1:
            raise Overtaken
        if active != current["active"]:
            verb = employees.reactivate if active else employees.deactivate
            verb(self.session, self.caller, employee_id, None)
        return "manager_id" in changed

    def delete(self, employee_id: UUID) -> None:
        """Close a person's access and hide them from SCIM; nothing else ends, and nothing is removed."""
        employees.deactivate(self.session, self.caller, employee_id, None)
        row = self.session.get_one(Employee, (self.caller.organisation_id, employee_id))
        row.scim_hidden_at = clock.now()
        events.record(self.session, self.caller, "employee.deprovisioned", row, subject_id=employee_id)

    def _take_back(self, employee_id: UUID, values: dict[str, Any]) -> UUID:
        row = self.session.get_one(Employee, (self.caller.organisation_id, employee_id))
        active = values["active"]
        if active is not row.active:
            verb = employees.reactivate if active else employees.deactivate
            verb(self.session, self.caller, employee_id, None)
        provider = {**_provider(values), "created_at": row.created_at, "scim_hidden_at": None}
        employees.change(self.session, self.caller, employee_id, _checked(EmployeeUpdate, _plain(values)), provider)
        return employee_id

    def _values(self, resource: Any, current: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the columns that a resource asks for. Raise InvalidValueException for a manager whom nobody knows."""
        enterprise, name = resource[ENTERPRISE], resource.name
        values: dict[str, Any] = {
            "external_id": _text(resource.external_id),
            "user_name": _text(resource.user_name),
            "given_name": _text(name.given_name if name else None),
            "family_name": _text(name.family_name if name else None),
            "display_name": _text(resource.display_name),
            "title": _text(resource.title),
            "locale": _text(resource.locale),
            "time_zone": _text(resource.timezone),
            "active": _active(resource, current),
            **{field: _text(getattr(enterprise, field, None)) for field in ENTERPRISE_FIELDS},
            **_emails(resource.emails),
        }
        absent = {
            "display_name": values["display_name"] is None,
            "active": resource.active is None and current is not None,
        }
        values["scim_absent"] = [attribute for attribute, is_absent in absent.items() if is_absent]
        values["display_name"] = values["display_name"] or _full_name(values)
        values["manager_id"] = self._manager(enterprise, current)
        values |= self._service_area(values, current)
        return values

    def _manager(self, enterprise: Any, current: Mapping[str, Any] | None) -> UUID | None:
        manager = getattr(enterprise, "manager", None)
        if manager is None or not manager.value:
            return None
        try:
            manager_id = UUID(manager.value)
        except ValueError:
            raise InvalidValueException(detail="manager: there is no user with this id.") from None
        if current is not None and current["manager_id"] == manager_id:
            return manager_id
        if self._one(FIND_MANAGER, id=manager_id) is None:
            raise InvalidValueException(detail="manager: there is no user with this id.")
        return manager_id

    def _service_area(self, values: Mapping[str, Any], current: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the service area that the organisation's rule derives, where what it derives from changes."""
        if current is not None and all(values[field] == current[field] for field in ENTERPRISE_FIELDS):
            return {}
        attribute = scim_settings.of(self.session, self.caller).service_area_attribute
        if attribute == ServiceAreaAttribute.none:
            return {}
        name = values[attribute]
        if (current[attribute] if current is not None else None) == name:
            return {}
        return {"service_area_id": None if name is None else self._area(name)}

    def _area(self, name: str) -> UUID:
        found = self._one(FIND_AREA, key=folded(name))
        if found is None:
            found = service_areas.create(self.session, self.caller, ServiceAreaCreate(name=name))["id"]
        return cast("UUID", found)

    def _one(self, query: Any, **values: Any) -> Any:
        given = {"organisation_id": self.caller.organisation_id, **values}
        return execute(self.session, query, given).scalar_one_or_none()


PROVIDERS = frozenset({"emails", "scim_absent", "active"})


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the employees' services take as anybody's."""
    return {name: value for name, value in values.items() if name not in PROVIDERS}


def _provider(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a provider alone sets in a new row. One that never changed says so by its two moments."""
    now = clock.now()
    return {
        "emails": values["emails"],
        "scim_absent": values["scim_absent"],
        "scim_owned": [name for name in OWNED if values.get(name) is not None],
        "created_at": now,
        "updated_at": now,
    }


def _text(value: str | None) -> str | None:
    """Return a text, or None for an empty one: providers clear an attribute with it."""
    return value.strip() or None if value is not None else None


def _active(resource: Any, current: Mapping[str, Any] | None) -> bool:
    """Return whether a person is here. Who does not say so changes nothing: nobody comes back by being left out."""
    if resource.active is None:
        return True if current is None else bool(current["active"])
    return bool(resource.active)


def _full_name(values: Mapping[str, Any]) -> str | None:
    parts = [values[part] for part in ("given_name", "family_name") if values[part]]
    return " ".join(parts) or values["user_name"]


def _emails(given: Any) -> dict[str, Any]:
    """Return the address that we write to, and all of them where they are not just that one."""
    entries = [
        {key: value for key in ("value", "type", "primary") if (value := getattr(each, key)) is not None}
        for each in given or ()
        if _text(each.value) is not None
    ]
    if not entries:
        return {"email": None, "emails": None}
    chosen = min(entries, key=lambda each: (not each.get("primary"), each.get("type") != "work"))
    usual = [{"value": chosen["value"], "type": "work", "primary": True}]
    return {"email": chosen["value"], "emails": None if entries == usual else entries}


def _checked(schema: Any, values: Mapping[str, Any]) -> Any:
    """Return the values as the employees' services take them. Raise InvalidValueException, naming the attribute."""
    try:
        return schema.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        attribute = ".".join(str(part) for part in first["loc"])
        raise InvalidValueException(detail=f"{attribute}: {first['msg'].removeprefix('Value error, ')}") from None
