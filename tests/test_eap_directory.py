"""The EAP directory: everyone reads it, also who has left, and nobody learns who did."""

import json
import logging
from typing import Any

import httpx
import pytest
from dateutil.rrule import rrulestr

from app.models.client import Role
from app.telemetry import JsonLines, exposition
from tests import eap as build
from tests.eap import CASES, COUNSELLING, CRISIS, OFFICE, PROVIDERS, REFERRALS, Eap, done, made
from tests.test_conventions_access import assert_problem
from tests.world import World, etag


@pytest.fixture
async def eap(world: World) -> Eap:
    return await Eap.build(world)


def page_of(world: World) -> str:
    return f"/v1/eap-directory/{world.slug}"


class TestDirectory:
    async def test_holds_what_somebody_in_need_has_to_know(self, eap: Eap, amira: httpx.AsyncClient) -> None:
        body = {**COUNSELLING, "name": "Crisis line", "crisis_line": True, "always_open": True, "opening_hours": []}
        body |= {"phones": [CRISIS], "eligibility": "You and your family.", "assured_on": "2026-11-01"}
        services = f"{PROVIDERS}/{eap.provider['id']}/services"
        await made(await eap.noor.post(services, json=body))

        found = (await done(await amira.get(services, params={"crisis_line": True})))["data"]

        assert len(found) == 1
        for name, value in {**body, "phones": [{**CRISIS, "extension": None}]}.items():
            assert found[0][name] == value
        assert found[0]["basis_label"] == "judgement"
        assert found[0]["urgent_seconds"] < found[0]["soon_seconds"] < found[0]["routine_seconds"]
        assert found[0]["allowed_actions"] == []

    async def test_is_read_by_everyone_and_kept_by_the_programme_lead(self, eap: Eap, world: World) -> None:
        clients = {name: world.person(name) for name in world.people} | {"bound": eap.client}
        clients["reader"] = await world.client("eap:read")
        for name, who in clients.items():
            listed = (await done(await who.get(PROVIDERS)))["data"]
            assert [provider["name"] for provider in listed] == ["Lighthouse"], name
            if name != "noor":
                assert (await who.post(PROVIDERS, json={"name": "Beacon"})).status_code == 403, name
        assert (await (await world.client("eap:write")).post(PROVIDERS, json={"name": "Beacon"})).status_code == 201

    async def test_a_providers_client_changes_its_own_entry_alone(self, eap: Eap, world: World) -> None:
        other = await Eap.build(world, "Beacon")
        for mine, theirs in ((eap, other), (other, eap)):
            own, foreign = (f"{PROVIDERS}/{each.provider['id']}" for each in (mine, theirs))
            body, headers = {"description": "New."}, {"If-Match": "*"}
            assert (await mine.client.patch(own, json=body, headers=headers)).status_code == 200
            assert_problem(await mine.client.patch(foreign, json=body, headers=headers), 403, "not_allowed")
            assert_problem(await mine.client.post(f"{foreign}/services", json=COUNSELLING), 403, "not_allowed")

    async def test_finds_by_language_channel_and_status(self, eap: Eap, amira: httpx.AsyncClient) -> None:
        for query, found in (
            ({"language": "cy"}, 1),
            ({"language": "fr"}, 0),
            ({"channel": "video"}, 1),
            ({"channel": "in_person"}, 0),
            ({"crisis_line": True}, 0),
            ({"status": "active"}, 1),
            ({"status": "defunct"}, 0),
        ):
            assert len((await done(await amira.get(PROVIDERS, params=query)))["data"]) == found, query

    @pytest.mark.parametrize(
        "rule",
        [
            "FREQ=DAILY",
            "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
            "FREQ=MONTHLY;BYDAY=1MO",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=SA;UNTIL=20271231T000000Z",
            "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24,-1",
        ],
    )
    async def test_opening_hours_are_recurrences_of_rfc_5545(self, eap: Eap, rule: str) -> None:
        rrulestr(f"DTSTART:20260101T000000Z\nRRULE:{rule}")
        hours = [{"rrule": rule, "opens_at": "22:00", "closes_at": "06:00"}]
        body = {**COUNSELLING, "opening_hours": hours}

        service = await made(await eap.noor.post(f"{PROVIDERS}/{eap.provider['id']}/services", json=body))

        assert service["opening_hours"] == hours

    @pytest.mark.parametrize(
        "rule",
        ["", "WEEKLY", "FREQ=SECONDLY", "FREQ=WEEKLY;FREQ=DAILY", "BYDAY=MO", "FREQ=WEEKLY;BYDAY=XX", "FREQ=DAILY;X=1"],
    )
    async def test_what_is_no_recurrence_is_refused(self, eap: Eap, rule: str) -> None:
        body = {**COUNSELLING, "opening_hours": [{"rrule": rule, "opens_at": "08:00", "closes_at": "09:00"}]}

        response = await eap.noor.post(f"{PROVIDERS}/{eap.provider['id']}/services", json=body)

        assert_problem(response, 422)
        assert response.json()["errors"][0]["pointer"] == "/opening_hours/0/rrule"

    async def test_what_contradicts_itself_is_refused(self, eap: Eap) -> None:
        services = f"{PROVIDERS}/{eap.provider['id']}/services"
        service = f"{services}/{eap.service['id']}"
        assert_problem(await eap.noor.post(services, json={**COUNSELLING, "always_open": True}), 422)
        assert_problem(await eap.noor.post(services, json={**COUNSELLING, "urgent_seconds": 10**6}), 422)
        for body in ({"always_open": True}, {"urgent_seconds": 10**6}):
            assert_problem(await eap.noor.patch(service, json=body, headers=etag(eap.service)), 422)

    async def test_a_service_is_one_of_its_provider(self, eap: Eap, world: World) -> None:
        other = await Eap.build(world, "Beacon")
        wrong = f"{PROVIDERS}/{other.provider['id']}/services/{eap.service['id']}"
        assert_problem(await eap.noor.get(wrong), 404)
        assert_problem(await eap.noor.patch(wrong, json={"name": "x"}, headers={"If-Match": "*"}), 404)


