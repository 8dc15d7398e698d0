"""Everybody can read all that is held about them, and nobody else can."""

import json
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from app.job_runner import KINDS, JobRunner
from app.models import DataExport
from app.personal_data import HOLDINGS
from app.personal_data_classes import DataClass
from app.schemas.thought_record import THOUGHT
from app.services import data_export as exports
from tests.examples_of_resources import furnish
from tests.examples_of_thoughts import coach
from tests.plans import done, made
from tests.test_conventions_access import assert_problem
from tests.world import World

EXPORT, URL = "/v1/me/export", "/v1/data-exports"


def rows(document: dict[str, Any], record: str, relation: str = "about_the_person") -> list[dict[str, Any]]:
    return [
        row
        for each in document["classes"]
        for records in each["records"]
        if (records["record"], records["relation"]) == (record, relation)
        for row in records["rows"]
    ]


@pytest.fixture
async def ids(world: World) -> dict[str, UUID]:
    """A row of every table, about Amira."""
    made: dict[str, UUID] = await world.run(furnish, world)
    return made


class TestMine:
    async def test_holds_every_table_that_says_something_of_the_person(
        self, world: World, amira: httpx.AsyncClient, ids: dict[str, UUID]
    ) -> None:
        document = await done(await amira.get(EXPORT))

        found = {records["record"] for each in document["classes"] for records in each["records"]}
        # What nobody made about her in the examples, or what is about who leads and coaches.
        others = {"mentor_profile", "mentor_match", "mentor_match_pair", "team", "erasure", "session_series"}
        assert {holding.name for holding in HOLDINGS} - found - others == set()

    async def test_says_of_each_class_why_it_is_there_and_for_how_long(
        self, amira: httpx.AsyncClient, ids: dict[str, UUID]
    ) -> None:
        document = await done(await amira.get(EXPORT))

        assert [each["data_class"] for each in document["classes"]] == list(DataClass)
        for each in document["classes"]:
            assert all((each["purpose"], each["source"], each["recipients"], each["retention"]["in_words"])), each
        assert document["not_included"]

    async def test_opens_what_is_sealed(self, amira: httpx.AsyncClient, ids: dict[str, UUID]) -> None:
        document = await done(await amira.get(EXPORT))

        (thought,) = rows(document, "thought_record")
        assert json.loads(thought["content"])["situation"] == THOUGHT["situation"]

    async def test_follows_what_the_organisation_keeps_for_how_long(
        self, noor: httpx.AsyncClient, amira: httpx.AsyncClient
    ) -> None:
        listed = (await done(await noor.get("/v1/retention-rules")))["data"]
        rule = next(each for each in listed if each["data_class"] == "calls")
        url = f"/v1/retention-rules/{rule['id']}"
        await done(await noor.patch(url, json={"keep_days": 100}, headers={"If-Match": '"1"'}))

        document = await done(await amira.get(EXPORT))

        calls = next(each for each in document["classes"] if each["data_class"] == "calls")
        assert calls["retention"]["in_words"] == "For 100 days after it happened."

    async def test_says_who_looked(self, world: World, amira: httpx.AsyncClient, ids: dict[str, UUID]) -> None:
        document = await done(await amira.get(EXPORT))

        looks = [row for row in rows(document, "audit_entry") if row["access_right"]]
        assert {(look["actor_id"], look["access_right"]) for look in looks} == {
            (str(world.people["theo"]), "line_manager")
        }

    async def test_is_of_people_alone(self, client: httpx.AsyncClient) -> None:
        assert_problem(await client.get(EXPORT), 403, "people_only")


