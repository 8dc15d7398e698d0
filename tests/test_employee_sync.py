"""The HR sync without SCIM: a batch of people, upserted by external id."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from app.auth import Caller
from app.database import Database
from app.services import matching
from tests.hr import URL, faults, find, footprint, person, statuses, sync, trail
from tests.world import World


@pytest.fixture
def attached(monkeypatch: pytest.MonkeyPatch) -> list[list[UUID]]:
    """The calls of ``matching.attach``, with the employees of each."""
    calls: list[list[UUID]] = []

    def attach(_session: Session, _caller: Caller, ids: Collection[UUID]) -> int:
        calls.append(list(ids))
        return 0

    monkeypatch.setattr(matching, "attach", attach)
    return calls


@pytest.fixture
def statements(database: Database) -> Any:
    """The statements sent to the database from here on; several rows of one insert count once."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        sent.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    yield sent
    event.remove(database.engine.sync_engine, "before_cursor_execute", note)


class TestUpsert:
    async def test_says_what_became_of_each_item_in_order(self, client: httpx.AsyncClient, world: World) -> None:
        await sync(client, person("a", title="Agent"), person("b"))

        answer = await sync(
            client, person("b"), {"external_id": "x"}, person("a", title="Senior agent"), person("c"), 7
        )

        assert statuses(answer) == ["unchanged", "rejected", "updated", "created", "rejected"]
        assert [result["index"] for result in answer["results"]] == [0, 1, 2, 3, 4]
        assert [result["external_id"] for result in answer["results"]] == ["b", "x", "a", "c", None]
        assert answer["results"][2]["changed"] == ["title"]
        counts = {name: answer[name] for name in ("created", "updated", "unchanged", "rejected")}
        assert counts == {"created": 1, "updated": 1, "unchanged": 1, "rejected": 2}
        assert answer["results"][3]["id"] == (await find(client, "c"))["id"]
        assert await trail(world, answer["results"][2]["id"]) == [
            ("employee.created", {}),
            ("employee.updated", {"fields": ["title"]}),
        ]

    async def test_keeps_what_is_absent_and_clears_what_is_null(self, client: httpx.AsyncClient) -> None:
        everything = {
            "user_name": "Ada",
            "employee_number": "7",
            "given_name": "Ada",
            "family_name": "Byron",
            "email": "Ada@harbour.example",
            "title": "Agent",
            "department": "Advice",
            "division": "North",
            "cost_center": "C1",
            "employment_status": "Active",
            "locale": "en-GB",
            "time_zone": "Europe/London",
            "hired_on": "2020-01-31",
            "left_on": "2030-01-31",
        }
        await sync(client, person("a", **everything))
        assert everything.items() <= (await find(client, "a")).items()

        kept = await sync(client, {"external_id": "a"})
        cleared = await sync(client, {"external_id": "a", **dict.fromkeys(everything.keys() - {"user_name"})})

        assert statuses(kept) == ["unchanged"]
        assert cleared["results"][0]["changed"] == sorted(everything.keys() - {"user_name"})
        assert {value for name, value in (await find(client, "a")).items() if name in everything} == {"Ada", None}

    async def test_unchanged_writes_nothing(
        self, client: httpx.AsyncClient, world: World, attached: list[list[UUID]]
    ) -> None:
        people = [
            person("boss", service_area="Advice line"),
            person("a", manager_external_id="boss", email="A@harbour.example", service_area="advice LINE"),
            person("b", manager_external_id="not here"),
            person("gone", active=False),
        ]
        await sync(client, *people)
        before = await footprint(world)
        attached.clear()

        answer = await sync(client, *people, mode="complete")

        assert statuses(answer) == ["unchanged"] * 4
        assert answer["results"][2]["manager_awaited"] is True
        assert await footprint(world) == before
        assert attached == []

    async def test_a_dry_run_says_the_same_and_changes_nothing(self, client: httpx.AsyncClient, world: World) -> None:
        await sync(client, person("a", user_name="ada"), person("gone"), person("left", active=False))
        batch = [
            person("a", title="Agent", manager_external_id="new", service_area="Advice line"),
            person("new", user_name="ADA"),
            person("newer", manager_external_id="nobody yet"),
            person("left"),
            {"external_id": "a"},
            person("own", manager_external_id="own"),
        ]
        options = {"mode": "complete", "after": "a ", "deactivate_missing": True}
        before = await footprint(world)

        dry = await sync(client, *batch, **options, dry_run=True)
        assert await footprint(world) == before
        real = await sync(client, *batch, **options)

        assert statuses(real) == ["rejected", "rejected", "created", "updated", "rejected", "rejected"]
        assert [each["external_id"] for each in real["missing"] if each["deactivated"]] == [
            "gone",
            *(f"hr-{name}" for name in sorted(world.people)),
        ]
        for result in real["results"]:
            if result["status"] == "created":
                result["id"] = None
        assert dry == {**real, "dry_run": True}

    async def test_a_replay_gives_the_same_results(self, client: httpx.AsyncClient, world: World) -> None:
        body = {"employees": [person("a"), person("b", title=7)]}

        first = await client.post(URL, json=body, headers={"Idempotency-Key": "run-1"})
        before = await footprint(world)
        second = await client.post(URL, json=body, headers={"Idempotency-Key": "run-1"})

        assert second.json() == first.json()
        assert statuses(second.json()) == ["created", "rejected"]
        assert second.headers["Idempotency-Replayed"] == "true"
        assert await footprint(world) == before

    async def test_attaches_once_for_all_who_are_new_or_known_by_another_name(
        self, client: httpx.AsyncClient, attached: list[list[UUID]]
    ) -> None:
        first = await sync(client, person("a"), person("b"), person("c"))
        second = await sync(client, person("a", email="a@harbour.example"), person("b", title="Agent"), person("d"))

        assert [{str(id_) for id_ in ids} for ids in attached] == [
            {result["id"] for result in first["results"]},
            {second["results"][0]["id"], second["results"][2]["id"]},
        ]

    async def test_more_than_a_thousand_are_refused_as_a_whole(self, client: httpx.AsyncClient) -> None:
        response = await client.post(URL, json={"employees": [person(str(n)) for n in range(1001)]})

        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == "/employees"

    async def test_a_thousand_are_a_fixed_number_of_statements(
        self, client: httpx.AsyncClient, statements: list[str]
    ) -> None:
        people = [
            person(f"{n:04}", manager_external_id=f"{n // 10:04}" if n else None, service_area=f"Line {n % 7}")
            for n in range(1000)
        ]
        answer = await sync(client, *people)
        created = len(statements)
        statements.clear()
        again = await sync(client, *people)
        unchanged = len(statements)
        statements.clear()
        moved = await sync(client, *({**each, "title": f"Title {n}"} for n, each in enumerate(people)))

        assert (answer["created"], again["unchanged"], moved["updated"]) == (1000, 1000, 1000)
        assert created <= 20
        assert unchanged <= 7
        assert len(statements) <= 9