class TestProvidersClients:
    async def test_a_client_acts_for_one_provider_and_holds_no_other_scope(self, eap: Eap, world: World) -> None:
        other = await Eap.build(world, "Beacon")
        wide = await world.client("eap:read", "employees:read")
        ids = [(await done(await who.get("/v1/me")))["client"]["id"] for who in (wide, other.client)]
        clients = f"{PROVIDERS}/{eap.provider['id']}/clients"

        assert_problem(await eap.noor.post(clients, json={"client_id": ids[0]}), 409, "client_has_other_scopes")
        assert (await eap.noor.post(clients, json={"client_id": ids[1]})).status_code == 409

    async def test_its_scopes_stay_so(self, eap: Eap, client: httpx.AsyncClient) -> None:
        mine = (await done(await eap.client.get("/v1/me")))["client"]["id"]
        wider = {"scopes": ["eap:read", "employees:read"]}

        refused = await client.patch(f"/v1/clients/{mine}", json=wider, headers={"If-Match": "*"})

        assert_problem(refused, 409, "client_has_other_scopes")

    async def test_no_client_makes_itself_a_providers(self, eap: Eap, world: World) -> None:
        ambitious = await world.client("clients:read", "clients:write", "eap:read")
        mine = (await done(await ambitious.get("/v1/me")))["client"]["id"]
        clients = f"{PROVIDERS}/{eap.provider['id']}/clients"

        assert_problem(await ambitious.post(clients, json={"client_id": mine}), 409)

    async def test_what_ends_ends_with_the_next_request(self, eap: Eap, amira: httpx.AsyncClient) -> None:
        await eap.sent(amira)
        assert len((await done(await eap.client.get(CASES)))["data"]) == 1
        clients = f"{PROVIDERS}/{eap.provider['id']}/clients"
        (binding,) = (await done(await eap.noor.get(clients)))["data"]

        assert (await eap.noor.delete(f"{clients}/{binding['id']}")).status_code == 204

        assert (await done(await eap.client.get(CASES)))["data"] == []


class TestPage:
    async def test_is_there_for_everyone_also_who_has_left(
        self, eap: Eap, world: World, stranger: httpx.AsyncClient
    ) -> None:
        await build.rows(world, "UPDATE employee SET active = false RETURNING id")
        for address in (world.slug, str(world.id)):
            response = await stranger.get(f"/v1/eap-directory/{address}")
            assert response.status_code == 200
            assert response.headers["Content-Type"] == "text/html; charset=utf-8"
            for words in (
                "Harbour Helpline",
                "Lighthouse",
                OFFICE["number"],
                "extension 12",
                "Monday, Tuesday, Wednesday, Thursday, Friday 08:00 to 20:00",
                "6 at no cost",
                "Your employer never learns that you called.",
            ):
                assert words in response.text

    async def test_runs_nothing_and_asks_nobody(self, eap: Eap, world: World, stranger: httpx.AsyncClient) -> None:
        body = {
            "name": '<script>alert("x")</script>',
            "description": "<img src=x onerror=y>",
            "url": "https://x.example/?a='",
        }
        provider = f"{PROVIDERS}/{eap.provider['id']}"
        await done(await eap.noor.patch(provider, json=body, headers={"If-Match": "*"}))

        response = await stranger.get(page_of(world))

        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "script" not in policy.replace("default-src", "")
        assert "unsafe" not in policy
        assert "<script" not in response.text
        assert "<img" not in response.text
        assert "&lt;script&gt;" in response.text
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert "set-cookie" not in response.headers

    async def test_shows_no_provider_that_cannot_be_turned_to(
        self, eap: Eap, world: World, stranger: httpx.AsyncClient
    ) -> None:
        for status in ("inactive", "defunct", "temporarily_closed"):
            url = f"{PROVIDERS}/{eap.provider['id']}"
            await done(await eap.noor.patch(url, json={"status": status}, headers={"If-Match": "*"}))
            assert "Lighthouse" not in (await stranger.get(page_of(world))).text

    async def test_can_be_switched_off(self, eap: Eap, world: World, stranger: httpx.AsyncClient) -> None:
        off = {"public_eap_directory": False}
        await done(await eap.noor.patch("/v1/organisation", json=off, headers={"If-Match": "*"}))

        refused, unknown = await stranger.get(page_of(world)), await stranger.get("/v1/eap-directory/nobody")

        assert_problem(refused, 404)
        assert refused.content == unknown.content

    async def test_is_another_organisations_own(self, eap: Eap, elsewhere: World, stranger: httpx.AsyncClient) -> None:
        assert "Lighthouse" not in (await stranger.get(page_of(elsewhere))).text


