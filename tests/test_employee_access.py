"""Who sees whom in the directory."""

from uuid import uuid4

import httpx
import pytest

from app.models.client import Role
from tests.employees import URL, change, names
from tests.world import World


class TestWhoSeesWhom:
    async def test_a_person_sees_themself(self, amira: httpx.AsyncClient, world: World) -> None:
        assert await names(amira) == ["amira"]
        assert (await amira.get(f"{URL}/{world.people['amira']}")).status_code == 200
        assert (await amira.get(f"{URL}/{world.people['theo']}")).status_code == 404
        assert (await amira.get(f"{URL}/{world.people['amira']}/history")).status_code == 200
        assert (await amira.get(f"{URL}/{world.people['theo']}/history")).status_code == 404

    async def test_a_line_manager_and_team_lead_sees_their_own(self, theo: httpx.AsyncClient, world: World) -> None:
        assert await names(theo, sort="user_name") == ["amira", "theo"]
        assert (await theo.get(f"{URL}/{world.people['amira']}")).status_code == 200
        assert (await theo.get(f"{URL}/{world.people['grace']}")).status_code == 404

    async def test_a_line_manager_alone(
        self, client: httpx.AsyncClient, grace: httpx.AsyncClient, world: World
    ) -> None:
        await change(client, world.people["jonas"], manager_id=str(world.people["grace"]))

        assert await names(grace, sort="user_name") == ["grace", "jonas"]
        await change(client, world.people["jonas"], manager_id=None)
        assert await names(grace) == ["grace"]

    async def test_a_team_lead_alone(self, client: httpx.AsyncClient, grace: httpx.AsyncClient, world: World) -> None:
        body = {"name": "Night line", "lead_id": str(world.people["grace"])}
        team = (await client.post("/v1/teams", json=body)).json()
        url = f"/v1/teams/{team['id']}/members"
        member = (await client.post(url, json={"employee_id": str(world.people["jonas"])})).json()

        assert await names(grace, sort="user_name") == ["grace", "jonas"]
        await client.delete(f"{url}/{member['id']}")
        assert await names(grace) == ["grace"]

    async def test_programme_lead_and_hr_administrator_see_all(
        self, noor: httpx.AsyncClient, hana: httpx.AsyncClient, world: World
    ) -> None:
        for person in (noor, hana):
            assert await names(person, sort="user_name") == sorted(world.people)

    async def test_the_data_protection_officer_sees_whom_they_are_to_erase(self, world: World) -> None:
        await world.grant("grace", Role.data_protection_officer)

        assert await names(world.person("grace"), sort="user_name") == sorted(world.people)

    @pytest.mark.parametrize("role", [Role.coach, Role.eap_coordinator, Role.auditor])
    async def test_other_roles_see_themselves(self, world: World, role: Role) -> None:
        await world.grant("grace", role)

        assert await names(world.person("grace")) == ["grace"]

    async def test_only_hr_changes_people(self, world: World) -> None:
        amira = world.people["amira"]
        for name in ("amira", "theo", "noor"):
            person = world.person(name)
            assert (await change(person, amira, title="Mine")).status_code == 403
            assert (await person.post(f"{URL}/{amira}/deactivate")).status_code == 403
            assert (await person.post(URL, json={"user_name": "x", "display_name": "X"})).status_code == 403

    async def test_another_organisations_person_is_like_an_absent_one(
        self, mallory: httpx.AsyncClient, world: World
    ) -> None:
        amira, nobody = world.people["amira"], uuid4()
        for method, suffix, body in (
            ("GET", "", None),
            ("PATCH", "", {"title": "Mine"}),
            ("POST", "/deactivate", {}),
            ("POST", "/reactivate", {}),
            ("GET", "/history", None),
        ):
            theirs, absent = [
                await mallory.request(method, f"{URL}/{id_}{suffix}", json=body, headers={"If-Match": "*"})
                for id_ in (amira, nobody)
            ]
            assert theirs.status_code == absent.status_code == 404
            assert theirs.content == absent.content

    async def test_a_client_needs_the_scope(self, world: World) -> None:
        reader = await world.client("employees:read")
        writer = await world.client("employees:write")
        amira = world.people["amira"]

        assert (await reader.get(f"{URL}/{amira}")).status_code == 200
        assert (await change(reader, amira, title="Agent")).status_code == 403
        assert (await writer.get(f"{URL}/{amira}")).status_code == 403
        assert (await change(writer, amira, title="Agent")).status_code == 200
        assert (await (await world.client("teams:read")).get(f"{URL}/{amira}/history")).status_code == 403
