"""Why something was done, in a person's words: shown in histories and to auditors until the person is erased."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import event, insert, select, text

from app import clock, texts
from app.auth import Caller
from app.models import AuditEntry
from app.models.client import Role
from app.models.person_key import PersonKey
from app.services import audit_seal as seals
from app.wakeup import Wakeup
from app.worker import WHEN_DUE, Worker
from tests.hr import person, sync
from tests.plans import GOALS, PLANS, done, make_active, make_goal, make_plan, running_plan
from tests.world import World

WORDS = "My sister is ill. I stay with her."


@pytest.fixture
def jonas(world: World) -> httpx.AsyncClient:
    return world.person("jonas")


@pytest.fixture
async def auditor(world: World) -> httpx.AsyncClient:
    await world.grant("grace", Role.auditor)
    return world.person("grace")


async def why(who: httpx.AsyncClient, url: str) -> list[Any]:
    """Return the reasons of a row's changes, the newest first, of those that have one."""
    page = await done(await who.get(f"{url}/history"))
    return [entry["details"]["reason"] for entry in page["data"] if "reason" in entry["details"]]


async def why_to_auditors(auditor: httpx.AsyncClient, row_id: str) -> list[Any]:
    page = await done(await auditor.get("/v1/audit-entries", params={"resource_id": row_id, "sort": "-id"}))
    return [entry["details"]["reason"] for entry in page["data"] if "reason" in entry["details"]]


async def stored(world: World, row_id: str) -> list[tuple[dict[str, Any], bytes | None]]:
    """Return what stands in the database: the details, and what was sealed beside them."""
    query = select(AuditEntry.details, AuditEntry.reason).where(
        AuditEntry.organisation_id == world.id, AuditEntry.resource_id == UUID(row_id)
    )
    found = await world.run(lambda session: session.execute(query.order_by(AuditEntry.id.desc())).all())
    return [tuple(row) for row in found]


async def erase(world: World, name: str) -> None:
    await world.run(texts.destroy_key, Caller(world.id, "system", None), world.people[name])


@contextmanager
def statements(world: World) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    engine = world.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