class TestOthers:
    async def test_their_names_and_words_are_not_in_it(
        self, world: World, amira: httpx.AsyncClient, ids: dict[str, UUID], elsewhere: World
    ) -> None:
        await elsewhere.run(furnish, elsewhere)
        held = await world.run(coach, world, "jonas", "amira")
        note = {"text": "canary of a coach", "visibility": "private_to_author"}
        await made(await world.person("jonas").post(f"/v1/coaching-sessions/{held}/notes", json=note))
        mine = {"text": "canary for both", "visibility": "shared_with_attendees"}
        await made(await world.person("jonas").post(f"/v1/coaching-sessions/{held}/notes", json=mine))

        said = (await amira.get(EXPORT)).text

        assert "canary for both" in said
        assert "canary of a coach" not in said
        for name in ("theo", "jonas", "grace", "ines"):
            assert f'"{name.title()}"' not in said
            assert f"{name}@harbour.example" not in said
        for foreign in (elsewhere.id, *elsewhere.people.values()):
            assert str(foreign) not in said

    async def test_of_what_somebody_had_a_part_in_only_the_part(
        self, world: World, theo: httpx.AsyncClient, ids: dict[str, UUID]
    ) -> None:
        """Theo reviews Amira and may have suggested the EAP to her: his export tells nothing of hers."""
        document = await done(await theo.get(EXPORT))

        for review in rows(document, "review", "the_person_had_a_part"):
            assert set(review) == {"id", "kind", "held_on", "state", "completed_at", "reviewer_id"}
        for submission in rows(document, "eap_submission", "the_person_had_a_part"):
            assert str(world.people["amira"]) not in json.dumps(submission)
        assert rows(document, "eap_referral") == rows(document, "thought_record") == []

    async def test_a_coach_does_not_learn_who_gave_which_mark(self, world: World, ids: dict[str, UUID]) -> None:
        document = await done(await world.person("jonas").get(EXPORT))

        assert rows(document, "session_feedback", "the_person_had_a_part") == []

    async def test_an_emergency_reading_that_is_not_told_yet_is_not_told_here(
        self, world: World, amira: httpx.AsyncClient, ids: dict[str, UUID]
    ) -> None:
        later = text("UPDATE access_notice SET told_at = now() + interval '1 day'")
        await world.run(lambda session: session.execute(later))

        document = await done(await amira.get(EXPORT))

        assert rows(document, "break_glass_request") == rows(document, "access_notice") == []
        assert "break_glass" not in json.dumps(rows(document, "audit_entry"))


class TestMuch:
    async def test_is_a_job_that_only_the_person_can_open(
        self, world: World, amira: httpx.AsyncClient, ids: dict[str, UUID], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at_once = await done(await amira.get(EXPORT))
        monkeypatch.setattr(exports, "AT_ONCE", 3)

        asked = await amira.get(EXPORT)
        again = await amira.get(EXPORT)
        url = asked.headers["Location"]

        assert (asked.status_code, asked.json()["state"], asked.json()["progress"]) == (202, "queued", 0)
        assert again.json()["id"] == asked.json()["id"]
        assert_problem(await amira.get(f"{url}/content"), 409, "not_ready")
        await JobRunner(world.database, 1, {"data_export": KINDS["data_export"]}).attend(world.id)
        ready = await done(await amira.get(url))
        document = await done(await amira.get(f"{url}/content"))
        assert (ready["state"], ready["progress"]) == ("succeeded", 100)
        assert rows(document, "thought_record") == rows(at_once, "thought_record")
        assert rows(document, "goal") == rows(at_once, "goal")
        for name in ("theo", "noor"):
            assert_problem(await world.person(name).get(url), 404)


class TestByTheOfficer:
    async def test_is_started_and_followed_but_never_read(
        self, world: World, amira: httpx.AsyncClient, ids: dict[str, UUID]
    ) -> None:
        officer = world.person("marguerite")

        asked = await officer.post(f"/v1/employees/{world.people['amira']}/exports")
        url = asked.headers["Location"]
        await JobRunner(world.database, 1, {"data_export": KINDS["data_export"]}).attend(world.id)

        assert (asked.status_code, asked.json()["employee_id"]) == (202, str(world.people["amira"]))
        assert (await done(await officer.get(url)))["state"] == "succeeded"
        assert (await officer.get(f"{url}/content")).status_code == 403
        assert rows(await done(await amira.get(f"{url}/content")), "thought_record")
        kept = text("SELECT content FROM data_export WHERE id = :id")
        stored = await world.run(lambda s: s.execute(kept, {"id": UUID(asked.json()["id"])}).scalar_one())
        assert b"situation" not in stored

    async def test_is_nobody_elses_to_start(self, world: World, ids: dict[str, UUID]) -> None:
        for name in ("theo", "noor", "hana", "ines"):
            answer = await world.person(name).post(f"/v1/employees/{world.people['amira']}/exports")
            assert answer.status_code in (403, 404), name

    async def test_one_for_somebody_who_was_erased_meanwhile_comes_to_nothing(
        self, world: World, ids: dict[str, UUID]
    ) -> None:
        officer, amira = world.person("marguerite"), world.people["amira"]
        await officer.post(f"/v1/employees/{amira}/exports")
        await world.person("hana").post(f"/v1/employees/{amira}/deactivate")
        await done(await officer.post(f"/v1/employees/{amira}/erasure"))

        await JobRunner(world.database, 1, {"data_export": KINDS["data_export"]}).attend(world.id)

        assert await world.run(lambda s: s.query(DataExport).filter_by(organisation_id=world.id).count()) == 0
        assert_problem(await officer.post(f"/v1/employees/{amira}/exports"), 409, "person_erased")
