"""Employees one at a time: the directory, who sees whom, and what follows when somebody leaves or comes back."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import AuditEntry, OutgoingEvent, TeamMember
from app.services import matching
from tests.employees import URL, add, change, names
from tests.world import World, etag


async def written(world: World, employee_id: Any) -> tuple[int, int]:
    """Return how many audit entries and outgoing events there are about one person."""

    def count(session: Session) -> tuple[int, int]:
        found = [
            session.scalar(
                select(func.count())
                .select_from(model)
                .where(model.organisation_id == world.id, model.resource_id == UUID(str(employee_id)))
            )
            for model in (AuditEntry, OutgoingEvent)
        ]
        return found[0] or 0, found[1] or 0

    counts: tuple[int, int] = await world.run(count)
    return counts


class TestCreate:
    async def test_answers_what_was_made_where_it_is_and_its_version(self, client: httpx.AsyncClient) -> None:
        response = await client.post(URL, json={"user_name": "Ada", "display_name": "Ada B", "email": "A@b.example"})

        assert response.status_code == 201
        made = response.json()
        assert response.headers["Location"] == f"{URL}/{made['id']}"
        assert response.headers["ETag"] == '"1"'
        assert made["active"] is True
        assert (await client.get(response.headers["Location"])).json() == made

    async def test_a_taken_user_name_is_a_conflict_in_any_case(self, client: httpx.AsyncClient) -> None:
        response = await client.post(URL, json={"user_name": "AMIRA", "display_name": "Another"})

        assert response.status_code == 409
        assert response.json()["code"] == "already_exists"
        assert "user name" in response.json()["detail"]

    async def test_a_taken_external_id_is_a_conflict(self, client: httpx.AsyncClient) -> None:
        body = {"user_name": "new", "display_name": "New", "external_id": "hr-amira"}
        response = await client.post(URL, json=body)

        assert response.status_code == 409
        assert response.json()["code"] == "already_exists"
        assert "external id" in response.json()["detail"]

    @pytest.mark.parametrize(
        ("fields", "pointer", "code"),
        [
            ({"user_name": None}, "/user_name", "string_type"),
            ({"display_name": " "}, "/display_name", "value_error"),
            ({"user_name": "\ufdfa" * 200}, "/user_name", "value_error"),
            ({"email": "a@" + "㌀" * 250}, "/email", "value_error"),
            ({"active": False}, "/active", "extra_forbidden"),
            ({"time_zone": "Nowhere"}, "/time_zone", "value_error"),
            ({"manager_id": str(uuid4())}, "/manager_id", "unknown_reference"),
            ({"service_area_id": str(uuid4())}, "/service_area_id", "unknown_reference"),
        ],
    )
    async def test_a_bad_form_names_the_field(
        self, client: httpx.AsyncClient, fields: dict[str, Any], pointer: str, code: str
    ) -> None:
        response = await client.post(URL, json={"user_name": "new", "display_name": "New", **fields})

        assert response.status_code == 422
        assert [(each["pointer"], each["code"]) for each in response.json()["errors"]] == [(pointer, code)]

    async def test_another_organisations_manager_is_unknown(self, client: httpx.AsyncClient, elsewhere: World) -> None:
        body = {"user_name": "new", "display_name": "New", "manager_id": str(elsewhere.people["theo"])}
        response = await client.post(URL, json=body)

        assert response.status_code == 422
        assert response.json()["errors"][0]["code"] == "unknown_reference"

    async def test_new_people_and_new_names_are_matched_with_call_events(
        self, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[set[str]] = []
        monkeypatch.setattr(
            matching, "attach_named", lambda _session, _caller, names: asked.append({name for name in names if name})
        )
        ada = await add(client, "ada", external_id="hr-ada")

        await change(client, ada["id"], title="Agent")
        assert asked == [{"ada", "hr-ada"}]
        await change(client, ada["id"], employee_number="7")
        assert asked == [{"ada", "hr-ada"}, {"ada", "hr-ada", "7"}]


class TestUpdate:
    async def test_changes_what_is_given_and_clears_what_is_null(self, client: httpx.AsyncClient, world: World) -> None:
        ada = await add(client, "ada", title="Agent", department="Advice", email="ada@harbour.example")

        response = await client.patch(
            f"{URL}/{ada['id']}", json={"title": "Senior agent", "department": None}, headers=etag(ada)
        )

        assert response.status_code == 200
        assert response.headers["ETag"] == '"2"'
        changed = response.json()
        expected = {"title": "Senior agent", "department": None, "version": 2, "updated_at": changed["updated_at"]}
        assert changed == {**ada, **expected}
        assert await written(world, ada["id"]) == (2, 2)

    async def test_what_changes_nothing_writes_nothing(self, client: httpx.AsyncClient, world: World) -> None:
        ada = await add(client, "ada", title="Agent")

        response = await change(client, ada["id"], title="Agent", manager_id=None)

        assert response.json() == ada
        assert await written(world, ada["id"]) == (1, 1)

    async def test_a_lost_update_is_refused(self, client: httpx.AsyncClient) -> None:
        ada = await add(client, "ada")
        first = await client.patch(f"{URL}/{ada['id']}", json={"title": "One"}, headers=etag(ada))
        second = await client.patch(f"{URL}/{ada['id']}", json={"title": "Two"}, headers=etag(ada))

        assert (first.status_code, second.status_code) == (200, 412)
        assert (await client.get(f"{URL}/{ada['id']}")).json()["title"] == "One"

    async def test_the_version_must_be_named(self, client: httpx.AsyncClient) -> None:
        ada = await add(client, "ada")

        assert (await client.patch(f"{URL}/{ada['id']}", json={"title": "One"})).status_code == 428

    @pytest.mark.parametrize("field", ["user_name", "display_name"])
    async def test_null_cannot_clear_what_is_needed(self, client: httpx.AsyncClient, field: str) -> None:
        ada = await add(client, "ada")

        response = await change(client, ada["id"], **{field: None})

        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == f"/{field}"

    async def test_a_taken_name_is_a_conflict(self, client: httpx.AsyncClient) -> None:
        ada = await add(client, "ada")

        for fields in ({"user_name": "Amira"}, {"external_id": "hr-amira"}):
            response = await change(client, ada["id"], **fields)
            assert (response.status_code, response.json()["code"]) == (409, "already_exists")

    async def test_who_is_signed_in_by_the_new_name(self, client: httpx.AsyncClient, world: World) -> None:
        await change(client, world.people["amira"], user_name="Amira.N")

        assert (await world.person("amira").get("/v1/organisation")).status_code == 401
        assert (await world.person("AMIRA.n").get("/v1/organisation")).status_code == 200


class TestManagers:
    async def test_nobody_manages_themself(self, client: httpx.AsyncClient) -> None:
        ada = await add(client, "ada")

        response = await change(client, ada["id"], manager_id=ada["id"])

        assert (response.status_code, response.json()["code"]) == (409, "own_manager")

    async def test_a_circle_is_refused_however_long(self, client: httpx.AsyncClient) -> None:
        people = [{"external_id": f"{n:03}", "display_name": "P"} for n in range(150)]
        for n, person in enumerate(people[1:]):
            person["manager_external_id"] = f"{n:03}"
        answer = (await client.post(f"{URL}/batch", json={"employees": people})).json()
        first, last = answer["results"][0]["id"], answer["results"][-1]["id"]

        refused = await change(client, first, manager_id=last)

        assert (refused.status_code, refused.json()["code"]) == (409, "manager_cycle")
        assert (await client.get(f"{URL}/{first}")).json()["manager_id"] is None
        assert (await change(client, last, manager_id=first)).status_code == 200

    async def test_two_requests_at_once_close_none(self, client: httpx.AsyncClient) -> None:
        for n in range(5):
            top, other = await add(client, f"x{n}"), await add(client, f"y{n}")
            below = await add(client, f"xx{n}", manager_id=top["id"])
            below_other = await add(client, f"yy{n}", manager_id=other["id"])
            answers = await asyncio.gather(
                change(client, top["id"], manager_id=below_other["id"]),
                change(client, other["id"], manager_id=below["id"]),
            )
            assert sorted(answer.status_code for answer in answers) == [200, 409]

    async def test_a_name_that_would_make_somebody_their_own_manager_is_refused(
        self, client: httpx.AsyncClient
    ) -> None:
        people = [
            {"external_id": "a", "display_name": "A", "manager_external_id": "z"},
            {"external_id": "b", "display_name": "B", "manager_external_id": "a"},
        ]
        answer = (await client.post(f"{URL}/batch", json={"employees": people})).json()
        a, b = (result["id"] for result in answer["results"])

        own = await change(client, a, external_id="z")
        circle = await change(client, b, external_id="z")
        new = await client.post(URL, json={"user_name": "z", "display_name": "Z", "external_id": "z", "manager_id": b})

        assert (own.status_code, own.json()["code"]) == (409, "own_manager")
        assert (circle.status_code, circle.json()["code"]) == (409, "manager_cycle")
        assert (new.status_code, new.json()["code"]) == (409, "manager_cycle")

    async def test_one_set_by_hand_ends_the_waiting(self, client: httpx.AsyncClient, world: World) -> None:
        person = {"external_id": "a", "display_name": "A", "manager_external_id": "z"}
        answer = (await client.post(f"{URL}/batch", json={"employees": [person]})).json()

        changed = await change(client, answer["results"][0]["id"], manager_id=str(world.people["theo"]))

        assert changed.json()["manager_external_id"] is None
        assert changed.json()["manager_id"] == str(world.people["theo"])


class TestComingAndGoing:
    async def test_access_ends_with_the_next_request_and_memberships_stay(
        self, hana: httpx.AsyncClient, amira: httpx.AsyncClient, world: World
    ) -> None:
        assert (await amira.get("/v1/organisation")).status_code == 200

        response = await hana.post(f"{URL}/{world.people['amira']}/deactivate", json={"reason": "Left for Leeds."})

        assert response.status_code == 200
        assert response.json()["active"] is False
        assert response.json()["deactivated_at"] is not None
        assert (await amira.get("/v1/organisation")).status_code == 401

        def memberships(session: Session) -> int:
            query = select(func.count()).where(
                TeamMember.organisation_id == world.id, TeamMember.employee_id == world.people["amira"]
            )
            return session.scalar(query) or 0

        assert await world.run(memberships) == 1

    async def test_twice_is_the_same_answer(self, client: httpx.AsyncClient, world: World) -> None:
        amira = world.people["amira"]
        for verb in ("deactivate", "reactivate"):
            first = await client.post(f"{URL}/{amira}/{verb}")
            before = await written(world, amira)
            second = await client.post(f"{URL}/{amira}/{verb}", json={"reason": "Again."})

            assert (first.status_code, second.status_code) == (200, 200)
            assert second.json() == first.json()
            assert await written(world, amira) == before

    async def test_who_comes_back_is_as_before(
        self, client: httpx.AsyncClient, amira: httpx.AsyncClient, world: World
    ) -> None:
        url = f"{URL}/{world.people['amira']}"
        before = (await client.get(url)).json()
        await client.post(f"{url}/deactivate")

        after = (await client.post(f"{url}/reactivate")).json()

        assert after == {**before, "version": after["version"], "updated_at": after["updated_at"]}
        assert after["version"] == before["version"] + 2
        assert (await amira.get("/v1/organisation")).status_code == 200

    async def test_a_stale_version_is_refused_when_named(self, client: httpx.AsyncClient, world: World) -> None:
        url = f"{URL}/{world.people['amira']}"

        refused = await client.post(f"{url}/deactivate", headers={"If-Match": '"99"'})

        assert refused.status_code == 412
        assert (await client.get(url)).json()["active"] is True

    async def test_says_which_of_the_two_is_open(self, client: httpx.AsyncClient, world: World) -> None:
        url = f"{URL}/{world.people['amira']}"
        here = (await client.get(url)).json()["allowed_actions"]
        gone = (await client.post(f"{url}/deactivate")).json()["allowed_actions"]

        assert (here, gone) == (["update", "deactivate"], ["update", "reactivate"])

    async def test_the_history_says_who_when_and_why(self, hana: httpx.AsyncClient, world: World) -> None:
        url = f"{URL}/{world.people['amira']}"
        await change(hana, world.people["amira"], title="Agent")
        await change(hana, world.people["theo"], title="Lead")
        await hana.post(f"{url}/deactivate", json={"reason": "Left for Leeds."})
        await hana.post(f"{url}/reactivate")

        history = (await hana.get(f"{url}/history")).json()["data"]

        assert [(entry["action"], entry["details"]) for entry in history] == [
            ("employee.reactivated", {}),
            ("employee.deactivated", {"reason": "Left for Leeds."}),
            ("employee.updated", {"fields": ["title"]}),
        ]
        assert {(entry["actor_kind"], entry["actor_id"]) for entry in history} == {
            ("person", str(world.people["hana"]))
        }
        first = (await hana.get(f"{url}/history", params={"limit": 2})).json()
        second = (await hana.get(f"{url}/history", params={"limit": 2, "cursor": first["next_cursor"]})).json()
        assert first["data"] + second["data"] == history


class TestLists:
    async def test_filters(self, client: httpx.AsyncClient, world: World) -> None:
        area = (await client.post("/v1/service-areas", json={"name": "Advice"})).json()
        await change(client, world.people["grace"], service_area_id=area["id"])
        await client.post(f"{URL}/{world.people['ines']}/deactivate")

        assert await names(client, active=False) == ["ines"]
        assert "ines" not in await names(client, active=True)
        assert await names(client, external_id="hr-amira") == ["amira"]
        assert await names(client, external_id="HR-amira") == []
        assert await names(client, user_name="AMIRA") == ["amira"]
        assert await names(client, manager_id=str(world.people["theo"])) == ["amira"]
        assert await names(client, service_area_id=area["id"]) == ["grace"]
        assert await names(client, team_id=str(world.team_id)) == ["amira"]
        assert await names(client, team_id=str(world.team_id), active=False) == []
        assert (await client.get(URL, params={"shoe_size": 7})).status_code == 422
        assert (await client.get(URL, params={"manager_id": "theo"})).status_code == 422

    @pytest.mark.parametrize("sort", ["user_name", "-user_name", "display_name", "-display_name", "id", "-id"])
    async def test_pages_are_complete_in_every_order(self, client: httpx.AsyncClient, sort: str) -> None:
        for name in ("Zoe", "zed", "Öz", "alba", "Ärger", "ALF"):
            await add(client, name)
        whole = (await client.get(URL, params={"sort": sort, "limit": 200})).json()["data"]

        pages: list[dict[str, Any]] = []
        query: dict[str, Any] = {"sort": sort, "limit": 2}
        for _ in range(7):
            page = (await client.get(URL, params=query)).json()
            pages += page["data"]
            query["cursor"] = page["next_cursor"]

        assert query["cursor"] is None
        assert len(whole) == 13
        assert [each["id"] for each in pages] == [each["id"] for each in whole]

    async def test_a_sync_polls_for_what_changed(self, client: httpx.AsyncClient, world: World) -> None:
        watermark = (await client.get(URL)).json()["next_watermark"]
        assert await names(client, modified_since=watermark) == []

        await change(client, world.people["amira"], title="Agent")
        await client.post(f"{URL}/batch", json={"employees": [{"external_id": "a", "display_name": "A"}]})

        assert await names(client, modified_since=watermark) == ["amira", "a"]
        assert await names(client, modified_since="2026-01-01T00:00:00Z") == ["amira", "a"]

    async def test_streams_json_lines(self, client: httpx.AsyncClient, theo: httpx.AsyncClient, world: World) -> None:
        people = [{"external_id": f"{n:04}", "display_name": "P"} for n in range(1000)]
        await client.post(f"{URL}/batch", json={"employees": people})

        response = await client.get(URL, headers={"Accept": "application/jsonl"})
        few = await theo.get(URL, params={"sort": "user_name"}, headers={"Accept": "application/jsonl"})

        lines = [json.loads(line) for line in response.text.splitlines()]
        assert response.headers["Content-Type"].startswith("application/jsonl")
        assert len({line["id"] for line in lines}) == len(lines) == 1000 + len(world.people)
        assert [json.loads(line)["user_name"] for line in few.text.splitlines()] == ["amira", "theo"]
