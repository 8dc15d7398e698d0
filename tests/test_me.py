"""Who the caller is."""

import httpx
from sqlalchemy import text

from app.policy import SCOPES
from tests.world import World


class TestMe:
    async def test_a_person_has_roles_and_no_scopes(self, noor: httpx.AsyncClient, world: World) -> None:
        me = (await noor.get("/v1/me")).json()

        assert me["kind"] == "person"
        assert me["organisation"] == {"id": str(world.id), "slug": world.slug, "name": "Harbour Helpline"}
        assert (me["employee"]["id"], me["employee"]["user_name"]) == (str(world.people["noor"]), "noor")
        assert (me["roles"], me["scopes"], me["relations"]) == (["programme_lead"], [], [])
        assert me["client"] is None

    async def test_a_leader_has_relations(self, theo: httpx.AsyncClient, world: World) -> None:
        await world.hire("omar", manager_id=world.people["theo"])
        await world.hire("lena", manager_id=world.people["theo"], active=False)

        me = (await theo.get("/v1/me")).json()

        assert me["relations"] == [
            {"relation": "line_manager", "employees": 2, "team_ids": []},
            {"relation": "team_lead", "employees": 1, "team_ids": [str(world.team_id)]},
        ]

    async def test_a_relation_ends_with_the_next_request(self, theo: httpx.AsyncClient, world: World) -> None:
        await world.run(lambda session: session.execute(text("UPDATE employee SET manager_id = NULL")))
        await world.run(lambda session: session.execute(text("UPDATE team SET lead_id = NULL")))

        assert (await theo.get("/v1/me")).json()["relations"] == []

    async def test_a_client_has_scopes_and_a_key(self, client: httpx.AsyncClient, world: World) -> None:
        me = (await client.get("/v1/me")).json()

        assert me["kind"] == "client"
        assert me["scopes"] == sorted(SCOPES)
        assert (me["employee"], me["roles"], me["relations"]) == (None, [], [])
        assert client.headers["Authorization"].endswith(me["client"]["key"]["last_four"])

    async def test_answers_whatever_the_scopes_are(self, world: World) -> None:
        caller = await world.client("webhooks:read")

        assert (await caller.get("/v1/me")).json()["scopes"] == ["webhooks:read"]

    async def test_is_not_for_strangers(self, stranger: httpx.AsyncClient) -> None:
        assert (await stranger.get("/v1/me")).status_code == 401
