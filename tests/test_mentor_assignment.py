"""Pairs of a mentor and a mentee: who proposes, who agrees, and the rules, each with a code of its own."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.orm import Session

from app import clock
from app.models import Employee
from tests.mentors import (
    PAIRS,
    Time,
    act,
    code,
    deactivate,
    history,
    ids,
    look,
    make_mentor,
    make_pair,
    propose,
    verb,
    work,
)
from tests.plans import done, outgoing, trail
from tests.world import World, etag


@pytest.fixture
async def mentored(world: World) -> World:
    """Where Grace can be a mentor."""
    await make_mentor(world.person("grace"))
    return world


async def set_manager(world: World, name: str, manager: str | None) -> None:
    def change(session: Session) -> None:
        person = session.get_one(Employee, (world.id, world.people[name]))
        person.manager_id = world.people[manager] if manager else None

    await world.run(change)


def body(world: World, mentor: str = "grace", mentee: str | None = None, **fields: Any) -> dict[str, Any]:
    who = {"mentee_id": str(world.people[mentee])} if mentee else {}
    return {"mentor_id": str(world.people[mentor]), "focus_pillars": ["relationships"], **who, **fields}


class TestAgreement:
    async def test_the_mentee_asks_and_the_mentor_accepts(
        self, amira: httpx.AsyncClient, grace: httpx.AsyncClient, mentored: World
    ) -> None:
        asked = await propose(amira, mentored.people["grace"])
        hers = await look(grace, asked)
        pair = await act(grace, asked, "accept")

        assert (asked["state"], asked["mentor_agreed_at"]) == ("proposed", None)
        assert asked["mentee_agreed_at"] is not None
        assert (asked["mentor_name"], asked["mentee_name"]) == ("Grace", "Amira")
        assert asked["allowed_actions"] == ["decline"], "she has agreed by asking"
        assert hers["allowed_actions"] == ["accept", "decline"]
        assert (pair["state"], pair["answer_due_at"]) == ("active", None)
        assert pair["starts_on"] == str(clock.now().date())
        assert pair["allowed_actions"] == ["update", "pause", "complete", "end", "record_meeting"]
        assert await history(amira, pair) == [
            ("mentor_assignment.proposed", {"state": "proposed", "kind": "ongoing"}),
            ("mentor_assignment.accepted", {"from": "proposed", "state": "active"}),
        ]
        assert pair["id"] not in [row for _, row in await outgoing(mentored)], "no client reads of pairs"

    async def test_the_mentor_offers_and_the_mentee_accepts(
        self, amira: httpx.AsyncClient, grace: httpx.AsyncClient, mentored: World
    ) -> None:
        offered = await propose(grace, mentored.people["grace"], mentee_id=mentored.people["amira"])

        assert (await verb(grace, offered, "accept")).status_code == 403
        assert (await act(amira, offered, "accept"))["state"] == "active"

    @pytest.mark.parametrize("proposer", ["theo", "noor"])
    async def test_what_somebody_else_proposes_both_accept(self, mentored: World, proposer: str) -> None:
        who, amira, grace = (mentored.person(name) for name in (proposer, "amira", "grace"))
        proposed = await propose(who, mentored.people["grace"], mentee_id=mentored.people["amira"])
        assert {proposed["id"]} == await ids(amira, awaits_me=True) == await ids(grace, awaits_me=True)

        half = await act(grace, proposed, "accept")
        again = await verb(grace, proposed, "accept")
        not_theirs = await verb(who, proposed, "accept")

        assert (half["state"], half["mentee_agreed_at"]) == ("proposed", None)
        assert half["mentor_agreed_at"] is not None
        assert (again.status_code, not_theirs.status_code) == (403, 403)
        assert await ids(grace, awaits_me=True) == set()
        assert (await act(amira, proposed, "accept"))["state"] == "active"
        assert [row.action for row in await trail(mentored, proposed)] == [
            "mentor_assignment.proposed",
            "mentor_assignment.agreed",
            "mentor_assignment.accepted",
        ]

    async def test_one_cannot_propose_for_just_anyone(self, mentored: World) -> None:
        jonas, ines = mentored.person("jonas"), mentored.person("ines")
        await make_mentor(jonas)

        for_another = await ines.post(PAIRS, json=body(mentored, mentee="amira"))
        by_hr = await mentored.person("hana").post(PAIRS, json=body(mentored, mentee="amira"))
        of_another_mentor = await jonas.post(PAIRS, json=body(mentored, mentee="amira"))

        assert [a.status_code for a in (for_another, by_hr, of_another_mentor)] == [422, 403, 422]

    async def test_either_declines_and_the_proposer_takes_it_back(self, mentored: World) -> None:
        theo, amira, grace = (mentored.person(name) for name in ("theo", "amira", "grace"))
        for who, reason in ((grace, "I am away in May."), (amira, None), (theo, None)):
            pair = await propose(theo, mentored.people["grace"], mentee_id=mentored.people["amira"])

            declined = await done(await verb(who, pair, "decline", **({"reason": reason} if reason else {})))

            assert declined["state"] == "declined"
            assert (await look(amira, pair))["ended_reason"] == reason
            assert (await verb(amira, pair, "accept")).json()["code"] in ("wrong_state", "not_allowed")


class TestRules:
    async def test_nobody_mentors_themself(self, grace: httpx.AsyncClient, mentored: World) -> None:
        assert code(await grace.post(PAIRS, json=body(mentored))) == "self_mentoring"

    async def test_never_the_line_manager(
        self, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        await make_mentor(theo)

        assert code(await amira.post(PAIRS, json=body(world, "theo"))) == "line_manager"
        assert code(await theo.post(PAIRS, json=body(world, "theo", "amira"))) == "line_manager"

    async def test_nor_one_who_became_it_meanwhile(
        self, amira: httpx.AsyncClient, grace: httpx.AsyncClient, mentored: World
    ) -> None:
        pair = await propose(amira, mentored.people["grace"])
        await set_manager(mentored, "amira", "grace")

        assert code(await verb(grace, pair, "accept")) == "line_manager"
        await set_manager(mentored, "amira", "theo")
        pair = await act(grace, pair, "accept")
        await act(amira, pair, "pause")
        await set_manager(mentored, "amira", "grace")
        assert code(await verb(amira, pair, "resume")) == "line_manager"

    async def test_both_are_active(self, amira: httpx.AsyncClient, noor: httpx.AsyncClient, mentored: World) -> None:
        await deactivate(mentored, "grace")

        assert code(await amira.post(PAIRS, json=body(mentored))) == "person_inactive"

    async def test_one_open_pair_of_the_same_two_and_another_when_it_is_closed(
        self, amira: httpx.AsyncClient, grace: httpx.AsyncClient, mentored: World
    ) -> None:
        proposed = await propose(amira, mentored.people["grace"])
        assert code(await amira.post(PAIRS, json=body(mentored))) == "pair_already_open"
        assert code(await grace.post(PAIRS, json=body(mentored, mentee="amira"))) == "pair_already_open"
        pair = await act(grace, proposed, "accept")
        await act(amira, pair, "pause")
        assert code(await amira.post(PAIRS, json=body(mentored, kind="one_off"))) == "pair_already_open"
        await act(amira, pair, "complete")

        again = await act(grace, await propose(amira, mentored.people["grace"]), "accept")

        assert again["id"] != pair["id"]
        assert (await look(amira, pair))["state"] == "completed"
        assert await ids(amira, mentor_id=mentored.people["grace"]) == {pair["id"], again["id"]}

    async def test_capacity_is_asked_at_the_proposal_and_at_the_acceptance(self, world: World) -> None:
        grace = world.person("grace")
        await make_mentor(grace, capacity=1)
        first = await propose(world.person("amira"), world.people["grace"])
        second = await propose(world.person("theo"), world.people["grace"])
        taken = await act(grace, first, "accept")

        refused = await verb(grace, second, "accept")
        assert code(refused) == "mentor_at_capacity"
        assert refused.json()["detail"] == "The mentor already has 1 of 1 mentees."
        assert code(await world.person("ines").post(PAIRS, json=body(world))) == "mentor_at_capacity"
        await act(grace, taken, "pause")
        assert code(await verb(grace, second, "accept")) == "mentor_at_capacity", "a pause keeps the place"
        await act(grace, taken, "end")
        assert (await act(grace, second, "accept"))["state"] == "active"

    async def test_a_pillar_has_one_mentor_at_a_time_but_for_single_meetings(self, mentored: World) -> None:
        amira, ines, jonas = (mentored.person(name) for name in ("amira", "ines", "jonas"))
        for who in (ines, jonas):
            await make_mentor(who)
        asked_before = await propose(amira, mentored.people["ines"], focus_pillars=["inner_drive", "relationships"])
        await make_pair(mentored)

        overlapping = body(mentored, "jonas", focus_pillars=["inner_drive", "relationships"])
        assert code(await amira.post(PAIRS, json=overlapping)) == "focus_already_covered"
        assert code(await verb(ines, asked_before, "accept")) == "focus_already_covered"
        once = await propose(amira, mentored.people["jonas"], kind="one_off")
        assert (await act(jonas, once, "accept"))["planned_sessions"] == 1
        await act(amira, asked_before, "decline")
        elsewhere = await propose(amira, mentored.people["ines"], focus_pillars=["inner_drive"])
        assert (await act(ines, elsewhere, "accept"))["state"] == "active"

    async def test_an_offering_mentor_is_not_told_of_another(self, mentored: World) -> None:
        jonas, amira = mentored.person("jonas"), mentored.person("amira")
        await make_mentor(jonas)
        await make_pair(mentored)

        offer = await propose(jonas, mentored.people["jonas"], mentee_id=mentored.people["amira"])

        assert code(await verb(amira, offer, "accept")) == "focus_already_covered"

    async def test_only_mentors_and_those_who_take_somebody_on(self, amira: httpx.AsyncClient, world: World) -> None:
        grace = world.person("grace")
        assert code(await amira.post(PAIRS, json=body(world))) == "not_a_mentor"
        await make_mentor(grace, accepting=False)

        assert code(await amira.post(PAIRS, json=body(world))) == "mentor_not_accepting"
        assert (await propose(grace, world.people["grace"], mentee_id=world.people["amira"]))["state"] == "proposed"

    async def test_the_form(self, amira: httpx.AsyncClient, mentored: World) -> None:
        for fields, pointer in (
            ({"focus_pillars": ["relationships", "surfing"]}, "/focus_pillars/1"),
            ({"focus_pillars": []}, "/focus_pillars"),
            ({"starts_on": "2026-06-01", "ends_on": "2026-05-31"}, "/ends_on"),
            ({"mentor_id": "0192f0c1-2b3c-7d4e-8f50-617283940a1b"}, "/mentor_id"),
            ({"agreed_cadence_days": 0}, "/agreed_cadence_days"),
        ):
            answer = await amira.post(PAIRS, json={**body(mentored), **fields})
            assert answer.status_code == 422, fields
            assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


class TestTerms:
    async def test_those_that_nobody_chose_are_shown_with_their_basis(self, mentored: World) -> None:
        pair = await propose(mentored.person("amira"), mentored.people["grace"])

        terms = (pair["agreed_cadence_days"], pair["later_cadence_days"], pair["planned_sessions"])
        assert terms == (14, 30, 6)
        assert [each["field"] for each in pair["starting_values"]] == [
            "agreed_cadence_days",
            "later_cadence_days",
            "planned_sessions",
        ]
        assert all(each["basis"] for each in pair["starting_values"])

    async def test_an_agreed_rhythm_holds_throughout(self, amira: httpx.AsyncClient, mentored: World) -> None:
        pair = await propose(amira, mentored.people["grace"], agreed_cadence_days=7, planned_sessions=4)

        assert (pair["agreed_cadence_days"], pair["later_cadence_days"], pair["starting_values"]) == (7, None, [])

    async def test_either_changes_them_and_nobody_else(self, mentored: World) -> None:
        pair = await make_pair(mentored)
        url = f"{PAIRS}/{pair['id']}"
        for name, status in (("theo", 403), ("noor", 403), ("grace", 200), ("amira", 200)):
            who = mentored.person(name)
            days = 14 if name == "grace" else 21
            answer = await who.patch(url, json={"agreed_cadence_days": days}, headers=etag(await who.get(url)))
            assert answer.status_code == status, name
        changed = await look(mentored.person("amira"), pair)

        assert [each["field"] for each in changed["starting_values"]] == ["later_cadence_days", "planned_sessions"]
        started = datetime.fromisoformat(changed["activated_at"])
        assert datetime.fromisoformat(changed["meeting_due_at"]) == started + timedelta(days=21)
        assert (await history(mentored.person("amira"), pair))[-1] == (
            "mentor_assignment.updated",
            {"fields": ["agreed_cadence_days"]},
        )


class TestLifecycle:
    async def test_every_verb_from_every_state(self, mentored: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is in the table works, everything else is a conflict: closed is closed."""
        time = Time(monkeypatch)
        amira, grace = mentored.person("amira"), mentored.person("grace")

        async def arrive(state: str) -> dict[str, Any]:
            pair = await propose(amira, mentored.people["grace"])
            if state == "expired":
                time.pass_by(days=15)
                await work(mentored)
            ways: dict[str, tuple[str, ...]] = {"declined": ("decline",), "active": ("accept",)}
            after = {"paused": "pause", "completed": "complete", "ended_early": "end"}
            for step in ways.get(state, ("accept", after[state]) if state in after else ()):
                pair = await act(grace, pair, step)
            return await look(grace, pair)

        moves = {
            "proposed": {"accept": "active", "decline": "declined"},
            "active": {"pause": "paused", "complete": "completed", "end": "ended_early"},
            "paused": {"resume": "active", "complete": "completed", "end": "ended_early"},
        }
        verbs = ("accept", "decline", "pause", "resume", "complete", "end")
        for state in ("proposed", "active", "paused", "declined", "expired", "completed", "ended_early"):
            for name in verbs:
                pair = await arrive(state)
                assert pair["state"] == state
                answer = await verb(grace, pair, name)
                goal = moves.get(state, {}).get(name)
                if goal is None:
                    assert answer.status_code in (403, 409), (state, name)
                    assert name not in pair["allowed_actions"]
                else:
                    assert (await done(answer))["state"] == goal
                    assert name in pair["allowed_actions"]
                now = await look(grace, pair)
                if now["state"] in moves:
                    await act(grace, now, "decline" if now["state"] == "proposed" else "end")

    async def test_an_end_needs_no_reason_and_keeps_one(self, amira: httpx.AsyncClient, mentored: World) -> None:
        pair = await make_pair(mentored)

        ended = await act(amira, pair, "end", reason="We found that our shifts never meet.")

        assert (ended["state"], ended["ended_reason"]) == ("ended_early", "We found that our shifts never meet.")
        assert (await history(amira, pair))[-1][1] == {
            "from": "active",
            "state": "ended_early",
            "reason": "We found that our shifts never meet.",
        }

    async def test_a_proposal_runs_out(self, mentored: World, monkeypatch: pytest.MonkeyPatch) -> None:
        time = Time(monkeypatch)
        amira, grace = mentored.person("amira"), mentored.person("grace")
        pair = await propose(amira, mentored.people["grace"])
        time.pass_by(days=14)

        assert code(await verb(grace, pair, "accept")) == "proposal_expired"
        await work(mentored)

        assert (await look(amira, pair))["state"] == "expired"
        assert (await propose(amira, mentored.people["grace"]))["state"] == "proposed"

    async def test_the_programme_lead_pauses_and_ends_and_does_not_answer_for_them(self, mentored: World) -> None:
        noor, theo = mentored.person("noor"), mentored.person("theo")
        pair = await make_pair(mentored)

        assert (await verb(theo, pair, "end")).status_code == 403
        assert [(await act(noor, pair, name))["state"] for name in ("pause", "resume", "end")] == [
            "paused",
            "active",
            "ended_early",
        ]


