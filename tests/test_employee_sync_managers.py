"""The HR sync: managers who come later, and lines that must not run in a circle."""

import asyncio

import httpx

from tests.hr import faults, find, footprint, person, statuses, sync, trail
from tests.world import World


class TestManagers:
    async def test_may_come_later_in_the_batch(self, client: httpx.AsyncClient) -> None:
        answer = await sync(
            client, person("a", manager_external_id="b"), person("b", manager_external_id="c"), person("c")
        )

        assert [result["manager_awaited"] for result in answer["results"]] == [False] * 3
        a, b, c = [await find(client, key) for key in "abc"]
        assert (a["manager_id"], b["manager_id"], c["manager_id"]) == (b["id"], c["id"], None)

    async def test_may_come_in_a_later_batch(self, client: httpx.AsyncClient, world: World) -> None:
        left = person("left", manager_external_id="b", active=False)
        first = await sync(client, person("a", manager_external_id="b"), left)
        waiting = await find(client, "a")
        assert first["results"][0]["manager_awaited"] is True
        assert (waiting["manager_id"], waiting["manager_external_id"]) == (None, "b")

        second = await sync(client, person("b"))

        found = await find(client, "a")
        assert second["managers_found"] == 2
        assert (await find(client, "left"))["manager_id"] == found["manager_id"]
        assert (await find(client, "left"))["active"] is False
        assert (found["manager_id"], found["manager_external_id"]) == (second["results"][0]["id"], None)
        assert found["version"] == waiting["version"] + 1
        assert (await trail(world, found["id"]))[-1] == (
            "employee.updated",
            {"fields": ["manager_external_id", "manager_id"]},
        )

    async def test_may_come_alone(self, client: httpx.AsyncClient) -> None:
        await sync(client, person("a", manager_external_id="b"), person("left", manager_external_id="b", active=False))

        boss = await client.post("/v1/employees", json={"user_name": "b", "display_name": "B", "external_id": "b"})

        assert boss.status_code == 201
        left = await find(client, "left")
        for found in (await find(client, "a"), left):
            assert (found["manager_id"], found["manager_external_id"]) == (boss.json()["id"], None)
        assert left["active"] is False

    async def test_may_be_somebody_already_here_who_gets_that_key(
        self, client: httpx.AsyncClient, world: World
    ) -> None:
        await sync(client, person("a", manager_external_id="b"))

        await client.patch(
            f"/v1/employees/{world.people['grace']}", json={"external_id": "b"}, headers={"If-Match": "*"}
        )

        assert (await find(client, "a"))["manager_id"] == str(world.people["grace"])

    async def test_a_new_manager_who_is_not_here_yet_replaces_the_old_one(self, client: httpx.AsyncClient) -> None:
        await sync(client, person("a", manager_external_id="b"), person("b"))

        answer = await sync(client, person("a", manager_external_id="c"))

        found = await find(client, "a")
        assert answer["results"][0]["changed"] == ["manager_external_id", "manager_id"]
        assert (found["manager_id"], found["manager_external_id"]) == (None, "c")

    async def test_is_kept_when_absent_and_cleared_when_null(self, client: httpx.AsyncClient) -> None:
        await sync(client, person("a", manager_external_id="b"), person("b"), person("c", manager_external_id="z"))

        kept = await sync(client, person("a"), person("c"))
        cleared = await sync(client, person("a", manager_external_id=None), person("c", manager_external_id=None))

        assert statuses(kept) == ["unchanged"] * 2
        assert [result["changed"] for result in cleared["results"]] == [["manager_id"], ["manager_external_id"]]


async def assert_no_circle(client: httpx.AsyncClient) -> None:
    people = (await client.get("/v1/employees", params={"limit": 200})).json()["data"]
    managers = {each["id"]: each["manager_id"] for each in people}
    assert any(managers.values())
    for start, manager in managers.items():
        seen, above = {start}, manager
        while above is not None:
            assert above not in seen
            seen.add(above)
            above = managers[above]


