"""Reading a referral in an emergency: with a reason, a second person's approval, once, and told."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from app import clock, texts
from app.auth import Caller
from app.models import EapReferral
from app.models.client import Role
from app.models.eap_referral import ReferralKind, ReferralState
from app.wakeup import Wakeup
from app.worker import WHEN_DUE, Worker
from tests.test_conventions_access import assert_problem
from tests.world import World

REQUESTS, NOTICES, LOG = "/v1/break-glass-requests", "/v1/me/access-notices", "/v1/me/access-log"
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
REASON, NOTE = "She said that she would not be alive tonight.", "After six, please."


@pytest.fixture
def ines(world: World) -> httpx.AsyncClient:
    """Coordinates the EAP."""
    return world.person("ines")


@pytest.fixture
async def maud(world: World) -> httpx.AsyncClient:
    """Is the data-protection officer."""
    await world.hire("maud")
    await world.grant("maud", Role.data_protection_officer)
    return world.person("maud")


@pytest.fixture
async def referral(world: World) -> UUID:
    """A referral of Amira's that was sent to a provider."""
    return await refer(world, "amira")


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    return lambda moment: monkeypatch.setattr(clock, "now", lambda: moment)


async def refer(world: World, whom: str, state: ReferralState = ReferralState.requested) -> UUID:
    def make(session: Any) -> UUID:
        row_id, person = UUID(int=uuid7().int), world.people[whom]
        note = texts.seal(session, Caller(world.id, "system", None), person, "eap_referral.note", row_id, NOTE)
        sent = state not in (ReferralState.draft, ReferralState.proposed, ReferralState.declined_by_employee)
        session.add(
            EapReferral(
                organisation_id=world.id,
                id=row_id,
                employee_id=person,
                kind=ReferralKind.self_,
                state=state,
                note=note,
                requested_at=clock.now() if sent else None,
                sessions_used=0,
            )
        )
        return row_id

    made: UUID = await world.run(make)
    return made


