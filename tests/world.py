"""One organisation and the small cast that every test knows, made anew for each test: tenancy keeps tests apart."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from sqlalchemy import update
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from app import auth
from app.crypto import Vault
from app.database import Database, set_tenant
from app.models import Client, ClientKey, DirectoryEntry, Employee, RoleGrant, Team, TeamMember
from app.models.base import folded
from app.models.client import GrantState, Role
from app.models.organisation import OrganisationState
from app.policy import SCOPES
from app.services import organisation as organisations

CAST = ("theo", "amira", "grace", "jonas", "ines", "noor", "hana")
ROLES = {"ines": Role.eap_coordinator, "jonas": Role.coach, "noor": Role.programme_lead, "hana": Role.hr_administrator}


@dataclass
class World:
    """An organisation with Amira, who answers calls; Theo, who leads her team and is her manager; Grace, who mentors;
    Jonas, who coaches; Ines, who coordinates the EAP; Noor, who leads the programme; Hana, who administers HR.
    """

    app: FastAPI
    database: Database
    id: UUID = field(default_factory=uuid7)
    slug: str = ""
    people: dict[str, UUID] = field(default_factory=dict)
    team_id: UUID = field(default_factory=uuid7)
    _open: list[httpx.AsyncClient] = field(default_factory=list)

    async def run(self, work: Callable[..., Any], *args: Any) -> Any:
        """Run plain code in one transaction of this organisation."""

        def within(session: Session) -> Any:
            set_tenant(session, self.id)
            return work(session, *args)

        return await self.database.run(within)

    def http(self, token: str | None = None) -> httpx.AsyncClient:
        """Return an HTTP client with this bearer token; unexpected errors become 500 answers, as in production."""
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),
            base_url="http://ballast.test",
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )
        self._open.append(client)
        return client

    async def client(self, *scopes: str, name: str | None = None) -> httpx.AsyncClient:
        """Return an HTTP client with a new client key; every scope where none is named."""
        return self.http(await self.key(*scopes, name=name))

    async def key(self, *scopes: str, name: str | None = None) -> str:
        """Make a client with these scopes (all where none is named) and return its key."""

        def make(session: Session) -> str:
            client = Client(organisation_id=self.id, name=name or f"client {uuid7()}", scopes=list(scopes or SCOPES))
            session.add(client)
            session.flush()
            key, digest = auth.make_key(self.id)
            session.add(ClientKey(organisation_id=self.id, client_id=client.id, digest=digest, last_four=key[-4:]))
            return key

        return str(await self.run(make))

    def token(self, user_name: str, **claims: Any) -> str:
        """Return an access token of the development issuer."""
        issuer: auth.DevelopmentIssuer = self.app.state.authenticator.development
        return issuer.issue(self.id, user_name, **claims)

    def watermark(self, text: str) -> bytes:
        """Return what a watermark says: it looks new each time it is given."""
        vault: Vault = self.app.state.vault
        return vault.open_text("watermark", self.id, text)

    def person(self, user_name: str) -> httpx.AsyncClient:
        """Return an HTTP client signed in as this person."""
        return self.http(self.token(user_name))

    async def hire(self, user_name: str, **fields: Any) -> UUID:
        """Make an employee directly and return their id."""
        return UUID(str(await self.run(self._hire, user_name, fields)))

    def _hire(self, session: Session, user_name: str, fields: dict[str, Any]) -> UUID:
        values = {"display_name": user_name.title(), "external_id": f"hr-{user_name}", **fields}
        self.people[user_name] = employee_id = uuid7()
        key = folded(user_name)
        session.add(Employee(organisation_id=self.id, id=employee_id, user_name=user_name, user_name_key=key, **values))
        return employee_id

    async def grant(self, user_name: str, role: Role) -> None:
        """Give a person a role, as an operator would."""

        def give(session: Session) -> None:
            session.add(
                RoleGrant(
                    organisation_id=self.id,
                    employee_id=self.people[user_name],
                    role=role,
                    state=GrantState.active,
                    granted_by="operator",
                )
            )

        await self.run(give)

    async def build(self) -> "World":
        """Make the organisation and its cast."""

        def make(session: Session) -> None:
            self.slug = f"org-{uuid7().hex[-12:]}"
            self.id = organisations.create(session, "Harbour Helpline", self.slug).id
            for name in CAST:
                manager = self.people["theo"] if name == "amira" else None
                self._hire(session, name, {"email": f"{name}@harbour.example", "manager_id": manager})
            session.flush()
            for name, role in ROLES.items():
                session.add(
                    RoleGrant(
                        organisation_id=self.id,
                        employee_id=self.people[name],
                        role=role,
                        state=GrantState.active,
                        granted_by="operator",
                    )
                )
            team = Team(
                organisation_id=self.id,
                id=self.team_id,
                name="Evening line",
                name_key=folded("Evening line"),
                lead_id=self.people["theo"],
            )
            session.add(team)
            session.flush()
            session.add(TeamMember(organisation_id=self.id, team_id=team.id, employee_id=self.people["amira"]))

        await self.database.run(make)
        return self

    async def alone(self, *others: "World") -> None:
        """Leave a worker this organisation, and these others, to attend to: not the thousands of earlier tests."""
        kept = DirectoryEntry.organisation_id.in_([self.id, *(other.id for other in others)])
        close = update(DirectoryEntry).where(~kept).values(state=OrganisationState.closed)
        await self.run(lambda session: session.execute(close))

    async def close(self) -> None:
        for client in self._open:
            await client.aclose()


def etag(answer: httpx.Response | dict[str, Any]) -> dict[str, str]:
    """Return the If-Match header for a representation."""
    version = (answer.json() if isinstance(answer, httpx.Response) else answer)["version"]
    return {"If-Match": f'"{version}"'}
