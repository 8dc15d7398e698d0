"""Whose call it was: by alias, else by what the directory says; and calls of people who become known later."""

import asyncio
from typing import Any

import httpx
import pytest

from app.intake import canonical
from app.schemas.employee import AgentAliasCreate
from app.services import agent_alias as aliases
from app.services import call_event_intake as intake
from tests.calls import Followed, Held, call, make_source, post, post_batch
from tests.world import World


@pytest.fixture
async def source_id(client: httpx.AsyncClient) -> str:
    return await make_source(client)


async def alias(
    caller: httpx.AsyncClient, world: World, name: str, agent_ref: str, source_id: str | None = None
) -> httpx.Response:
    body = {"agent_ref": agent_ref, "source_id": source_id}
    return await caller.post(f"/v1/employees/{world.people[name]}/agent-aliases", json=body)


async def whose(client: httpx.AsyncClient, world: World, source_id: str, agent_ref: str) -> str | None:
    """Post a call of an agent and return the name of the person whose it is."""
    found = await post(client, call(source_id, agent={"ref": agent_ref}))
    names = {str(person): name for name, person in world.people.items()}
    return None if found["employee_id"] is None else names[found["employee_id"]]


class TestFind:
    async def test_the_directory_is_asked_name_by_name(
        self, client: httpx.AsyncClient, world: World, source_id: str
    ) -> None:
        await world.hire(
            "nadia", external_id="E-77", employee_number="4711", email="n@x.example", email_key="n@x.example"
        )

        for ref in ("E-77", "nadia", "NADIA", "N@X.example", "4711"):
            assert await whose(client, world, source_id, ref) == "nadia", ref
        for ref in ("e-77", "E-7", "nadi", "Nadia Smith"):
            assert await whose(client, world, source_id, ref) is None, ref

    async def test_the_first_that_fits_wins(self, client: httpx.AsyncClient, world: World, source_id: str) -> None:
        other = await make_source(client, "Other")
        await world.hire("by-number", employee_number="seven")
        assert await whose(client, world, source_id, "seven") == "by-number"
        await world.hire("by-mail", email="seven", email_key="seven")
        assert await whose(client, world, source_id, "seven") == "by-mail"
        await world.hire("seven")
        assert await whose(client, world, source_id, "seven") == "seven"
        await world.hire("by-external-id", external_id="seven")
        assert await whose(client, world, source_id, "seven") == "by-external-id"
        await alias(client, world, "grace", "Seven")
        assert await whose(client, world, source_id, "seven") == "grace"
        await alias(client, world, "theo", "SEVEN", source_id)
        assert await whose(client, world, source_id, "seven") == "theo"
        assert await whose(client, world, other, "seven") == "grace"

    async def test_nobody_is_chosen_where_several_fit(
        self, client: httpx.AsyncClient, world: World, source_id: str
    ) -> None:
        await world.hire("one", employee_number="7")
        await world.hire("two", employee_number="7")

        assert await whose(client, world, source_id, "7") is None

    async def test_somebody_who_left_is_still_found(
        self, client: httpx.AsyncClient, world: World, source_id: str
    ) -> None:
        await world.hire("lea", active=False)

        assert await whose(client, world, source_id, "lea") == "lea"

    async def test_names_of_another_organisation_mean_nothing(
        self, client: httpx.AsyncClient, world: World, elsewhere: World, source_id: str
    ) -> None:
        await elsewhere.hire("only-there")

        assert await whose(client, world, source_id, "only-there") is None


