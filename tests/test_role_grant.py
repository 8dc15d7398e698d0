"""Roles: who grants them, who must not, and when they count."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text

from app.auth import Caller
from app.errors import Conflict, Unprocessable
from app.models import AuditEntry
from app.models.base import new_id
from app.models.client import Role
from app.services import role_grant as role_grants
from tests.world import World

SENSITIVE = ["eap_coordinator", "auditor", "data_protection_officer"]


async def ask(caller: httpx.AsyncClient, world: World, name: str, role: str, **fields: Any) -> httpx.Response:
    return await caller.post("/v1/role-grants", json={"employee_id": str(world.people[name]), "role": role, **fields})


async def mine(person: httpx.AsyncClient) -> list[str]:
    """Return the roles that a person's next request has."""
    roles: list[str] = (await person.get("/v1/me")).json()["roles"]
    return roles


async def grant_of(world: World, caller: httpx.AsyncClient, name: str, role: str) -> dict[str, Any]:
    params = {"employee_id": str(world.people[name]), "role": role}
    (grant,) = (await caller.get("/v1/role-grants", params=params)).json()["data"]
    found: dict[str, Any] = grant
    return found


@pytest.fixture
async def second_lead(world: World) -> httpx.AsyncClient:
    """Jonas, who leads the programme beside Noor."""
    await world.grant("jonas", Role.programme_lead)
    return world.person("jonas")


class TestGrant:
    async def test_an_ordinary_role_counts_from_the_next_request(
        self, noor: httpx.AsyncClient, grace: httpx.AsyncClient, world: World
    ) -> None:
        assert await mine(grace) == []

        granted = await ask(noor, world, "grace", "coach", reason="She trained for it.")

        assert granted.status_code == 201
        assert granted.json()["state"] == "active"
        assert granted.json()["granted_by"] == {"kind": "person", "id": str(world.people["noor"])}
        assert await mine(grace) == ["coach"]

    async def test_a_client_with_the_scope_may_and_one_without_may_not(self, world: World) -> None:
        allowed = await world.client("organisation:read", "organisation:write")
        refused = await world.client("organisation:read")

        granted = await ask(allowed, world, "grace", "hr_administrator")

        assert granted.status_code == 201
        assert granted.json()["granted_by"]["kind"] == "client"
        assert (await ask(refused, world, "grace", "coach")).status_code == 403

    @pytest.mark.parametrize("name", ["amira", "theo", "hana", "ines"])
    async def test_nobody_else_may(self, world: World, name: str) -> None:
        response = await ask(world.person(name), world, "grace", "coach")

        assert response.status_code == 403

    async def test_nobody_grants_themself(self, noor: httpx.AsyncClient, world: World) -> None:
        for role in Role:
            response = await ask(noor, world, "noor", role)
            assert (response.status_code, response.json()["code"]) == (409, "self_grant")

        assert await mine(noor) == ["programme_lead"]

    async def test_a_leaver_gets_none(self, noor: httpx.AsyncClient, world: World) -> None:
        await world.hire("lena", active=False)

        response = await ask(noor, world, "lena", "coach")

        assert (response.status_code, response.json()["code"]) == (409, "employee_inactive")

    async def test_a_person_of_another_organisation_gets_none(self, noor: httpx.AsyncClient, elsewhere: World) -> None:
        body = {"employee_id": str(elsewhere.people["amira"]), "role": "coach"}

        response = await noor.post("/v1/role-grants", json=body)

        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == "/employee_id"

    async def test_the_same_role_is_held_once(self, noor: httpx.AsyncClient, world: World) -> None:
        response = await ask(noor, world, "jonas", "coach")

        assert (response.status_code, response.json()["code"]) == (409, "already_exists")

    async def test_is_in_the_audit_with_its_reason_and_never_leaves(
        self, noor: httpx.AsyncClient, world: World
    ) -> None:
        granted = (await ask(noor, world, "grace", "coach", reason="She trained for it.")).json()

        history = (await noor.get(f"/v1/role-grants/{granted['id']}/history")).json()["data"]
        entry = await world.run(
            lambda session: session.execute(
                select(AuditEntry).where(AuditEntry.organisation_id == world.id, AuditEntry.resource == "role_grant")
            ).scalar_one()
        )
        sent = await world.run(
            lambda session: session.execute(
                text("SELECT count(*) FROM outgoing_event WHERE resource = 'role_grant'")
            ).scalar_one()
        )

        assert [one["action"] for one in history] == ["role_grant.created"]
        assert history[0]["details"] == {"role": "coach", "state": "active", "reason": "She trained for it."}
        assert (entry.subject_id, entry.actor_id) == (world.people["grace"], world.people["noor"])
        assert sent == 0


