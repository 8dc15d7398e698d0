"""Whoever has no part in a referral cannot tell who has one: over every route that reads, byte by byte."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event

from app import clock
from app.database import Database
from app.models.client import Role
from app.policy import SCOPES
from app.telemetry import exposition
from app.worker import AT_ONCE, Worker
from tests import eap as build
from tests.eap import CASES, REFERRALS, SUBMISSIONS, WAYS, Eap, done
from tests.operations import Operation, Stage, every_operation, staged
from tests.world import World

# Whom a referral of somebody else is nothing to. Theo leads all of them and their team, and suggested some.
OUTSIDE = ("theo", "hana", "noor")
# Of these it is asked by name; the unfiltered lists hold all of them.
ASKED_FOR = ("alone-in_progress", "asked-declined_by_employee", "asked-in_progress", "twin")
NEW_EACH_TIME = {"x-request-id", "ratelimit", "ratelimit-policy"}
ALONE = ("draft", *WAYS)  # by their own idea
ASKED = ("proposed", "declined_by_employee", *WAYS)  # after a suggestion, without any consent for who made it
UUID_TEXT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


class Statements:
    """How many statements went to the database."""

    count = 0

    def __call__(self, *_: Any) -> None:
        self.count += 1


@contextmanager
def counting(database: Database) -> Iterator[Statements]:
    statements = Statements()
    event.listen(database.engine.sync_engine, "before_cursor_execute", statements)
    yield statements
    event.remove(database.engine.sync_engine, "before_cursor_execute", statements)


@pytest.fixture
async def stage(app: FastAPI, database: Database) -> AsyncIterator[Stage]:
    world = await World(app, database).build()
    for name in (*(f"alone-{state}" for state in ALONE), *(f"asked-{state}" for state in ASKED), "twin"):
        await world.hire(name, manager_id=world.people["theo"])
    yield await staged(world)
    await world.close()


def opaque(value: Any) -> Any:
    """Return a text that looks new each time it is given, such as a cursor, as its length."""
    return len(value) if isinstance(value, str) else value


def seen(response: httpx.Response) -> Any:
    """Return everything that a caller can see of an answer."""
    headers = {name: value for name, value in response.headers.items() if name not in NEW_EACH_TIME}
    body = response.text
    if response.headers.get("content-type") == "application/json":
        told = json.loads(body)
        if isinstance(told, dict):
            told |= {name: opaque(told[name]) for name in ("next_cursor", "next_watermark") if name in told}
        body = json.dumps(told)
    elif response.headers.get("content-type", "").startswith("text/event-stream"):
        body = re.sub("^id: (.*)$", lambda found: f"id: {len(found[1])}", body, flags=re.MULTILINE)
    return response.status_code, headers, body


def paths(stage: Stage, operation: Operation) -> Iterator[str]:
    """Yield every way to ask a route that reads: as it is, for changes, and about people where it can be asked."""
    url = operation.url(stage.mine)
    yield f"{url}?limit=200" if operation.is_list else url
    if "modified_since" in operation.route.known_queries:
        yield f"{url}?modified_since=2026-01-01T00:00:00Z"
    for name in {"employee_id", "subject_id", "mentee_id"} & operation.route.known_queries:
        yield from (f"{url}?{name}={stage.world.people[person]}" for person in ASKED_FOR)


async def outsiders(stage: Stage) -> dict[str, httpx.AsyncClient]:
    """Return who has no part in any of it: an ordinary client among them, which audits nothing and acts for nobody."""
    scopes = [scope for scope in SCOPES if not scope.startswith("audit")]
    return {name: stage.people[name] for name in OUTSIDE} | {"client": await stage.world.client(*scopes)}


async def everything(
    stage: Stage, callers: dict[str, httpx.AsyncClient], monkeypatch: pytest.MonkeyPatch, at: Any
) -> dict[Any, Any]:
    """Return what everyone outside sees at one moment, on every route that reads, and by how many statements."""
    await Worker(stage.world.database, stage.world.app.state.wakeup, 1).attend(stage.world.id, AT_ONCE)
    found: dict[Any, Any] = {}
    with monkeypatch.context() as patch, counting(stage.world.database) as statements:
        patch.setattr(clock, "now", lambda: at)
        for operation in every_operation():
            if operation.method != "GET" or operation.rule is None:
                continue
            for path in paths(stage, operation):
                # By name it is asked by who leads them, and by a machine: the others' whole lists say as much.
                asking = callers if "_id=" not in path else {name: callers[name] for name in ("theo", "client")}
                for name, caller in asking.items():
                    statements.count = 0
                    response = await caller.get(path)
                    found[name, path] = (*seen(response), statements.count)
    return found


async def live(stage: Stage, eap: Eap) -> list[dict[str, Any]]:
    """Let each of them get to their state, and return all that came of it."""
    made: list[dict[str, Any]] = []
    for name, state in [*((f"alone-{s}", s) for s in ALONE), *((f"asked-{s}", s) for s in ASKED)]:
        who = stage.world.person(name)
        asked = name.startswith("asked")
        referral = await eap.proposed(who) if asked else await eap.draft(who, note="After six.")
        if state == "declined_by_employee":
            await done(await who.post(f"{REFERRALS}/{referral['id']}/decline"))
        elif state in WAYS:
            to_referrer = "none" if asked and state == "completed" else None
            referral = await eap.send(who, referral, "name", to_referrer=to_referrer)
            case = await eap.move(await eap.case(referral), *WAYS[state])
            made.append(case)
        assert (await build.read(who, referral))["state"] == state
        made.append(referral)
    return made


@pytest.mark.broad
async def test_who_leads_or_administers_sees_no_difference(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status, body, list totals, ETag and every other header, error texts, and how much the database had to do."""
    eap = await Eap.build(stage.world)
    for state in ASKED:
        await eap.suggest(stage.people["theo"], stage.world.people[f"asked-{state}"], reason="It is a lot just now.")
    at, callers = clock.now() + timedelta(hours=2), await outsiders(stage)
    leaving = await build.rows(stage.world, "SELECT type, resource_id, data::text FROM outgoing_event ORDER BY id")
    figures = [line for line in exposition().splitlines() if b"/v1/eap-" in line or b"consent" in line]
    before = await everything(stage, callers, monkeypatch, at)

    made = await live(stage, eap)

    after = await everything(stage, callers, monkeypatch, at)
    assert len(before) > 400
    assert before.keys() == after.keys()
    assert {status for status, *_ in before.values()} == {200, 403, 404}
    differing = [key for key in before if before[key] != after[key]]
    assert differing == []
    now_leaving = await build.rows(stage.world, "SELECT type, resource_id, data::text FROM outgoing_event ORDER BY id")
    assert now_leaving == leaving
    assert [line for line in exposition().splitlines() if b"/v1/eap-" in line or b"consent" in line] == figures == []
    await nothing_is_there(stage, callers, made)
    await a_new_suggestion_tells_nothing(stage)


