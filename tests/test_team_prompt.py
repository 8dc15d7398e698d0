"""Prompts about a team: where strain repeats, the work is to change."""

from datetime import datetime, timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import update

from app.models import Employee
from tests.prompts import ONE, Move, listed, one_offer, passing
from tests.strain import NOW, only, post, team_of, told
from tests.world import World

wait = pytest.fixture(passing, autouse=True, name="wait")


@pytest.fixture
def person(world: World) -> UUID:
    return world.people["amira"]


class TestTeamPrompt:
    async def test_repeated_signals_ask_the_programme_lead_about_the_work(
        self, world: World, noor: httpx.AsyncClient, theo: httpx.AsyncClient
    ) -> None:
        await only(world, ONE)
        people = await team_of(world, 5)

        await post(world, told(people[0], 60), told(people[0], 25))
        assert await listed(noor) == []
        await post(world, told(people[1], 10))

        (prompt,) = await listed(noor)
        assert prompt["kind"] == "team_review"
        assert prompt["employee_id"] is None
        assert prompt["signal_id"] is None
        assert prompt["allowed_actions"] == ["accept", "decline"]
        assert "work" in prompt["message"]
        assert not any(str(number) in prompt["message"] for number in range(10))
        assert datetime.fromisoformat(prompt["expires_at"]) == NOW + timedelta(days=14)
        assert [p for p in await listed(theo) if p["kind"] == "team_review"] == []

    async def test_the_programme_lead_answers_and_still_sees_it(self, world: World, noor: httpx.AsyncClient) -> None:
        await only(world, ONE)
        people = await team_of(world, 5)
        await post(world, *(told(person, 10) for person in people))
        (prompt,) = await listed(noor)
        path = f"/v1/support-prompts/{prompt['id']}"

        assert (await noor.post(f"{path}/accept")).json()["state"] == "accepted"
        assert (await noor.post(f"{path}/complete")).json()["state"] == "done"
        assert [p["state"] for p in await listed(noor)] == ["done"]

    async def test_once_in_a_period(self, world: World, noor: httpx.AsyncClient, wait: Move) -> None:
        await only(world, ONE)
        people = await team_of(world, 5)
        await post(world, *(told(person, 10) for person in people))
        (prompt,) = await listed(noor)
        await noor.post(f"/v1/support-prompts/{prompt['id']}/decline")

        await post(world, *(told(person, -5) for person in people))
        assert len(await listed(noor)) == 1

        wait(14 * 24 * 60 + 1)
        await post(world, *(told(person, -14 * 24 * 60) for person in people))
        assert len(await listed(noor)) == 2

    async def test_an_unanswered_one_makes_room_when_its_time_is_over(
        self, world: World, noor: httpx.AsyncClient, wait: Move
    ) -> None:
        await only(world, ONE)
        people = await team_of(world, 5)
        await post(world, *(told(person, 10) for person in people))
        wait(14 * 24 * 60 + 1)

        await post(world, *(told(person, -14 * 24 * 60) for person in people))

        assert sorted(p["state"] for p in await listed(noor)) == ["expired", "offered"]

    async def test_a_shorter_period_does_not_ask_beside_an_open_one(
        self, world: World, noor: httpx.AsyncClient, wait: Move
    ) -> None:
        await only(world, ONE)
        people = await team_of(world, 5)
        await post(world, *(told(person, 10) for person in people))
        await noor.patch("/v1/organisation", json={"team_prompt_days": 1}, headers={"If-Match": "*"})
        wait(2 * 24 * 60)

        await post(world, *(told(person, -2 * 24 * 60) for person in people))

        assert [p["state"] for p in await listed(noor)] == ["offered"]
        assert len((await (await world.client()).get("/v1/strain-signals")).json()["data"]) == 10

    @pytest.mark.parametrize(
        ("size", "strained", "minutes"),
        [
            pytest.param(4, 4, 10, id="a small team"),
            pytest.param(5, 1, 10, id="one person"),
            pytest.param(5, 5, 31, id="past"),
        ],
    )
    async def test_not_of(
        self, world: World, noor: httpx.AsyncClient, size: int, strained: int, minutes: float
    ) -> None:
        await only(world, *[ONE] * 4)
        people = await team_of(world, size)

        await post(world, *(told(person, minutes) for person in people[:strained]))

        assert await listed(noor) == []

    async def test_people_who_left_make_no_team(self, world: World, noor: httpx.AsyncClient) -> None:
        await only(world, ONE)
        people = await team_of(world, 5)
        leaving = update(Employee).where(Employee.organisation_id == world.id, Employee.id == people[4])
        await world.run(lambda session: session.execute(leaving.values(active=False)))

        await post(world, *(told(person, 10) for person in people[:4]))

        assert await listed(noor) == []

    async def test_the_programme_lead_cannot_answer_for_a_person(
        self, world: World, noor: httpx.AsyncClient, amira: httpx.AsyncClient, person: UUID
    ) -> None:
        manager = update(Employee).where(Employee.organisation_id == world.id, Employee.id == person)
        await world.run(lambda session: session.execute(manager.values(manager_id=world.people["noor"])))
        prompt = await one_offer(world, amira, person)

        (seen,) = await listed(noor)
        answer = await noor.post(f"/v1/support-prompts/{prompt['id']}/decline")

        assert seen["allowed_actions"] == []
        assert answer.status_code == 403
