"""Whoever was erased is gone from everything but the statistics, for good, also after a restore."""

import asyncio
import json
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app import erasure_command, launch, migrate
from app.erasure_ledger import Filing
from app.models import Base
from app.models.client import Role
from app.services import audit_seal as seals
from app.settings import Settings
from app.wakeup import Wakeup
from app.worker import WHEN_DUE, Worker
from tests.examples_of_resources import furnish
from tests.examples_of_thoughts import coach
from tests.plans import done
from tests.test_conventions_access import assert_problem
from tests.world import World

CANARY = "amira"
KEPT_AS_A_NUMBER = ("call_event", "goal", "development_plan", "support_prompt", "eap_referral", "session_feedback")


@pytest.fixture
async def officer(world: World) -> httpx.AsyncClient:
    """An organisation with a row of every table about Amira, and the officer who is asked to erase her."""
    await world.run(furnish, world)
    return world.person("marguerite")


def url(world: World, who: str = "amira") -> str:
    return f"/v1/employees/{world.people[who]}/erasure"


async def leave(world: World, who: str = "amira") -> None:
    answer = await world.person("hana").post(f"/v1/employees/{world.people[who]}/deactivate", json={"reason": "Left."})
    assert answer.status_code == 200, answer.text


async def erase(world: World, officer: httpx.AsyncClient) -> dict[str, Any]:
    await leave(world)
    return await done(await officer.post(url(world)))


async def dump(world: World) -> dict[str, list[str]]:
    """Return every row of the organisation as text, by table."""

    def read(session: Session) -> dict[str, list[str]]:
        found = {}
        for name in Base.metadata.tables:
            key = {"organisation": "id", "keys.master_key": None}.get(name, "organisation_id")
            if key is not None:
                rows = session.execute(text(f"SELECT t::text FROM {name} t WHERE {key} = :id"), {"id": world.id})
                found[name] = list(rows.scalars())
        return found

    dumped: dict[str, list[str]] = await world.run(read)
    return dumped


async def seal(world: World) -> None:
    await Worker(world.database, Wakeup(), 1).attend(world.id, WHEN_DUE)


class TestDryRun:
    async def test_says_what_will_go_and_changes_nothing(self, world: World, officer: httpx.AsyncClient) -> None:
        before = await dump(world)

        told = await done(await officer.post(url(world), json={"dry_run": True}))

        assert await dump(world) == before
        records = {each["record"]: each for each in told["records"]}
        assert (told["dry_run"], told["pseudonym"], told["erased_at"]) == (True, None, None)
        assert (records["thought_record"]["count"], records["thought_record"]["effect"]) == (1, "deleted")
        assert (records["call_event"]["data_class"], records["call_event"]["effect"]) == ("calls", "blanked")
        assert records["audit_entry"]["effect"] == "kept"

        really = await erase(world, officer)
        counted = {each["record"]: each["count"] for each in really["records"]}
        assert counted["thought_record"] == records["thought_record"]["count"]