async def nothing_is_there(stage: Stage, callers: dict[str, httpx.AsyncClient], made: list[dict[str, Any]]) -> None:
    """Whoever asks for a row by its very id is told what they are told of an id that nothing has."""
    parts = {REFERRALS: ("", "/history", "/consents"), CASES: ("", "/history"), SUBMISSIONS: ("", "/shared")}
    with counting(stage.world.database) as statements:
        for name, caller in callers.items():
            for root, endings in parts.items():
                for ending in endings:
                    answers = set()
                    for identifier in (uuid4(), *(row["id"] for row in made[::3])):
                        statements.count = 0
                        response = await caller.get(f"{root}/{identifier}{ending}")
                        answers.add((repr(seen(response)), statements.count))
                    assert len(answers) == 1, (name, root, ending)


async def a_new_suggestion_tells_nothing(stage: Stage) -> None:
    """To suggest it anew, and with a reason, takes the same whatever the person has, and is answered the same."""
    answers = set()
    with counting(stage.world.database) as statements:
        for name in ("twin", *(f"alone-{state}" for state in ALONE), *(f"asked-{state}" for state in ASKED)):
            employee_id = str(stage.world.people[name])
            body = {"employee_id": employee_id, "kind": "management", "reason": "Again."}
            statements.count = 0
            created = await stage.people["theo"].post(SUBMISSIONS, json=body)
            proposed = await stage.people["theo"].post(f"{SUBMISSIONS}/{created.json()['id']}/propose")
            told = [MOMENT.sub("T", UUID_TEXT.sub("ID", answer.text)) for answer in (created, proposed)]
            answers.add((created.status_code, proposed.status_code, *told, statements.count))
    assert len(answers) == 1, answers


