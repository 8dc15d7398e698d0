"""The provider's side: what was sent to it and nothing else, under a reference, with what the person allows."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from app import clock
from app.worker import AT_ONCE, Worker
from tests import eap as build
from tests.eap import CASES, PROVIDERS, REFERRALS, SUBMISSIONS, Eap, done
from tests.operations import every_operation
from tests.test_conventions_access import assert_problem
from tests.world import World


@pytest.fixture
async def eap(world: World) -> Eap:
    return await Eap.build(world)


class TestWhatTheProviderSees:
    async def test_only_what_was_sent_to_it(
        self, eap: Eap, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        other = await Eap.build(world, "Beacon")
        await eap.draft(amira)
        await eap.suggest(theo, world.people["amira"])
        sent, theirs = await eap.sent(amira), await other.sent(amira)

        for mine, referral, foreign in ((eap, sent, theirs), (other, theirs, sent)):
            (case,) = (await done(await mine.client.get(CASES)))["data"]
            assert case["reference"] == referral["reference"] != foreign["reference"]
            (hidden,) = (await done(await (other if mine is eap else eap).client.get(CASES)))["data"]
            for part in ("", "/history"):
                assert_problem(await mine.client.get(f"{CASES}/{hidden['id']}{part}"), 404)
            assert_problem(await mine.client.post(f"{CASES}/{hidden['id']}/accept"), 404)

    async def test_a_client_that_is_no_providers_sees_none(
        self, eap: Eap, amira: httpx.AsyncClient, world: World
    ) -> None:
        await eap.sent(amira, "name")

        general = await world.client()

        assert (await done(await general.get(CASES)))["data"] == []
        assert_problem(await general.get(REFERRALS), 403, "people_only")
        assert_problem(await general.get(SUBMISSIONS), 403, "people_only")

    async def test_a_reference_instead_of_the_person(self, eap: Eap, amira: httpx.AsyncClient, world: World) -> None:
        referrals = [await eap.sent(amira) for _ in range(3)]

        listed = await eap.client.get(CASES)

        references = {referral["reference"] for referral in referrals}
        assert len(references) == 3
        for secret in (*world.people.values(), *(referral["id"] for referral in referrals), "Amira", "amira@"):
            assert str(secret) not in listed.text
        for case in listed.json()["data"]:
            assert UUID(case["id"]).version == 4
            assert case["person"] == {"name": None, "contact": None, "note": None}

    @pytest.mark.parametrize(
        ("scope", "name", "contact"),
        [("reference_only", None, None), ("name", "Amira", None), ("name_and_contact", "Amira", "07700 900000")],
    )
    async def test_of_the_person_what_the_consent_covers(
        self, eap: Eap, amira: httpx.AsyncClient, scope: str, name: str | None, contact: str | None
    ) -> None:
        case = await eap.case(await eap.sent(amira, scope, note="After six.", contact="07700 900000"))

        assert case["person"] == {"name": name, "contact": contact, "note": "After six."}

    async def test_nothing_of_what_hr_knows(self, eap: Eap, amira: httpx.AsyncClient, world: World) -> None:
        await eap.sent(amira, "name_and_contact", contact="07700 900000")
        for operation in every_operation():
            if operation.method == "GET" and "{" not in operation.path and operation.rule is not None:
                answer = await eap.client.get(operation.path)
                if answer.status_code == 200 and not operation.path.startswith(CASES):
                    for fact in ("amira@", str(world.people["amira"]), str(world.people["theo"])):
                        assert fact not in answer.text, operation.path


class TestConsent:
    async def test_less_of_it_shows_less_on_the_next_read(self, eap: Eap, amira: httpx.AsyncClient) -> None:
        referral = await eap.sent(amira, "name")
        before = await eap.case(referral)
        body = {**await eap.words("provider"), "recipient": "provider", "scope": "reference_only"}
        await done(await amira.post(f"{REFERRALS}/{referral['id']}/give-consent", json=body))

        after = await eap.client.get(f"{CASES}/{before['id']}", headers={"If-None-Match": f'"{before["version"]}"'})

        assert (after.status_code, after.json()["person"]["name"]) == (200, None)

    async def test_a_repeated_request_does_not_bring_back_what_was_taken_back(
        self, eap: Eap, amira: httpx.AsyncClient
    ) -> None:
        referral = await eap.sent(amira, "name")
        case = await eap.case(referral)
        url, key = f"{CASES}/{case['id']}/accept", {"Idempotency-Key": "once"}
        first = await done(await eap.client.post(url, headers=key))
        assert first["person"]["name"] == "Amira"
        body = {**await eap.words("provider"), "recipient": "provider", "scope": "reference_only"}
        await done(await amira.post(f"{REFERRALS}/{referral['id']}/give-consent", json=body))

        again = await done(await eap.client.post(url, headers=key))

        assert again == {**first, "person": None}

    @pytest.mark.parametrize("how", ["withdrawn", "expired"])
    async def test_without_it_the_case_is_gone(
        self, eap: Eap, amira: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, how: str
    ) -> None:
        referral = await eap.sent(amira, "name")
        case, url = await eap.case(referral), f"{REFERRALS}/{referral['id']}"
        if how == "withdrawn":
            await done(await amira.post(f"{url}/withdraw-consent", json={"recipient": "provider"}))
        else:
            start = clock.now()
            until = (start + timedelta(days=1)).isoformat()
            body = {**await eap.words("provider"), "recipient": "provider", "scope": "name", "expires_at": until}
            await done(await amira.post(f"{url}/give-consent", json=body))
            monkeypatch.setattr(clock, "now", lambda: start + timedelta(days=2))

        assert (await done(await eap.client.get(CASES)))["data"] == []
        for part in ("", "/history"):
            assert_problem(await eap.client.get(f"{CASES}/{case['id']}{part}"), 404)
        assert_problem(await eap.client.post(f"{CASES}/{case['id']}/accept"), 404)
        assert (await build.read(amira, referral))["provider_consent"] is None

    async def test_what_the_referrer_may_know_never_moves_the_case(
        self, eap: Eap, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        await eap.suggest(theo, world.people["amira"])
        referral = await eap.send(amira, await eap.proposed(amira))
        before = await eap.case(referral)
        body = {**await eap.words("referrer"), "recipient": "referrer", "scope": "progress"}
        await done(await amira.post(f"{REFERRALS}/{referral['id']}/give-consent", json=body))

        assert await eap.case(referral) == before


class TestFeed:
    async def test_the_list_is_the_providers_feed(self, eap: Eap, amira: httpx.AsyncClient, world: World) -> None:
        worker = Worker(world.database, world.app.state.wakeup, 1)
        quiet, moved = await eap.sent(amira), await eap.sent(amira)
        await worker.attend(world.id, AT_ONCE)
        watermark = (await done(await eap.client.get(CASES)))["next_watermark"]
        new = await eap.sent(amira)
        await done(await amira.post(f"{REFERRALS}/{moved['id']}/cancel", json={"reason": "Not now."}))

        changed = (await done(await eap.client.get(CASES, params={"modified_since": watermark})))["data"]

        assert {case["reference"] for case in changed} == {new["reference"], moved["reference"]}
        assert quiet["reference"] not in {case["reference"] for case in changed}


class TestStates:
    async def test_a_verb_honours_the_version_of_the_case(self, eap: Eap, amira: httpx.AsyncClient) -> None:
        case: dict[str, Any] = await eap.case(await eap.sent(amira))
        url, tag = f"{CASES}/{case['id']}/accept", {"If-Match": f'"{case["version"]}"'}

        assert (await eap.client.post(url, headers=tag)).status_code == 200
        assert_problem(await eap.client.post(f"{CASES}/{case['id']}/start", headers=tag), 412)

    async def test_a_closed_provider_goes_on_with_what_it_has(self, eap: Eap, amira: httpx.AsyncClient) -> None:
        case = await eap.case(await eap.sent(amira))
        status = {"status": "inactive"}
        await done(await eap.noor.patch(f"{PROVIDERS}/{eap.provider['id']}", json=status, headers={"If-Match": "*"}))

        assert (await eap.move(case, "accept", "start", "complete"))["state"] == "completed"
