"""Idempotency-Key: one effect, one answer, for a day; and never in anyone's way."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

from app import clock, migrate
from app.database import Database, make_engine
from app.main import create_app
from app.problems import MEDIA_TYPE
from app.services import employee as employees
from app.settings import Settings
from tests.world import World

KEY = {"Idempotency-Key": "the-key"}
SOMEONE = {"user_name": "robin", "display_name": "Robin Canary"}


async def hire(client: httpx.AsyncClient, **options: Any) -> httpx.Response:
    return await client.post("/v1/employees", **{"json": SOMEONE, "headers": KEY} | options)


async def stored(world: World) -> list[Any]:
    query = text("SELECT status, headers, body FROM idempotent_answer")
    return list(await world.run(lambda session: session.execute(query).all()))


class TestReplay:
    async def test_is_the_same_answer(self, client: httpx.AsyncClient, world: World) -> None:
        first, second = await hire(client), await hire(client)

        assert (first.status_code, second.status_code) == (201, 201)
        assert first.content == second.content
        assert second.headers["Idempotency-Replayed"] == "true"
        assert second.headers["Location"] == first.headers["Location"] == f"/v1/employees/{first.json()['id']}"
        count = text("SELECT count(*) FROM employee WHERE user_name = 'robin'")
        assert await world.run(lambda session: session.execute(count).scalar_one()) == 1

    async def test_is_kept_encrypted(self, client: httpx.AsyncClient, world: World) -> None:
        await hire(client)

        ((status, headers, body),) = await stored(world)

        assert status == 201
        assert b"Robin" not in body
        assert b"Canary" not in body
        assert "Robin" not in str(headers)

    async def test_checks_access_again(self, world: World) -> None:
        client = await world.client("employees:write", "employees:read")
        await hire(client)
        revoke = text("UPDATE client SET revoked_at = now(), version = version + 1 WHERE scopes @> '{employees:write}'")
        await world.run(lambda session: session.execute(revoke))

        assert (await hire(client)).status_code == 401

    async def test_asks_for_the_row_again(self, world: World, hana: httpx.AsyncClient) -> None:
        """What its caller may no longer know of is not told again."""
        first = await hire(hana)
        assert first.status_code == 201
        end = text("UPDATE role_grant SET state = 'revoked' WHERE employee_id = :hana")
        await world.run(lambda session: session.execute(end, {"hana": world.people["hana"]}))

        again = await hire(hana)

        assert again.status_code == 403

    async def test_leaves_out_what_is_shown_once(self, client: httpx.AsyncClient, world: World) -> None:
        request: dict[str, Any] = {"json": {"name": "Sync", "scopes": ["employees:read"]}, "headers": KEY}

        first = await client.post("/v1/clients", **request)
        second = await client.post("/v1/clients", **request)

        assert first.json()["key"].startswith("blst_live_")
        assert second.json() == first.json() | {"key": None}
        for _, headers, body in await stored(world):
            assert first.json()["key"] not in f"{headers}{body!r}"

    async def test_ends_after_a_day(
        self, client: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await hire(client)
        start = clock.now()

        monkeypatch.setattr(clock, "now", lambda: start + timedelta(hours=23, minutes=59))
        assert (await hire(client)).headers["Idempotency-Replayed"] == "true"
        monkeypatch.setattr(clock, "now", lambda: start + timedelta(hours=24, minutes=1))
        response = await hire(client)

        assert (response.status_code, response.json()["code"]) == (409, "already_exists")
        response = await hire(client, json={**SOMEONE, "user_name": "sam"})
        assert (response.status_code, len(await stored(world))) == (201, 1)


class TestAnotherRequest:
    async def test_under_the_same_key_is_refused(self, client: httpx.AsyncClient, world: World) -> None:
        await hire(client)

        response = await hire(client, json={**SOMEONE, "user_name": "sam"})

        assert response.status_code == 422
        assert response.headers["Content-Type"] == MEDIA_TYPE
        assert response.json()["code"] == "idempotency_key_reused"
        assert "sam" not in response.text

    async def test_of_another_caller_has_nothing_to_do_with_it(
        self, client: httpx.AsyncClient, world: World, hana: httpx.AsyncClient, mallory: httpx.AsyncClient
    ) -> None:
        for number, caller in enumerate((client, await world.client(), hana, mallory)):
            response = await hire(caller, json={**SOMEONE, "user_name": f"robin-{number}"})

            assert response.status_code == 201
            assert "Idempotency-Replayed" not in response.headers

    async def test_on_another_path_has_nothing_to_do_with_it(self, client: httpx.AsyncClient) -> None:
        await hire(client)

        response = await client.post("/v1/teams", json={"name": "Robin's"}, headers=KEY)

        assert response.status_code == 201

    async def test_with_another_key_is_another(self, client: httpx.AsyncClient) -> None:
        await hire(client)

        response = await hire(client, headers={"Idempotency-Key": "another"})

        assert response.status_code == 409

    @pytest.mark.parametrize("key", ["", "k" * 256, "\x7f", "tab\there", "é".encode("latin-1")])
    async def test_needs_a_key_of_the_right_form(self, client: httpx.AsyncClient, key: str | bytes) -> None:
        response = await hire(client, headers={"Idempotency-Key": key})

        assert (response.status_code, response.json()["code"]) == (400, "invalid_idempotency_key")


class TestRefusals:
    async def test_are_not_kept(self, client: httpx.AsyncClient, world: World) -> None:
        """After the obstacle is gone, the same request under the same key succeeds."""
        await hire(client, headers={})

        refused = await hire(client)
        invalid = await hire(client, json={"user_name": "robin"})
        rename = text("UPDATE employee SET user_name = 'r', user_name_key = 'r' WHERE user_name = 'robin'")
        await world.run(lambda session: session.execute(rename))
        accepted = await hire(client)

        assert [response.status_code for response in (refused, invalid, accepted)] == [409, 422, 201]
        assert "Idempotency-Replayed" not in accepted.headers
        assert len(await stored(world)) == 1


@dataclass
class Hiring:
    """How many are being hired, and whether that may go on."""

    under_way: int = 0
    one_more: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    may_go_on: asyncio.Event = field(default_factory=asyncio.Event)


class TestRace:
    """On real connections, eight of them."""

    @pytest.fixture
    async def eight(self, urls: migrate.Urls, settings: Settings) -> AsyncIterator[Database]:
        small = settings.model_copy(update={"pool_size": 8})
        database = Database(make_engine(urls.application, small, role=urls.application_role))
        yield database
        await database.close()

    @pytest.fixture
    async def hiring(self, monkeypatch: pytest.MonkeyPatch) -> Hiring:
        """Hiring waits until the test lets it go on."""
        hiring, original = Hiring(), employees.create

        def create(session: Session, *arguments: Any) -> Any:
            hiring.under_way += 1
            hiring.one_more.release()
            await_only(hiring.may_go_on.wait())
            return original(session, *arguments)

        monkeypatch.setattr(employees, "create", create)
        return hiring

    async def test_of_fifty_twins_leaves_one_row_and_the_others_in_peace(
        self, world: World, eight: Database, settings: Settings, hiring: Hiring
    ) -> None:
        here = World(create_app(settings, eight), eight, id=world.id)
        client, other = await here.client(), await here.client()

        twins = [asyncio.create_task(hire(client)) for _ in range(50)]
        async with asyncio.timeout(20):
            for answered in islice(asyncio.as_completed(twins), 49):
                await answered
        unrelated = await other.get("/v1/organisation")
        assert hiring.under_way == 1
        hiring.may_go_on.set()
        responses = await asyncio.gather(*twins)

        assert unrelated.status_code == 200
        statuses = [response.status_code for response in responses]
        assert sorted(statuses) == [201] + [409] * 49
        for response in responses:
            if response.status_code == 409:
                assert response.json()["code"] == "request_in_progress"
                assert response.headers["Retry-After"] == "1"
        count = text("SELECT count(*) FROM employee WHERE user_name = 'robin'")
        assert await world.run(lambda session: session.execute(count).scalar_one()) == 1
        afterwards = await asyncio.gather(*(hire(client) for _ in range(20)))
        assert {r.content for r in afterwards if r.status_code == 201} == {
            r.content for r in responses if r.status_code == 201
        }
        assert {response.status_code for response in afterwards} <= {201, 409}
        await here.close()

    async def test_of_different_keys_is_none(
        self, world: World, eight: Database, settings: Settings, hiring: Hiring
    ) -> None:
        here = World(create_app(settings, eight), eight, id=world.id)
        client = await here.client()

        requests = asyncio.gather(
            *(
                hire(client, json={**SOMEONE, "user_name": f"robin-{n}"}, headers={"Idempotency-Key": f"{n}"})
                for n in range(8)
            )
        )
        async with asyncio.timeout(20):
            for _ in range(8):
                await hiring.one_more.acquire()
        hiring.may_go_on.set()

        assert {response.status_code for response in await requests} == {201}
        await here.close()
