"""SCIM users as employees: what a user's attributes mean to our columns, written by the employees' own services."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from pydantic import ValidationError
from pydantic.alias_generators import to_camel
from scim2_models import InvalidValueException, Resource, SCIMException, UniquenessException
from sqlalchemy.orm import Session

from app import clock, events, queries
from app.auth import Caller
from app.errors import Conflict
from app.models import Employee
from app.schemas.employee import EmployeeCreate, EmployeeUpdate
from app.scim import rendering
from app.scim.references import UNKNOWN_MANAGER, References
from app.scim.resources import ENTERPRISE
from app.services import employee as employees
from app.services import employee_many

T = TypeVar("T")
# The columns that a user's attributes fill, beside the manager and the e-mail addresses.
ENTERPRISE_FIELDS = ("employee_number", "cost_center", "organization", "division", "department")
OWNED = (
    *("external_id", "user_name", "given_name", "family_name", "display_name", "title", "locale", "time_zone"),
    *(*ENTERPRISE_FIELDS, "email", "manager_id", "service_area_id", "active"),
)


class Overtaken(Exception):
    """Somebody else changed the person between the reading and the change: the request is to be begun anew."""


class People:
    """Writes users of one organisation in one transaction."""

    def __init__(self, session: Session, caller: Caller, *, alone: bool = False) -> None:
        self.session, self.caller, self.alone = session, caller, alone
        self.references = References(session, caller)

    def create(self, resource: Resource[Any]) -> Mapping[str, Any]:
        """Add a person, or take one back who was deleted under this name, and return their row.

        Raise Conflict where the user name or the external id is taken.
        """
        values = _columns(resource)
        data = _checked(EmployeeCreate, _plain(values))
        hidden = self.references.look_up(values)
        values |= self.references.of(values, None)
        if hidden is not None:
            return rendering.row_of(self._take_back(hidden, values))
        created = employees.add(self.session, self.caller, data, _provider(values))
        if values["active"]:
            return dict(created._mapping)
        person = self.session.get_one(Employee, (self.caller.organisation_id, created.id))
        employees.set_active(self.session, self.caller, person, active=False)
        return rendering.row_of(person)

    def create_many(self, resources: Sequence[Resource[Any]]) -> list[UUID | SCIMException]:
        """Add active people in few statements, and return each one's id, or why they were not added."""
        read = [_or_refusal(_read_new, resource) for resource in resources]
        self.references.look_up_many([each[0] for each in read if isinstance(each, tuple)])
        ready = [each if isinstance(each, SCIMException) else _or_refusal(self._referring, *each) for each in read]
        people = [each for each in ready if isinstance(each, tuple)]
        made = iter(employee_many.create_many(self.session, self.caller, people))
        found = [each if isinstance(each, SCIMException) else next(made) for each in ready]
        return [UniquenessException(detail=e.problem_detail) if isinstance(e, Conflict) else e for e in found]

    def _referring(self, values: dict[str, Any], data: EmployeeCreate) -> tuple[EmployeeCreate, Mapping[str, Any]]:
        return data, _provider(values | self.references.of(values, None))

    def update(self, current: Mapping[str, Any], resource: Resource[Any], held: Employee | None = None) -> Employee:
        """Make a person what the resource says, and return their row.

        ``current`` is the row as it was read, ``held`` the row itself where it was locked then.

        Raise Conflict where the user name or the external id is taken, or a manager would close a circle.
        """
        values = _columns(resource, current)
        emails, absent, active = values.pop("emails"), values.pop("scim_absent"), values.pop("active")
        given = _checked(EmployeeUpdate, {name: value for name, value in values.items() if value != current[name]})
        area = self.references.of(values, current)
        if area and area["service_area_id"] != current["service_area_id"]:
            given = given.model_copy(update=area)
        touched = {*given.model_fields_set, *(["active"] if active != current["active"] else [])}
        touched |= {"email"} if emails != current["emails"] else set()
        provider = {
            "emails": emails,
            "scim_absent": absent,
            "scim_owned": [name for name in OWNED if name in current["scim_owned"] or name in touched],
        }
        after = self._change(current, given, provider, held)
        employees.set_active(self.session, self.caller, after, active=active)
        return after

    def _change(
        self, current: Mapping[str, Any], data: EmployeeUpdate, provider: Mapping[str, Any], held: Employee | None
    ) -> Employee:
        """Change a person by the employees' service. Raise Overtaken where that has to be begun with other locks."""
        if held is None:
            after = employees.change(self.session, self.caller, current["id"], data, provider)
            if after.version > current["version"] + 1:
                raise Overtaken
            return after
        given = data.given()
        if not self.alone and given.keys() & (employees.SHARED | employees.IDENTITY):
            raise Overtaken
        return employees.alter(self.session, self.caller, held, given, provider)

    def delete(self, employee_id: UUID) -> None:
        """Close a person's access and hide them from SCIM; nothing else ends, and nothing is removed."""
        row = queries.get_allowed(self.session, self.caller, Employee, employee_id, "deactivate")
        employees.set_active(self.session, self.caller, row, active=False)
        row.scim_hidden_at = clock.now()
        events.record(self.session, self.caller, "employee.deprovisioned", row, subject_id=employee_id)

    def _take_back(self, employee_id: UUID, values: dict[str, Any]) -> Employee:
        employees.lock_names(self.session, self.caller)
        row = queries.get_allowed(self.session, self.caller, Employee, employee_id, "update")
        if row.scim_hidden_at is None:
            raise Conflict("already_exists", "There is one like it already.")
        employees.set_active(self.session, self.caller, row, active=values["active"])
        provider = {**_provider(values), "created_at": row.created_at, "scim_hidden_at": None}
        area = {"service_area_id": provider.pop("service_area_id")} if "service_area_id" in provider else {}
        given = {**_checked(EmployeeUpdate, _plain(values)).given(), **area}
        return employees.alter(self.session, self.caller, row, given, provider)