class TestBadItems:
    @pytest.mark.parametrize(
        ("bad", "expected"),
        [
            (None, {("/", "model_type")}),
            ("a", {("/", "model_type")}),
            ([["external_id", "bad"]], {("/", "model_type")}),
            ({}, {("/external_id", "missing")}),
            ({"external_id": 7, "display_name": "B"}, {("/external_id", "string_type")}),
            ({"external_id": " ", "display_name": "B"}, {("/external_id", "string_pattern_mismatch")}),
            (person("bad", display_name=None), {("/display_name", "string_type")}),
            ({"external_id": "bad"}, {("/display_name", "missing")}),
            (person("bad", user_name=""), {("/user_name", "value_error")}),
            (person("bad", title="x" * 201), {("/title", "string_too_long")}),
            (person("bad", user_name="\ufdfa" * 200), {("/user_name", "value_error")}),
            (person("bad", active="false"), {("/active", "bool_type")}),
            (person("bad", active=0), {("/active", "bool_type")}),
            (person("bad", active=None), {("/active", "bool_type")}),
            (person("bad", hired_on="31.01.2020"), {("/hired_on", "date_from_datetime_parsing")}),
            (person("bad", hired_on=20200131), {("/hired_on", "value_error")}),
            (person("bad", email="nobody"), {("/email", "string_pattern_mismatch")}),
            (person("bad", time_zone="Mars/Olympus"), {("/time_zone", "value_error")}),
            (person("bad", salary=1), {("/salary", "extra_forbidden")}),
            (person("bad", id="0"), {("/id", "extra_forbidden")}),
            (person("bad", path=1, query=[]), {("/path", "extra_forbidden"), ("/query", "extra_forbidden")}),
            (person("bad", **{f"f{n}": 1 for n in range(200)}), {("/", "too_many_fields")}),
            (person("bad", title={"a": [1.5, 10**400]}), {("/title", "string_type")}),
            (person("bad\x00"), {("/", "model_type")}),
            (person("bad", title="\ud800"), {("/", "model_type")}),
            (person("bad", **{"\x00": 1}), {("/", "model_type")}),
            (person("bad", manager_external_id="bad"), {("/manager_external_id", "own_manager")}),
        ],
    )
    async def test_one_bad_item_never_sinks_a_batch(
        self, client: httpx.AsyncClient, bad: Any, expected: set[tuple[str, str]]
    ) -> None:
        answer = await sync(client, person("a"), bad, person("b", manager_external_id="bad"))

        assert statuses(answer) == ["created", "rejected", "created"]
        assert faults(answer, 1) == expected
        assert answer["results"][1]["id"] is None
        assert answer["results"][2]["manager_awaited"] is True

    async def test_no_input_is_echoed(self, client: httpx.AsyncClient) -> None:
        answer = await sync(client, person("a", title=["canary-1"], email="canary-2", **{"canary 3": 1}))

        assert statuses(answer) == ["rejected"]
        assert "canary" not in str(answer)

    async def test_the_second_of_two_items_about_one_person_is_rejected(self, client: httpx.AsyncClient) -> None:
        answer = await sync(client, person("a", title="First"), person("a", title="Second"))

        assert statuses(answer) == ["created", "rejected"]
        assert faults(answer, 1) == {("/external_id", "duplicate_external_id")}
        assert (await find(client, "a"))["title"] == "First"

    async def test_a_batch_that_is_no_batch_is_refused(self, client: httpx.AsyncClient) -> None:
        bodies: tuple[Any, ...] = (
            {},
            {"employees": {}},
            {"employees": [], "mode": "x"},
            {"employees": [], "run": 1},
            [],
        )
        for body in bodies:
            assert (await client.post(URL, json=body)).status_code == 422