class TestSecondPerson:
    @pytest.mark.parametrize("role", SENSITIVE)
    async def test_a_sensitive_role_counts_only_once_a_second_lead_approves(
        self, noor: httpx.AsyncClient, second_lead: httpx.AsyncClient, grace: httpx.AsyncClient, world: World, role: str
    ) -> None:
        asked = (await ask(noor, world, "grace", role)).json()
        assert asked["state"] == "pending"
        assert await mine(grace) == []

        approved = await second_lead.post(f"/v1/role-grants/{asked['id']}/approve")

        assert approved.status_code == 200
        assert approved.json()["state"] == "active"
        assert approved.json()["approved_by"] == {"kind": "person", "id": str(world.people["jonas"])}
        assert await mine(grace) == [role]

    async def test_not_the_one_who_asked(self, noor: httpx.AsyncClient, grace: httpx.AsyncClient, world: World) -> None:
        asked = (await ask(noor, world, "grace", "auditor")).json()

        response = await noor.post(f"/v1/role-grants/{asked['id']}/approve")

        assert (response.status_code, response.json()["code"]) == (409, "second_person_needed")
        assert "approve" not in asked["allowed_actions"]
        assert await mine(grace) == []

    async def test_not_the_one_it_is_for(
        self, noor: httpx.AsyncClient, second_lead: httpx.AsyncClient, world: World
    ) -> None:
        asked = (await ask(noor, world, "jonas", "auditor")).json()

        response = await second_lead.post(f"/v1/role-grants/{asked['id']}/approve")
        shown = await second_lead.get(f"/v1/role-grants/{asked['id']}")

        assert (response.status_code, response.json()["code"]) == (409, "self_grant")
        assert shown.json()["allowed_actions"] == ["revoke"]
        assert await mine(second_lead) == ["coach", "programme_lead"]

    async def test_not_someone_without_the_role_nor_a_client(
        self, noor: httpx.AsyncClient, hana: httpx.AsyncClient, client: httpx.AsyncClient, world: World
    ) -> None:
        asked = (await ask(noor, world, "grace", "auditor")).json()

        for caller in (hana, client, world.person("grace")):
            assert (await caller.post(f"/v1/role-grants/{asked['id']}/approve")).status_code == 403

    async def test_a_request_of_a_client_needs_a_person(
        self, client: httpx.AsyncClient, noor: httpx.AsyncClient, grace: httpx.AsyncClient, world: World
    ) -> None:
        asked = (await ask(client, world, "grace", "auditor")).json()
        assert asked["state"] == "pending"
        assert await mine(grace) == []

        approved = await noor.post(f"/v1/role-grants/{asked['id']}/approve")

        assert approved.status_code == 200
        assert await mine(grace) == ["auditor"]

    async def test_what_is_active_or_revoked_is_not_approved(
        self, noor: httpx.AsyncClient, second_lead: httpx.AsyncClient, world: World
    ) -> None:
        asked = (await ask(noor, world, "grace", "auditor")).json()
        await noor.post(f"/v1/role-grants/{asked['id']}/revoke")

        response = await second_lead.post(f"/v1/role-grants/{asked['id']}/approve")

        assert (response.status_code, response.json()["code"]) == (409, "wrong_state")

    async def test_not_for_someone_who_has_left_meanwhile(
        self, noor: httpx.AsyncClient, second_lead: httpx.AsyncClient, world: World
    ) -> None:
        asked = (await ask(noor, world, "grace", "auditor")).json()
        leave = text("UPDATE employee SET active = false WHERE user_name = 'grace'")
        await world.run(lambda session: session.execute(leave))

        response = await second_lead.post(f"/v1/role-grants/{asked['id']}/approve")

        assert (response.status_code, response.json()["code"]) == (409, "employee_inactive")


