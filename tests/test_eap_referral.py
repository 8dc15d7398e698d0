"""A person's own way to the EAP: what they draft, answer, send and end, and how each step is kept."""

from datetime import datetime, timedelta

import httpx
import pytest

from tests import eap as build
from tests.eap import CASES, PROVIDERS, REASON, REFERRALS, SUBMISSIONS, WAYS, Eap, done, made, verb
from tests.test_conventions_access import assert_problem
from tests.world import World

CANARY = "canary7f3a"


@pytest.fixture
async def eap(world: World) -> Eap:
    return await Eap.build(world)


class TestKinds:
    async def test_ones_own_idea_skips_the_proposal(self, eap: Eap, amira: httpx.AsyncClient) -> None:
        draft = await eap.draft(amira)
        sent = await eap.send(amira, draft)

        assert (draft["kind"], draft["state"], sent["state"]) == ("self", "draft", "requested")

    @pytest.mark.parametrize("kind", ["suggested", "management"])
    async def test_a_suggestion_is_proposed_to_the_person_first(
        self, eap: Eap, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World, kind: str
    ) -> None:
        words = "The last weeks were hard on you."
        await eap.suggest(theo, world.people["amira"], kind=kind, reason=words)

        (found,) = (await done(await amira.get(REFERRALS)))["data"]

        assert (found["kind"], found["state"], found["referral_reason"]) == (kind, "proposed", words)
        assert found["referred_by_id"] == str(world.people["theo"])
        assert (await done(await eap.client.get(CASES)))["data"] == []

    async def test_none_is_mandatory(
        self, eap: Eap, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        about = {"employee_id": str(world.people["amira"]), "kind": "mandatory"}
        for response in (
            await theo.post(SUBMISSIONS, json=about),
            await amira.post(REFERRALS, json={"kind": "mandatory"}),
        ):
            assert_problem(response, 422)
            (fault,) = response.json()["errors"]
            assert fault["pointer"] == "/kind"
            assert "never mandatory" in fault["detail"]

    async def test_is_for_people_whom_one_leads(self, eap: Eap, world: World) -> None:
        about = {"employee_id": str(world.people["amira"]), "kind": "suggested"}
        for name in ("grace", "jonas", "ines", "hana", "noor"):
            response = await world.person(name).post(SUBMISSIONS, json=about)
            assert response.status_code in (403, 422), name
        assert_problem(await (await world.client()).post(SUBMISSIONS, json=about), 403, "people_only")


class TestNothingClinical:
    @pytest.mark.parametrize("name", ["diagnosis", "clinical_notes", "Symptoms", "risk-assessment", "phq9"])
    async def test_there_is_no_place_for_it_and_the_answer_says_why(
        self, eap: Eap, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World, name: str
    ) -> None:
        offered = {name: CANARY}
        referral = await eap.sent(amira)
        case = await eap.case(referral)
        await eap.move(case, "accept", "start")
        about = {"employee_id": str(world.people["amira"]), "kind": "suggested"}
        for response in (
            await amira.post(REFERRALS, json=offered),
            await amira.patch(f"{REFERRALS}/{referral['id']}", json=offered, headers={"If-Match": "*"}),
            await theo.post(SUBMISSIONS, json={**about, **offered}),
            await eap.client.post(f"{CASES}/{case['id']}/hold", json={**REASON, **offered}),
            await eap.client.post(f"{CASES}/{case['id']}/record-attendance", json={"sessions_used": 1, **offered}),
            await verb(amira, referral, "cancel", {**REASON, **offered}),
        ):
            assert_problem(response, 422)
            assert "nothing clinical" in response.json()["errors"][0]["detail"]
            assert CANARY not in response.text

    async def test_no_column_could_hold_it(self, eap: Eap, world: World) -> None:
        texts = await build.rows(
            world,
            "SELECT table_name || '.' || column_name AS place FROM information_schema.columns"
            " WHERE table_name IN ('eap_referral', 'eap_case', 'eap_submission', 'eap_step') AND data_type = 'bytea'",
        )
        assert {row.place for row in texts} == {
            "eap_referral.note",
            "eap_referral.contact",
            "eap_submission.reason",
            "eap_step.reason",
        }


class TestLifecycle:
    async def test_who_may_set_what(self, eap: Eap, amira: httpx.AsyncClient, world: World) -> None:
        """Each verb in each state, by the provider and by the person: what the design names, and nothing else."""
        by_provider = {
            "accept": {"requested"},
            "reject": {"requested"},
            "start": {"accepted"},
            "hold": {"in_progress"},
            "resume": {"on_hold"},
            "complete": {"in_progress", "on_hold"},
            "fail": {"accepted", "in_progress", "on_hold"},
            "cancel": {"requested", "accepted", "in_progress", "on_hold"},
        }
        by_person = {
            "cancel": {"draft", "requested", "accepted", "in_progress", "on_hold"},
            "decline": {"proposed"},
            "request": {"draft", "proposed"},
        }
        consents = await eap.consents()
        for state, way in WAYS.items():
            referral = await eap.sent(amira)
            case = await eap.move(await eap.case(referral), *way)
            seen = await build.read(amira, referral)
            assert (seen["state"], case["state"]) == (state, state)
            assert set(case["allowed_actions"]) & set(by_provider) == {
                v for v, at in by_provider.items() if state in at
            }
            assert set(seen["allowed_actions"]) & set(by_person) == {v for v, at in by_person.items() if state in at}
            for name in {v for v, at in by_provider.items() if state not in at}:
                body = REASON if name in ("reject", "hold", "fail", "cancel") else None
                response = await eap.client.post(f"{CASES}/{case['id']}/{name}", json=body)
                assert_problem(response, 409, "wrong_state")
            for name in {v for v, at in by_person.items() if state not in at}:
                response = await verb(amira, referral, name, {"cancel": REASON, "request": consents}.get(name))
                assert_problem(response, 409, "wrong_state")

    async def test_the_person_moves_none_of_the_providers_states(self, eap: Eap, amira: httpx.AsyncClient) -> None:
        case = await eap.case(await eap.sent(amira))

        assert_problem(await amira.post(f"{CASES}/{case['id']}/accept"), 403)

    @pytest.mark.parametrize("name", ["reject", "hold", "fail", "cancel"])
    async def test_a_reason_is_required(self, eap: Eap, amira: httpx.AsyncClient, name: str) -> None:
        referral = await eap.sent(amira)
        case = await eap.case(referral)
        await eap.move(case, *{"hold": ("accept", "start"), "fail": ("accept",)}.get(name, ()))
        for body in (None, {}, {"reason": None}, {"reason": " "}):
            assert_problem(await eap.client.post(f"{CASES}/{case['id']}/{name}", json=body), 422)

        await eap.move(case, name)

        assert (await build.read(amira, referral))["status_reason"] == REASON["reason"]
        assert_problem(await verb(amira, await eap.draft(amira), "cancel", {}), 422)

    async def test_declining_takes_no_reason_and_has_no_consequence(
        self, eap: Eap, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        submission = await eap.suggest(theo, world.people["amira"])
        referral = await eap.proposed(amira)

        declined = await done(await verb(amira, referral, "decline"))

        assert (declined["state"], declined["status_reason"]) == ("declined_by_employee", None)
        steps = (await done(await amira.get(f"{REFERRALS}/{referral['id']}/history")))["data"]
        assert [(step["state"], step["reason"]) for step in steps] == [
            ("declined_by_employee", None),
            ("proposed", None),
        ]
        assert (await done(await eap.client.get(CASES)))["data"] == []
        assert await done(await theo.get(f"{SUBMISSIONS}/{submission['id']}")) == submission
        again = await eap.suggest(theo, world.people["amira"])
        assert again["state"] == "proposed"

    async def test_what_has_ended_stays_so(self, eap: Eap, amira: httpx.AsyncClient) -> None:
        for state in ("rejected", "completed", "failed", "cancelled"):
            referral = await eap.sent(amira)
            await eap.move(await eap.case(referral), *WAYS[state])
            seen = await build.read(amira, referral)
            assert seen["closed_at"] is not None
            assert set(seen["allowed_actions"]) == {"give_consent", "withdraw_consent"}, state

    async def test_needs_a_service_that_can_be_turned_to(self, eap: Eap, amira: httpx.AsyncClient) -> None:
        empty = await made(await amira.post(REFERRALS, json={}))
        draft, body = await eap.draft(amira), await eap.consents()
        assert_problem(await verb(amira, empty, "request", body), 409, "no_service")
        closed = {"status": "temporarily_closed"}
        await done(await eap.noor.patch(f"{PROVIDERS}/{eap.provider['id']}", json=closed, headers={"If-Match": "*"}))

        assert_problem(await verb(amira, draft, "request", body), 409, "service_unavailable")


class TestUrgency:
    @pytest.mark.parametrize("urgency", ["routine", "soon", "urgent"])
    async def test_says_until_when_somebody_should_be_in_touch(
        self, eap: Eap, amira: httpx.AsyncClient, urgency: str
    ) -> None:
        referral = await eap.sent(amira, urgency=urgency)

        asked, due = (datetime.fromisoformat(referral[name]) for name in ("requested_at", "first_contact_due_at"))
        assert due - asked == timedelta(seconds=eap.service[f"{urgency}_seconds"])
        assert (await eap.case(referral))["first_contact_due_at"] == referral["first_contact_due_at"]
        assert "starting point" in eap.service["basis"]

    async def test_what_was_sent_keeps_its_terms(self, eap: Eap, amira: httpx.AsyncClient) -> None:
        referral = await eap.sent(amira)
        url = f"{PROVIDERS}/{eap.provider['id']}/services/{eap.service['id']}"
        changed = {"sessions_included": 1, "urgent_seconds": 3600, "soon_seconds": 3600, "routine_seconds": 3600}
        await done(await eap.noor.patch(url, json=changed, headers={"If-Match": "*"}))

        seen = await build.read(amira, referral)

        assert (seen["sessions_included"], seen["first_contact_due_at"]) == (6, referral["first_contact_due_at"])


class TestSessions:
    async def test_are_counted_by_the_provider(self, eap: Eap, amira: httpx.AsyncClient) -> None:
        referral = await eap.sent(amira)
        case = await eap.case(referral)
        attendance = f"{CASES}/{case['id']}/record-attendance"
        assert_problem(await eap.client.post(attendance, json={"sessions_used": 1}), 409, "wrong_state")
        await eap.move(case, "accept", "start")
        for used in (1, 3, 2):
            await done(await eap.client.post(attendance, json={"sessions_used": used}))
            seen = await build.read(amira, referral)
            assert (seen["sessions_used"], seen["sessions_included"]) == (used, 6)
            assert seen["first_contact_at"] is not None
        assert_problem(await eap.client.post(attendance, json={"sessions_used": -1}), 422)


class TestHistory:
    async def test_tells_each_what_is_theirs_to_know(
        self, eap: Eap, amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        await eap.suggest(theo, world.people["amira"])
        referral = await eap.send(amira, await eap.proposed(amira))
        case = await eap.case(referral)
        await eap.move(case, "accept", "start", "hold", "resume")
        await done(await verb(amira, referral, "cancel", {"reason": "I have moved."}))

        mine = (await done(await amira.get(f"{REFERRALS}/{referral['id']}/history")))["data"]
        theirs = (await done(await eap.client.get(f"{CASES}/{case['id']}/history")))["data"]

        assert [(step["state"], step["taken_by"], step["reason"]) for step in mine[::-1]] == [
            ("proposed", "referrer", None),
            ("requested", "employee", None),
            ("accepted", "provider", None),
            ("in_progress", "provider", None),
            ("on_hold", "provider", REASON["reason"]),
            ("in_progress", "provider", None),
            ("cancelled", "employee", "I have moved."),
        ]
        assert [step["state"] for step in theirs] == [step["state"] for step in mine[:-1]]
        assert [step["reason"] for step in theirs] == [None, None, REASON["reason"], None, None, None]
        assert_problem(await theo.get(f"{REFERRALS}/{referral['id']}/history"), 404)
