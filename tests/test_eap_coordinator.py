"""The coordinator of a referral: whom the person lets help, who never leads them, and whose looks they can see."""

import httpx
import pytest

from app.models.client import Role
from tests import eap as build
from tests.eap import CASES, PROVIDERS, REASON, REFERRALS, Eap, done, verb
from tests.test_conventions_access import assert_problem
from tests.world import World


@pytest.fixture
async def eap(world: World) -> Eap:
    return await Eap.build(world)


class TestCoordinator:
    async def test_sees_those_that_they_help_with_alone(self, eap: Eap, amira: httpx.AsyncClient, world: World) -> None:
        ines = world.person("ines")
        draft, quiet = await eap.draft(amira), await eap.draft(amira)
        await eap.send(amira, quiet, with_coordinator=False)
        assert (await done(await ines.get(REFERRALS)))["data"] == []

        sent = await eap.send(amira, draft)

        assert sent["coordinator_id"] == str(world.people["ines"])
        assert [row["id"] for row in (await done(await ines.get(REFERRALS)))["data"]] == [draft["id"]]
        assert (await build.read(ines, draft))["allowed_actions"] == ["cancel"]
        for other in (quiet, await eap.draft(amira)):
            assert_problem(await ines.get(f"{REFERRALS}/{other['id']}"), 404)

    async def test_is_never_the_person_nor_who_leads_them_nor_who_suggested_it(
        self, eap: Eap, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        await world.grant("theo", Role.eap_coordinator)
        await build.rows(
            world,
            "UPDATE role_grant SET state = 'revoked' WHERE employee_id = :id RETURNING id",
            id=world.people["ines"],
        )
        assert (await eap.sent(amira))["coordinator_id"] is None
        await world.grant("amira", Role.eap_coordinator)
        assert (await eap.sent(amira))["coordinator_id"] is None
        await eap.suggest(theo, world.people["amira"])
        await build.rows(world, "UPDATE employee SET manager_id = NULL RETURNING id")
        await build.rows(world, "UPDATE team SET lead_id = NULL RETURNING id")
        assert (await eap.send(amira, await eap.proposed(amira)))["coordinator_id"] is None
        assert (await eap.sent(amira))["coordinator_id"] == str(world.people["theo"])

    async def test_who_comes_to_lead_the_person_knows_nothing_any_more(
        self, eap: Eap, amira: httpx.AsyncClient, world: World
    ) -> None:
        referral, ines = await eap.sent(amira), world.person("ines")
        await build.read(ines, referral)
        query = "UPDATE employee SET manager_id = :ines WHERE id = :amira RETURNING id"
        await build.rows(world, query, ines=world.people["ines"], amira=world.people["amira"])

        assert_problem(await ines.get(f"{REFERRALS}/{referral['id']}"), 404)
        assert_problem(await verb(ines, referral, "cancel", REASON), 404)

    async def test_another_one_can_be_asked_for_or_none(self, eap: Eap, amira: httpx.AsyncClient, world: World) -> None:
        referral = await eap.sent(amira)
        assert_problem(
            await verb(amira, referral, "assign-coordinator", {"with_coordinator": True}), 409, "no_coordinator"
        )
        await world.hire("ida")
        await world.grant("ida", Role.eap_coordinator)

        other = await done(await verb(amira, referral, "assign-coordinator", {"with_coordinator": True}))
        nobody = await done(await verb(amira, referral, "assign-coordinator", {"with_coordinator": False}))

        assert (other["coordinator_id"], nobody["coordinator_id"]) == (str(world.people["ida"]), None)
        assert_problem(await world.person("ida").get(f"{REFERRALS}/{referral['id']}"), 404)

    async def test_stands_in_for_a_provider_without_a_client(
        self, eap: Eap, amira: httpx.AsyncClient, world: World
    ) -> None:
        ines, referral = world.person("ines"), await eap.sent(amira, "name")
        assert (await done(await ines.get(CASES)))["data"] == []
        clients = f"{PROVIDERS}/{eap.provider['id']}/clients"
        (binding,) = (await done(await eap.noor.get(clients)))["data"]
        await eap.noor.delete(f"{clients}/{binding['id']}")

        (case,) = (await done(await ines.get(CASES)))["data"]
        await eap.move(case, "accept", "start", "hold", by=ines)

        seen = await build.read(amira, referral)
        assert (seen["state"], seen["status_reason"]) == ("on_hold", REASON["reason"])
        assert_problem(
            await verb(amira, referral, "assign-coordinator", {"with_coordinator": False}), 409, "needs_coordinator"
        )

    async def test_that_they_looked_the_person_can_see(self, eap: Eap, amira: httpx.AsyncClient, world: World) -> None:
        referral, ines = await eap.sent(amira), world.person("ines")
        looked = "SELECT actor_id, access_right FROM audit_entry WHERE subject_id = :amira AND access_right IS NOT NULL"
        await build.read(amira, referral)
        assert await build.rows(world, looked, amira=world.people["amira"]) == []

        await build.read(ines, referral)
        await done(await ines.get(REFERRALS))
        await done(await ines.get(f"{REFERRALS}/{referral['id']}/history"))
        case = await eap.case(referral)
        await done(await eap.client.get(f"{CASES}/{case['id']}"))

        found = await build.rows(world, looked, amira=world.people["amira"])
        assert [row.access_right for row in found] == ["eap_coordinator"] * 3 + ["eap_provider"] * 2
