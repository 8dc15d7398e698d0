"""SCIM groups as teams. Members are added and removed by statements whose cost does not grow with the team."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from scim2_models import InvalidValueException
from sqlalchemy import text
from sqlalchemy.orm import Session

from app import clock, events
from app.auth import Caller
from app.database import execute
from app.models.base import new_id
from app.models.scim_settings import TeamLead
from app.schemas.team import TeamCreate, TeamUpdate
from app.services import scim_settings
from app.services import team as teams

# In these, each person is looked for by themself, whatever the server believes about the size of a team: joined
# otherwise, all members of one that grew a moment ago are gone through for one.
UNKNOWN = text(
    """
    SELECT 1 FROM unnest(CAST(:people AS uuid[])) AS given (id) LEFT JOIN LATERAL (
        SELECT e.id FROM employee AS e
        WHERE e.organisation_id = :organisation_id AND e.id = given.id AND e.scim_hidden_at IS NULL LIMIT 1
    ) AS known ON true WHERE known.id IS NULL LIMIT 1
    """
)
ADD = text(
    """
    INSERT INTO team_member (organisation_id, id, team_id, employee_id, created_at)
    SELECT :organisation_id, given.id, :team_id, given.employee_id, :now
    FROM unnest(CAST(:ids AS uuid[]), CAST(:people AS uuid[])) AS given (id, employee_id)
    ON CONFLICT (organisation_id, team_id, employee_id) DO NOTHING RETURNING id, employee_id
    """
)
REMOVE = text(
    """
    DELETE FROM team_member WHERE organisation_id = :organisation_id AND id IN (
        SELECT found.id FROM unnest(CAST(:people AS uuid[])) AS given (id) CROSS JOIN LATERAL (
            SELECT m.id FROM team_member AS m WHERE m.organisation_id = :organisation_id AND m.team_id = :team_id
                AND m.employee_id = given.id LIMIT 1
        ) AS found
    ) RETURNING id, employee_id
    """
)
# Who is given and no member yet, and who is a member and not given. Whom SCIM does not see stays.
DIFFERENCES = text(
    """
    SELECT given.id AS added, member.employee_id AS removed
    FROM unnest(CAST(:people AS uuid[])) AS given (id)
    FULL JOIN (
        SELECT employee_id FROM team_member WHERE organisation_id = :organisation_id AND team_id = :team_id
    ) AS member ON member.employee_id = given.id
    WHERE given.id IS NULL OR member.employee_id IS NULL
    """
)
HIDDEN = text(
    """
    SELECT given.id FROM unnest(CAST(:people AS uuid[])) AS given (id) CROSS JOIN LATERAL (
        SELECT 1 FROM employee AS e WHERE e.organisation_id = :organisation_id AND e.id = given.id
            AND e.scim_hidden_at IS NOT NULL LIMIT 1
    ) AS found
    """
)
TEAMS_OF = text("SELECT team_id FROM team_member WHERE organisation_id = :organisation_id AND employee_id = :person")
COMMON_MANAGER = text(
    """
    SELECT e.manager_id FROM team_member AS m
    JOIN employee AS e ON e.organisation_id = m.organisation_id AND e.id = m.employee_id
    JOIN employee AS manager ON manager.organisation_id = e.organisation_id AND manager.id = e.manager_id
    WHERE m.organisation_id = :organisation_id AND m.team_id = :team_id AND e.active AND manager.active
    GROUP BY e.manager_id ORDER BY count(*) DESC, e.manager_id LIMIT 1
    """
)


class Groups:
    """Writes groups of one organisation in one transaction."""

    def __init__(self, session: Session, caller: Caller) -> None:
        self.session, self.caller = session, caller
        self.tenant = {"organisation_id": caller.organisation_id}

    def create(self, resource: Any) -> UUID:
        """Add a team with its members. Raise Conflict for a taken name or external id."""
        data = _checked(TeamCreate, {"name": resource.display_name, "external_id": resource.external_id or None})
        team_id: UUID = teams.create(self.session, self.caller, data)["id"]
        self.add(team_id, _ids(resource.members))
        return team_id

    def update(self, team_id: UUID, resource: Any, current: Mapping[str, Any]) -> None:
        """Make a team what the resource says. ``current`` is its row as it was read."""
        self.rename(team_id, resource.display_name, resource.external_id or None, current)
        self.replace(team_id, _ids(resource.members))

    def rename(self, team_id: UUID, name: str | None, external_id: str | None, current: Mapping[str, Any]) -> None:
        """Give a team another name or external id. Raise Conflict for a taken one."""
        values = {"name": name, "external_id": external_id}
        changed = {key: value for key, value in values.items() if value != current[key]}
        if changed:
            teams.update(self.session, self.caller, team_id, _checked(TeamUpdate, changed))

    def add(self, team_id: UUID, people: Iterable[UUID]) -> None:
        """Put people into a team; who is in it already stays. Raise InvalidValueException where nobody has an id."""
        given = sorted(set(people))
        if not given:
            return
        if self._execute(UNKNOWN, people=given).first() is not None:
            raise InvalidValueException(detail="members: there is no user with one of these ids.")
        ids = [new_id() for _ in given]
        added = self._execute(ADD, team_id=team_id, ids=ids, people=given, now=clock.now()).all()
        self._record(team_id, "created", added)

    def remove(self, team_id: UUID, people: Iterable[UUID]) -> None:
        """Take people out of a team; who is not in it is no error."""
        given = sorted(set(people))
        if given:
            self._record(team_id, "deleted", self._execute(REMOVE, team_id=team_id, people=given).all())

    def replace(self, team_id: UUID, people: Iterable[UUID]) -> None:
        """Make these people, and nobody else, the members of a team."""
        found = self._execute(DIFFERENCES, team_id=team_id, people=list(set(people))).all()
        removed = [row.removed for row in found if row.added is None]
        hidden = set(self._execute(HIDDEN, people=removed).scalars()) if removed else set()
        self.remove(team_id, set(removed) - hidden)
        self.add(team_id, [row.added for row in found if row.added is not None])

    def delete(self, team_id: UUID) -> None:
        """Remove a team with its memberships; the people stay."""
        teams.delete(self.session, self.caller, team_id)

    def follow_manager(self, person_id: UUID) -> None:
        """Give the teams of a person who has another manager their lead anew, where that is the organisation's rule."""
        if self._leads_by_manager():
            for team_id in self._execute(TEAMS_OF, person=person_id).scalars().all():
                self._settle_lead(team_id)

    def _record(self, team_id: UUID, verb: str, rows: Any) -> None:
        if not rows:
            return
        changes = [events.Change(f"team_member.{verb}", row.id, 1, row.employee_id) for row in rows]
        events.record_changes(self.session, self.caller, "team_member", changes)
        teams.count_members_changed(self.session, self.caller, team_id)
        if self._leads_by_manager():
            self._settle_lead(team_id)

    def _leads_by_manager(self) -> bool:
        return bool(scim_settings.of(self.session, self.caller).team_lead == TeamLead.common_manager)

    def _settle_lead(self, team_id: UUID) -> None:
        lead = self._execute(COMMON_MANAGER, team_id=team_id).scalar_one_or_none()
        if lead is not None:
            teams.update(self.session, self.caller, team_id, TeamUpdate(lead_id=lead))

    def _execute(self, statement: Any, **values: Any) -> Any:
        return execute(self.session, statement, {**self.tenant, **values})


def members_of(values: Iterable[Any]) -> list[UUID]:
    """Return the ids in the forms in which providers name members. Raise InvalidValueException for what is none."""
    try:
        return [UUID(value["value"] if isinstance(value, dict) else value) for value in values]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InvalidValueException(detail="members: each needs the id of a user as its value.") from None


def _ids(members: Any) -> list[UUID]:
    return members_of(member.value for member in members or ())


def _checked(schema: Any, values: Mapping[str, Any]) -> Any:
    try:
        return schema.model_validate(dict(values))
    except ValidationError:
        raise InvalidValueException(detail="displayName and externalId are texts of up to 200 characters.") from None