class TestCircles:
    async def test_one_within_a_batch_is_rejected_at_its_last_item(self, client: httpx.AsyncClient) -> None:
        answer = await sync(
            client,
            person("a", manager_external_id="b"),
            person("b", manager_external_id="c"),
            person("c", manager_external_id="a"),
            person("d", manager_external_id="c"),
        )

        assert statuses(answer) == ["created", "created", "rejected", "created"]
        assert faults(answer, 2) == {("/manager_external_id", "manager_cycle")}
        assert (await find(client, "b"))["manager_external_id"] == "c"
        assert answer["results"][3]["manager_awaited"] is True

    async def test_one_over_several_batches_is_rejected(self, client: httpx.AsyncClient) -> None:
        await sync(client, person("a", manager_external_id="b"), person("b", manager_external_id="c"), person("c"))

        answer = await sync(client, person("c", manager_external_id="a", title="New"))

        assert faults(answer, 0) == {("/manager_external_id", "manager_cycle")}
        assert (await find(client, "c"))["title"] is None

    async def test_one_that_an_awaited_manager_would_close_is_rejected(self, client: httpx.AsyncClient) -> None:
        await sync(client, person("a", manager_external_id="b"), person("c", manager_external_id="a"))

        answer = await sync(client, person("b", manager_external_id="c"))

        assert faults(answer, 0) == {("/manager_external_id", "manager_cycle")}
        assert (await find(client, "a"))["manager_external_id"] == "b"

    async def test_turning_a_line_around_is_no_circle(self, client: httpx.AsyncClient) -> None:
        await sync(client, person("a", manager_external_id="b"), person("b", manager_external_id="c"), person("c"))

        answer = await sync(
            client,
            person("c", manager_external_id="b"),
            person("b", manager_external_id="a"),
            person("a", manager_external_id=None),
        )

        assert statuses(answer) == ["updated"] * 3

    async def test_a_rejected_turn_leaves_no_circle_behind(self, client: httpx.AsyncClient) -> None:
        await sync(client, person("a", manager_external_id="b"), person("b", manager_external_id="c"), person("c"))

        answer = await sync(
            client,
            person("c", manager_external_id="b"),
            person("b", manager_external_id="a"),
            person("a", manager_external_id=None, salary=1),
        )

        assert statuses(answer) == ["rejected"] * 3
        assert [(await find(client, key))["version"] for key in "abc"] == [1, 1, 1]

    async def test_a_rejected_item_takes_the_ground_from_all_that_build_on_it(
        self, client: httpx.AsyncClient, world: World
    ) -> None:
        line = [person(f"{n:03}", manager_external_id=f"{n + 1:03}" if n < 999 else None) for n in range(1000)]
        await sync(client, *line)
        before = await footprint(world)

        circles = await sync(client, *(person(f"{n:03}", manager_external_id=f"{n - 1:03}") for n in range(1, 999)))
        names = await sync(client, *(person(f"{n:03}", user_name=f"{n + 1:03}") for n in range(999)))

        assert (circles["rejected"], names["rejected"]) == (998, 999)
        assert await footprint(world) == before

    async def test_two_requests_at_once_close_none(self, client: httpx.AsyncClient) -> None:
        for n in range(5):
            top, left, right = f"{n}-x", f"{n}-y", f"{n}-z"
            await sync(
                client,
                *(person(f"{key}1") for key in (top, left, right)),
                *(person(f"{key}2", manager_external_id=f"{key}1") for key in (top, left, right)),
            )
            answers = await asyncio.gather(
                sync(client, person(f"{top}1", manager_external_id=f"{left}2")),
                sync(client, person(f"{left}1", manager_external_id=f"{right}2")),
                sync(client, person(f"{right}1", manager_external_id=f"{top}2")),
            )
            assert sorted(statuses(answer)[0] for answer in answers) == ["rejected", "updated", "updated"]
        await assert_no_circle(client)
