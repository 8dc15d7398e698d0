"""What is kept of a referral and what becomes of it: words under the person's key, no event, no name in the audit."""

import httpx
import pytest

from app.models.eap_referral import ReferralState
from app.worker import AT_ONCE, Worker
from tests import eap as build
from tests.eap import CASES, REFERRALS, SUBMISSIONS, WAYS, Eap, done, made
from tests.test_conventions_access import assert_problem
from tests.world import World

CANARY = "canary7f3a"


@pytest.fixture
async def eap(world: World) -> Eap:
    return await Eap.build(world)


class TestSealed:
    async def test_no_words_stand_in_the_database(
        self, eap: Eap, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        await eap.suggest(theo, world.people["amira"], reason=CANARY)
        found = await eap.proposed(amira)
        words, url = {"note": CANARY, "contact": CANARY}, f"{REFERRALS}/{found['id']}"
        await done(await amira.patch(url, json=words, headers={"If-Match": "*"}))
        referral = await eap.send(amira, found, "name_and_contact")
        case = await eap.case(referral)
        await done(await eap.client.post(f"{CASES}/{case['id']}/reject", json={"reason": CANARY}))

        seen = await build.read(amira, referral)
        assert [seen[name] for name in ("note", "contact", "referral_reason", "status_reason")] == [CANARY] * 4
        for table in ("eap_referral", "eap_submission", "eap_step", "eap_case", "audit_entry", "outgoing_event"):
            (dump,) = await build.rows(world, f"SELECT count(*), string_agg(t::text, ' ') FROM {table} t")
            assert CANARY not in str(dump), table
            assert CANARY.encode().hex() not in str(dump), table

    async def test_without_the_persons_key_the_words_are_gone_and_the_rest_stays(
        self, eap: Eap, amira: httpx.AsyncClient, world: World
    ) -> None:
        referral = await eap.sent(amira, "name_and_contact", note=CANARY, contact=CANARY)
        await build.rows(world, "UPDATE keys.person_key SET wrapped = NULL, destroyed_at = now() RETURNING id")

        seen, case = await build.read(amira, referral), await eap.case(referral)

        assert (seen["state"], seen["note"], seen["contact"]) == ("requested", None, None)
        assert (case["person"]["note"], case["person"]["contact"]) == (None, None)


class TestEvents:
    async def test_nothing_of_it_ever_leaves(
        self, eap: Eap, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        outgoing = "SELECT type, data::text FROM outgoing_event ORDER BY id"
        before = await build.rows(world, outgoing)

        await eap.suggest(theo, world.people["amira"])
        referral = await eap.send(amira, await eap.proposed(amira), "name", to_referrer="progress")
        await eap.move(await eap.case(referral), *WAYS["completed"])
        await Worker(world.database, world.app.state.wakeup, 1).attend(world.id, AT_ONCE)

        assert await build.rows(world, outgoing) == before

    async def test_the_audit_has_each_step_and_names_nobody(
        self, eap: Eap, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        await eap.suggest(theo, world.people["amira"])
        referral = await eap.send(amira, await eap.proposed(amira))
        await eap.move(await eap.case(referral), "accept")

        entries = await build.rows(
            world,
            "SELECT action, actor_id, subject_id, request_id FROM audit_entry"
            " WHERE resource IN ('eap_submission', 'eap_referral', 'eap_case') AND access_right IS NULL ORDER BY id",
        )

        assert [entry.action for entry in entries] == [
            "eap_submission.created",
            "eap_submission.proposed",
            "eap_referral.updated",
            "eap_referral.requested",
            "eap_case.sent",
            "eap_case.accepted",
        ]
        assert {(entry.actor_id, entry.subject_id, entry.request_id) for entry in entries} == {(None, None, None)}


class TestLeavers:
    async def test_support_goes_on_at_the_provider(self, eap: Eap, amira: httpx.AsyncClient, world: World) -> None:
        referral = await eap.sent(amira, "name")
        case = await eap.move(await eap.case(referral), "accept", "start")
        client = await world.client("employees:write")
        gone = f"/v1/employees/{world.people['amira']}/deactivate"
        await done(await client.post(gone))

        after = await eap.move(case, "hold", "resume", "complete")

        assert after["state"] == ReferralState.completed
        assert after["person"]["name"] == "Amira"

    async def test_nothing_is_suggested_to_them(self, eap: Eap, theo: httpx.AsyncClient, world: World) -> None:
        about = {"employee_id": str(world.people["amira"]), "kind": "suggested"}
        draft = await made(await theo.post(SUBMISSIONS, json=about))
        await build.rows(
            world, "UPDATE employee SET active = false WHERE id = :id RETURNING id", id=world.people["amira"]
        )

        for response in (
            await theo.post(SUBMISSIONS, json=about),
            await theo.post(f"{SUBMISSIONS}/{draft['id']}/propose"),
        ):
            assert_problem(response, 409, "employee_inactive")
