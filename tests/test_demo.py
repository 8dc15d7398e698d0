"""The demo organisation: every list of a fresh start has something true to show."""

import random
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from app import auth, clock, demo
from app.database import Database
from app.demo import calls as demo_calls
from app.demo import people as demo_people
from app.demo.people import AREAS
from tests.operations import Operation, every_operation

PEOPLE = ("noor", "hana", "desmond", "theo", "amira", "grace")


@dataclass
class Harbour:
    """The demo organisation, as its callers see it."""

    app: FastAPI
    made: demo.Demo
    slug: str
    statements: int

    @property
    def id(self) -> UUID:
        return UUID(self.made.organisation_id)

    async def get(self, caller: str, path: str) -> httpx.Response:
        """Read as a person, by user name, or as a client, by name."""
        issuer: auth.DevelopmentIssuer = self.app.state.authenticator.development
        token = self.made.keys.get(caller) or issuer.issue(self.id, caller)
        transport = httpx.ASGITransport(self.app)
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://ballast.test", headers=headers) as client:
            return await client.get(path)

    async def rows(self, caller: str, path: str) -> list[Any]:
        answer = await self.get(caller, path)
        assert answer.status_code == 200, answer.text
        rows: list[Any] = answer.json()["data"]
        return rows


@pytest.fixture(scope="module")
async def harbour(app: FastAPI, database: Database) -> Harbour:
    """The demo organisation, made once for this file under a slug of its own."""
    statements: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    engine = database.engine.sync_engine
    with pytest.MonkeyPatch.context() as patch:
        slug = f"harbour-{datetime.now(UTC):%H%M%S%f}"
        patch.setattr(demo, "SLUG", slug)
        event.listen(engine, "before_cursor_execute", count)
        try:
            made = await database.run(demo.create)
        finally:
            event.remove(engine, "before_cursor_execute", count)
    return Harbour(app, made, slug, len(statements))


def plain_lists() -> list[Operation]:
    """Every list whose path asks for nothing."""
    return [each for each in every_operation() if each.method == "GET" and each.is_list and "{" not in each.path]


class TestLists:
    async def test_every_list_shows_something(self, harbour: Harbour) -> None:
        empty: list[str] = []
        seen: list[str] = []
        for operation in plain_lists():
            callers = [*harbour.made.keys, *PEOPLE]
            answers = [await harbour.get(caller, operation.path) for caller in callers]
            found = [answer for answer in answers if answer.status_code == 200 and answer.json()["data"]]
            (seen if found else empty).append(operation.path)

        assert empty == []
        assert len(seen) > 10

    async def test_each_kind_of_caller_has_something_of_their_own(self, harbour: Harbour) -> None:
        for caller, path in {
            demo.HR_SYSTEM: "/v1/employees",
            demo.CONTACT_CENTRE: "/v1/call-events",
            demo.FRONT_END: "/v1/strain-signals",
            "amira": "/v1/strain-signals",
            "theo": "/v1/call-events",
            "noor": "/v1/support-prompts",
            "hana": "/v1/employees",
            "desmond": "/v1/audit-entries",
        }.items():
            assert await harbour.rows(caller, path), (caller, path)

    async def test_what_does_not_fit_shows_too(self, harbour: Harbour) -> None:
        unmatched = await harbour.rows(demo.CONTACT_CENTRE, "/v1/call-events?matched=false")
        refused = await harbour.rows(demo.CONTACT_CENTRE, "/v1/call-events/refused")
        source, zendesk = await harbour.rows(demo.CONTACT_CENTRE, "/v1/sources")
        unmapped = await harbour.rows(demo.CONTACT_CENTRE, f"/v1/sources/{source['id']}/unmapped-codes")

        assert {call["agent"]["ref"] for call in unmatched} == {demo_calls.TEMP}
        assert [item["errors"][0]["code"] for item in refused] == ["personal_data"]
        assert [code["code"] for code in unmapped] == ["CB"]
        parked = await harbour.rows("noor", f"/v1/sources/{zendesk['id']}/refused")
        assert [item["errors"][0]["pointer"] for item in parked] == ["/ended"]
        assert await harbour.rows("noor", f"/v1/sources/{zendesk['id']}/credentials")

    async def test_a_sensitive_role_waits_for_a_second_person(self, harbour: Harbour) -> None:
        grants = await harbour.rows("noor", "/v1/role-grants")

        states = {grant["role"]: grant["state"] for grant in grants}
        assert states == {
            "programme_lead": "active",
            "hr_administrator": "active",
            "coach": "active",
            "eap_coordinator": "active",
            "auditor": "active",
            "data_protection_officer": "pending",
        }


