"""Calendar feeds: that polling is cheap, that the address is the secret, and that they are their person's alone."""

import re
import time
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app import auth, clock
from app.errors import Unauthenticated
from app.main import create_app
from app.models import Employee
from app.models.base import new_id
from app.settings import Settings
from app.telemetry import exposition
from tests.calendars import FEEDS, path_of, poll, subscribe
from tests.held_sessions import alter, hold_session, rows
from tests.plans import done, made
from tests.world import World, etag


class TestPolling:
    async def test_the_bytes_are_the_same_until_something_changes(
        self, world: World, amira: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        feed, start = await subscribe(amira), clock.now().replace(hour=8)
        session_id = await hold_session(world, starts_at=start + timedelta(days=2))
        first = await poll(world, feed)
        tag = first.headers["ETag"]
        assert re.fullmatch(r'"[0-9a-f]{32}"', tag), "a strong one"

        for hours in (1, 9):
            monkeypatch.setattr(clock, "now", lambda hours=hours: start + timedelta(hours=hours))
            again = await poll(world, feed)
            assert (again.content, again.headers["ETag"]) == (first.content, tag)
        note = {"text": "Private."}
        await made(await amira.post(f"/v1/coaching-sessions/{session_id}/notes", json=note))
        assert (await poll(world, feed)).headers["ETag"] == tag

        await alter(world, session_id, sequence=1)
        assert (await poll(world, feed)).headers["ETag"] != tag

    async def test_what_is_known_is_not_sent_again(self, world: World, amira: httpx.AsyncClient) -> None:
        feed = await subscribe(amira)
        await hold_session(world)
        first = await poll(world, feed)

        for sent in (first.headers["ETag"], f'"other", {first.headers["ETag"]}', f"W/{first.headers['ETag']}", "*"):
            again = await poll(world, feed, if_none_match=sent)
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["ETag"] == first.headers["ETag"]
            assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
        assert (await poll(world, feed, if_none_match='"other"')).content == first.content

    async def test_that_costs_no_rendering(
        self, world: World, amira: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        feed = await subscribe(amira)
        tag = (await poll(world, feed)).headers["ETag"]
        monkeypatch.setattr("app.services.calendar_text.render", None)

        assert (await poll(world, feed, if_none_match=tag)).status_code == 304

    async def test_choosing_the_subject_changes_the_tag(self, world: World, amira: httpx.AsyncClient) -> None:
        feed = await subscribe(amira)
        await hold_session(world)
        tag = (await poll(world, feed)).headers["ETag"]

        url = f"{FEEDS}/{feed['id']}"
        await done(await amira.patch(url, json={"show_subject": True}, headers=etag(feed)))

        answer = await poll(world, feed, if_none_match=tag)
        assert (answer.status_code, "SUMMARY:A calmer evening line" in answer.text) == (200, True)


class TestTheAddress:
    async def test_carries_its_organisation_and_is_shown_once(self, world: World, amira: httpx.AsyncClient) -> None:
        headers = {"Idempotency-Key": "once"}
        answer = await amira.post(FEEDS, json={"name": "My phone"}, headers=headers)
        feed = await made(answer)
        token = feed["url"].removesuffix(".ics").rpartition("/")[2]

        assert feed["url"].startswith("http://127.0.0.1:8000/v1/calendars/blst_cal_")
        assert auth.parse_key(token, "cal").organisation_id == world.id
        assert feed["last_four"] == token[-4:]
        replayed = await made(await amira.post(FEEDS, json={"name": "My phone"}, headers=headers))
        assert replayed == {**feed, "url": None}
        for path in (FEEDS, f"{FEEDS}/{feed['id']}", f"{FEEDS}/{feed['id']}/history", "/v1/me"):
            assert token[31:] not in (await amira.get(path)).text
        for table in ("calendar_feed", "audit_entry", "outgoing_event", "idempotent_answer"):
            assert (
                await rows(world, f"SELECT 1 FROM {table} t WHERE t::text LIKE :secret", secret=f"%{token[31:60]}%")
                == []
            )

    async def test_a_wrong_one_is_404_with_the_same_body_whatever_is_wrong(
        self, world: World, elsewhere: World, amira: httpx.AsyncClient
    ) -> None:
        revoked, rotated, left = [await subscribe(amira, name=name) for name in ("one", "two", "three")]
        await done(await amira.post(f"{FEEDS}/{revoked['id']}/revoke"))
        await done(await amira.post(f"{FEEDS}/{rotated['id']}/rotate"))
        token = left["url"].removesuffix(".ics").rpartition("/")[2]
        another, client = auth.make_key(elsewhere.id, "cal")[0], await world.key()
        tokens = [each["url"].removesuffix(".ics").rpartition("/")[2] for each in (revoked, rotated)]
        tokens += ["x", "blst_cal_x", token[:-1], f"{token[:-1]}{'0' if token[-1] != '0' else '1'}", token.lower()]
        tokens += [another, auth.make_key(world.id, "cal")[0], auth.make_key(new_id(), "cal")[0], client, str(new_id())]
        tokens += ["%00", "blst_cal_%F0%9F%99%82", "a.b"]

        answers = [await world.http().get(f"/v1/calendars/{each}.ics") for each in tokens]

        assert (await world.http().get(f"/v1/calendars/{token}.ics")).status_code == 200
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1
        assert answers[0].json()["instance"] == "/v1/calendars/token.ics"
        variable = {"x-request-id", "ratelimit", "ratelimit-policy"}
        assert len({str({n: v for n, v in a.headers.items() if n not in variable}) for a in answers}) == 1

    async def test_is_no_key_to_anything_else(self, world: World, amira: httpx.AsyncClient) -> None:
        feed = await subscribe(amira)
        token = feed["url"].removesuffix(".ics").rpartition("/")[2]

        for path in (FEEDS, "/v1/me", "/v1/coaching-sessions"):
            assert (await world.http(token).get(path)).status_code == 401
        for key, kind in ((token, "live"), (await world.key(), "cal")):
            with pytest.raises(Unauthenticated):
                auth.parse_key(key, kind)  # type: ignore[arg-type]  # the pair is typed by its place

    async def test_of_who_has_left_answers_404(self, world: World, amira: httpx.AsyncClient) -> None:
        feed = await subscribe(amira)
        await world.run(lambda session: setattr(_amira(session, world), "active", False))
        assert (await poll(world, feed)).status_code == 404

    async def test_asks_that_nobody_keeps_it(self, world: World, amira: httpx.AsyncClient) -> None:
        answer = await poll(world, await subscribe(amira))

        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Robots-Tag"] == "noindex"
        assert "no-store" not in str(answer.headers)

    async def test_stands_in_no_log_no_trace_and_no_metric(
        self, world: World, amira: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        feed = await subscribe(amira)
        token = feed["url"].removesuffix(".ics").rpartition("/")[2]
        caplog.clear()
        with caplog.at_level("DEBUG"):
            for path in (path_of(feed), f"/v1/calendars/{token}", f"/v1/calendar/{token}.ics", f"/?t={token}"):
                answer = await world.http().get(path)
                assert token not in answer.text
            assert token not in (await world.http().post(path_of(feed))).text

        lines = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
        assert any(record.__dict__.get("route") == "/v1/calendars/{token}.ics" for record in lines)
        assert token not in "".join(str(record.__dict__) for record in lines)
        assert token not in exposition().decode()
        untraced = create_app(Settings(telemetry=True))._telemetry["exclude"]
        assert untraced is not None
        for path, query in ((path_of(feed), ""), (f"/calendar/{token}", ""), ("/", f"t={token}")):
            assert untraced({"type": "http", "method": "GET", "path": path, "query_string": query.encode()})
        assert not untraced({"type": "http", "method": "GET", "path": FEEDS, "query_string": b"limit=1"})

    async def test_is_read_at_most_once_a_second(
        self, app: FastAPI, world: World, amira: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        feed, other = await subscribe(amira), await subscribe(amira)
        frozen = time.monotonic()
        monkeypatch.setattr("app.middleware.time.monotonic", lambda: frozen)

        answers = [(await poll(world, feed)).status_code for _ in range(61)]

        assert answers == [200] * 60 + [429]
        refused = await poll(world, feed)
        assert int(refused.headers["Retry-After"]) >= 1
        assert (await poll(world, other)).status_code == 200


def _amira(session: Any, world: World) -> Any:
    return session.get_one(Employee, (world.id, world.people["amira"]))


class TestManaging:
    async def test_is_the_persons_alone(
        self, world: World, amira: httpx.AsyncClient, theo: httpx.AsyncClient, noor: httpx.AsyncClient
    ) -> None:
        feed = await subscribe(amira)
        url = f"{FEEDS}/{feed['id']}"
        for who in (theo, noor, world.person("hana"), world.person("jonas")):
            assert (await done(await who.get(FEEDS)))["data"] == []
            for answer in (await who.get(url), await who.post(f"{url}/revoke"), await who.post(f"{url}/rotate")):
                assert answer.status_code == 404
        client = await world.client()
        assert (await client.get(FEEDS)).json()["code"] == "people_only"
        assert (await client.post(FEEDS, json={"name": "x"})).json()["code"] == "people_only"
        assert [each["id"] for each in (await done(await amira.get(FEEDS)))["data"]] == [feed["id"]]

    async def test_a_new_address_ends_the_old_one(self, world: World, amira: httpx.AsyncClient) -> None:
        feed = await subscribe(amira)

        renewed = await done(await amira.post(f"{FEEDS}/{feed['id']}/rotate", headers=etag(feed)))

        assert renewed["id"] == feed["id"]
        assert renewed["url"] != feed["url"]
        assert ((await poll(world, feed)).status_code, (await poll(world, renewed)).status_code) == (404, 200)

    async def test_revoking_is_for_good_and_recorded(self, world: World, amira: httpx.AsyncClient) -> None:
        feed = await subscribe(amira)
        url = f"{FEEDS}/{feed['id']}"

        revoked = await done(await amira.post(f"{url}/revoke", json={"reason": "Lost my phone"}))

        assert (revoked["state"], revoked["allowed_actions"]) == ("revoked", [])
        assert (await poll(world, feed)).status_code == 404
        for refused in (await amira.post(f"{url}/revoke"), await amira.post(f"{url}/rotate")):
            assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state")
        trail = (await done(await amira.get(f"{url}/history")))["data"]
        assert [entry["action"] for entry in trail] == ["calendar_feed.revoked", "calendar_feed.created"]
        assert await rows(world, "SELECT 1 FROM outgoing_event") == []

    async def test_a_person_keeps_a_bounded_number(
        self, world: World, amira: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("app.services.calendar_feed.MOST", 1)
        feed = await subscribe(amira)
        refused = await amira.post(FEEDS, json={"name": "x"})
        assert (refused.status_code, refused.json()["code"]) == (409, "too_many_feeds")

        await done(await amira.post(f"{FEEDS}/{feed['id']}/revoke"))

        await subscribe(amira)
        assert (await subscribe(world.person("theo")))["state"] == "active"
