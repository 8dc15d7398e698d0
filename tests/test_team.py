"""Teams, their members, and who sees them."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import AuditEntry, TeamMember
from tests.world import World, etag

URL = "/v1/teams"


async def add(client: httpx.AsyncClient, name: str, **fields: Any) -> dict[str, Any]:
    response = await client.post(URL, json={"name": name, **fields})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def join(client: httpx.AsyncClient, team_id: Any, employee_id: Any) -> httpx.Response:
    return await client.post(f"{URL}/{team_id}/members", json={"employee_id": str(employee_id)})


async def members(client: httpx.AsyncClient, team_id: Any, **query: Any) -> list[str]:
    response = await client.get(f"{URL}/{team_id}/members", params=query)
    assert response.status_code == 200, response.text
    return [each["employee_id"] for each in response.json()["data"]]


class TestTeams:
    async def test_are_made_read_changed_and_listed(
        self, noor: httpx.AsyncClient, amira: httpx.AsyncClient, world: World
    ) -> None:
        area = (await noor.post("/v1/service-areas", json={"name": "Advice"})).json()
        team = await add(noor, "Night line", lead_id=str(world.people["grace"]), external_id="t-1")

        changed = await noor.patch(
            f"{URL}/{team['id']}", json={"lead_id": None, "service_area_id": area["id"]}, headers=etag(team)
        )

        assert changed.status_code == 200
        assert (await amira.get(f"{URL}/{team['id']}")).json() == {**changed.json(), "allowed_actions": []}
        assert (changed.json()["lead_id"], changed.json()["service_area_id"]) == (None, area["id"])
        listed = (await noor.get(URL, params={"sort": "name"})).json()["data"]
        assert [each["name"] for each in listed] == ["Evening line", "Night line"]
        for query in ({"name": "NIGHT line"}, {"external_id": "t-1"}, {"service_area_id": area["id"]}):
            assert [each["id"] for each in (await noor.get(URL, params=query)).json()["data"]] == [team["id"]]
        led = (await noor.get(URL, params={"lead_id": str(world.people["theo"])})).json()["data"]
        assert [each["name"] for each in led] == ["Evening line"]

    async def test_a_name_is_unique_without_regard_to_case(self, noor: httpx.AsyncClient) -> None:
        team = await add(noor, "Night line")

        twice = await noor.post(URL, json={"name": "EVENING Line"})
        renamed = await noor.patch(f"{URL}/{team['id']}", json={"name": "evening line"}, headers=etag(team))

        for response in (twice, renamed):
            assert (response.status_code, response.json()["code"]) == (409, "already_exists")

    async def test_a_null_name_is_refused(self, noor: httpx.AsyncClient, world: World) -> None:
        response = await noor.patch(f"{URL}/{world.team_id}", json={"name": None}, headers={"If-Match": "*"})

        assert response.status_code == 422

    async def test_the_lead_is_an_active_employee(
        self, client: httpx.AsyncClient, world: World, elsewhere: World
    ) -> None:
        await client.post(f"/v1/employees/{world.people['grace']}/deactivate")
        unknown = [str(uuid4()), str(elsewhere.people["theo"])]

        for lead in unknown:
            response = await client.post(URL, json={"name": "New", "lead_id": lead})
            assert response.status_code == 422
            assert response.json()["errors"][0]["pointer"] == "/lead_id"
        gone = {"lead_id": str(world.people["grace"])}
        made = await client.post(URL, json={"name": "New", **gone})
        changed = await client.patch(f"{URL}/{world.team_id}", json=gone, headers={"If-Match": "*"})
        for response in (made, changed):
            assert (response.status_code, response.json()["code"]) == (409, "lead_not_active")

    async def test_a_lost_update_is_refused(self, noor: httpx.AsyncClient) -> None:
        team = await add(noor, "Night line")
        for status in (200, 412):
            response = await noor.patch(f"{URL}/{team['id']}", json={"name": f"To {status}"}, headers=etag(team))
            assert response.status_code == status
        assert (await noor.delete(f"{URL}/{team['id']}", headers=etag(team))).status_code == 412
        assert (await noor.delete(f"{URL}/{team['id']}")).status_code == 428

    async def test_what_changes_nothing_writes_nothing(self, noor: httpx.AsyncClient) -> None:
        team = await add(noor, "Night line")

        response = await noor.patch(f"{URL}/{team['id']}", json={"name": "Night line"}, headers=etag(team))

        assert response.json() == team

    async def test_deleting_one_removes_memberships_and_keeps_people(
        self, noor: httpx.AsyncClient, world: World
    ) -> None:
        response = await noor.delete(f"{URL}/{world.team_id}", headers={"If-Match": "*"})

        assert (response.status_code, response.content) == (204, b"")
        assert (await noor.get(f"{URL}/{world.team_id}")).status_code == 404
        assert (await noor.get(f"/v1/employees/{world.people['amira']}")).status_code == 200

        def left(session: Session) -> Any:
            found = session.scalars(select(TeamMember.id).where(TeamMember.organisation_id == world.id)).all()
            entries = session.execute(
                select(AuditEntry.action, AuditEntry.subject_id)
                .where(AuditEntry.organisation_id == world.id, AuditEntry.resource.like("team%"))
                .order_by(AuditEntry.id)
            ).all()
            return found, [tuple(entry) for entry in entries]

        expected = [("team_member.deleted", world.people["amira"]), ("team.deleted", None)]
        assert await world.run(left) == ([], expected)

    async def test_the_history_says_who_and_what(self, noor: httpx.AsyncClient, world: World) -> None:
        team = await add(noor, "Night line")
        await noor.patch(f"{URL}/{team['id']}", json={"name": "Late line"}, headers=etag(team))

        history = (await noor.get(f"{URL}/{team['id']}/history")).json()["data"]

        assert [(each["action"], each["details"]) for each in history] == [
            ("team.updated", {"fields": ["name"]}),
            ("team.created", {}),
        ]
        assert {each["actor_id"] for each in history} == {str(world.people["noor"])}

    async def test_only_leads_of_the_programme_and_hr_change_them(self, world: World, hana: httpx.AsyncClient) -> None:
        for name in ("amira", "theo", "grace"):
            person = world.person(name)
            assert (await person.post(URL, json={"name": "Mine"})).status_code == 403
            assert (await person.delete(f"{URL}/{world.team_id}", headers={"If-Match": "*"})).status_code == 403
            assert (await join(person, world.team_id, world.people["grace"])).status_code == 403
        await add(hana, "Hers")

    async def test_another_organisations_team_is_like_an_absent_one(
        self, mallory: httpx.AsyncClient, world: World, elsewhere: World
    ) -> None:
        body = {"employee_id": str(elsewhere.people["amira"])}
        for method, suffix, content in (
            ("GET", "", None),
            ("PATCH", "", {"name": "Mine"}),
            ("DELETE", "", None),
            ("GET", "/members", None),
            ("POST", "/members", body),
            ("GET", "/history", None),
        ):
            theirs, absent = [
                await mallory.request(method, f"{URL}/{id_}{suffix}", json=content, headers={"If-Match": "*"})
                for id_ in (world.team_id, uuid4())
            ]
            assert theirs.status_code == absent.status_code == 404
            assert theirs.content == absent.content


class TestMembers:
    async def test_join_and_leave(self, noor: httpx.AsyncClient, world: World) -> None:
        team, grace = await add(noor, "Night line"), world.people["grace"]

        joined = await join(noor, team["id"], grace)

        member = joined.json()
        assert joined.status_code == 201
        assert joined.headers["Location"] == f"{URL}/{team['id']}/members/{member['id']}"
        assert (member["team_id"], member["employee_id"]) == (team["id"], str(grace))
        assert member["allowed_actions"] == ["delete"]
        assert await members(noor, team["id"]) == [str(grace)]
        assert await members(noor, team["id"], employee_id=str(world.people["amira"])) == []
        left = await noor.delete(f"{URL}/{team['id']}/members/{member['id']}")
        assert (left.status_code, left.content) == (204, b"")
        assert await members(noor, team["id"]) == []

    async def test_twice_is_a_conflict(self, noor: httpx.AsyncClient, world: World) -> None:
        response = await join(noor, world.team_id, world.people["amira"])

        assert (response.status_code, response.json()["code"]) == (409, "already_exists")

    async def test_another_organisations_person_cannot_join(
        self, noor: httpx.AsyncClient, world: World, elsewhere: World
    ) -> None:
        response = await join(noor, world.team_id, elsewhere.people["amira"])

        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == "/employee_id"

    async def test_a_membership_is_found_under_its_own_team_alone(
        self, noor: httpx.AsyncClient, mallory: httpx.AsyncClient, world: World
    ) -> None:
        other = await add(noor, "Night line")

        def find(session: Session) -> UUID | None:
            return session.scalar(select(TeamMember.id).where(TeamMember.organisation_id == world.id))

        member_id = await world.run(find)
        for client, team_id in ((noor, other["id"]), (mallory, world.team_id)):
            assert (await client.delete(f"{URL}/{team_id}/members/{member_id}")).status_code == 404
        assert await members(noor, world.team_id) == [str(world.people["amira"])]

    async def test_a_version_that_a_membership_does_not_have_never_matches(
        self, noor: httpx.AsyncClient, world: World
    ) -> None:
        member = (await join(noor, world.team_id, world.people["grace"])).json()
        url = f"{URL}/{world.team_id}/members/{member['id']}"

        assert (await noor.delete(url, headers={"If-Match": '"1"'})).status_code == 412
        assert (await noor.delete(url, headers={"If-Match": "*"})).status_code == 204

    async def test_are_shown_to_whom_the_person_is_shown(self, noor: httpx.AsyncClient, world: World) -> None:
        await join(noor, world.team_id, world.people["grace"])
        seen = {"amira": ["amira"], "grace": ["grace"], "jonas": [], "theo": ["amira", "grace"]}
        seen |= {"noor": seen["theo"], "hana": seen["theo"]}

        for name, expected in seen.items():
            found = await members(world.person(name), world.team_id)
            assert found == [str(world.people[each]) for each in expected]

    @pytest.mark.parametrize(("scope", "reads", "writes"), [("teams:read", 200, 403), ("teams:write", 403, 201)])
    async def test_a_client_needs_the_scope(self, world: World, scope: str, reads: int, writes: int) -> None:
        client = await world.client(scope)

        assert (await client.get(f"{URL}/{world.team_id}/members")).status_code == reads
        assert (await join(client, world.team_id, world.people["grace"])).status_code == writes