class TestRevoke:
    async def test_ends_with_the_next_request(
        self, noor: httpx.AsyncClient, second_lead: httpx.AsyncClient, world: World
    ) -> None:
        async def rename() -> int:
            patch = {"name": "Harbour"}
            return (await second_lead.patch("/v1/organisation", json=patch, headers={"If-Match": "*"})).status_code

        grant = await grant_of(world, noor, "jonas", "programme_lead")
        assert await rename() == 200

        revoked = await noor.post(f"/v1/role-grants/{grant['id']}/revoke", json={"reason": "Moved to sales."})

        assert (revoked.status_code, revoked.json()["state"]) == (200, "revoked")
        assert revoked.json()["allowed_actions"] == []
        assert await mine(second_lead) == ["coach"]
        assert await rename() == 403

    async def test_people_give_up_their_own(self, hana: httpx.AsyncClient, world: World) -> None:
        grant = await grant_of(world, hana, "hana", "hr_administrator")

        assert (await hana.post(f"/v1/role-grants/{grant['id']}/revoke")).status_code == 200
        assert await mine(hana) == []

    async def test_and_nobody_elses(self, noor: httpx.AsyncClient, hana: httpx.AsyncClient, world: World) -> None:
        grant = await grant_of(world, noor, "jonas", "coach")

        response = await hana.post(f"/v1/role-grants/{grant['id']}/revoke")

        assert response.status_code == 404

    async def test_the_last_lead_stays(self, noor: httpx.AsyncClient, client: httpx.AsyncClient, world: World) -> None:
        grant = await grant_of(world, noor, "noor", "programme_lead")

        for caller in (noor, client):
            response = await caller.post(f"/v1/role-grants/{grant['id']}/revoke")
            assert (response.status_code, response.json()["code"]) == (409, "last_programme_lead")

        assert await mine(noor) == ["programme_lead"]

    async def test_a_lead_who_has_left_does_not_count(
        self, noor: httpx.AsyncClient, second_lead: httpx.AsyncClient, world: World
    ) -> None:
        grant = await grant_of(world, noor, "noor", "programme_lead")
        leave = text("UPDATE employee SET active = false WHERE user_name = 'jonas'")
        await world.run(lambda session: session.execute(leave))

        response = await noor.post(f"/v1/role-grants/{grant['id']}/revoke")

        assert response.json()["code"] == "last_programme_lead"

    async def test_two_leads_who_leave_at_once_do_not_both(
        self, noor: httpx.AsyncClient, second_lead: httpx.AsyncClient, world: World
    ) -> None:
        first = await grant_of(world, noor, "noor", "programme_lead")
        second = await grant_of(world, noor, "jonas", "programme_lead")

        async with world.database.engine.begin() as held:  # so that both are under way at the same time
            await held.execute(text("SELECT set_tenant(:id)"), {"id": world.id})
            await held.execute(text("SELECT id FROM organisation FOR UPDATE"))
            answers = asyncio.gather(
                noor.post(f"/v1/role-grants/{first['id']}/revoke"),
                second_lead.post(f"/v1/role-grants/{second['id']}/revoke"),
            )
            await asyncio.sleep(0.3)
            assert not answers.done()

        assert sorted(answer.status_code for answer in await answers) == [200, 409]

    async def test_a_role_can_be_granted_again(self, noor: httpx.AsyncClient, world: World) -> None:
        grant = await grant_of(world, noor, "jonas", "coach")
        await noor.post(f"/v1/role-grants/{grant['id']}/revoke")

        assert (await ask(noor, world, "jonas", "coach")).status_code == 201


class TestWhoSees:
    async def test_people_see_their_own_the_lead_all(
        self, noor: httpx.AsyncClient, hana: httpx.AsyncClient, amira: httpx.AsyncClient, world: World
    ) -> None:
        all_of_them = (await noor.get("/v1/role-grants")).json()["data"]
        of_hana = (await hana.get("/v1/role-grants")).json()["data"]

        assert {grant["role"] for grant in all_of_them} == {
            "eap_coordinator",
            "coach",
            "programme_lead",
            "hr_administrator",
        }
        assert [grant["employee_id"] for grant in of_hana] == [str(world.people["hana"])]
        assert (await amira.get("/v1/role-grants")).json()["data"] == []

    async def test_filters(self, noor: httpx.AsyncClient, world: World) -> None:
        await ask(noor, world, "grace", "auditor")

        pending = (await noor.get("/v1/role-grants", params={"state": "pending"})).json()["data"]

        assert [(grant["role"], grant["employee_id"]) for grant in pending] == [("auditor", str(world.people["grace"]))]


class TestDeactivated:
    async def test_holds_no_role_and_gets_no_answer(self, hana: httpx.AsyncClient, world: World) -> None:
        leave = text("UPDATE employee SET active = false WHERE user_name = 'hana'")
        await world.run(lambda session: session.execute(leave))

        assert (await hana.get("/v1/me")).status_code == 401


class TestOperator:
    async def test_makes_the_first_programme_lead(self, grace: httpx.AsyncClient, world: World) -> None:
        operator = Caller(world.id, "system", None)

        await world.run(role_grants.grant_by_operator, operator, world.people["grace"], Role.programme_lead)

        assert await mine(grace) == ["programme_lead"]

    async def test_a_sensitive_role_still_waits_for_a_lead(
        self, grace: httpx.AsyncClient, noor: httpx.AsyncClient, world: World
    ) -> None:
        operator = Caller(world.id, "system", None)
        await world.run(role_grants.grant_by_operator, operator, world.people["grace"], Role.auditor)
        assert await mine(grace) == []

        grant = await grant_of(world, noor, "grace", "auditor")
        assert grant["granted_by"] == {"kind": "operator", "id": None}

        assert (await noor.post(f"/v1/role-grants/{grant['id']}/approve")).status_code == 200
        assert await mine(grace) == ["auditor"]

    async def test_is_told_of_nobody_and_of_a_leaver(self, world: World) -> None:
        operator = Caller(world.id, "system", None)
        lena = await world.hire("lena", active=False)

        with pytest.raises(Unprocessable):
            await world.run(role_grants.grant_by_operator, operator, new_id(), Role.coach)
        with pytest.raises(Conflict):
            await world.run(role_grants.grant_by_operator, operator, lena, Role.coach)
