"""Consents: a trail that only grows, read in the statement of every disclosure, taken back from the next read on."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app import clock
from app.errors import sqlstate
from app.services import consent_text
from tests import eap as build
from tests.eap import CASES, REFERRALS, SUBMISSIONS, TEXTS, WAYS, Eap, done, made
from tests.test_conventions_access import assert_problem
from tests.world import World

NOTHING = {"scope": "none", "contact_made": None, "sessions_used": None, "progress": None, "until": None}
# A version that was ever shown is never edited: another wording is another version.
SHOWN = {
    ("provider", "en", 1): "22909f31a6f7a03635ac7650db74b14c714aad3b41a62b2d2c5e687b02d095db",
    ("referrer", "en", 1): "57990a6a491cbe8cae1a280c08b4e333ac86cc03fd78f8818740f50b67d5ada1",
}


@pytest.fixture
async def eap(world: World) -> Eap:
    return await Eap.build(world)


@pytest.fixture
async def submission(eap: Eap, world: World, theo: httpx.AsyncClient) -> dict[str, Any]:
    """What Theo suggested to Amira."""
    return await eap.suggest(theo, world.people["amira"], reason="I can see that it is hard.")


async def shared(theo: httpx.AsyncClient, submission: dict[str, Any]) -> dict[str, Any]:
    found = await done(await theo.get(f"{SUBMISSIONS}/{submission['id']}/shared"))
    assert found.pop("submission_id") == submission["id"]
    return found


async def give(
    who: httpx.AsyncClient, eap: Eap, referral: dict[str, Any], recipient: str, scope: str, **more: Any
) -> httpx.Response:
    body = {**await eap.words(recipient), "recipient": recipient, "scope": scope, **more}
    return await who.post(f"{REFERRALS}/{referral['id']}/give-consent", json=body)


async def withdraw(who: httpx.AsyncClient, referral: dict[str, Any], recipient: str) -> dict[str, Any]:
    return await done(await who.post(f"{REFERRALS}/{referral['id']}/withdraw-consent", json={"recipient": recipient}))


class TestWords:
    async def test_are_served_with_their_version_and_hash(self, eap: Eap, amira: httpx.AsyncClient) -> None:
        texts = (await done(await amira.get(TEXTS)))["data"]

        assert {words["recipient"] for words in texts} == {"provider", "referrer"}
        for words in texts:
            assert sha256(words["words"].encode()).hexdigest() == words["sha256"]
            assert words["version"] == 1

    def test_those_that_were_shown_are_never_edited(self) -> None:
        found = {(e["recipient"], e["language"], e["version"]): e["sha256"] for e in consent_text.library()}
        assert found == SHOWN

    async def test_an_organisation_writes_its_own_as_the_next_version(self, eap: Eap, amira: httpx.AsyncClient) -> None:
        body = {"recipient": "provider", "language": "en", "words": "I agree to be helped."}
        before = await eap.words("provider")

        new = await made(await eap.noor.post(TEXTS, json=body))

        assert new["version"] == 2
        assert await eap.words("provider") == {"text_id": new["id"], "text_sha256": new["sha256"]} != before
        assert (await amira.post(TEXTS, json=body)).status_code == 403
        draft = await eap.draft(amira)
        old = {"provider_consent": {**before, "scope": "name"}}
        assert_problem(await amira.post(f"{REFERRALS}/{draft['id']}/request", json=old), 409, "consent_text_outdated")

    async def test_a_consent_names_the_very_words_that_were_shown(self, eap: Eap, amira: httpx.AsyncClient) -> None:
        draft, words, others = await eap.draft(amira), await eap.words("provider"), await eap.words("referrer")
        url = f"{REFERRALS}/{draft['id']}/request"
        for wrong in ({**words, "text_sha256": "0" * 64}, others, {**words, "text_id": draft["id"]}):
            response = await amira.post(url, json={"provider_consent": {**wrong, "scope": "name"}})
            assert_problem(response, 409, "consent_text_outdated")

        sent = await eap.send(amira, draft, "name")

        kept = sent["provider_consent"]
        assert {name: kept[name] for name in words} == words
        assert (kept["text_version"], kept["scope"], kept["withdrawn_at"]) == (1, "name", None)
        assert kept["given_at"] >= sent["requested_at"]


class TestTrail:
    async def test_only_grows(self, eap: Eap, amira: httpx.AsyncClient, world: World) -> None:
        referral = await eap.sent(amira, "name")
        await withdraw(amira, referral, "provider")
        await withdraw(amira, referral, "provider")
        await done(await give(amira, eap, referral, "provider", "reference_only"))

        trail = (await done(await amira.get(f"{REFERRALS}/{referral['id']}/consents")))["data"][::-1]

        assert [(entry["scope"], entry["withdrawn_at"] is None) for entry in trail] == [
            ("name", True),
            ("name", False),
            ("reference_only", True),
        ]
        assert trail[1]["given_at"] == trail[0]["given_at"]

    async def test_cannot_be_changed_or_cut(self, eap: Eap, amira: httpx.AsyncClient, world: World) -> None:
        await eap.sent(amira)
        for table in ("eap_consent", "consent_text", "eap_step"):
            for statement in (f"UPDATE {table} SET id = id", f"DELETE FROM {table}", f"TRUNCATE {table}"):
                with pytest.raises(DBAPIError) as refused:
                    await world.run(lambda session, statement=statement: session.execute(text(statement)))
                assert sqlstate(refused.value) == "42501", statement

    async def test_is_the_persons_alone(self, eap: Eap, amira: httpx.AsyncClient, world: World) -> None:
        referral = await eap.sent(amira)
        for name in ("ines", "theo", "hana", "noor"):
            response = await world.person(name).get(f"{REFERRALS}/{referral['id']}/consents")
            assert response.status_code == (200 if name == "ines" else 404), name
            assert response.json().get("data", []) == [], name
            assert (await give(world.person(name), eap, referral, "provider", "name")).status_code in (403, 404)


class TestBeforeTheyAgree:
    async def test_nothing_goes_to_the_provider(
        self, eap: Eap, submission: dict[str, Any], amira: httpx.AsyncClient
    ) -> None:
        await eap.proposed(amira)

        assert (await done(await eap.client.get(CASES)))["data"] == []

    async def test_agreeing_sends_it(self, eap: Eap, submission: dict[str, Any], amira: httpx.AsyncClient) -> None:
        sent = await eap.send(amira, await eap.proposed(amira))

        assert (await eap.case(sent))["reference"] == sent["reference"]

    async def test_nobody_can_agree_in_their_place(
        self, eap: Eap, submission: dict[str, Any], amira: httpx.AsyncClient, world: World
    ) -> None:
        referral, body = await eap.proposed(amira), await eap.consents()
        for name in ("theo", "ines", "noor", "hana"):
            who = world.person(name)
            assert_problem(await who.post(f"{REFERRALS}/{referral['id']}/request", json=body), 404)


class TestToTheReferrer:
    async def test_without_consent_their_view_etag_and_times_never_change(
        self, eap: Eap, submission: dict[str, Any], amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        async def view() -> list[Any]:
            urls = [f"{SUBMISSIONS}/{submission['id']}{part}" for part in ("", "/shared")] + [SUBMISSIONS]
            answers = [await theo.get(url) for url in urls]
            told = [answer.json().get("data", answer.json()) for answer in answers]
            return [
                (answer.status_code, answer.headers["ETag"], one) for answer, one in zip(answers, told, strict=True)
            ]

        before = await view()
        referral = await eap.send(amira, await eap.proposed(amira), "name")
        assert await view() == before
        case = await eap.case(referral)
        for step in ("accept", "start", "hold", "resume"):
            case = await eap.move(case, step)
            assert await view() == before, step
        await done(await eap.client.post(f"{CASES}/{case['id']}/record-attendance", json={"sessions_used": 2}))
        await withdraw(amira, referral, "provider")
        await done(await give(amira, eap, referral, "provider", "name"))
        await eap.move(case, "complete")

        assert await view() == before
        assert (await shared(theo, submission)) == NOTHING

    async def test_each_scope_holds_what_it_says_and_no_more(
        self, eap: Eap, submission: dict[str, Any], amira: httpx.AsyncClient, theo: httpx.AsyncClient
    ) -> None:
        referral = await eap.send(amira, await eap.proposed(amira))
        case = await eap.move(await eap.case(referral), "accept", "start")
        await done(await eap.client.post(f"{CASES}/{case['id']}/record-attendance", json={"sessions_used": 2}))
        facts = {"contact_made": True, "sessions_used": 2, "progress": "under_way"}
        for scope, told in (
            ("none", ()),
            ("contact_made", ("contact_made",)),
            ("attendance", ("contact_made", "sessions_used")),
            ("progress", tuple(facts)),
        ):
            await done(await give(amira, eap, referral, "referrer", scope))
            found = await shared(theo, submission)
            assert found.pop("until") is None if scope == "none" else found.pop("until")
            assert found == {"scope": scope} | {name: facts[name] if name in told else None for name in facts}

    async def test_progress_never_says_why_or_how_it_ended(
        self, eap: Eap, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        words = {}
        for state, way in WAYS.items():
            submission = await eap.suggest(theo, world.people["amira"])
            referral = await eap.send(amira, await eap.proposed(amira), to_referrer="progress")
            await eap.move(await eap.case(referral), *way)
            words[state] = (await shared(theo, submission))["progress"]

        assert words == {
            "requested": "waiting",
            "accepted": "waiting",
            "in_progress": "under_way",
            "on_hold": "paused",
            **dict.fromkeys(("rejected", "completed", "failed", "cancelled"), "ended"),
        }

    async def test_withdrawing_takes_effect_on_the_next_read(
        self, eap: Eap, submission: dict[str, Any], amira: httpx.AsyncClient, theo: httpx.AsyncClient
    ) -> None:
        url = f"{SUBMISSIONS}/{submission['id']}/shared"
        untouched = await theo.get(url)
        referral = await eap.send(amira, await eap.proposed(amira), to_referrer="progress")
        consented = await theo.get(url)
        assert consented.json()["progress"] == "waiting"

        await withdraw(amira, referral, "referrer")

        after = await theo.get(url, headers={"If-None-Match": consented.headers["ETag"]})
        assert (after.status_code, after.content) == (200, untouched.content)
        assert after.headers["ETag"] == untouched.headers["ETag"]

    async def test_expiry_takes_effect_on_the_next_read(
        self,
        eap: Eap,
        submission: dict[str, Any],
        amira: httpx.AsyncClient,
        theo: httpx.AsyncClient,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        referral = await eap.send(amira, await eap.proposed(amira))
        start = clock.now()
        until = start + timedelta(days=3)
        await done(await give(amira, eap, referral, "referrer", "attendance", expires_at=until.isoformat()))
        for passed, scope in ((timedelta(days=3, seconds=-5), "attendance"), (timedelta(days=3), "none")):
            monkeypatch.setattr(clock, "now", lambda passed=passed: start + passed)
            assert (await shared(theo, submission))["scope"] == scope
        assert (await build.read(amira, referral))["referrer_consent"] is None

    async def test_ends_by_itself_after_half_a_year(
        self, eap: Eap, submission: dict[str, Any], amira: httpx.AsyncClient
    ) -> None:
        sent = await eap.send(amira, await eap.proposed(amira), to_referrer="progress")

        given, until = (datetime.fromisoformat(sent["referrer_consent"][name]) for name in ("given_at", "expires_at"))
        assert until - given == timedelta(days=180)
        assert sent["provider_consent"]["expires_at"] is None

    async def test_ends_with_the_account_of_a_leaver_who_could_not_take_it_back(
        self, eap: Eap, submission: dict[str, Any], amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        await eap.send(amira, await eap.proposed(amira), to_referrer="progress")
        await build.rows(
            world, "UPDATE employee SET active = false WHERE id = :id RETURNING id", id=world.people["amira"]
        )

        assert await shared(theo, submission) == NOTHING

    async def test_another_manager_knows_of_nothing(
        self, eap: Eap, submission: dict[str, Any], amira: httpx.AsyncClient, world: World
    ) -> None:
        await eap.send(amira, await eap.proposed(amira), to_referrer="progress")
        await build.rows(
            world,
            "UPDATE employee SET manager_id = :g WHERE id = :a RETURNING id",
            g=world.people["grace"],
            a=world.people["amira"],
        )
        for name in ("grace", "hana", "noor", "ines"):
            who = world.person(name)
            assert (await done(await who.get(SUBMISSIONS)))["data"] == []
            for part in ("", "/shared"):
                assert_problem(await who.get(f"{SUBMISSIONS}/{submission['id']}{part}"), 404)


class TestRules:
    async def test_scopes_ends_and_recipients_have_to_fit(self, eap: Eap, amira: httpx.AsyncClient) -> None:
        referral = await eap.sent(amira)
        past, far = ((clock.now() + timedelta(days=days)).isoformat() for days in (-1, 2000))
        for recipient, scope, more, status, code in (
            ("provider", "attendance", {}, 422, "invalid"),
            ("referrer", "name", {}, 422, "invalid"),
            ("provider", "name", {"expires_at": past}, 422, "invalid"),
            ("provider", "name", {"expires_at": far}, 422, "invalid"),
            ("provider", "name_and_contact", {}, 409, "no_contact"),
            ("referrer", "progress", {}, 409, "no_referrer"),
        ):
            assert_problem(await give(amira, eap, referral, recipient, scope, **more), status, code)
        body = await eap.consents(to_referrer="progress")
        draft = await eap.draft(amira)
        assert_problem(await amira.post(f"{REFERRALS}/{draft['id']}/request", json=body), 422)