class TestAmira:
    async def test_has_open_offers_that_say_why(self, harbour: Harbour) -> None:
        offers = await harbour.rows("amira", "/v1/support-prompts?state=offered")
        reasons = [(await harbour.get("amira", f"/v1/strain-signals/{each['signal_id']}")).json() for each in offers]

        assert {"break", "debrief"} <= {each["kind"] for each in offers}
        assert all(reason["explanation"] and reason["call_event_ids"] for reason in reasons)

    async def test_has_flags_that_nobody_else_sees(self, harbour: Harbour) -> None:
        flags = await harbour.rows("amira", "/v1/me/call-flags")

        assert {flag["kind"] for flag in flags} == {"aimed_at_me", None}
        everyone = await harbour.rows(demo.FRONT_END, "/v1/strain-signals?limit=200")
        assert everyone
        assert not [signal for signal in everyone if signal["private"] or signal["call_flag_ids"]]


class TestStory:
    async def test_prompts_were_answered_in_every_way(self, harbour: Harbour) -> None:
        prompts = await harbour.rows(demo.FRONT_END, "/v1/support-prompts?limit=200")

        assert {"offered", "accepted", "done", "declined", "expired"} <= {prompt["state"] for prompt in prompts}
        assert all(prompt["offered_at"] <= (prompt["answered_at"] or "9") for prompt in prompts)

    async def test_two_areas_have_most_strain_and_least_support(self, harbour: Harbour) -> None:
        areas = {area["id"]: area["name"] for area in await harbour.rows("noor", "/v1/service-areas")}
        people = await harbour.rows(demo.HR_SYSTEM, "/v1/employees?limit=200")
        area_of = {person["id"]: areas.get(person["service_area_id"]) for person in people}
        signals = await harbour.rows(demo.FRONT_END, "/v1/strain-signals?limit=200")
        prompts = await harbour.rows(demo.FRONT_END, "/v1/support-prompts?limit=200")

        strained = Counter(area_of[signal["employee_id"]] for signal in signals)
        helped = Counter(area_of[each["employee_id"]] for each in prompts if each["employee_id"] and each["done_at"])
        assert {name for name, _ in strained.most_common(2)} == {"Housing", "Bereavement"}
        forgotten = {"Housing", "Bereavement"}
        others = {area.name for area in AREAS} - forgotten

        def share(names: set[str]) -> float:
            """How often help followed strain: over the areas together, since the story ends at the present moment."""
            return sum(helped[name] for name in names) / sum(strained[name] for name in names)

        assert share(forgotten) < share(others)

    async def test_the_calls_reach_up_to_now_and_a_month_back(self, harbour: Harbour) -> None:
        now = datetime.now(UTC)
        after = (now - timedelta(hours=1)).isoformat().replace("+00:00", "Z")
        before = (now - timedelta(days=28)).isoformat().replace("+00:00", "Z")

        assert await harbour.rows(demo.CONTACT_CENTRE, f"/v1/call-events?ended_after={after}")
        assert await harbour.rows(demo.CONTACT_CENTRE, f"/v1/call-events?ended_before={before}")


class TestMaking:
    def test_the_same_seed_tells_the_same_story(self) -> None:
        now = datetime(2026, 11, 20, 0, 30, tzinfo=UTC)

        def tell() -> tuple[Any, Any]:
            chance = random.Random(demo_people.SEED)
            people = demo_people.everyone(chance)
            return people, demo_calls.calls(people, now, chance)

        assert tell() == tell()

    def test_names_numbers_and_calls_are_told_apart(self) -> None:
        chance = random.Random(demo_people.SEED)
        people = demo_people.everyone(chance)
        calls = demo_calls.calls(people, datetime(2026, 11, 20, 0, 30, tzinfo=UTC), chance)

        assert len(people) == 62
        assert len({person.user_name for person in people}) == len({person.number for person in people}) == len(people)
        assert len({call.number for call in calls}) == len(calls)

    async def test_a_second_one_is_refused_and_changes_nothing(
        self, harbour: Harbour, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = await harbour.rows("desmond", "/v1/audit-entries?sort=-id&limit=1")
        monkeypatch.setattr(demo, "SLUG", harbour.slug)

        with pytest.raises(IntegrityError):
            await database.run(demo.create)

        assert await harbour.rows("desmond", "/v1/audit-entries?sort=-id&limit=1") == before

    async def test_its_days_are_past_and_the_clock_is_back(self, harbour: Harbour) -> None:
        made = (await harbour.get("noor", "/v1/organisation")).json()

        assert datetime.now(UTC) - datetime.fromisoformat(made["created_at"]) > timedelta(days=30)
        assert datetime.now(UTC) - clock.now() < timedelta(seconds=10)

    def test_it_is_made_in_bulk(self, harbour: Harbour) -> None:
        # So that the first start of `make run` stays quick, on any machine.
        # Half of them are four weeks of calls; the rest tells one story in each of the other areas.
        assert harbour.statements < 2500
