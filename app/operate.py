"""What an operator does from the command line, as functions: each finds the database, does one thing, and lets go."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import banner, launch, master_keys, worker
from app import demo as demos
from app import migrate as migrations
from app import openapi as document
from app.auth import TOKEN_SECONDS, Caller, DevelopmentIssuer
from app.database import Database, set_tenant
from app.errors import Refusal
from app.launch import StartError
from app.models import Client, Employee
from app.models.base import folded
from app.models.client import Role
from app.policy import SCOPES
from app.problems import refusal_of
from app.services import client as clients
from app.services import organisation as organisations
from app.services import role_grant as grants
from app.settings import Settings

T = TypeVar("T")

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")
DOCUMENT = Path("openapi", "openapi.json")


def migrate() -> tuple[str | None, str]:
    """Bring the database to this version's level and return the revisions before and after."""
    settings = launch.read_settings()
    with launch.ground(settings) as ground:
        return asyncio.run(migrations.migrate(ground.urls))


def keys_status() -> list[dict[str, Any]]:
    """Return what stands under each master key, never a key."""
    return [asdict(use) for use in _on_database(master_keys.status)]


def rotate_keys() -> dict[str, Any]:
    """Wrap every data key under the first of the master keys, and say which master keys nothing needs any more."""
    return asdict(_on_database(master_keys.rotate))


def openapi(*, check: bool) -> str:
    """Write the OpenAPI file, or raise StartError when it is not current. Needs no database."""
    if not check:
        document.export(DOCUMENT)
        return f"Wrote {DOCUMENT}."
    if not document.is_current(DOCUMENT):
        raise StartError(f"{DOCUMENT} is not what the code describes: run `ballast openapi` and commit the file.")
    return f"{DOCUMENT} is current."


def demo() -> str:
    """Make the demo organisation, or find it, and return a request for each kind of caller. Never in production."""
    settings = _outside_production("The demo organisation is")

    def find_or_make(session: Session) -> tuple[demos.Demo, str, str]:
        organisation_id = organisations.find(session, demos.SLUG)
        found = demos.recall(settings.data_dir, organisation_id) if organisation_id else demos.create(session)
        if found is None:
            raise StartError(f'There is an organisation "{demos.SLUG}" already, whose keys are not kept here.')
        said = f'Organisation "{demos.SLUG}" {"is there already" if organisation_id else "created"}.'
        return found, said, banner.examples(session, settings.public_url, found, settings.data_dir)

    found, said, examples = _within(settings, find_or_make)
    demos.keep(found, settings.data_dir)
    return f"{said}\n\n{examples}"


def token(slug: str, person: str) -> dict[str, Any]:
    """Issue an access token of the development issuer. Raise StartError in production, or for nobody active."""
    settings = _outside_production("Tokens of the development issuer are")
    organisation_id, employee = _within(settings, lambda session: _find_person(session, slug, person))
    issued = DevelopmentIssuer.load(settings.data_dir).issue(organisation_id, employee.user_name)
    return {"access_token": issued, "expires_in": TOKEN_SECONDS}


def create_organisation(name: str, slug: str) -> dict[str, Any]:
    """Make an organisation."""
    if not SLUG.fullmatch(slug):
        raise StartError("A slug is 2 to 63 of a-z, 0-9 and -, and does not begin with -.")
    if not 1 <= len(name.strip()) <= 200 or not name.isprintable():
        raise StartError("A name is 1 to 200 printable characters.")

    def make(session: Session) -> dict[str, Any]:
        if organisations.find(session, slug) is not None:
            raise StartError(f"There is an organisation {slug} already.")
        made = organisations.create(session, name.strip(), slug)
        return {"id": str(made.id), "slug": slug, "name": made.name}

    return _within(launch.read_settings(), make)


def create_client(slug: str, name: str, scopes: list[str]) -> dict[str, Any]:
    """Make a client and return its id and key."""
    if unknown := sorted(set(scopes) - set(SCOPES)):
        raise StartError(f"There is no scope {unknown[0]}. Known: {', '.join(SCOPES)}.")

    def make(session: Session, caller: Caller) -> dict[str, Any]:
        made, key = clients.create_client(session, caller, name, scopes)
        return {"id": str(made.id), "key": key}

    return _of_organisation(slug, make)