async def ask(who: httpx.AsyncClient, world: World, about: str = "amira", **fields: Any) -> dict[str, Any]:
    body = {"employee_id": str(world.people[about]), "reason": REASON, **fields}
    answer = await who.post(REQUESTS, json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def act(who: httpx.AsyncClient, request: dict[str, Any], verb: str, **options: Any) -> httpx.Response:
    return await who.post(f"{REQUESTS}/{request['id']}/{verb}", **options)


async def approved(world: World, asker: httpx.AsyncClient, approver: httpx.AsyncClient) -> dict[str, Any]:
    request = await ask(asker, world)
    answer = await act(approver, request, "approve")
    assert (answer.status_code, answer.json()["state"]) == (200, "approved"), answer.text
    return request


async def data(who: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    answer = await who.get(path)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


class TestReading:
    async def test_gives_the_referral_once_and_tells_the_person_at_once(
        self, amira: httpx.AsyncClient, ines: httpx.AsyncClient, noor: httpx.AsyncClient, world: World, referral: UUID
    ) -> None:
        request = await approved(world, ines, noor)
        assert (await amira.get("/v1/me")).json()["access_notices"] == 0

        answer = await act(ines, request, "open")

        (shown,) = answer.json()["referrals"]
        assert (answer.status_code, shown["id"], shown["note"]) == (200, str(referral), NOTE)
        assert_problem(await act(ines, request, "open"), 409, "wrong_state")
        (notice,) = await data(amira, NOTICES)
        assert (notice["requested_by_name"], notice["approved_by_names"]) == ("Ines", ["Noor"])
        assert (notice["reason"], notice["delay_reason"], notice["acknowledged_at"]) == (REASON, None, None)
        (entry,) = await data(amira, LOG)
        assert (entry["resource"], entry["resource_id"]) == ("eap_referral", str(referral))
        assert (entry["access_right"], entry["actor"]["display_name"]) == ("break_glass", "Ines")
        assert (await amira.get("/v1/me")).json()["access_notices"] == 1

    async def test_is_given_to_one_of_fifty_at_once(
        self, ines: httpx.AsyncClient, noor: httpx.AsyncClient, world: World, referral: UUID
    ) -> None:
        request = await approved(world, ines, noor)

        answers = await asyncio.gather(*(act(ines, request, "open") for _ in range(50)))

        assert [answer.status_code for answer in answers].count(200) == 1
        assert {answer.status_code for answer in answers} <= {200, 409, 503}
        assert sum(NOTE in answer.text for answer in answers) == 1
        told = text("SELECT count(*) FROM access_notice")
        assert await world.run(lambda session: session.scalar(told)) == 1

    async def test_is_not_repeated_by_an_idempotency_key(
        self, ines: httpx.AsyncClient, noor: httpx.AsyncClient, world: World, referral: UUID
    ) -> None:
        request, key = await approved(world, ines, noor), {"Idempotency-Key": "once"}
        first, again = [await act(ines, request, "open", headers=key) for _ in range(2)]

        assert (first.status_code, again.status_code) == (200, 200)
        assert (len(first.json()["referrals"]), again.json()["referrals"]) == (1, None)

    async def test_shows_nothing_that_was_not_sent(
        self, ines: httpx.AsyncClient, noor: httpx.AsyncClient, world: World
    ) -> None:
        for state in (ReferralState.draft, ReferralState.proposed, ReferralState.declined_by_employee):
            await refer(world, "hana", state)
        request = await ask(ines, world, "hana")
        await act(noor, request, "approve")

        assert (await act(ines, request, "open")).json()["referrals"] == []

    async def test_is_told_also_where_there_was_nothing(
        self, amira: httpx.AsyncClient, ines: httpx.AsyncClient, noor: httpx.AsyncClient, world: World
    ) -> None:
        request = await approved(world, ines, noor)

        assert (await act(ines, request, "open")).json()["referrals"] == []
        assert len(await data(amira, NOTICES)) == len(await data(amira, LOG)) == 1

    async def test_needs_the_approval(
        self, ines: httpx.AsyncClient, noor: httpx.AsyncClient, world: World, referral: UUID
    ) -> None:
        request = await ask(ines, world)
        assert_problem(await act(ines, request, "open"), 409, "wrong_state")

        await act(noor, request, "approve")
        assert_problem(await act(noor, request, "open"), 403, "not_allowed")

        assert (await act(noor, request, "deny")).status_code == 403, "whoever approved has had their say"

    async def test_is_over_once_the_role_is_gone_or_one_leads_the_person(
        self, ines: httpx.AsyncClient, noor: httpx.AsyncClient, world: World, referral: UUID
    ) -> None:
        first, second = await approved(world, ines, noor), await approved(world, ines, noor)
        lead = text("UPDATE team SET lead_id = :ines")
        await world.run(lambda session: session.execute(lead, {"ines": world.people["ines"]}))
        assert_problem(await act(ines, first, "open"), 403, "not_allowed")

        await world.run(lambda session: session.execute(text("UPDATE team SET lead_id = NULL")))
        revoke = text("UPDATE role_grant SET state = 'revoked' WHERE employee_id = :ines")
        await world.run(lambda session: session.execute(revoke, {"ines": world.people["ines"]}))
        assert_problem(await act(ines, second, "open"), 403, "not_allowed")


class TestAsking:
    async def test_does_not_say_whether_there_is_a_referral(
        self, ines: httpx.AsyncClient, noor: httpx.AsyncClient, world: World, referral: UUID
    ) -> None:
        """Of Amira, who has one, and of Hana, who has none, everything looks the same until it is opened."""
        answers: dict[str, list[Any]] = {}
        for name in ("amira", "hana"):
            made = await ines.post(REQUESTS, json={"employee_id": str(world.people[name]), "reason": REASON})
            request = made.json()
            seen = [made, await ines.get(f"{REQUESTS}/{request['id']}"), await act(ines, request, "open")]
            seen += [await act(noor, request, "approve"), await noor.get(f"{REQUESTS}/{request['id']}/history")]
            answers[name] = [
                (each.status_code, len(each.content), sorted(each.headers), each.headers.get("ETag", "")[:3] != 'W/"')
                for each in seen
            ]

        assert answers["amira"] == answers["hana"]

    @pytest.mark.parametrize("who", ["theo", "amira", "grace", "jonas", "hana"])
    async def test_is_not_for_everybody(self, world: World, who: str, referral: UUID) -> None:
        body = {"employee_id": str(world.people["amira"]), "reason": REASON}

        assert_problem(await world.person(who).post(REQUESTS, json=body), 403)

    async def test_is_not_for_who_leads_the_person_or_is_them(
        self, noor: httpx.AsyncClient, ines: httpx.AsyncClient, world: World
    ) -> None:
        await world.grant("theo", Role.programme_lead)
        about = {name: {"employee_id": str(world.people[name]), "reason": REASON} for name in world.people}

        assert_problem(await world.person("theo").post(REQUESTS, json=about["amira"]), 403, "not_allowed")
        assert_problem(await noor.post(REQUESTS, json=about["noor"]), 403, "not_allowed")
        request = await ask(ines, world)
        assert (await world.person("theo").get(f"{REQUESTS}/{request['id']}")).status_code == 404
        assert (await act(world.person("theo"), request, "approve")).status_code == 404
        assert str(request["id"]) not in (await world.person("theo").get(REQUESTS)).text

    async def test_needs_a_reason(self, ines: httpx.AsyncClient, world: World) -> None:
        amira = str(world.people["amira"])
        for body in (
            {},
            {"reason": " "},
            {"reason": REASON, "delay_seconds": 60},
            {"reason": REASON, "delay_reason": "He is with her."},
            {"reason": REASON, "delay_seconds": 7 * 86_400 + 1, "delay_reason": "He is with her."},
            {"reason": REASON, "delay_seconds": -1, "delay_reason": "He is with her."},
        ):
            assert_problem(await ines.post(REQUESTS, json={"employee_id": amira, **body}), 422)

    async def test_about_nobody_is_refused(self, ines: httpx.AsyncClient, world: World) -> None:
        body = {"employee_id": str(uuid7()), "reason": REASON}

        assert_problem(await ines.post(REQUESTS, json=body), 422)


class TestApproval:
    async def test_is_never_the_askers_own(self, noor: httpx.AsyncClient, world: World) -> None:
        request = await ask(noor, world)

        assert request["allowed_actions"] == []
        for verb in ("approve", "deny"):
            assert_problem(await act(noor, request, verb), 403, "not_allowed")

    async def test_is_never_the_persons_own(
        self, ines: httpx.AsyncClient, noor: httpx.AsyncClient, world: World
    ) -> None:
        request = await ask(ines, world, about="noor")

        assert (await act(noor, request, "approve")).status_code == 404

    async def test_comes_within_an_hour_or_not_at_all(
        self, ines: httpx.AsyncClient, noor: httpx.AsyncClient, world: World, at: Callable[[datetime], None]
    ) -> None:
        at(NOON)
        early, late = await ask(ines, world), await ask(ines, world)
        at(NOON + timedelta(minutes=59))
        assert (await act(noor, early, "approve")).status_code == 200
        at(NOON + timedelta(minutes=60))

        assert_problem(await act(noor, late, "approve"), 409, "expired")
        shown = (await ines.get(f"{REQUESTS}/{late['id']}")).json()
        assert (shown["state"], shown["allowed_actions"]) == ("expired", [])

    async def test_is_used_within_an_hour_or_not_at_all(
        self, ines: httpx.AsyncClient, noor: httpx.AsyncClient, world: World, at: Callable[[datetime], None]
    ) -> None:
        at(NOON)
        request = await approved(world, ines, noor)
        at(NOON + timedelta(minutes=60))

        assert_problem(await act(ines, request, "open"), 409, "expired")

    async def test_that_did_not_come_is_swept_by_the_worker(
        self, ines: httpx.AsyncClient, noor: httpx.AsyncClient, world: World, at: Callable[[datetime], None]
    ) -> None:
        at(NOON)
        requests = [await ask(ines, world), await approved(world, ines, noor)]
        at(NOON + timedelta(hours=1))

        for _ in range(2):
            await Worker(world.database, Wakeup(), 1).attend(world.id, WHEN_DUE)

        states = text("SELECT state FROM break_glass_request")
        assert list(await world.run(lambda session: session.scalars(states).all())) == ["expired", "expired"]
        for request in requests:
            history = await data(ines, f"{REQUESTS}/{request['id']}/history")
            assert [entry["action"] for entry in history].count("break_glass_request.expired") == 1

    async def test_can_be_denied_by_a_second_person(
        self, ines: httpx.AsyncClient, noor: httpx.AsyncClient, maud: httpx.AsyncClient, world: World
    ) -> None:
        pending, ready = await ask(ines, world), await approved(world, ines, noor)

        for request, who in ((pending, noor), (ready, maud)):
            assert (await act(who, request, "deny")).json()["state"] == "denied"
            assert_problem(await act(ines, request, "open"), 409, "wrong_state")


class TestDelay:
    DELAYED: ClassVar[dict[str, Any]] = {
        "delay_seconds": 7 * 86_400,
        "delay_reason": "He is with her and reads her phone.",
    }

    async def test_needs_two_who_approve(
        self, ines: httpx.AsyncClient, noor: httpx.AsyncClient, maud: httpx.AsyncClient, world: World
    ) -> None:
        request = await ask(ines, world, **self.DELAYED)
        assert request["approvals_needed"] == 2

        assert (await act(noor, request, "approve")).json()["state"] == "pending"
        assert_problem(await act(noor, request, "approve"), 403, "not_allowed")
        assert_problem(await act(ines, request, "open"), 409, "wrong_state")
        assert (await act(maud, request, "approve")).json()["state"] == "approved"

    async def test_ends_after_seven_days_at_most_and_the_log_shows_it_from_then_on(
        self,
        amira: httpx.AsyncClient,
        ines: httpx.AsyncClient,
        noor: httpx.AsyncClient,
        maud: httpx.AsyncClient,
        world: World,
        referral: UUID,
        at: Callable[[datetime], None],
    ) -> None:
        at(NOON)
        request = await ask(ines, world, **self.DELAYED)
        for who in (noor, maud):
            await act(who, request, "approve")
        assert (await act(ines, request, "open")).status_code == 200

        at(NOON + timedelta(days=7, seconds=-1))
        assert [await data(amira, path) for path in (NOTICES, LOG)] == [[], []]
        assert (await amira.get("/v1/me")).json()["access_notices"] == 0
        at(NOON + timedelta(days=7))
        (notice,), (entry,) = [await data(amira, path) for path in (NOTICES, LOG)]
        assert notice["delay_reason"] == self.DELAYED["delay_reason"]
        assert notice["approved_by_names"] == ["Noor", "Maud"]
        assert datetime.fromisoformat(entry["recorded_at"]) == NOON
        assert (await amira.get("/v1/me")).json()["access_notices"] == 1

    async def test_hides_no_other_look(
        self,
        amira: httpx.AsyncClient,
        ines: httpx.AsyncClient,
        noor: httpx.AsyncClient,
        maud: httpx.AsyncClient,
        world: World,
        referral: UUID,
    ) -> None:
        delayed = await ask(ines, world, **self.DELAYED)
        for who in (noor, maud):
            await act(who, delayed, "approve")
        await act(ines, delayed, "open")
        at_once = await approved(world, ines, noor)
        await act(ines, at_once, "open")

        assert len(await data(amira, LOG)) == len(await data(amira, NOTICES)) == 1


class TestNotice:
    async def test_is_acknowledged_once_and_stays(
        self, amira: httpx.AsyncClient, ines: httpx.AsyncClient, noor: httpx.AsyncClient, world: World
    ) -> None:
        await act(ines, await approved(world, ines, noor), "open")
        (notice,) = await data(amira, NOTICES)

        first, again = [await amira.post(f"{NOTICES}/{notice['id']}/acknowledge") for _ in range(2)]

        assert first.json()["acknowledged_at"] == again.json()["acknowledged_at"] is not None
        assert (await amira.get("/v1/me")).json()["access_notices"] == 0
        assert len(await data(amira, NOTICES)) == 1

    async def test_is_for_nobody_else(
        self, amira: httpx.AsyncClient, ines: httpx.AsyncClient, noor: httpx.AsyncClient, world: World
    ) -> None:
        await act(ines, await approved(world, ines, noor), "open")
        (notice,) = await data(amira, NOTICES)

        for name in ("theo", "noor", "ines"):
            assert await data(world.person(name), NOTICES) == []
            assert (await world.person(name).post(f"{NOTICES}/{notice['id']}/acknowledge")).status_code == 404


class TestTrail:
    async def test_is_of_high_severity_and_names_no_subject_and_no_words(
        self, ines: httpx.AsyncClient, noor: httpx.AsyncClient, world: World, referral: UUID
    ) -> None:
        await world.grant("grace", Role.auditor)
        await act(ines, await approved(world, ines, noor), "open")

        page = await world.person("grace").get("/v1/audit-entries", params={"sort": "-id", "limit": 5})

        entries = {entry["action"]: entry for entry in page.json()["data"]}
        for verb in ("created", "approved", "used"):
            entry = entries[f"break_glass_request.{verb}"]
            assert (entry["details"]["severity"], entry["subject_id"]) == ("high", None)
        assert entries["eap_referral.read"]["actor_id"] == str(world.people["ines"])
        assert str(world.people["amira"]) not in page.text
        assert REASON not in page.text

    async def test_leaves_nothing_for_the_outside(
        self, ines: httpx.AsyncClient, noor: httpx.AsyncClient, world: World, referral: UUID
    ) -> None:
        before = text("SELECT count(*) FROM outgoing_event")
        count = await world.run(lambda session: session.scalar(before))
        await act(ines, await approved(world, ines, noor), "open")

        assert await world.run(lambda session: session.scalar(before)) == count

    async def test_keeps_the_reasons_under_the_persons_key(
        self, ines: httpx.AsyncClient, noor: httpx.AsyncClient, world: World
    ) -> None:
        request = await ask(ines, world, **TestDelay.DELAYED)
        system = Caller(world.id, "system", None)
        await world.run(lambda session: texts.destroy_key(session, system, world.people["amira"]))

        shown = (await noor.get(f"{REQUESTS}/{request['id']}")).json()

        assert (shown["reason"], shown["delay_reason"]) == (None, None)
