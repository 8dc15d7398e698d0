"""Looking is recorded: every person sees who looked at what of theirs, when and by which right."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from app import events, reads
from app.auth import Caller
from app.models.client import Role
from app.policy import POLICY
from app.services import access_log
from app.wakeup import Wakeup
from app.worker import AT_ONCE, Worker
from tests.plans import make_plan
from tests.world import World

LOG = "/v1/me/access-log"


@pytest.fixture
async def review(amira: httpx.AsyncClient, world: World) -> str:
    """Return where a review of Amira's stands, which she opened herself."""
    plan = await make_plan(amira)
    made = await amira.post(f"/v1/development-plans/{plan['id']}/reviews", json={"kind": "one_to_one"})
    assert made.status_code == 201, made.text
    return f"/v1/development-plans/{plan['id']}/reviews/{made.json()['id']}"


@pytest.fixture
async def auditor(world: World) -> httpx.AsyncClient:
    await world.grant("grace", Role.auditor)
    return world.person("grace")


async def log_of(who: httpx.AsyncClient, **params: Any) -> list[dict[str, Any]]:
    answer = await who.get(LOG, params=params)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


class TestRecorded:
    async def test_who_looked_at_what_when_and_by_which_right(
        self, amira: httpx.AsyncClient, theo: httpx.AsyncClient, review: str, world: World
    ) -> None:
        before = datetime.now(UTC) - timedelta(seconds=5)
        assert (await theo.get(review)).status_code == 200

        (entry,) = await log_of(amira)

        assert entry["resource"] == "review"
        assert entry["resource_id"] == review.rpartition("/")[2]
        assert entry["actor"] == {"kind": "person", "id": str(world.people["theo"]), "display_name": "Theo"}
        assert (entry["access_right"], entry["in_words"]) == ("line_manager", "As your line manager.")
        assert before < datetime.fromisoformat(entry["recorded_at"]) < datetime.now(UTC) + timedelta(seconds=5)

    async def test_in_lists_histories_streams_and_answers_without_a_body(
        self, amira: httpx.AsyncClient, theo: httpx.AsyncClient, review: str
    ) -> None:
        """Wherever it is shown, and also where the reader has it already."""
        tag = (await theo.get(review)).headers["ETag"]
        several = review.rpartition("/")[0]
        looks: list[tuple[str, dict[str, str], int]] = [
            (review, {"If-None-Match": tag}, 304),
            (several, {}, 200),
            (several, {"Accept": "application/jsonl"}, 200),
            (f"{review}/history", {}, 200),
        ]
        seen = len(await log_of(amira))

        for path, headers, status in looks:
            assert (await theo.get(path, headers=headers)).status_code == status, path
            assert len(await log_of(amira)) > seen, (path, headers)
            seen = len(await log_of(amira))

    async def test_a_client_by_its_scope(self, amira: httpx.AsyncClient, review: str, world: World) -> None:
        await (await world.client("plans:read", name="Reporting")).get(review)

        (entry,) = await log_of(amira)

        assert (entry["actor"]["kind"], entry["actor"]["display_name"]) == ("client", "Reporting")
        assert entry["access_right"] == "plans:read"
        assert entry["in_words"] == "As a system that your organisation connected."

    async def test_not_what_one_looks_at_oneself(self, amira: httpx.AsyncClient, review: str) -> None:
        await amira.get(review)

        assert await log_of(amira) == []

    async def test_not_what_was_not_shown(
        self, amira: httpx.AsyncClient, noor: httpx.AsyncClient, mallory: httpx.AsyncClient, review: str
    ) -> None:
        assert [(await who.get(review)).status_code for who in (noor, mallory)] == [404, 404]

        assert await log_of(amira) == []

    async def test_fails_closed(
        self, amira: httpx.AsyncClient, theo: httpx.AsyncClient, review: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What cannot be recorded is not shown."""
        monkeypatch.setattr(reads, "READ", text("INSERT INTO audit_entry (id) VALUES (:id)"))

        answer = await theo.get(review)

        assert answer.status_code >= 500
        assert "reviewer_part" not in answer.text
        assert (await amira.get(review)).status_code == 200

    async def test_a_look_is_no_change(
        self, amira: httpx.AsyncClient, theo: httpx.AsyncClient, review: str, world: World
    ) -> None:
        """It moves no version, is in no history, and no list that is polled for changes shows the row again."""
        several = review.rpartition("/")[0]
        before = (await amira.get(review)).json()
        history = (await amira.get(f"{review}/history")).json()["data"]
        worker = Worker(world.database, Wakeup(), 1)
        await worker.attend(world.id, AT_ONCE)
        watermark = (await amira.get(several)).json()["next_watermark"]

        await theo.get(review)

        assert (await amira.get(review)).json() == before
        assert (await amira.get(f"{review}/history")).json()["data"] == history
        assert (await amira.get(several, params={"modified_since": watermark})).json()["data"] == []

    async def test_every_right_that_is_recorded_can_be_said(self) -> None:
        for (resource, action), rule in POLICY.items():
            if action == "read" and rule.recorded:
                for relation in rule.relations:
                    assert relation.name in {"self", *access_log.IN_WORDS}, (resource, relation.name)


class TestLog:
    async def test_pages_with_the_newest_first(
        self, amira: httpx.AsyncClient, theo: httpx.AsyncClient, review: str
    ) -> None:
        for _ in range(3):
            await theo.get(review)

        first = (await amira.get(LOG, params={"limit": 2})).json()
        rest = (await amira.get(LOG, params={"limit": 2, "cursor": first["next_cursor"]})).json()

        ids = [entry["id"] for entry in first["data"] + rest["data"]]
        assert (len(ids), rest["next_cursor"]) == (3, None)
        assert ids == sorted(set(ids), reverse=True)

    async def test_is_ones_own_alone(
        self, theo: httpx.AsyncClient, noor: httpx.AsyncClient, client: httpx.AsyncClient, review: str
    ) -> None:
        await theo.get(review)

        assert [await log_of(who) for who in (theo, noor)] == [[], []]
        assert (await client.get(LOG)).status_code == 403


class TestAuditor:
    async def look(self, world: World, resource: str, actor: str, subject: str) -> UUID:
        def record(session: Any) -> UUID:
            caller = Caller(world.id, "person", world.people[actor], request_id="telling-request")
            row_id = UUID(int=uuid7().int)
            events.record_read(
                session, caller, resource, UUID(int=row_id.int), world.people[subject], "eap_coordinator"
            )
            return UUID(int=row_id.int)

        row: UUID = await world.run(record)
        return row

    async def test_reads_of_a_referral_neither_about_whom_nor_in_which_request(
        self, auditor: httpx.AsyncClient, amira: httpx.AsyncClient, world: World
    ) -> None:
        row_id = await self.look(world, "eap_referral", "ines", "amira")
        find = {"resource": "eap_referral"}

        (entry,) = (await auditor.get("/v1/audit-entries", params=find)).json()["data"]

        assert entry["resource_id"] == str(row_id)
        assert (entry["subject_id"], entry["request_id"]) == (None, None)
        assert (entry["actor_id"], entry["access_right"]) == (str(world.people["ines"]), "eap_coordinator")
        assert str(world.people["amira"]) not in (await auditor.get("/v1/audit-entries", params=find)).text
        by_subject = {"subject_id": str(world.people["amira"])}
        assert str(row_id) not in (await auditor.get("/v1/audit-entries", params=by_subject)).text
        assert [entry["resource_id"] for entry in await log_of(amira)] == [str(row_id)], "but she herself reads it"

    async def test_reads_of_what_a_person_did_about_their_own_referral_not_who_it_was(
        self, auditor: httpx.AsyncClient, world: World
    ) -> None:
        def record(session: Any) -> None:
            insert = (
                "INSERT INTO audit_entry (organisation_id, id, recorded_at, action, resource, resource_id, subject_id,"
                " actor_kind, actor_id, details) VALUES (:o, :i, now(), 'eap_referral.x', 'eap_referral', :i, :a,"
                " 'person', :a, '{}')"
            )
            session.execute(text(insert), {"o": world.id, "i": UUID(int=uuid7().int), "a": world.people["amira"]})

        await world.run(record)

        for params in ({"resource": "eap_referral"}, {"actor_id": str(world.people["amira"])}):
            page = (await auditor.get("/v1/audit-entries", params=params)).text
            assert str(world.people["amira"]) not in page

    async def test_reads_nothing_of_thought_records(self, auditor: httpx.AsyncClient, world: World) -> None:
        row_id = await self.look(world, "thought_record", "jonas", "amira")

        for params in ({}, {"resource": "thought_record"}, {"actor_id": str(world.people["jonas"])}):
            assert str(row_id) not in (await auditor.get("/v1/audit-entries", params=params)).text