class TestOfAPerson:
    async def test_is_shown_as_it_was_said_and_stands_sealed(
        self, world: World, amira: httpx.AsyncClient, theo: httpx.AsyncClient, auditor: httpx.AsyncClient
    ) -> None:
        plan = await running_plan(amira)
        url = f"{PLANS}/{plan['id']}"
        await done(await amira.post(f"{url}/abandon", json={"reason": WORDS}))

        assert await why(amira, url) == await why(theo, url) == [WORDS]
        assert await why_to_auditors(auditor, plan["id"]) == [WORDS]
        (details, sealed), *_ = await stored(world, plan["id"])
        assert "reason" not in details
        assert sealed is not None
        assert WORDS.encode() not in sealed

    async def test_is_gone_with_the_key_and_the_chain_holds(
        self, world: World, amira: httpx.AsyncClient, theo: httpx.AsyncClient, auditor: httpx.AsyncClient
    ) -> None:
        plan, work = await running_plan(amira), Worker(world.database, Wakeup(), 0.05)
        url = f"{PLANS}/{plan['id']}"
        await done(await amira.post(f"{url}/abandon", json={"reason": WORDS}))
        await work.attend(world.id, WHEN_DUE)

        await erase(world, "amira")

        assert await why(theo, url) == await why_to_auditors(auditor, plan["id"]) == [None]
        await work.attend(world.id, WHEN_DUE)
        proof = await world.run(seals.verify, world.id)
        assert (proof.fault, proof.unsealed) == (None, 0)
        assert proof.entries > 3

    async def test_is_under_the_key_of_whom_it_is_about(
        self, world: World, hana: httpx.AsyncClient, client: httpx.AsyncClient
    ) -> None:
        """Whoever said it, a client too: it says something of that person."""
        url = f"/v1/employees/{world.people['amira']}"
        await done(await hana.post(f"{url}/deactivate", json={"reason": WORDS}))
        await done(await client.post(f"{url}/reactivate", json={"reason": "She is back."}))

        await erase(world, "hana")
        assert await why(client, url) == ["She is back.", WORDS]
        await erase(world, "amira")
        assert await why(client, url) == [None, None]

    async def test_about_nobody_is_under_the_key_of_who_said_it(
        self, world: World, noor: httpx.AsyncClient, auditor: httpx.AsyncClient
    ) -> None:
        made = await noor.post("/v1/goal-templates", json={"title": "A real break", "pillars": ["inner_drive"]})
        url = f"/v1/goal-templates/{made.json()['id']}"
        await done(await noor.post(f"{url}/archive", json={"reason": WORDS}))

        assert await why(noor, url) == await why_to_auditors(auditor, made.json()["id"]) == [WORDS]
        await erase(world, "noor")
        assert await why(noor, url) == await why_to_auditors(auditor, made.json()["id"]) == [None]

    async def test_of_what_is_private_is_its_owners_alone(
        self, world: World, amira: httpx.AsyncClient, auditor: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The entry names nobody, so nobody else could open it either."""
        goal = await make_active(amira, private=True)
        await done(await amira.post(f"{GOALS}/{goal['id']}/abandon", json={"reason": WORDS}))

        assert await why(amira, f"{GOALS}/{goal['id']}") == [WORDS]
        assert await why_to_auditors(auditor, goal["id"]) == [None]
        assert "damaged" not in caplog.text

    async def test_of_somebody_who_was_erased_is_not_kept_and_hinders_nothing(
        self, world: World, hana: httpx.AsyncClient
    ) -> None:
        url = f"/v1/employees/{world.people['amira']}"
        await erase(world, "amira")

        await done(await hana.post(f"{url}/deactivate", json={"reason": WORDS}))

        assert await why(hana, url) == [None]
        assert (await stored(world, str(world.people["amira"])))[0] == ({"reason": None}, None)

    async def test_of_many_at_once_each_has_its_own(
        self, world: World, jonas: httpx.AsyncClient, amira: httpx.AsyncClient
    ) -> None:
        """A change of a whole series is one write: what was sealed for one entry opens in no other."""
        body = {
            "kind": "one_to_one",
            "subject": "Every week",
            "attendee_ids": [str(world.people["amira"])],
            "starts_at": (clock.now() + timedelta(days=7)).isoformat(),
            "duration_seconds": 1800,
            "time_zone": "Europe/London",
            "rrule": "FREQ=WEEKLY;COUNT=4",
        }
        series = (await jonas.post("/v1/coaching-series", json=body)).json()
        url = f"/v1/coaching-series/{series['id']}"
        await done(await jonas.post(f"{url}/cancel", json={"reason": WORDS}))

        sessions = (await done(await amira.get("/v1/coaching-sessions", params={"state": "cancelled"})))["data"]
        found = [await stored(world, each["id"]) for each in sessions]
        assert [await why(amira, f"/v1/coaching-sessions/{each['id']}") for each in sessions] == [[WORDS]] * 4
        assert len({sealed for (_, sealed), *_ in found}) == 4


class TestInPlain:
    async def test_stand_the_services_own_sentences(self, world: World, client: httpx.AsyncClient) -> None:
        """A sync of ten thousand leavers seals ten thousand times the same otherwise, and makes as many keys."""
        await sync(client, person("left"), person("stays"))
        (left,) = (await sync(client, person("left", active=False)))["results"]

        (details, sealed), *_ = await stored(world, left["id"])
        assert (details, sealed) == ({"reason": "The HR system says that they left."}, None)
        keys = select(PersonKey.id).where(PersonKey.organisation_id == world.id)
        assert await world.run(lambda session: session.scalars(keys).all()) == []

    async def test_stands_what_a_client_says_about_nobody(self, world: World, client: httpx.AsyncClient) -> None:
        made = (await client.post("/v1/clients", json={"name": "Old", "scopes": ["employees:read"]})).json()
        await done(await client.post(f"/v1/clients/{made['id']}/revoke", json={"reason": "Replaced."}))

        assert (await stored(world, made["id"]))[0] == ({"reason": "Replaced."}, None)
        assert await why(client, f"/v1/clients/{made['id']}") == ["Replaced."]

    async def test_stays_what_was_written_before_reasons_were_sealed(
        self, world: World, amira: httpx.AsyncClient, auditor: httpx.AsyncClient
    ) -> None:
        plan = await make_plan(amira)
        old = {"organisation_id": world.id, "action": "development_plan.abandoned", "resource": "development_plan"}
        old |= {"resource_id": UUID(plan["id"]), "subject_id": world.people["amira"], "actor_kind": "person"}
        old |= {"actor_id": world.people["amira"], "details": {"state": "abandoned", "reason": WORDS}}
        await world.run(lambda session: session.execute(insert(AuditEntry), [old]))

        assert await why(amira, f"{PLANS}/{plan['id']}") == [WORDS]
        assert await why_to_auditors(auditor, plan["id"]) == [WORDS]


class TestManyAtOnce:
    async def test_a_page_reads_their_keys_in_one_statement(
        self, world: World, amira: httpx.AsyncClient, jonas: httpx.AsyncClient, auditor: httpx.AsyncClient
    ) -> None:
        for who in (amira, jonas, amira, jonas, amira):
            goal = await make_active(who)
            await done(await who.post(f"{GOALS}/{goal['id']}/abandon", json={"reason": WORDS}))

        with statements(world) as seen:
            page = await done(await auditor.get("/v1/audit-entries", params={"action": "goal.abandoned"}))

        assert [entry["details"]["reason"] for entry in page["data"]] == [WORDS] * 5
        assert len([each for each in seen if "person_key" in each]) == 1

    async def test_a_page_without_any_reads_no_key(self, world: World, amira: httpx.AsyncClient) -> None:
        goal = await make_goal(amira)

        with statements(world) as seen:
            await done(await amira.get(f"{GOALS}/{goal['id']}/history"))

        assert seen
        assert not [each for each in seen if "person_key" in each]


async def test_no_other_column_of_the_trail_holds_the_words(world: World, amira: httpx.AsyncClient) -> None:
    plan = await running_plan(amira)
    await done(await amira.post(f"{PLANS}/{plan['id']}/abandon", json={"reason": WORDS}))

    for place in ("audit_entry", "outgoing_event", "idempotent_answer", "development_plan"):
        query = text(f"SELECT string_agg(t::text, ' ') FROM {place} t WHERE organisation_id = :id")
        told = await world.run(lambda session, q=query: session.execute(q, {"id": world.id}).scalar_one())
        assert WORDS not in (told or ""), place
