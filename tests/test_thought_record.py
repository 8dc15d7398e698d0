"""A thought record is its author's alone, unless they let their mentor or coach read that one."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app import clock
from app.models import MentorAssignment
from app.models.client import Role
from app.schemas.thought_record import THOUGHT
from tests.examples_of_thoughts import coach
from tests.plans import done, made
from tests.test_conventions_access import assert_problem
from tests.world import World, etag

RECORDS = "/v1/thought-records"
CONTENT = (*THOUGHT, "unreadable")


async def write(who: httpx.AsyncClient, **said: Any) -> dict[str, Any]:
    return await made(await who.post(RECORDS, json={**THOUGHT, **said}))


async def share(who: httpx.AsyncClient, record: dict[str, Any], world: World, name: str) -> httpx.Response:
    return await who.post(f"{RECORDS}/{record['id']}/shares", json={"employee_id": str(world.people[name])})


def url(record: dict[str, Any], *parts: str) -> str:
    return "/".join((RECORDS, record["id"], *parts))


async def mentor(world: World, name: str, whom: str, state: str = "active") -> None:
    """Make a pair of the two."""

    def pair(session: Session) -> None:
        said = {
            "kind": "ongoing",
            "focus_pillars": ["emotional_wellbeing"],
            "agreed_cadence_days": 14,
            "planned_sessions": 6,
            "starting_values": [],
            "paused_because": "asked" if state == "paused" else None,
        }
        people = {"mentor_id": world.people[name], "mentee_id": world.people[whom]}
        session.add(
            MentorAssignment(
                organisation_id=world.id, state=state, requested_by_id=world.people[whom], **people, **said
            )
        )

    await world.run(pair)


async def end_pairs(world: World) -> None:
    end = text("UPDATE mentor_assignment SET state = 'completed', paused_because = NULL WHERE organisation_id = :id")
    await world.run(lambda session: session.execute(end, {"id": world.id}))


async def entries(world: World) -> list[Any]:
    query = text(
        "SELECT * FROM audit_entry WHERE organisation_id = :id AND action NOT LIKE 'organisation%' ORDER BY id"
    )
    return list(await world.run(lambda session: session.execute(query, {"id": world.id}).mappings().all()))


class TestWrite:
    async def test_the_example_is_kept_as_it_is_told(self, amira: httpx.AsyncClient) -> None:
        record = await write(amira)

        assert THOUGHT.items() <= record.items()
        assert record["unreadable"] is False
        assert (record["pillar"], "reframe_a_hard_call" in record["practices"]) == ("emotional_wellbeing", True)
        assert set(record["allowed_actions"]) == {"update", "delete", "share"}
        assert await done(await amira.get(url(record))) == record
        assert (await done(await amira.get(RECORDS)))["data"] == [record]

    async def test_its_practices_are_in_the_library_on_its_pillar(self, amira: httpx.AsyncClient) -> None:
        record = await write(amira)

        practices = (await done(await amira.get(f"/v1/practices?pillar={record['pillar']}&limit=200")))["data"]

        assert set(record["practices"]) <= {practice["key"] for practice in practices}

    async def test_only_the_situation_is_needed_and_the_rest_can_follow(self, amira: httpx.AsyncClient) -> None:
        record = await made(await amira.post(RECORDS, json={"situation": "A hard call."}))
        assert (record["automatic_thought"], record["distortions"], record["strength_after"]) == (None, [], None)

        change = {"balanced_thought": "I did what I could.", "strength_before": 70, "distortions": ["self_blame"]}
        changed = await done(await amira.patch(url(record), json=change, headers=etag(record)))
        cleared = await done(await amira.patch(url(record), json={"strength_before": None}, headers=etag(changed)))

        assert change.items() <= changed.items()
        assert (changed["situation"], changed["version"]) == ("A hard call.", record["version"] + 1)
        assert (cleared["strength_before"], cleared["balanced_thought"]) == (None, "I did what I could.")
        assert_problem(await amira.patch(url(record), json=change, headers=etag(record)), 412)

    @pytest.mark.parametrize(
        "said",
        [
            {"situation": None},
            {"situation": " "},
            {"strength_before": 101},
            {"strength_after": -1},
            {"strength_before": 5.5},
            {"distortions": ["laziness"]},
            {"distortions": ["labelling", "labelling"]},
        ],
    )
    async def test_refuses_what_it_cannot_be(self, amira: httpx.AsyncClient, said: dict[str, Any]) -> None:
        assert_problem(await amira.post(RECORDS, json={**THOUGHT, **said}), 422)

    async def test_deleted_is_gone_with_its_shares(self, amira: httpx.AsyncClient, world: World) -> None:
        record = await write(amira)
        await mentor(world, "grace", "amira")
        await made(await share(amira, record, world, "grace"))

        assert (await amira.delete(url(record), headers=etag(record))).status_code == 204

        assert_problem(await amira.get(url(record)), 404)
        assert_problem(await world.person("grace").get(url(record)), 404)
        for table in ("thought_record", "thought_share"):
            count = text(f"SELECT count(*) FROM {table} WHERE organisation_id = :id")
            assert await world.run(lambda session, c=count: session.execute(c, {"id": world.id}).scalar_one()) == 0


class TestOwnerAlone:
    async def test_nobody_else_finds_one_or_learns_that_there_is_one(
        self, amira: httpx.AsyncClient, world: World, client: httpx.AsyncClient, mallory: httpx.AsyncClient
    ) -> None:
        """Managers, mentors, coaches, coordinators, leads, HR, auditors, officers: all as if there were none."""
        for name, role in (("desmond", Role.auditor), ("marguerite", Role.data_protection_officer)):
            await world.hire(name)
            await world.grant(name, role)
        await mentor(world, "grace", "amira")
        await world.run(coach, world, "jonas", "amira")
        absent = {"id": str(world.id)}
        before = {name: (await world.person(name).get(RECORDS)).content for name in world.people if name != "amira"}

        record = await write(amira)

        for name, listed in before.items():
            who = world.person(name)
            for parts in ((), ("shares",)):
                found, none = await who.get(url(record, *parts)), await who.get(url(absent, *parts))
                assert_problem(found, 404)
                assert found.content == none.content
            assert (await who.get(RECORDS)).content == listed
            assert (await done(await who.get(f"{RECORDS}?shared_with_me=true")))["data"] == []
            match = {"If-Match": "*"}
            assert_problem(await who.patch(url(record), json={"feeling": "x"}, headers=match), 404)
            assert_problem(await who.delete(url(record), headers=match), 404)
            assert_problem(await share(who, record, world, name), 404)
        for machine in (client, mallory):
            assert_problem(await machine.get(url(record)), 403)
            assert_problem(await machine.get(RECORDS), 403)

    async def test_no_entry_and_no_event_tells_of_one(self, amira: httpx.AsyncClient, world: World) -> None:
        """An entry says that somebody changed something of their own: not who, what, or how many of which kind."""
        before = len(await entries(world))
        await mentor(world, "grace", "amira")
        record = await write(amira)
        changed = await done(await amira.patch(url(record), json={"feeling": "tired"}, headers=etag(record)))
        shared = await made(await share(amira, changed, world, "grace"))
        assert (await amira.delete(url(record, "shares", shared["id"]))).status_code == 204
        assert (await amira.delete(url(record), headers={"If-Match": "*"})).status_code == 204

        written = (await entries(world))[before:]

        assert [(entry["action"], entry["resource"]) for entry in written] == [("own_record.changed", "own_record")] * 5
        told = str([dict(entry) for entry in written])
        for secret in (record["id"], shared["id"], *(str(person) for person in world.people.values())):
            assert secret not in told
        assert {entry["request_id"] for entry in written} == {None}
        events = text("SELECT count(*) FROM outgoing_event WHERE organisation_id = :id")
        assert await world.run(lambda session: session.execute(events, {"id": world.id}).scalar_one()) == 0

    async def test_no_count_of_the_programme_moves_with_one(
        self, amira: httpx.AsyncClient, noor: httpx.AsyncClient, world: World
    ) -> None:
        paths = ("/v1/development-plans/counts", "/v1/pillars", "/v1/practices", "/v1/employees", "/v1/goals")

        async def seen() -> list[Any]:
            answers = [await done(await noor.get(path)) for path in paths]
            return [{**answer, "next_watermark": None} for answer in answers]

        before = await seen()
        await write(amira)
        assert await seen() == before


class TestShare:
    @pytest.mark.parametrize("state", ["active", "paused"])
    async def test_a_mentor_reads_that_one_and_writes_nothing(
        self, amira: httpx.AsyncClient, grace: httpx.AsyncClient, world: World, state: str
    ) -> None:
        await mentor(world, "grace", "amira", state)
        record, other = await write(amira), await write(amira)

        shared = await made(await share(amira, record, world, "grace"))

        assert (shared["shared_with_id"], shared["in_effect"]) == (str(world.people["grace"]), True)
        seen = await done(await grace.get(url(record)))
        assert {name: seen[name] for name in CONTENT} == {name: record[name] for name in CONTENT}
        assert seen["allowed_actions"] == []
        assert (await done(await grace.get(f"{RECORDS}?shared_with_me=true")))["data"] == [seen]
        assert (await done(await grace.get(RECORDS)))["data"] == []
        assert_problem(await grace.get(url(other)), 404)
        assert_problem(await grace.get(url(record, "shares")), 404)
        match = {"If-Match": "*"}
        assert_problem(await grace.patch(url(record), json={"feeling": "x"}, headers=match), 403, "not_allowed")
        assert_problem(await grace.delete(url(record), headers=match), 403, "not_allowed")
        assert_problem(await share(grace, record, world, "jonas"), 403, "not_allowed")
        assert (await done(await amira.get(url(record, "shares"))))["data"] == [shared]

    async def test_a_coach_of_a_session_reads_it_and_its_author_can_see_that(
        self, amira: httpx.AsyncClient, world: World
    ) -> None:
        await world.run(coach, world, "jonas", "amira")
        record = await write(amira)
        await made(await share(amira, record, world, "jonas"))
        before = len(await entries(world))

        jonas = world.person("jonas")
        await done(await jonas.get(url(record)))
        await done(await jonas.get(f"{RECORDS}?shared_with_me=true"))
        await done(await amira.get(url(record)))

        looked = (await entries(world))[before:]
        told = [(e["action"], e["actor_id"], e["subject_id"], str(e["resource_id"]), e["access_right"]) for e in looked]
        amiras, his = world.people["amira"], world.people["jonas"]
        assert told == [("thought_record.read", his, amiras, record["id"], "shared_with")] * 2

    async def test_revoked_counts_with_the_next_read(
        self, amira: httpx.AsyncClient, grace: httpx.AsyncClient, world: World
    ) -> None:
        await mentor(world, "grace", "amira")
        record = await write(amira)
        shared = await made(await share(amira, record, world, "grace"))
        tag = (await grace.get(url(record))).headers["ETag"]

        assert (await amira.delete(url(record, "shares", shared["id"]))).status_code == 204

        assert_problem(await grace.get(url(record)), 404)
        assert_problem(await grace.get(url(record), headers={"If-None-Match": tag}), 404)
        assert (await done(await grace.get(f"{RECORDS}?shared_with_me=true")))["data"] == []
        assert_problem(await amira.get(url(record, "shares", shared["id"])), 404)
        assert (await made(await share(amira, record, world, "grace")))["in_effect"]

    async def test_ends_with_the_pair(self, amira: httpx.AsyncClient, grace: httpx.AsyncClient, world: World) -> None:
        await mentor(world, "grace", "amira")
        record = await write(amira)
        shared = await made(await share(amira, record, world, "grace"))

        await end_pairs(world)

        assert_problem(await grace.get(url(record)), 404)
        assert (await done(await amira.get(url(record, "shares", shared["id"]))))["in_effect"] is False
        assert [row["in_effect"] for row in (await done(await amira.get(url(record, "shares"))))["data"]] == [False]

    async def test_only_with_ones_mentor_or_coach(self, amira: httpx.AsyncClient, world: World) -> None:
        """Anybody else is refused alike: a line manager, a proposed mentor, a mentee, oneself, nobody."""
        await mentor(world, "noor", "amira", "proposed")
        await mentor(world, "amira", "ines")
        await world.run(coach, world, "amira", "hana")
        record = await write(amira)

        answers = [await share(amira, record, world, name) for name in ("theo", "noor", "ines", "hana", "amira")]
        nobody = await amira.post(url(record, "shares"), json={"employee_id": str(world.id)})

        assert {answer.content for answer in answers} == {nobody.content}
        assert_problem(nobody, 422)
        assert nobody.json()["errors"][0]["code"] == "not_a_mentor_or_coach"

    async def test_not_with_the_coach_of_what_one_declined_or_was_taken_off(
        self, amira: httpx.AsyncClient, world: World
    ) -> None:
        await world.run(coach, world, "jonas", "amira")
        record = await write(amira)
        for change in ("answer = 'declined'", "answer = 'accepted', removed_at = now()"):
            statement = text(f"UPDATE session_attendee SET {change} WHERE organisation_id = :id")
            await world.run(lambda session, s=statement: session.execute(s, {"id": world.id}))
            assert_problem(await share(amira, record, world, "jonas"), 422)
        back = text("UPDATE session_attendee SET removed_at = NULL WHERE organisation_id = :id")
        await world.run(lambda session: session.execute(back, {"id": world.id}))
        cancel = text("UPDATE coaching_session SET state = 'cancelled' WHERE organisation_id = :id")
        await made(await share(amira, record, world, "jonas"))
        await world.run(lambda session: session.execute(cancel, {"id": world.id}))
        assert_problem(await world.person("jonas").get(url(record)), 404)

    async def test_once_and_of_one_record(self, amira: httpx.AsyncClient, world: World) -> None:
        await mentor(world, "grace", "amira")
        record, other = await write(amira), await write(amira)
        shared = await made(await share(amira, record, world, "grace"))

        assert_problem(await share(amira, record, world, "grace"), 409, "already_exists")
        assert_problem(await amira.get(url(other, "shares", shared["id"])), 404)
        assert_problem(await amira.delete(url(other, "shares", shared["id"])), 404)
        assert await done(await amira.get(url(record, "shares", shared["id"]))) == shared


async def test_content_stands_sealed_and_nothing_else_of_it_stands(amira: httpx.AsyncClient, world: World) -> None:
    """Not even how strong a feeling was: the row holds whose it is, and when it was written."""
    await write(amira)

    query = text("SELECT * FROM thought_record WHERE organisation_id = :id")
    (row,) = await world.run(lambda session: session.execute(query, {"id": world.id}).mappings().all())

    assert set(row) == {"organisation_id", "id", "employee_id", "content", "version", "created_at", "updated_at"}
    assert b"labelling" not in row["content"]
    assert row["created_at"] <= clock.now()