def _read_new(resource: Resource[Any]) -> tuple[dict[str, Any], EmployeeCreate]:
    values = _columns(resource)
    return values, _checked(EmployeeCreate, _plain(values))


def _or_refusal(work: Callable[..., T], *given: Any) -> T | SCIMException:
    try:
        return work(*given)
    except SCIMException as error:
        return error


def _columns(resource: Any, current: Mapping[str, Any] | None = None) -> dict[str, Any]:
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
        "manager_id": _manager(getattr(enterprise, "manager", None)),
    }
    absent = {
        "display_name": values["display_name"] is None,
        "active": resource.active is None and current is not None,
    }
    values["scim_absent"] = [attribute for attribute, is_absent in absent.items() if is_absent]
    values["display_name"] = values["display_name"] or _full_name(values)
    return values


def _manager(given: Any) -> UUID | None:
    if given is None or not given.value:
        return None
    try:
        return UUID(given.value)
    except ValueError:
        raise InvalidValueException(detail=UNKNOWN_MANAGER) from None


PROVIDERS = frozenset({"emails", "scim_absent", "active", "service_area_id"})


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the employees' services take as anybody's."""
    return {name: value for name, value in values.items() if name not in PROVIDERS}


def _provider(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a provider alone sets in a new row. One that never changed says so by its two moments."""
    now = clock.now()
    area = {"service_area_id": values["service_area_id"]} if "service_area_id" in values else {}
    return {
        **area,
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
        column = str(first["loc"][0])
        said = WRONG.get((column, first["type"])) or first["msg"].removeprefix("Value error, ")
        raise InvalidValueException(detail=f"{ATTRIBUTES.get(column) or to_camel(column)}: {said}") from None


# How an administrator knows a column, where that is not by its name in camel case, and what is often wrong with it.
ATTRIBUTES = {
    "given_name": "name.givenName",
    "family_name": "name.familyName",
    "email": "emails.value",
    "time_zone": "timezone",
}
WRONG = {
    ("user_name", "string_type"): "Must not be empty.",
    ("email", "string_pattern_mismatch"): "Must be an e-mail address.",
    ("locale", "string_pattern_mismatch"): "Must be a language tag, such as en-GB.",
}