class TestUserNames:
    async def test_are_unique_without_regard_to_case_also_within_a_batch(self, client: httpx.AsyncClient) -> None:
        answer = await sync(
            client,
            person("a", user_name="Straße"),
            person("b", user_name="STRASSE"),
            person("c", user_name="AMIRA"),
            person("d"),
        )

        assert statuses(answer) == ["created", "rejected", "rejected", "created"]
        assert faults(answer, 1) == faults(answer, 2) == {("/user_name", "already_exists")}

    async def test_a_new_person_without_one_gets_the_external_id(self, client: httpx.AsyncClient) -> None:
        answer = await sync(client, person("a"), person("AMIRA"))

        assert (await find(client, "a"))["user_name"] == "a"
        assert faults(answer, 1) == {("/user_name", "already_exists")}

    async def test_another_case_of_ones_own_is_a_change(self, client: httpx.AsyncClient) -> None:
        await sync(client, person("a", user_name="ada"))

        answer = await sync(client, person("a", user_name="Ada"))

        assert answer["results"][0]["changed"] == ["user_name"]

    async def test_can_be_swapped_and_handed_on_within_a_batch(self, client: httpx.AsyncClient) -> None:
        await sync(client, person("a", user_name="x"), person("b", user_name="y"), person("c", user_name="z"))

        answer = await sync(
            client,
            person("d", user_name="Z"),
            person("a", user_name="y"),
            person("b", user_name="X"),
            person("c", user_name="w"),
        )

        assert statuses(answer) == ["created", "updated", "updated", "updated"]
        assert [(await find(client, key))["user_name"] for key in "abcd"] == ["y", "X", "w", "Z"]
        assert (await client.get("/v1/employees", params={"user_name": "x"})).json()["data"][0]["external_id"] == "b"

    async def test_are_not_free_when_their_holder_is_rejected(self, client: httpx.AsyncClient) -> None:
        await sync(client, person("a", user_name="x"), person("b", user_name="y"), person("c", user_name="z"))

        answer = await sync(client, person("c", user_name="x"), person("a", user_name="y"), person("b", salary=1))

        assert statuses(answer) == ["rejected", "rejected", "rejected"]
        assert faults(answer, 0) == faults(answer, 1) == {("/user_name", "already_exists")}


class TestServiceAreas:
    async def test_are_made_where_new_and_found_without_regard_to_case(
        self, client: httpx.AsyncClient, world: World
    ) -> None:
        answer = await sync(
            client,
            person("a", service_area="Legal advice"),
            person("b", service_area="LEGAL ADVICE"),
            person("c", service_area="Debt", salary=1),
        )

        (area,) = (await client.get("/v1/service-areas")).json()["data"]
        assert area["name"] == "Legal advice"
        assert statuses(answer) == ["created", "created", "rejected"]
        assert [(await find(client, key))["service_area_id"] for key in "ab"] == [area["id"]] * 2
        history = (await client.get(f"/v1/service-areas/{area['id']}/history")).json()["data"]
        assert [entry["action"] for entry in history] == ["service_area.created"]

    async def test_are_kept_when_absent_and_cleared_when_null(self, client: httpx.AsyncClient) -> None:
        await sync(client, person("a", service_area="Debt"))

        kept = await sync(client, person("a"))
        cleared = await sync(client, person("a", service_area=None))

        assert statuses(kept) == ["unchanged"]
        assert cleared["results"][0]["changed"] == ["service_area_id"]


class TestWhoMay:
    async def test_an_hr_administrator_and_a_client_with_the_scope(self, hana: httpx.AsyncClient, world: World) -> None:
        await sync(hana, person("a"))
        await sync(await world.client("employees:write"), person("b"))

    async def test_nobody_else(self, world: World, stranger: httpx.AsyncClient) -> None:
        body = {"employees": [person("a")]}
        for name in ("amira", "theo", "noor", "ines", "jonas"):
            assert (await world.person(name).post(URL, json=body)).status_code == 403
        assert (await (await world.client("employees:read")).post(URL, json=body)).status_code == 403
        assert (await stranger.post(URL, json=body)).status_code == 401

    async def test_never_another_organisations_people(
        self, client: httpx.AsyncClient, mallory: httpx.AsyncClient, elsewhere: World
    ) -> None:
        await sync(client, person("a"), person("boss"))
        before = await find(client, "a")

        answer = await sync(mallory, person("a", manager_external_id="boss", user_name="a"), mode="complete")

        assert statuses(answer) == ["created"]
        assert answer["results"][0]["manager_awaited"] is True
        assert answer["missing_count"] == len(elsewhere.people)
        assert await find(client, "a") == before