class TestNoTrace:
    async def test_looking_is_in_no_audit_entry_count_or_event(
        self, eap: Eap, world: World, amira: httpx.AsyncClient, stranger: httpx.AsyncClient
    ) -> None:
        everything = (
            "SELECT (SELECT count(*) FROM audit_entry), (SELECT count(*) FROM outgoing_event),"
            " (SELECT count(*) FROM idempotent_answer)"
        )
        before, counted = await build.rows(world, everything), exposition()

        await self.look(eap, world, amira, stranger)

        assert await build.rows(world, everything) == before
        assert [line for line in exposition().splitlines() if b"eap" in line] == [
            line for line in counted.splitlines() if b"eap" in line
        ]

    async def test_the_request_log_keeps_no_person_for_it(
        self,
        eap: Eap,
        world: World,
        amira: httpx.AsyncClient,
        stranger: httpx.AsyncClient,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        with caplog.at_level(logging.INFO, logger="ballast"):
            await self.look(eap, world, amira, stranger)

        lines = [
            json.loads(JsonLines().format(record)) for record in caplog.records if record.name.startswith("ballast")
        ]
        assert len(lines) == 6
        for line in lines:
            assert line.keys() == {"at", "level", "logger", "event", "status", "method", "route"}
            assert str(world.people["amira"]) not in str(line)

    async def look(self, eap: Eap, world: World, amira: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
        headers = {"X-Request-Id": "amira-at-her-desk"}
        provider = f"{PROVIDERS}/{eap.provider['id']}"
        service = f"{provider}/services/{eap.service['id']}"
        for path in (PROVIDERS, provider, f"{provider}/services", service, f"{provider}/history"):
            assert (await amira.get(path, headers=headers)).status_code == 200
        assert (await stranger.get(page_of(world), headers=headers)).status_code == 200

    async def test_no_span_is_made_of_it(self, world: World) -> None:
        def request(method: str, path: str) -> dict[str, Any]:
            return {"type": "http", "method": method, "path": path}

        excluded = world.app._telemetry["exclude"]
        assert excluded is not None
        for path in (PROVIDERS, f"{PROVIDERS}/x/services", "/v1/eap-directory/harbour"):
            assert excluded(request("GET", path))
        for method, path in (("POST", PROVIDERS), ("GET", REFERRALS), ("GET", "/v1/eap-providers-of-old")):
            assert not excluded(request(method, path))


class TestHelpContacts:
    async def test_come_with_every_referral_answer_crisis_lines_first(
        self, eap: Eap, amira: httpx.AsyncClient, world: World
    ) -> None:
        crisis = {**COUNSELLING, "name": "Crisis line", "crisis_line": True, "phones": [CRISIS]}
        await made(await eap.noor.post(f"{PROVIDERS}/{eap.provider['id']}/services", json=crisis))
        draft = await eap.draft(amira)
        url, reason = f"{REFERRALS}/{draft['id']}", {"reason": "Not now."}

        answers = [
            draft,
            await build.read(amira, draft),
            (await done(await amira.get(REFERRALS)))["data"][0],
            await done(await amira.patch(url, json={"urgency": "soon"}, headers={"If-Match": "*"})),
            await eap.send(amira, draft),
            await done(await amira.post(f"{url}/withdraw-consent", json={"recipient": "provider"})),
            await done(await amira.post(f"{url}/cancel", json=reason)),
        ]

        for answer in answers:
            numbers = [(contact["number"], contact["crisis_line"]) for contact in answer["help_contacts"]]
            assert numbers == [(CRISIS["number"], True), (OFFICE["number"], False)]

    async def test_roles_do_not_matter(self, eap: Eap, world: World) -> None:
        for role in Role:
            await world.hire(f"holder-{role}")
            await world.grant(f"holder-{role}", role)
            assert (await world.person(f"holder-{role}").get(PROVIDERS)).status_code == 200