class TestAuditor:
    """Reads that something happened to somebody's referral, and cannot tell whose."""

    async def view(self, app: FastAPI, database: Database, name: str) -> dict[str, Any]:
        """Return all that the auditor of an organisation sees where this one of two people has a referral."""
        world = await World(app, database).build()
        for person in ("audra", "bram"):
            await world.hire(person, manager_id=world.people["theo"])
        await world.grant("audra", Role.auditor)
        eap = await Eap.build(world)
        who = world.person(name)
        sent = await eap.sent(who, "name", note="After six.")
        await build.read(world.person("ines"), sent)
        await eap.move(await eap.case(sent), *WAYS["completed"])
        for each in ("amira", "bram"):
            await eap.suggest(world.person("theo"), world.people[each])
        await done(await who.post(f"{REFERRALS}/{(await eap.proposed(who))['id']}/decline"))
        await Worker(database, app.state.wakeup, 1).attend(world.id, AT_ONCE)
        names = {str(identifier): person for person, identifier in world.people.items()}
        audra = world.person("audra")
        queries = [""]
        for parameter in ("subject_id", "actor_id", "resource_id"):
            queries += [f"&{parameter}={world.people[person]}" for person in ("amira", "bram", "theo", "ines")]
        found = {}
        for query in queries:
            answer = await done(await audra.get(f"/v1/audit-entries?limit=200{query}"))
            found[self.told(query, names)] = self.told(json.dumps(answer["data"]), names)
        await world.close()
        return found

    def told(self, body: str, names: dict[str, str]) -> str:
        """Return a text with people by their names, other ids in the order in which they come, and no times."""
        others: dict[str, str] = {}

        def named(found: re.Match[str]) -> str:
            return names.get(found.group()) or others.setdefault(found.group(), f"id {len(others)}")

        return MOMENT.sub("T", UUID_TEXT.sub(named, body))

    async def test_cannot_tell_whose_it_is(self, app: FastAPI, database: Database) -> None:
        one, other = await self.view(app, database, "amira"), await self.view(app, database, "bram")

        assert "eap_referral.declined_by_employee" in str(one)
        assert "eap_case.completed" in str(one)
        for query in one:
            assert one[query] == other[query], query

    async def test_no_id_of_an_entry_leads_to_the_suggestion(self, world: World, theo: httpx.AsyncClient) -> None:
        """An id that tells when it was made would: it was made with the suggestion that Theo knows the moment of."""
        eap = await Eap.build(world)
        submission = await eap.suggest(theo, world.people["amira"])
        amira = world.person("amira")
        referral = await eap.send(amira, await eap.proposed(amira))

        entries = await build.rows(
            world,
            "SELECT resource, resource_id FROM audit_entry WHERE resource LIKE 'eap\\_%' AND access_right IS NULL",
        )

        ids = {entry.resource: entry.resource_id for entry in entries}
        assert UUID(str(ids["eap_referral"])).version == UUID(str(ids["eap_case"])).version == 4
        assert str(ids["eap_submission"]) == submission["id"] != referral["id"]