class TestErase:
    async def test_needs_the_person_to_have_left(self, world: World, officer: httpx.AsyncClient) -> None:
        refused = await officer.post(url(world))

        assert_problem(refused, 409, "still_active")
        assert "Deactivate" in refused.json()["detail"]

    async def test_deactivation_ends_access_and_deletes_nothing(self, world: World, officer: httpx.AsyncClient) -> None:
        before = {name: len(rows) for name, rows in (await dump(world)).items()}

        await leave(world)

        assert_problem(await world.person("amira").get("/v1/me"), 401)
        after = {name: len(rows) for name, rows in (await dump(world)).items()}
        assert [name for name in before if after[name] < before[name] and name != "session_booking"] == []

    async def test_is_the_officers_alone(self, world: World, officer: httpx.AsyncClient, client: Any) -> None:
        await leave(world)
        for name in ("hana", "noor", "theo", "ines"):
            assert (await world.person(name).post(url(world))).status_code in (403, 404)
        assert_problem(await client.post(url(world)), 403, "people_only")

    async def test_leaves_nothing_that_says_who_it_was(self, world: World, officer: httpx.AsyncClient) -> None:
        hers = json.dumps(await done(await world.person("amira").get("/v1/me/export")))
        assert "Amira" in hers

        told = await erase(world, officer)

        left = {name: [row for row in rows if CANARY in row.casefold()] for name, rows in (await dump(world)).items()}
        assert {name: rows for name, rows in left.items() if rows} == {}
        shown = await done(await world.person("hana").get(f"/v1/employees/{world.people['amira']}"))
        assert shown["display_name"] == told["pseudonym"]
        assert shown["display_name"].startswith("Erased person ")
        assert (shown["active"], shown["email"], shown["external_id"]) == (False, None, None)

    async def test_destroys_the_key_and_the_notes_of_sessions_for_them_alone(
        self, world: World, officer: httpx.AsyncClient
    ) -> None:
        held = await world.run(coach, world, "jonas", "amira")
        note = {"text": "What a coach thinks.", "visibility": "private_to_author"}
        written = await world.person("jonas").post(f"/v1/coaching-sessions/{held}/notes", json=note)
        assert written.status_code == 201
        await erase(world, officer)

        keys = text("SELECT wrapped, destroyed_at IS NOT NULL FROM keys.person_key WHERE id = :id")
        found = await world.run(lambda s: s.execute(keys, {"id": world.people["amira"]}).one())
        assert tuple(found) == (None, True)
        copies = text("SELECT count(*) FROM session_note_copy WHERE employee_id = :id OR note_id = :note")
        about = {"id": world.people["amira"], "note": UUID(written.json()["id"])}
        assert await world.run(lambda s: s.execute(copies, about).scalar_one()) == 0

    async def test_keeps_the_statistics(self, world: World, officer: httpx.AsyncClient) -> None:
        before = {name: len(rows) for name, rows in (await dump(world)).items()}

        await erase(world, officer)

        after = {name: len(rows) for name, rows in (await dump(world)).items()}
        assert {name: after[name] for name in KEPT_AS_A_NUMBER} == {name: before[name] for name in KEPT_AS_A_NUMBER}
        outcomes = "SELECT array_agg(outcomes[1]), count(*) FILTER (WHERE agent_ref LIKE 'erased-%') FROM call_event"
        assert tuple(await world.run(lambda s: s.execute(text(outcomes)).one())) == (["abusive"], 1)

    async def test_frees_what_was_unique(self, world: World, officer: httpx.AsyncClient) -> None:
        await erase(world, officer)

        again = {"user_name": "amira", "external_id": "hr-amira", "display_name": "Amira", "email": "amira@x.example"}
        made = await world.person("hana").post("/v1/employees", json=again)

        assert made.status_code == 201, made.text
        assert made.json()["id"] != str(world.people["amira"])

    async def test_cannot_be_taken_back(self, world: World, officer: httpx.AsyncClient) -> None:
        told = await erase(world, officer)
        hana, person = world.person("hana"), f"/v1/employees/{world.people['amira']}"

        assert (await hana.post(f"{person}/reactivate")).status_code == 409
        named = await hana.patch(person, json={"display_name": "Amira"}, headers={"If-Match": "*"})
        assert named.status_code == 409
        assert await done(await officer.post(url(world))) == told

    async def test_the_chain_of_the_audit_still_verifies(self, world: World, officer: httpx.AsyncClient) -> None:
        clean = await World(world.app, world.database).build()
        clean.people["marguerite"] = await clean.hire("marguerite")
        await clean.grant("marguerite", Role.data_protection_officer)
        await seal(clean)
        before = await clean.run(lambda s: seals.verify(s, clean.id))

        await leave(clean)
        await done(await clean.person("marguerite").post(url(clean)))
        await seal(clean)

        after = await clean.run(lambda s: seals.verify(s, clean.id))
        assert (before.fault, after.fault, after.unsealed) == (None, None, 0)
        assert after.entries > before.entries
        await clean.close()

    async def test_is_told_to_other_systems_without_a_name(self, world: World, officer: httpx.AsyncClient) -> None:
        await erase(world, officer)

        query = text("SELECT data FROM outgoing_event WHERE type = 'employee.erased'")
        (data,) = await world.run(lambda s: s.execute(query).scalars().all())
        assert set(data) == {"id", "version"}