class TestAttach:
    async def test_an_alias_attaches_what_was_unmatched_and_signals_follow(
        self, client: httpx.AsyncClient, world: World, source_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = await make_source(client, "Other")
        times = ["2026-03-01T10:00:00Z", "2026-03-04T10:00:00Z"]
        for ended_at in times:
            await post(client, call(source_id, agent={"ref": "Agent 7"}, ended_at=ended_at))
        elsewhere = await post(client, call(other, agent={"ref": "agent 7"}))
        voided = await post(client, call(source_id, agent={"ref": "agent 7"}, ended_at="2026-02-01T10:00:00Z"))
        await client.post(f"/v1/call-events/{voided['id']}/void", json={"reason": "A test call."})
        followed = Followed(monkeypatch)

        response = await alias(client, world, "grace", "AGENT 7", source_id)

        assert response.status_code == 201, response.text
        assert response.json()["attached_call_events"] == 3
        assert followed == [{world.people["grace"]: ("2026-03-01T10:00:00+00:00", "2026-03-04T10:00:00+00:00")}]
        unmatched = (await client.get("/v1/call-events", params={"matched": False})).json()["data"]
        assert [each["id"] for each in unmatched] == [elsewhere["id"]]
        seen = (await world.person("grace").get("/v1/call-events")).json()["data"]
        assert len(seen) == 3
        assert {each["version"] for each in seen} == {2, 3}

        rest = await alias(client, world, "grace", "agent 7")
        assert rest.json()["attached_call_events"] == 4
        listed = (await client.get(f"/v1/employees/{world.people['grace']}/agent-aliases")).json()["data"]
        assert [each["attached_call_events"] for each in listed] == [3, 4]

    async def test_what_is_matched_stays(self, client: httpx.AsyncClient, world: World, source_id: str) -> None:
        event = await post(client, call(source_id))

        await alias(client, world, "grace", "amira")
        later = {"contact_id": event["contact_id"], "as_of": "2026-03-04T12:00:00Z"}
        changed = await post(client, call(source_id, **later))

        assert changed["id"] == event["id"]
        assert changed["employee_id"] == str(world.people["amira"])

    async def test_forgetting_an_alias_leaves_what_it_attached(
        self, client: httpx.AsyncClient, world: World, source_id: str
    ) -> None:
        event = await post(client, call(source_id, agent={"ref": "Agent 7"}))
        made = await alias(client, world, "grace", "Agent 7")

        deleted = await client.delete(made.headers["Location"])

        assert deleted.status_code == 204, deleted.text
        assert (await client.get(f"/v1/call-events/{event['id']}")).json()["employee_id"] == str(world.people["grace"])
        assert await whose(client, world, source_id, "agent 7") is None

    async def test_a_name_means_one_person(self, client: httpx.AsyncClient, world: World, source_id: str) -> None:
        assert (await alias(client, world, "grace", "Agent 7")).status_code == 201
        assert (await alias(client, world, "theo", "AGENT 7")).status_code == 409
        assert (await alias(client, world, "theo", "AGENT 7", source_id)).status_code == 201
        assert (await alias(client, world, "grace", "agent 7", source_id)).status_code == 409

    async def test_its_references_are_checked(
        self, client: httpx.AsyncClient, world: World, mallory: httpx.AsyncClient, amira: httpx.AsyncClient
    ) -> None:
        unknown = "0192f0c1-2b3c-7d4e-8f50-617283940a1b"
        made = await alias(client, world, "grace", "Agent 7")

        assert (await alias(client, world, "grace", "Agent 8", unknown)).status_code == 422
        nobody = await client.post(f"/v1/employees/{unknown}/agent-aliases", json={"agent_ref": "x"})
        assert nobody.status_code == 404
        assert (await alias(mallory, world, "grace", "Agent 9")).status_code == 404
        assert (await alias(amira, world, "amira", "Agent 9")).status_code == 403
        other = f"/v1/employees/{world.people['theo']}/agent-aliases/{made.json()['id']}"
        assert (await client.delete(other)).status_code == 404

    async def test_people_who_come_later_find_their_calls(
        self, client: httpx.AsyncClient, source_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        single = await post(client, call(source_id, agent={"ref": "E-1"}))
        synced = await post(client, call(source_id, agent={"ref": "new@harbour.example"}))
        followed = Followed(monkeypatch)

        created = await client.post(
            "/v1/employees", json={"user_name": "one", "display_name": "One", "external_id": "E-1"}
        )
        batch = await client.post(
            "/v1/employees/batch",
            json={
                "employees": [
                    {"external_id": "E-2", "display_name": "Two", "user_name": "two", "email": "New@Harbour.example"}
                ]
            },
        )

        assert (created.status_code, batch.status_code) == (201, 200)
        for event, person in ((single, created.json()["id"]), (synced, batch.json()["results"][0]["id"])):
            assert (await client.get(f"/v1/call-events/{event['id']}")).json()["employee_id"] == person
        assert len(followed) == 2

    async def test_each_attachment_is_in_the_audit(
        self, client: httpx.AsyncClient, world: World, source_id: str
    ) -> None:
        await post_batch(client, *(call(source_id, agent={"ref": "Agent 7"}) for _ in range(3)))

        await alias(client, world, "grace", "Agent 7")

        entries = (await client.get("/v1/audit-entries", params={"limit": 200})).json()["data"]
        (entry,) = (entry for entry in entries if entry["action"] == "call_event.attached")
        assert entry["details"] == {"count": 3}
        assert entry["subject_id"] == str(world.people["grace"])


class TestSideBySide:
    async def test_an_alias_waits_for_intake_that_does_not_see_it(
        self, client: httpx.AsyncClient, world: World, noor: httpx.AsyncClient
    ) -> None:
        source_id = await make_source(noor)
        taken = canonical.read(call(source_id, agent={"ref": "Agent 7"}))

        held = Held(world, intake.receive, [taken])
        made = await held.while_waiting(alias(client, world, "grace", "Agent 7"))

        assert made.json()["attached_call_events"] == 1

    async def test_intake_waits_for_an_alias_that_does_not_see_it(
        self, client: httpx.AsyncClient, world: World, source_id: str
    ) -> None:
        held = Held(world, aliases.create, world.people["grace"], AgentAliasCreate(agent_ref="Agent 7"))
        found = await held.while_waiting(post(client, call(source_id, agent={"ref": "Agent 7"})))

        assert found["employee_id"] == str(world.people["grace"])

    async def test_no_call_is_missed_by_an_alias_that_is_made_meanwhile(
        self, client: httpx.AsyncClient, world: World, source_id: str
    ) -> None:
        refs = [f"Agent {number}" for number in range(6)]

        def batch() -> Any:
            return client.post(
                "/v1/call-events/batch",
                json={"events": [call(source_id, agent={"ref": ref}) for ref in refs for _ in range(3)]},
            )

        answers = await asyncio.gather(
            *(batch() for _ in range(3)),
            *(alias(client, world, name, ref) for name, ref in zip(("amira", "theo", "grace"), refs, strict=False)),
            *(batch() for _ in range(2)),
            *(alias(client, world, name, ref) for name, ref in zip(("amira", "theo", "grace"), refs[3:], strict=False)),
        )

        assert sorted(answer.status_code for answer in answers) == [201] * 6 + [202] * 5
        assert (await client.get("/v1/call-events", params={"matched": False})).json()["data"] == []