class TestList:
    async def test_filters(self, mentored: World) -> None:
        noor, amira, ines = (mentored.person(name) for name in ("noor", "amira", "ines"))
        pair = await make_pair(mentored)
        await make_mentor(mentored.person("jonas"), pillars=["inner_drive"])
        other = await propose(ines, mentored.people["jonas"], focus_pillars=["inner_drive"], kind="one_off")
        people, both = mentored.people, {pair["id"], other["id"]}

        assert await ids(noor) == both
        assert (
            await ids(noor, employee_id=people["grace"]) == await ids(noor, employee_id=people["amira"]) == {pair["id"]}
        )
        assert await ids(noor, mentor_id=people["jonas"]) == await ids(noor, mentee_id=people["ines"]) == {other["id"]}
        assert await ids(noor, team_id=mentored.team_id) == {pair["id"]}
        assert await ids(noor, pillar="inner_drive") == await ids(noor, kind="one_off") == {other["id"]}
        assert await ids(noor, state="active") == {pair["id"]}
        assert (await ids(amira), await ids(ines), await ids(noor, mine=True)) == ({pair["id"]}, {other["id"]}, set())

    async def test_a_change_shows_to_who_polls_and_it_streams(self, noor: httpx.AsyncClient, mentored: World) -> None:
        pair = await make_pair(mentored)
        watermark = (await noor.get(PAIRS)).json()["next_watermark"]
        await work(mentored)
        after = (await noor.get(PAIRS, params={"modified_since": watermark})).json()["next_watermark"]
        assert await ids(noor, modified_since=after) == set()
        await act(mentored.person("amira"), pair, "pause")

        assert await ids(noor, modified_since=after) == {pair["id"]}
        lines = await noor.get(PAIRS, headers={"Accept": "application/jsonl"})
        assert pair["id"] in lines.text
