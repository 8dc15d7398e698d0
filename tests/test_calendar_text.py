"""What a calendar shows and hides, and that other programs can read it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from ical.calendar_stream import IcsCalendarStream
from ical.event import EventStatus

from app import clock
from app.models.coaching_session import Answer
from app.services import calendar_reading
from tests.calendars import events, poll, subscribe, unfolded
from tests.held_sessions import alter, alter_attendee, hold_session
from tests.plans import done, made
from tests.world import World

HOSTILE = (
    'Calm, clear; and "free"\\\r\nEND:VEVENT\r\nBEGIN:VEVENT\nUID:forged\x85X-A:1\u2028X-B:1\x0bX-C:1\tend '
    + "漢字🙂" * 40
)


@pytest.fixture
def jonas(world: World) -> httpx.AsyncClient:
    """Coaches."""
    return world.person("jonas")


class TestWhatItShows:
    async def test_the_sessions_that_one_coaches_or_attends_and_no_others(
        self, world: World, amira: httpx.AsyncClient, jonas: httpx.AsyncClient, theo: httpx.AsyncClient
    ) -> None:
        first, second = await hold_session(world), await hold_session(world, "amira", "grace", kind="group")
        others = await hold_session(world, "grace")
        removed = await hold_session(world)
        await alter_attendee(world, removed, "amira", removed_at=clock.now())
        asked: dict[str, Any] = {"state": "requested", "scheduled_at": None}
        await hold_session(world, **asked)
        await hold_session(world, **{**asked, "state": "declined"})
        await hold_session(world, **{**asked, "state": "cancelled"})

        found = {who: await events(world, await subscribe(world.person(who))) for who in ("amira", "jonas", "theo")}

        assert {event.uid for event in found["amira"]} == {f"{each}@ballast" for each in (first, second)}
        assert {event.uid for event in found["jonas"]} == {
            f"{each}@ballast" for each in (first, second, others, removed)
        }
        assert found["theo"] == []

    async def test_no_subject_unless_chosen_and_never_a_note(self, world: World, amira: httpx.AsyncClient) -> None:
        secret = {"subject": "canary: the panic", "agenda": "canary", "reason": "canary", "kind": "debrief"}
        where = {"location": "canary room", "meeting_url": "https://meet.example/canary"}
        session_id = await hold_session(world, **secret, **where)
        notes, note = f"/v1/coaching-sessions/{session_id}/notes", {"text": "canary-note"}
        await made(await amira.post(notes, json=note))
        await made(await world.person("jonas").post(notes, json={**note, "visibility": "shared_with_attendees"}))

        plain = await poll(world, await subscribe(amira))
        chosen = await poll(world, await subscribe(amira, show_subject=True))

        assert "canary" not in plain.text
        assert "debrief" not in plain.text.lower()
        assert "SUMMARY:Coaching" in plain.text
        lines = unfolded(chosen.text)
        assert "SUMMARY:canary: the panic" in lines
        assert "LOCATION:canary room" in lines
        assert "URL:https://meet.example/canary" in lines
        assert chosen.text.count("canary") == 3
        for names in (plain.text, chosen.text):
            assert not re.search("amira|jonas|attendee|organizer|description", names, re.IGNORECASE)

    async def test_the_state_of_each(self, world: World, amira: httpx.AsyncClient, jonas: httpx.AsyncClient) -> None:
        feed, coachs = await subscribe(amira), await subscribe(jonas)
        for number, (state, answer, wanted) in enumerate(
            (
                ("scheduled", Answer.accepted, EventStatus.CONFIRMED),
                ("scheduled", Answer.needs_action, EventStatus.TENTATIVE),
                ("scheduled", Answer.tentative, EventStatus.TENTATIVE),
                ("scheduled", Answer.declined, EventStatus.CANCELLED),
                ("in_progress", Answer.accepted, EventStatus.CONFIRMED),
                ("completed", Answer.accepted, EventStatus.CONFIRMED),
                ("acknowledged", Answer.accepted, EventStatus.CONFIRMED),
                ("no_show", Answer.accepted, EventStatus.CONFIRMED),
                ("cancelled", Answer.accepted, EventStatus.CANCELLED),
            )
        ):
            begins = clock.now() + timedelta(days=number + 1)
            session_id = await hold_session(world, state=state, answer=answer, starts_at=begins)
            found = {event.uid: event for event in await events(world, feed)}[f"{session_id}@ballast"]
            assert found.status == wanted, (state, answer)
            assert found.transparency == ("TRANSPARENT" if wanted == EventStatus.CANCELLED else "OPAQUE")
            theirs = {event.uid: event for event in await events(world, coachs)}[f"{session_id}@ballast"]
            expected = EventStatus.CANCELLED if state == "cancelled" else EventStatus.CONFIRMED
            assert theirs.status == expected, "a coach has answered by agreeing"

    async def test_a_cancelled_one_stays_marked_for_more_than_a_month(
        self, world: World, amira: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        feed, start = await subscribe(amira), clock.now()
        session_id = await hold_session(world, starts_at=start + timedelta(hours=1))
        (before,) = await events(world, feed)
        await alter(world, session_id, state="cancelled")

        for days in (0, 31, 89):
            monkeypatch.setattr(clock, "now", lambda days=days: start + timedelta(days=days))
            (found,) = await events(world, feed)
            assert (found.uid, found.status) == (before.uid, EventStatus.CANCELLED)
        monkeypatch.setattr(clock, "now", lambda: start + timedelta(days=92))
        assert await events(world, feed) == []

    async def test_a_bounded_window(
        self, world: World, amira: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        feed = await subscribe(amira)
        for days in (-91, -89, 0, 365, 368):
            await hold_session(world, subject=str(days), starts_at=clock.now() + timedelta(days=days))
        assert len(await events(world, feed)) == 3

        monkeypatch.setattr("app.services.calendar_reading.SESSIONS", _at_most(2))
        assert len(await events(world, feed)) == 2

    async def test_through_its_whole_life(
        self, world: World, amira: httpx.AsyncClient, jonas: httpx.AsyncClient
    ) -> None:
        feed, sessions = await subscribe(amira), "/v1/coaching-sessions"
        begins = clock.now().replace(microsecond=0) + timedelta(days=2)
        times = {"starts_at": begins.isoformat(), "ends_at": (begins + timedelta(hours=1)).isoformat()}
        people = {"coach_id": str(world.people["jonas"]), "attendee_ids": [str(world.people["amira"])]}
        body = {"subject": "The long evenings", **times, **people, "time_zone": "Europe/London"}
        made_id = (await made(await jonas.post(sessions, json=body)))["id"]
        seen = [await events(world, feed)]

        await done(await amira.post(f"{sessions}/{made_id}/answer", json={"answer": "accepted"}))
        seen += [await events(world, feed)]
        later = {"starts_at": (begins + timedelta(days=1)).isoformat()}
        later |= {"ends_at": (begins + timedelta(days=1, hours=1)).isoformat()}
        await done(await jonas.post(f"{sessions}/{made_id}/reschedule", json=later))
        seen += [await events(world, feed)]
        await done(await jonas.post(f"{sessions}/{made_id}/cancel", json={"reason": "canary"}))
        seen += [await events(world, feed)]

        assert [(e.uid, e.status, e.sequence, e.start) for (e,) in seen] == [
            (f"{made_id}@ballast", EventStatus.TENTATIVE, 0, begins),
            (f"{made_id}@ballast", EventStatus.CONFIRMED, 0, begins),
            (f"{made_id}@ballast", EventStatus.TENTATIVE, 1, begins + timedelta(days=1)),
            (f"{made_id}@ballast", EventStatus.CANCELLED, 2, begins + timedelta(days=1)),
        ]
        assert "canary" not in (await poll(world, feed)).text

    async def test_rescheduling_keeps_the_uid_and_counts(self, world: World, amira: httpx.AsyncClient) -> None:
        feed, session_id = await subscribe(amira), await hold_session(world)
        (before,) = await events(world, feed)
        moved = clock.now().replace(microsecond=0) + timedelta(days=3)
        await alter(world, session_id, starts_at=moved, ends_at=moved + timedelta(hours=1), sequence=1)

        (after,) = await events(world, feed)

        assert after.uid == before.uid == f"{session_id}@ballast"
        assert (before.sequence, after.sequence) == (0, 1)
        assert after.start == moved
        assert after.last_modified is not None
        assert before.last_modified is not None
        assert after.last_modified >= before.last_modified

    async def test_occurrences_of_a_series_are_events_of_their_own(
        self, world: World, amira: httpx.AsyncClient
    ) -> None:
        """A moved one is moved by its own times: whoever reads it needs no rule and no RECURRENCE-ID."""
        begins, jonas = clock.now().replace(microsecond=0) + timedelta(days=2), world.person("jonas")
        people = {"coach_id": str(world.people["jonas"]), "attendee_ids": [str(world.people["amira"])]}
        rule = {"starts_at": begins.isoformat(), "duration_seconds": 3600, "rrule": "FREQ=WEEKLY;COUNT=3"}
        body = {"subject": "Weekly", **people, **rule, "time_zone": "UTC"}
        await made(await jonas.post("/v1/coaching-series", json=body))
        feed = await subscribe(amira)
        before = await events(world, feed)
        moved = begins + timedelta(days=8)
        times = {"starts_at": moved.isoformat(), "ends_at": (moved + timedelta(hours=1)).isoformat()}
        second = before[1].uid.removesuffix("@ballast") if before[1].uid else ""
        await done(await jonas.post(f"/v1/coaching-sessions/{second}/reschedule", json=times))

        after = await events(world, feed)

        weeks = [begins + timedelta(weeks=week) for week in range(3)]
        assert [event.start for event in before] == weeks
        assert [(event.start, event.sequence) for event in after] == [(weeks[0], 0), (moved, 1), (weeks[2], 0)]
        assert {event.uid for event in after} == {event.uid for event in before}
        assert len({event.uid for event in after}) == 3
        text = (await poll(world, feed)).text
        for word in ("RRULE", "RECURRENCE-ID", "RDATE", "EXDATE"):
            assert word not in text

    async def test_the_instant_is_right_across_the_clock_change(self, world: World, amira: httpx.AsyncClient) -> None:
        """Ten in London on the day before and on the day of the change; the standard library tells what that is."""
        london, feed = ZoneInfo("Europe/London"), await subscribe(amira)
        year = clock.now().year + (clock.now().month > 3)
        last_sunday = max(day for day in range(25, 32) if datetime(year, 3, day, tzinfo=UTC).weekday() == 6)
        local = [datetime(year, 3, day, 10, tzinfo=london) for day in (last_sunday - 1, last_sunday)]
        for begins in local:
            await hold_session(world, starts_at=begins)

        found = sorted(event.start for event in await events(world, feed))

        assert found == local
        assert found[1] - found[0] == timedelta(hours=23)


def _at_most(number: int) -> Any:
    return calendar_reading.SESSIONS.limit(number)


class TestTheText:
    async def test_holds_no_more_than_was_meant_whatever_is_in_it(self, world: World, amira: httpx.AsyncClient) -> None:
        session_id = await hold_session(
            world, subject=HOSTILE, location=HOSTILE, meeting_url="https://meet.example/\r\nX-D:1"
        )
        answer = await poll(world, await subscribe(amira, show_subject=True))

        (event,) = IcsCalendarStream.calendar_from_ics(answer.text).events
        assert event.uid == f"{session_id}@ballast"
        assert event.summary is not None
        assert event.summary.startswith('Calm, clear; and "free"\\  END:VEVENT  BEGIN:VEVENT UID:forged X-A:1 X-B:1')
        assert event.summary.endswith("漢字🙂" * 40)
        assert event.location == event.summary
        for forged in ("UID:forged", "X-A", "X-B", "X-C", "X-D", "URL"):
            assert not any(
                line.startswith(forged) for line in re.split(r"\r\n|[\n\r\x0b\x0c\x1c-\x1e\x85\u2028]", answer.text)
            )
        assert unfolded(answer.text).count("BEGIN:VEVENT") == 1

    async def test_is_folded_between_characters(self, world: World, amira: httpx.AsyncClient) -> None:
        await hold_session(world, subject="漢字🙂é" * 60)
        answer = await poll(world, await subscribe(amira, show_subject=True))

        assert answer.content.endswith(b"END:VCALENDAR\r\n")
        for line in answer.content.split(b"\r\n"):
            assert len(line) <= 75
            line.decode("utf-8")
        assert b"\n" not in answer.content.replace(b"\r\n", b"")

    async def test_an_empty_one_is_still_a_calendar(self, world: World, amira: httpx.AsyncClient) -> None:
        """RFC 5545 wants a component in each."""
        answer = await poll(world, await subscribe(amira))

        assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
        assert answer.text.count("BEGIN:") == 3
        assert "BEGIN:VTIMEZONE" in answer.text
        assert IcsCalendarStream.calendar_from_ics(answer.text).events == []

    async def test_has_all_that_an_event_needs(self, world: World, amira: httpx.AsyncClient) -> None:
        await hold_session(world)
        lines = unfolded((await poll(world, await subscribe(amira))).text)

        assert lines[:2] == ["BEGIN:VCALENDAR", "VERSION:2.0"]
        event = lines[lines.index("BEGIN:VEVENT") :]
        assert any(line.startswith("PRODID:") for line in lines)
        for name in ("UID:", "DTSTAMP:", "DTSTART:", "DTEND:", "SEQUENCE:", "LAST-MODIFIED:"):
            assert sum(line.startswith(name) for line in event) == 1, name
        assert "CLASS:PRIVATE" in lines
