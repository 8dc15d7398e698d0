"""The one map from SCIM's attributes to our columns: it drives filters, sorts, and what a resource is read from.

Every entry is an SQL expression that is null where the attribute is unassigned.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from scim2_models import ResourceType
from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    FromClause,
    Select,
    Table,
    Text,
    and_,
    any_,
    case,
    column,
    exists,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy import cast as as_type

from app.models import Employee, Team, TeamMember
from app.relations import ORGANISATION
from app.scim.resources import CORE, ENTERPRISE, GROUP, USER

Attribute = tuple[str, str | None]  # a field of the resource's model, and one of its sub-attributes

PERSON, TEAM, MEMBER = (cast("Table", model.__table__) for model in (Employee, Team, TeamMember))
MEMBER_PERSON = PERSON.alias("member_person")


@dataclass(frozen=True, eq=False)
class Many:
    """A multi-valued attribute: its entries as rows beside the resource's row, and their columns.

    ``order`` puts the entry that stands for all when sorting first.
    """

    entries: FromClause
    columns: Mapping[str, ColumnElement[Any]]
    order: tuple[ColumnElement[Any], ...]
    where: ColumnElement[bool] | None = None
    owner: Table = PERSON

    def any(self, condition: ColumnElement[bool]) -> ColumnElement[bool]:
        """Return whether an entry is so."""
        return exists(self._select(literal(1)).where(condition))

    def first(self, name: str) -> ColumnElement[Any]:
        """Return a sub-attribute of the entry that stands for all."""
        return self._select(self.columns[name]).order_by(*self.order).limit(1).scalar_subquery()

    def _select(self, what: ColumnElement[Any]) -> Select[Any]:
        query = select(what).select_from(self.entries).correlate(self.owner)
        return query if self.where is None else query.where(self.where)


@dataclass(frozen=True, eq=False)
class Shape:
    """How one type of resource lies in the tables. ``names`` are columns that an index finds a text by, folded."""

    table: Table
    shown: ColumnElement[bool]
    columns: Mapping[Attribute, ColumnElement[Any]]
    many: Mapping[str, Many]
    names: Mapping[Attribute, ColumnElement[Any]]


def _given(name: str, value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a column that we always fill, or null where the provider left the attribute unassigned."""
    return case((any_(PERSON.c.scim_absent) == name, None), else_=value)


WORK_EMAIL = func.jsonb_build_object("value", PERSON.c.email, "type", "work", "primary", True)
EMAILS = case(
    (PERSON.c.emails.is_not(None), PERSON.c.emails),
    (PERSON.c.email.is_not(None), func.jsonb_build_array(WORK_EMAIL)),
    else_=func.jsonb_build_array(),
)
_ENTRY = func.jsonb_array_elements(EMAILS).table_valued("entry", with_ordinality="place", name="entry").render_derived()
_EMAIL = (
    select(
        _ENTRY.c.entry.op("->>")("value").cast(Text).label("value"),
        _ENTRY.c.entry.op("->>")("type").cast(Text).label("type"),
        as_type(_ENTRY.c.entry.op("->>")("primary"), Boolean).label("primary"),
        _ENTRY.c.place,
    )
    .correlate(PERSON)
    .lateral("email")
)
_ENTERPRISE = ("employee_number", "cost_center", "organization", "division", "department")
HAS_ENTERPRISE = or_(*(PERSON.c[name].is_not(None) for name in (*_ENTERPRISE, "manager_id")))
_PERSON_SCHEMAS = case(
    (HAS_ENTERPRISE, literal([f"{CORE}User", ENTERPRISE], ARRAY(Text()))),
    else_=literal([f"{CORE}User"], ARRAY(Text())),
)


def _schemas(of: ColumnElement[Any], owner: Table) -> Many:
    rows = func.unnest(of).table_valued(column("value", Text()), name="schema_of").render_derived()
    return Many(rows, {"value": rows.c.value}, (), owner=owner)


def version_of(row: Any) -> ColumnElement[Any]:
    """Return the weak entity tag of a person or a team, as SQL over its columns."""
    if row is TEAM:
        return as_type(func.concat('W/"', row.c.version, "-", row.c.members_version, '"'), Text)
    return as_type(func.concat('W/"', row.c.version, '"'), Text)


def _common(table: Table, kind: str, changed: ColumnElement[Any]) -> dict[Attribute, ColumnElement[Any]]:
    return {
        ("id", None): as_type(table.c.id, Text),
        ("external_id", None): table.c.external_id,
        ("meta", "resource_type"): literal(kind, Text()),
        ("meta", "created"): table.c.created_at,
        ("meta", "last_modified"): func.greatest(changed, table.c.created_at),
        ("meta", "version"): version_of(table),
    }


PEOPLE = Shape(
    PERSON,
    and_(PERSON.c.organisation_id == ORGANISATION, PERSON.c.scim_hidden_at.is_(None)),
    {
        **_common(PERSON, "User", PERSON.c.updated_at),
        ("user_name", None): PERSON.c.user_name,
        ("name", "family_name"): PERSON.c.family_name,
        ("name", "given_name"): PERSON.c.given_name,
        ("display_name", None): _given("display_name", PERSON.c.display_name),
        ("title", None): PERSON.c.title,
        ("locale", None): PERSON.c.locale,
        ("timezone", None): PERSON.c.time_zone,
        ("active", None): _given("active", PERSON.c.active),
        **{(name, None): PERSON.c[name] for name in _ENTERPRISE},
        ("manager", "value"): as_type(PERSON.c.manager_id, Text),
    },
    {
        "emails": Many(
            _EMAIL,
            {name: _EMAIL.c[name] for name in ("value", "type", "primary")},
            (_EMAIL.c.primary.is_(True).desc(), _EMAIL.c.place),
        ),
        "schemas": _schemas(_PERSON_SCHEMAS, PERSON),
    },
    {("user_name", None): PERSON.c.user_name_key},
)
_LAST_CHANGE = func.greatest(TEAM.c.updated_at, TEAM.c.members_changed_at)
TEAMS = Shape(
    TEAM,
    TEAM.c.organisation_id == ORGANISATION,
    {**_common(TEAM, "Group", _LAST_CHANGE), ("display_name", None): TEAM.c.name},
    {
        "members": Many(
            MEMBER.join(
                MEMBER_PERSON,
                and_(
                    MEMBER_PERSON.c.organisation_id == MEMBER.c.organisation_id,
                    MEMBER_PERSON.c.id == MEMBER.c.employee_id,
                ),
            ),
            {"value": as_type(MEMBER.c.employee_id, Text)},
            (MEMBER.c.id,),
            and_(
                MEMBER.c.organisation_id == ORGANISATION,
                MEMBER.c.team_id == TEAM.c.id,
                MEMBER_PERSON.c.scim_hidden_at.is_(None),
            ),
            TEAM,
        ),
        "schemas": _schemas(literal([f"{CORE}Group"], ARRAY(Text())), TEAM),
    },
    {("display_name", None): TEAM.c.name_key},
)


def shape_of(kind: ResourceType) -> Shape:
    """Return how a type of resource lies in the tables."""
    return {USER.id: PEOPLE, GROUP.id: TEAMS}[kind.id]
