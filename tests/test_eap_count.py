"""What the programme lead learns of the EAP: counts of enough people, frozen, from which nobody can be worked out."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import combinations
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy.orm import Session

from app import clock
from app.models import EapReferral, ServiceArea
from app.models.client import Role
from app.services.eap_count import MINIMUM, ROUNDED_TO, released, rounded
from app.worker import REGULARLY, Worker
from tests import eap as build
from tests.eap import done
from tests.test_conventions_access import assert_problem
from tests.world import World

COUNTS = "/v1/eap-referrals/counts"
OCTOBER, DECEMBER = datetime(2026, 10, 15, tzinfo=UTC), datetime(2026, 12, 3, tzinfo=UTC)


async def ask(world: World, people: dict[UUID | None, int], at: datetime) -> None:
    """Let so many people of each service area send a referral at that moment."""
    for area, number in people.items():
        for _ in range(number):
            employee = await world.hire(f"p{uuid4().hex}", service_area_id=area, external_id=None)

            def send(session: Session, employee: UUID = employee) -> None:
                for _ in range(2):  # who asks twice in a month is one person
                    about = {"kind": "self", "state": "requested", "requested_at": at}
                    session.add(EapReferral(organisation_id=world.id, employee_id=employee, **about))

            await world.run(send)


async def area(world: World, name: str) -> UUID:
    identifier = uuid4()

    def make(session: Session) -> None:
        session.add(ServiceArea(organisation_id=world.id, id=identifier, name=name, name_key=name.lower()))

    await world.run(make)
    return identifier


async def freeze(world: World, monkeypatch: pytest.MonkeyPatch, at: datetime) -> None:
    monkeypatch.setattr(clock, "now", lambda: at)
    await Worker(world.database, world.app.state.wakeup, 1).attend(world.id, REGULARLY)


@pytest.fixture
async def since_october(world: World) -> World:
    """The organisation, as if it had begun in October."""
    await build.rows(world, "UPDATE organisation SET created_at = '2026-10-01T00:00:00Z' RETURNING id")
    return world


class TestCounts:
    async def test_are_rounded_suppressed_and_by_service_area(
        self, since_october: World, noor: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = since_october
        many, few = await area(world, "Housing"), await area(world, "Bereavement")
        await ask(world, {many: 13, few: 9, None: 2}, OCTOBER)

        await freeze(world, monkeypatch, DECEMBER)

        counts = await done(await noor.get(COUNTS))
        assert (counts["minimum"], counts["rounded_to"]) == (10, 5)
        november, october = counts["months"]
        assert (october["month"], october["people"]) == ("2026-10", 25)
        areas = {UUID(entry["service_area_id"]): entry["people"] for entry in october["service_areas"]}
        assert areas == {many: 15, few: None}
        assert (november["month"], november["people"]) == ("2026-11", None)

    async def test_a_month_never_changes_once_it_is_over(
        self, since_october: World, noor: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = since_october
        await ask(world, {None: 9}, OCTOBER)
        await freeze(world, monkeypatch, DECEMBER)
        before = await noor.get(COUNTS)
        await ask(world, {None: 9}, OCTOBER)
        await ask(world, {None: 40}, DECEMBER)

        await freeze(world, monkeypatch, DECEMBER + timedelta(days=1))

        after = await noor.get(COUNTS)
        assert (after.content, after.headers["ETag"]) == (before.content, before.headers["ETag"])

    async def test_a_month_under_way_is_not_shown(
        self, since_october: World, noor: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await ask(since_october, {None: 30}, OCTOBER)

        await freeze(since_october, monkeypatch, OCTOBER + timedelta(days=10))

        assert (await done(await noor.get(COUNTS)))["months"] == []

    async def test_are_the_programme_leads_alone(self, world: World) -> None:
        for role in set(Role) - {Role.programme_lead}:
            await world.hire(f"holder-{role}")
            await world.grant(f"holder-{role}", role)
            assert_problem(await world.person(f"holder-{role}").get(COUNTS), 403)
        for name in ("theo", "amira"):
            assert_problem(await world.person(name).get(COUNTS), 403)
        assert_problem(await (await world.client()).get(COUNTS), 403, "people_only")


class TestSubtraction:
    def test_nothing_of_too_few_people_can_be_worked_out(self) -> None:
        """Against whoever takes shown numbers from one another, exact ones even: what is left is of enough people."""
        chance = random.Random(7)  # made-up data, no secret
        shown_somewhere = 0
        for _ in range(500):
            people = Counter({uuid4(): chance.choice((0, 1, 3, 8, 9, 10, 12, 25)) for _ in range(chance.randint(1, 5))})
            without_area = chance.choice((0, 0, 1, 12))
            total = sum(people.values()) + without_area
            shown = released(total, people)

            assert shown.keys() == people.keys() | {None}
            for place, number in shown.items():
                assert number is None or number >= MINIMUM
                assert number in (None, total if place is None else people[place])
            if shown[None] is not None:
                known = [number for place, number in shown.items() if place is not None and number is not None]
                for size in range(len(known) + 1):
                    for some in combinations(known, size):
                        assert total - sum(some) == 0 or total - sum(some) >= MINIMUM
                shown_somewhere += bool(known)
        assert shown_somewhere > 100

    def test_rounding_is_to_the_nearest_five_and_never_below_the_least(self) -> None:
        assert [rounded(number) for number in (10, 12, 13, 17, 18, 22)] == [10, 10, 15, 15, 20, 20]
        assert all(rounded(number) >= MINIMUM and rounded(number) % ROUNDED_TO == 0 for number in range(10, 100))