class TestRestore:
    @pytest.fixture(autouse=True)
    def here(self, urls: migrate.Urls, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        @contextmanager
        def ground(_: Settings) -> Any:
            yield launch.Ground(urls, is_embedded=False)

        monkeypatch.setattr(launch, "ground", ground)
        monkeypatch.setattr(launch, "read_settings", lambda: settings)

    async def test_an_erased_person_does_not_return(
        self, world: World, officer: httpx.AsyncClient, tmp_path: Path, urls: migrate.Urls
    ) -> None:
        """The rows come back as they were before; the ledger, which is a file, sends them away again."""
        file, amira = tmp_path / "ledger" / "erasures.jsonl", world.people["amira"]
        tables = ("employee", "thought_record", "agent_alias", "call_flag", "goal", "call_event")
        whose = {"employee": "id"}

        def back_up(session: Session) -> dict[str, list[str]]:
            query = "SELECT to_jsonb(t)::text FROM {} t WHERE {} = :id"
            return {
                name: list(
                    session.execute(text(query.format(name, whose.get(name, "employee_id"))), {"id": amira}).scalars()
                )
                for name in tables
            }

        def restore(session: Session, rows: dict[str, list[str]]) -> None:
            session.execute(text("DELETE FROM call_flag WHERE employee_id = :id"), {"id": amira})
            for name, old in rows.items():
                columns = [column.name for column in Base.metadata.tables[name].c]
                values = ", ".join(f"{column} = r.{column}" for column in columns)
                record = f"jsonb_populate_record(NULL::{name}, CAST(:row AS jsonb)) r"
                for row in old:
                    there = f"UPDATE {name} t SET {values} FROM {record} WHERE t.id = r.id"
                    if not session.execute(text(there), {"row": row}).rowcount:  # type: ignore[attr-defined]  # of DML
                        session.execute(text(f"INSERT INTO {name} SELECT r.* FROM {record}"), {"row": row})
            session.execute(
                text("UPDATE keys.person_key SET wrapped = '\\x00', destroyed_at = NULL WHERE id = :id"), {"id": amira}
            )

        before = await world.run(back_up)
        told = await erase(world, officer)
        await Filing(world.database, file).file_all(file)
        await world.run(restore, before)
        assert any(CANARY in row for row in (await dump(world))["employee"])

        first = await asyncio.to_thread(erasure_command.restore_check, file)
        second = await asyncio.to_thread(erasure_command.restore_check, file)

        assert (first["erased_again"], second["erased_again"]) == (1, 0)
        assert second["still_erased"] >= 1
        rows = await dump(world)
        assert [row for name in tables for row in rows[name] if CANARY in row.casefold()] == []
        assert rows["thought_record"] == []
        key = text("SELECT wrapped FROM keys.person_key WHERE id = :id")
        assert await world.run(lambda s: s.execute(key, {"id": amira}).scalar_one()) is None
        shown = await done(await world.person("hana").get(f"/v1/employees/{amira}"))
        assert shown["display_name"] == told["pseudonym"]

    async def test_the_file_holds_each_once_and_no_name(
        self, world: World, officer: httpx.AsyncClient, tmp_path: Path
    ) -> None:
        file = tmp_path / "erasures.jsonl"
        await erase(world, officer)

        for _ in range(2):
            await Filing(world.database, file).file_all(file)

        lines = [json.loads(line) for line in file.read_text().splitlines()]
        (line,) = (each for each in lines if each["employee_id"] == str(world.people["amira"]))
        assert CANARY not in file.read_text().casefold()
        assert line["erased_by_id"] == str(world.people["marguerite"])

    async def test_one_who_is_not_in_the_backup_is_no_fault_and_stays_in_the_ledger(
        self, world: World, tmp_path: Path
    ) -> None:
        file = tmp_path / "erasures.jsonl"
        line = {
            "organisation_id": str(world.id),
            "employee_id": str(world.team_id),
            "pseudonym": "Erased person 00",
            "erased_at": "2026-01-01T00:00:00+00:00",
            "erased_by_id": None,
        }
        file.write_text(json.dumps(line) + "\n" + json.dumps({**line, "organisation_id": str(world.team_id)}) + "\n")

        found = await asyncio.to_thread(erasure_command.restore_check, file)

        assert found["not_there"] >= 1
        assert found["unknown_organisation"] == 1
        assert len((await dump(world))["erasure"]) == 1

    async def test_says_what_is_no_ledger(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_text("{}\n")
        for path in (tmp_path / "x", None):
            with pytest.raises(launch.StartError):
                await asyncio.to_thread(erasure_command.restore_check, path)

    async def test_the_ledger_can_only_be_added_to(self, world: World, officer: httpx.AsyncClient) -> None:
        await erase(world, officer)
        for statement in ("DELETE FROM erasure", "UPDATE erasure SET pseudonym = 'x'"):
            with pytest.raises(Exception, match="permission denied"):
                await world.run(lambda s, each=statement: s.execute(text(each)))
