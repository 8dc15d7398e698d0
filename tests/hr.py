"""What the tests of the HR sync share: a person, a batch, and what a change leaves behind."""

import json
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import AuditEntry, Employee, OutgoingEvent, ServiceArea
from tests.world import World

URL = "/v1/employees/batch"


def person(key: str, **fields: Any) -> dict[str, Any]:
    return {"external_id": key, "display_name": key.title(), **fields}


async def sync(client: httpx.AsyncClient, *people: Any, **options: Any) -> dict[str, Any]:
    content = json.dumps({"employees": list(people), **options})
    response = await client.post(URL, content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def statuses(answer: dict[str, Any]) -> list[str]:
    return [result["status"] for result in answer["results"]]


def faults(answer: dict[str, Any], index: int) -> set[tuple[str, str]]:
    return {(fault["pointer"], fault["code"]) for fault in answer["results"][index]["errors"]}


async def find(client: httpx.AsyncClient, key: str) -> dict[str, Any]:
    (found,) = (await client.get("/v1/employees", params={"external_id": key})).json()["data"]
    assert isinstance(found, dict)
    return found


async def footprint(world: World) -> Any:
    """Return everything that a change would move."""

    def read(session: Session) -> Any:
        rows = session.execute(
            select(Employee.id, Employee.version, Employee.updated_at, Employee.active)
            .where(Employee.organisation_id == world.id)
            .order_by(Employee.id)
        ).all()
        counts = [
            session.scalar(select(func.count()).select_from(model).where(model.organisation_id == world.id))
            for model in (AuditEntry, OutgoingEvent, ServiceArea)
        ]
        return [tuple(row) for row in rows], counts

    return await world.run(read)


async def trail(world: World, employee_id: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the actions on one person with their details, and check that each left as an event."""

    def read(session: Session) -> Any:
        entries = session.execute(
            select(AuditEntry.action, AuditEntry.details, AuditEntry.subject_id)
            .where(AuditEntry.organisation_id == world.id, AuditEntry.resource_id == UUID(employee_id))
            .order_by(AuditEntry.id)
        ).all()
        left = session.scalars(
            select(OutgoingEvent.type)
            .where(OutgoingEvent.organisation_id == world.id, OutgoingEvent.resource_id == UUID(employee_id))
            .order_by(OutgoingEvent.id)
        ).all()
        assert [entry.action for entry in entries] == left
        assert {str(entry.subject_id) for entry in entries} <= {employee_id}
        return [(entry.action, entry.details) for entry in entries]

    return list(await world.run(read))
