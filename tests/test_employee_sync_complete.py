"""The HR sync: who leaves, who comes back, and who is missing from a complete list."""

from typing import Any

import httpx
import pytest

from tests.hr import URL, faults, find, footprint, person, statuses, sync, trail
from tests.world import World


class TestComingAndGoing:
    async def test_a_leaver_is_deactivated_and_kept(self, client: httpx.AsyncClient, world: World) -> None:
        await sync(client, person("a", user_name="ada"))
        ada = world.person("ada")
        assert (await ada.get("/v1/organisation")).status_code == 200

        answer = await sync(client, person("a", active=False, left_on="2026-01-31"))

        found = await find(client, "a")
        assert answer["results"][0]["changed"] == ["active", "left_on"]
        assert found["active"] is False
        assert found["deactivated_at"] is not None
        assert (await ada.get("/v1/organisation")).status_code == 401
        assert (await trail(world, found["id"]))[1:] == [
            ("employee.updated", {"fields": ["left_on"]}),
            ("employee.deactivated", {"reason": "The HR system says that they left."}),
        ]

    async def test_who_comes_back_is_reactivated_with_their_history(
        self, client: httpx.AsyncClient, world: World
    ) -> None:
        await sync(client, person("a"))
        await sync(client, person("a", active=False))

        answer = await sync(client, {"external_id": "a"})

        found = await find(client, "a")
        assert answer["results"][0]["changed"] == ["active"]
        assert (found["active"], found["deactivated_at"]) == (True, None)
        history = (await client.get(f"/v1/employees/{found['id']}/history")).json()["data"]
        assert [entry["action"] for entry in history] == [
            "employee.reactivated",
            "employee.deactivated",
            "employee.created",
        ]
        assert history[0]["details"]["reason"] == "The HR system names them again."

    async def test_a_new_person_may_have_left_already(self, client: httpx.AsyncClient, world: World) -> None:
        answer = await sync(client, person("a", active=False))

        assert (await find(client, "a"))["active"] is False
        assert await trail(world, answer["results"][0]["id"]) == [("employee.created", {})]


class TestComplete:
    async def test_reports_who_is_missing_and_leaves_them(self, client: httpx.AsyncClient, world: World) -> None:
        await sync(client, person("a"), person("b"), person("c", active=False))
        await client.post("/v1/employees", json={"user_name": "hand-made", "display_name": "No HR key"})

        answer = await sync(client, person("a"), mode="complete")

        expected = ["b", *sorted(f"hr-{name}" for name in world.people)]
        assert [each["external_id"] for each in answer["missing"]] == expected
        assert answer["missing_count"] == len(expected)
        assert not any(each["deactivated"] for each in answer["missing"])
        nobody = await sync(client, mode="complete")
        assert nobody["missing_count"] == len(expected) + 1
        assert (await find(client, "b"))["active"] is True

    async def test_deactivates_them_only_when_asked(self, client: httpx.AsyncClient, world: World) -> None:
        await sync(client, person("a"), person("b"))
        hand_made = await client.post("/v1/employees", json={"user_name": "hand-made", "display_name": "No HR key"})

        await sync(client, person("a"), mode="complete", deactivate_missing=True)

        active = (await client.get("/v1/employees", params={"active": True})).json()["data"]
        assert {each["id"] for each in active} == {(await find(client, "a"))["id"], hand_made.json()["id"]}
        gone = await find(client, "b")
        assert await trail(world, gone["id"]) == [
            ("employee.created", {}),
            ("employee.deactivated", {"reason": "A complete list of the HR system does not name them."}),
        ]
        again = await sync(client, person("a"), mode="complete", deactivate_missing=True)
        assert again["missing"] == []

    async def test_a_rejected_item_is_not_missing(self, client: httpx.AsyncClient) -> None:
        await sync(client, person("a"), person("b"), person("c"))

        answer = await sync(client, person("a", salary=1), person("b", user_name="amira"), mode="complete", through="c")

        assert [each["external_id"] for each in answer["missing"]] == ["c"]

    async def test_nobody_is_deactivated_while_an_item_may_be_anybody(self, client: httpx.AsyncClient) -> None:
        await sync(client, person("a"), person("b"))

        answer = await sync(
            client, person("a"), {"external_id": 7}, mode="complete", through="b", deactivate_missing=True
        )

        assert [(each["external_id"], each["deactivated"]) for each in answer["missing"]] == [("b", False)]
        assert (await find(client, "b"))["active"] is True

    async def test_speaks_of_a_range_so_that_many_people_fit_in_many_batches(self, client: httpx.AsyncClient) -> None:
        keys = ["A", "B", "a", "b", "é", "𝒳"]
        await sync(client, *(person(key, user_name=f"n{n}") for n, key in enumerate([*keys, "Ab", "ab", "z", "𝒴"])))

        ends = [None, "B", "b", None]
        missing = []
        for after, through, part in zip(ends, ends[1:], (keys[:2], keys[2:4], keys[4:]), strict=False):
            answer = await sync(
                client,
                *({"external_id": key} for key in part),
                mode="complete",
                after=after,
                through=through,
            )
            assert statuses(answer) == ["unchanged"] * len(part)
            missing.append([each["external_id"] for each in answer["missing"] if "hr-" not in each["external_id"]])

        assert missing == [["Ab"], ["ab"], ["z", "𝒴"]]

    async def test_who_is_outside_the_range_is_rejected(self, client: httpx.AsyncClient) -> None:
        answer = await sync(
            client, person("a"), person("b"), person("c"), person("d"), mode="complete", after="a", through="c"
        )

        assert statuses(answer) == ["rejected", "created", "created", "rejected"]
        assert faults(answer, 0) == {("/external_id", "outside_range")}

    @pytest.mark.parametrize(
        "options",
        [
            {"deactivate_missing": True},
            {"after": "a"},
            {"through": "a"},
            {"mode": "complete", "after": "b", "through": "a"},
            {"mode": "complete", "deactivate_missing": True, "employees": []},
        ],
    )
    async def test_options_that_make_no_sense_are_refused(
        self, client: httpx.AsyncClient, options: dict[str, Any]
    ) -> None:
        response = await client.post(URL, json={"employees": [person("a")], **options})

        assert response.status_code == 422

    async def test_more_than_one_batch_can_deactivate_is_a_conflict(
        self, client: httpx.AsyncClient, world: World
    ) -> None:
        await sync(client, *(person(f"{n:04}") for n in range(1000)))
        before = await footprint(world)
        body = {"employees": [person("a")], "mode": "complete", "deactivate_missing": True}

        refused = await client.post(URL, json=body)
        reported = await sync(client, person("0001"), mode="complete")

        assert refused.status_code == 409
        assert refused.json()["code"] == "too_many_missing"
        assert await footprint(world) == before
        assert reported["missing_count"] == 999 + len(world.people)
        assert len(reported["missing"]) == 1000
