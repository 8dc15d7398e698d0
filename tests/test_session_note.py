"""Notes of coaching sessions: who reads them, that private ones leave no trace, and whose key opens which copy."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from app import clock, texts
from app.auth import Caller
from app.models.base import new_id
from app.models.client import Role
from app.models.coaching_session import Answer
from tests.held_sessions import alter_attendee, hold_session, invite, rows
from tests.plans import done, made, outgoing
from tests.world import World, etag

WORDS = "canary: the night line wears her down"


@pytest.fixture
def jonas(world: World) -> httpx.AsyncClient:
    """Coaches."""
    return world.person("jonas")


@pytest.fixture
async def session_id(world: World) -> UUID:
    """Jonas coaches Amira tomorrow."""
    return await hold_session(world)


def notes_of(session_id: UUID) -> str:
    return f"/v1/coaching-sessions/{session_id}/notes"


async def note(who: httpx.AsyncClient, session_id: UUID, **fields: Any) -> dict[str, Any]:
    body = {"text": WORDS, "visibility": "shared_with_attendees", **fields}
    return await made(await who.post(notes_of(session_id), json=body))


async def private(who: httpx.AsyncClient, session_id: UUID) -> dict[str, Any]:
    return await note(who, session_id, visibility="private_to_author")


async def seen(who: httpx.AsyncClient, session_id: UUID) -> list[dict[str, Any]]:
    return list((await done(await who.get(notes_of(session_id))))["data"])


class TestWhoReads:
    async def test_a_private_one_its_author_alone(
        self, world: World, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, session_id: UUID
    ) -> None:
        mine, hers = await private(jonas, session_id), await private(amira, session_id)

        assert [each["id"] for each in await seen(jonas, session_id)] == [mine["id"]]
        assert [each["id"] for each in await seen(amira, session_id)] == [hers["id"]]
        assert mine["text"] == WORDS
        for who, other in ((jonas, hers), (amira, mine)):
            url = f"{notes_of(session_id)}/{other['id']}"
            absent = await who.get(f"{notes_of(session_id)}/{new_id()}")
            for answer in (await who.get(url), await who.get(f"{url}/history")):
                assert answer.status_code == 404
                assert answer.json()["code"] == absent.json()["code"] == "not_found"
            assert (await who.patch(url, json={"text": "x"}, headers={"If-Match": "*"})).status_code == 404
            assert (await who.post(f"{url}/withdraw")).status_code == 404

    async def test_a_shared_one_those_who_take_part(
        self, world: World, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, grace: httpx.AsyncClient
    ) -> None:
        session_id = await hold_session(world, "amira", "grace", kind="group")
        shared = await note(jonas, session_id)
        assert set(shared["shared_with"]) == {str(world.people[name]) for name in ("amira", "grace")}
        for who in (amira, grace):
            (found,) = await seen(who, session_id)
            assert (found["text"], found["author_id"]) == (WORDS, str(world.people["jonas"]))
            assert found["allowed_actions"] == []
            refused = await who.patch(f"{notes_of(session_id)}/{shared['id']}", json={"text": "x"}, headers=etag(found))
            assert refused.status_code == 403

    async def test_nobody_else_not_even_that_there_are_any(
        self, world: World, jonas: httpx.AsyncClient, session_id: UUID
    ) -> None:
        """Her line manager and team lead, the programme lead, HR, an auditor, a client: with notes as without."""
        empty = await hold_session(world)
        shared, hidden = await note(jonas, session_id), await private(jonas, session_id)
        world.people["ada"] = await world.hire("ada")
        await world.grant("ada", Role.auditor)
        others = [world.person(name) for name in ("theo", "noor", "hana", "ines", "grace", "ada")]
        for who in (*others, await world.client()):
            with_notes, without = await who.get(notes_of(session_id)), await who.get(notes_of(empty))
            assert with_notes.status_code in (403, 404)
            assert (with_notes.status_code, with_notes.content) == (without.status_code, without.content)
            for each in (shared, hidden):
                one = await who.get(f"{notes_of(session_id)}/{each['id']}")
                none = await who.get(f"{notes_of(session_id)}/{new_id()}")
                assert one.status_code in (403, 404)
                assert (one.status_code, one.content) == (none.status_code, none.content)
            refused = await who.post(notes_of(session_id), json={"text": "x"})
            assert refused.status_code in (403, 404)

    async def test_a_lead_who_coaches_does_so_as_coach(
        self, world: World, theo: httpx.AsyncClient, amira: httpx.AsyncClient
    ) -> None:
        session_id = await hold_session(world, coach="theo")
        mine = await private(theo, session_id)
        await private(amira, session_id)

        assert [each["id"] for each in await seen(theo, session_id)] == [mine["id"]]

    async def test_who_joins_later_gets_what_is_written_later(
        self, world: World, jonas: httpx.AsyncClient, session_id: UUID
    ) -> None:
        early = await note(jonas, session_id)
        await invite(world, session_id, "grace")
        grace = world.person("grace")
        assert await seen(grace, session_id) == []

        url = f"{notes_of(session_id)}/{early['id']}"
        await done(await jonas.patch(url, json={"text": "For all three of us."}, headers=etag(early)))

        assert [each["text"] for each in await seen(grace, session_id)] == ["For all three of us."]

    @pytest.mark.parametrize("gone", [{"answer": Answer.declined}, {"removed_at": clock.now}])
    async def test_who_no_longer_takes_part_reads_no_longer(
        self, world: World, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, session_id: UUID, gone: dict[str, Any]
    ) -> None:
        shared = await note(jonas, session_id)
        url = f"{notes_of(session_id)}/{shared['id']}"
        assert (await amira.get(url)).status_code == 200

        changes = {name: value() if callable(value) else value for name, value in gone.items()}
        await alter_attendee(world, session_id, "amira", **changes)

        assert (await amira.get(url)).status_code == 404
        assert (await amira.get(notes_of(session_id))).status_code in (403, 404)

    async def test_an_author_who_left_still_finds_their_own(
        self, world: World, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, session_id: UUID
    ) -> None:
        hers = await private(amira, session_id)
        await note(jonas, session_id)

        await alter_attendee(world, session_id, "amira", removed_at=clock.now())

        assert [each["id"] for each in await seen(amira, session_id)] == [hers["id"]]
        assert (await amira.post(notes_of(session_id), json={"text": "x"})).status_code == 404


class TestAPrivateOneLeavesNoTrace:
    async def traces(self, world: World, session_id: UUID) -> Any:
        """What others can see of a session: the representation, its tag, lists, history, the feed, the audit."""
        told: list[Any] = []
        for who in (world.person("amira"), world.person("theo"), await world.client()):
            for path in (
                f"/v1/coaching-sessions/{session_id}",
                "/v1/coaching-sessions",
                f"/v1/coaching-sessions/{session_id}/history",
                notes_of(session_id),
                f"/v1/coaching-sessions/{session_id}/actions",
            ):
                answer = await who.get(path)
                body = answer.json()
                for volatile in ("next_watermark", "next_cursor"):
                    body.pop(volatile, None)
                told.append((path, answer.status_code, body, answer.headers.get("ETag")))
        told.append(await rows(world, "SELECT version, updated_at FROM coaching_session"))
        told.append(await rows(world, "SELECT version, updated_at FROM session_attendee ORDER BY id"))
        told.append(await outgoing(world))
        told.append(await rows(world, "SELECT count(*) FROM audit_entry WHERE resource <> 'own_record'"))
        return told

    async def test_whatever_becomes_of_it(self, world: World, jonas: httpx.AsyncClient, session_id: UUID) -> None:
        before = await self.traces(world, session_id)

        mine = await private(jonas, session_id)
        url = f"{notes_of(session_id)}/{mine['id']}"
        changed = await done(await jonas.patch(url, json={"text": "Another thought."}, headers=etag(mine)))
        await done(await jonas.post(f"{url}/withdraw", headers=etag(changed)))

        assert await self.traces(world, session_id) == before
        assert (await done(await jonas.get(f"{url}/history")))["data"] == []

    async def test_in_the_audit_it_says_neither_who_nor_what(
        self, world: World, jonas: httpx.AsyncClient, session_id: UUID
    ) -> None:
        await private(jonas, session_id)

        query = (
            "SELECT resource, action, actor_id, subject_id, request_id, details FROM audit_entry"
            " WHERE action <> 'organisation.created'"
        )
        (entry,) = await rows(world, query)
        assert tuple(entry) == ("own_record", "own_record.changed", None, None, None, {})

    async def test_a_shared_one_is_in_the_audit_without_its_words(
        self, world: World, jonas: httpx.AsyncClient, session_id: UUID
    ) -> None:
        shared = await note(jonas, session_id)
        await done(await jonas.post(f"{notes_of(session_id)}/{shared['id']}/withdraw"))

        query = "SELECT action, actor_id, subject_id FROM audit_entry WHERE resource = 'session_note' ORDER BY id"
        entries = await rows(world, query)
        me = world.people["jonas"]
        assert [tuple(e) for e in entries] == [("session_note.created", me, me), ("session_note.withdrawn", me, me)]
        assert await rows(world, "SELECT 1 FROM audit_entry e WHERE e::text LIKE '%canary%'") == []
        assert await outgoing(world) == []


class TestSealed:
    async def test_no_row_holds_the_words_and_each_reader_has_a_copy(
        self, world: World, jonas: httpx.AsyncClient, session_id: UUID
    ) -> None:
        await note(jonas, session_id)
        await private(jonas, session_id)

        copies = await rows(world, "SELECT employee_id, sealed FROM session_note_copy")
        people = world.people
        assert sorted(row.employee_id for row in copies) == sorted([people["jonas"], people["jonas"], people["amira"]])
        assert all(b"canary" not in bytes(row.sealed) for row in copies)
        assert len({bytes(row.sealed) for row in copies}) == 3

    async def test_erasing_one_leaves_the_others_able_to_read_theirs(
        self, world: World, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, session_id: UUID
    ) -> None:
        shared, own = await note(jonas, session_id), await private(jonas, session_id)

        system = Caller(world.id, "system", None)
        await world.run(texts.destroy_key, system, world.people["jonas"])

        assert [each["text"] for each in await seen(amira, session_id)] == [WORDS]
        found = {each["id"]: each["text"] for each in await seen(jonas, session_id)}
        assert found == {shared["id"]: None, own["id"]: None}
        refused = await jonas.post(notes_of(session_id), json={"text": "x"})
        assert (refused.status_code, refused.json()["code"]) == (409, "text_unreadable")

    async def test_who_was_erased_gets_no_new_copy(
        self, world: World, jonas: httpx.AsyncClient, session_id: UUID
    ) -> None:
        await world.run(texts.destroy_key, Caller(world.id, "system", None), world.people["amira"])

        assert (await note(jonas, session_id))["shared_with"] == []

    async def test_a_copy_that_was_moved_does_not_open(
        self, world: World, jonas: httpx.AsyncClient, session_id: UUID
    ) -> None:
        one, two = await note(jonas, session_id, text="One."), await note(jonas, session_id, text="Two.")
        await rows(
            world,
            "UPDATE session_note_copy c SET sealed = (SELECT o.sealed FROM session_note_copy o WHERE o.note_id = :one"
            " AND o.employee_id = c.employee_id) WHERE c.note_id = :two RETURNING 1",
            one=one["id"],
            two=two["id"],
        )

        assert {each["text"] for each in await seen(jonas, session_id)} == {"One.", None}


class TestChanges:
    async def test_sharing_and_keeping_to_oneself_again(
        self, world: World, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, session_id: UUID
    ) -> None:
        mine = await private(jonas, session_id)
        url = f"{notes_of(session_id)}/{mine['id']}"

        shared = await done(await jonas.patch(url, json={"visibility": "shared_with_attendees"}, headers=etag(mine)))
        assert (shared["text"], shared["shared_with"]) == (WORDS, [str(world.people["amira"])])
        assert [each["text"] for each in await seen(amira, session_id)] == [WORDS]
        back = await done(await jonas.patch(url, json={"visibility": "private_to_author"}, headers=etag(shared)))

        assert (back["text"], back["shared_with"]) == (WORDS, [])
        assert await seen(amira, session_id) == []
        assert (await amira.get(url)).status_code == 404
        assert (
            await rows(world, "SELECT 1 FROM session_note_copy WHERE employee_id = :a", a=world.people["amira"]) == []
        )

    async def test_a_withdrawn_one_is_gone_for_everyone(
        self, world: World, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, session_id: UUID
    ) -> None:
        shared = await note(jonas, session_id)
        url = f"{notes_of(session_id)}/{shared['id']}"

        withdrawn = await done(await jonas.post(f"{url}/withdraw", headers=etag(shared)))

        assert (withdrawn["state"], withdrawn["text"], withdrawn["allowed_actions"]) == ("withdrawn", None, [])
        (found,) = await seen(amira, session_id)
        assert (found["state"], found["text"]) == ("withdrawn", None)
        assert await rows(world, "SELECT 1 FROM session_note_copy WHERE length(sealed) > 0") == []
        for refused in (
            await jonas.post(f"{url}/withdraw"),
            await jonas.patch(url, json={"text": "Again."}, headers=etag(withdrawn)),
        ):
            assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state")

    async def test_the_same_words_are_no_change(self, jonas: httpx.AsyncClient, session_id: UUID) -> None:
        mine = await private(jonas, session_id)

        again = await done(
            await jonas.patch(f"{notes_of(session_id)}/{mine['id']}", json={"text": WORDS}, headers=etag(mine))
        )

        assert again["version"] == mine["version"]

    async def test_a_note_of_another_session_is_not_there(
        self, world: World, jonas: httpx.AsyncClient, session_id: UUID
    ) -> None:
        other, mine = await hold_session(world), await private(jonas, session_id)
        url = f"{notes_of(other)}/{mine['id']}"

        assert (await jonas.get(url)).status_code == 404
        assert (await jonas.patch(url, json={"text": "x"}, headers=etag(mine))).status_code == 404
        assert (await jonas.post(f"{url}/withdraw")).status_code == 404

    async def test_one_person_keeps_a_bounded_number(
        self, world: World, jonas: httpx.AsyncClient, session_id: UUID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("app.services.session_note.MOST_OF_ONE", 1)
        await private(jonas, session_id)

        refused = await jonas.post(notes_of(session_id), json={"text": "x"})

        assert (refused.status_code, refused.json()["code"]) == (409, "too_many_notes")


class TestAcknowledging:
    async def test_with_a_word_that_those_who_take_part_read(
        self, world: World, jonas: httpx.AsyncClient, amira: httpx.AsyncClient
    ) -> None:
        session_id = await hold_session(world, state="completed")
        await alter_attendee(world, session_id, "amira", attended=True)
        url = f"/v1/coaching-sessions/{session_id}/acknowledge"

        acknowledged = await done(await amira.post(url, json={"words": WORDS}))

        assert acknowledged["state"] == "acknowledged"
        (found,) = await seen(jonas, session_id)
        assert (found["text"], found["author_id"]) == (WORDS, str(world.people["amira"]))
        assert await rows(world, "SELECT 1 FROM audit_entry e WHERE e::text LIKE '%canary%'") == []
        theo = world.person("theo")
        for path in ("", "/history"):
            assert "canary" not in (await theo.get(f"/v1/coaching-sessions/{session_id}{path}")).text


class TestLooking:
    async def test_is_recorded_of_others_notes_alone(
        self, world: World, jonas: httpx.AsyncClient, amira: httpx.AsyncClient, session_id: UUID
    ) -> None:
        shared = await note(jonas, session_id)
        url = f"{notes_of(session_id)}/{shared['id']}"
        looks = "SELECT actor_id, subject_id, access_right FROM audit_entry WHERE action = 'session_note.read'"
        await jonas.get(url)
        await seen(jonas, session_id)
        assert await rows(world, looks) == []

        await amira.get(url)
        await seen(amira, session_id)

        wanted = (world.people["amira"], world.people["jonas"], "session_participant")
        assert [tuple(row) for row in await rows(world, looks)] == [wanted] * 2
        history = (await done(await jonas.get(f"{url}/history")))["data"]
        assert [entry["action"] for entry in history] == ["session_note.created"]