def rotate_client(slug: str, client: str, overlap_seconds: int) -> dict[str, Any]:
    """Give a client a new key and return it."""

    def rotate(session: Session, caller: Caller) -> dict[str, Any]:
        found = _find_client(session, caller, client)
        _, key = clients.rotate(session, caller, found.id, timedelta(seconds=overlap_seconds))
        return {"id": str(found.id), "key": key}

    return _of_organisation(slug, rotate)


def revoke_client(slug: str, client: str) -> dict[str, Any]:
    """End a client."""

    def revoke(session: Session, caller: Caller) -> dict[str, Any]:
        found = _find_client(session, caller, client)
        clients.revoke(session, caller, found.id)
        return _shown(found)

    return _of_organisation(slug, revoke)


def list_clients(slug: str) -> list[dict[str, Any]]:
    """Return the clients of an organisation."""
    return _of_organisation(slug, lambda session, caller: [_shown(each) for each in clients.everyone(session, caller)])


def grant_role(slug: str, person: str, role: str) -> dict[str, Any]:
    """Grant a person a role."""
    if role not in list(Role):
        raise StartError(f"There is no role {role}. Known: {', '.join(Role)}.")

    def grant(session: Session, caller: Caller) -> dict[str, Any]:
        _, employee = _find_person(session, slug, person)
        made = grants.grant_by_operator(session, caller, employee.id, Role(role))
        return {"id": str(made.id), "person": employee.user_name, "role": str(made.role), "state": str(made.state)}

    return _of_organisation(slug, grant)


def _outside_production(what: str) -> Settings:
    settings = launch.read_settings()
    if settings.is_production:
        raise StartError(f"{what} for development only (BALLAST_ENVIRONMENT is production).")
    return settings


def _on_database(work: Callable[[Database], Awaitable[T]]) -> T:
    """Do ``work`` in transactions of its own."""
    settings = launch.read_settings()
    with launch.ground(settings) as ground:
        return asyncio.run(launch.run_on(ground, settings, work))


def _within(settings: Settings, work: Callable[[Session], T]) -> T:
    """Run ``work`` in one transaction; a refusal becomes a sentence for the terminal."""
    with launch.ground(settings) as ground:
        try:
            return asyncio.run(launch.run_once(ground, settings, work))
        except launch.REFUSALS:
            raise
        except Exception as error:
            raise _spoken(error) from error


def _spoken(error: Exception) -> Exception:
    refusal: Refusal | None = refusal_of(error)
    return error if refusal is None else StartError(refusal.problem_detail)


def _of_organisation(slug: str, work: Callable[[Session, Caller], T]) -> T:
    def within(session: Session) -> T:
        organisation_id = _tenant(session, slug)
        done = work(session, Caller(organisation_id, "system", None))
        worker.mark_due(session, [organisation_id])
        return done

    return _within(launch.read_settings(), within)


def _tenant(session: Session, slug: str) -> UUID:
    organisation_id = organisations.find(session, slug)
    if organisation_id is None:
        raise StartError(f"There is no organisation {slug}: make it with `ballast organisation create`.")
    set_tenant(session, organisation_id)
    return organisation_id


def _find_person(session: Session, slug: str, user_name: str) -> tuple[UUID, Employee]:
    organisation_id = _tenant(session, slug)
    employee = session.scalar(
        select(Employee).where(
            Employee.organisation_id == organisation_id, Employee.user_name_key == folded(user_name), Employee.active
        )
    )
    if employee is None:
        raise StartError(f"There is no active employee {user_name} in {slug}.")
    return organisation_id, employee


def _find_client(session: Session, caller: Caller, wanted: str) -> Client:
    for found in clients.everyone(session, caller):
        if wanted in (found.name, str(found.id)):
            return found
    raise StartError(f"There is no client {wanted} in the organisation.")


def _shown(client: Client) -> dict[str, Any]:
    state = "revoked" if client.revoked_at is not None else "live"
    return {"id": str(client.id), "name": client.name, "state": state, "scopes": list(client.scopes)}
