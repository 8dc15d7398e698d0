"""What is said in a review is sealed: under its author's key until it is shared, then under the plan owner's."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app import texts
from app.auth import Caller
from app.services import review_part
from app.worker import REGULARLY, Worker
from tests.plans import done, running_plan
from tests.test_conventions_access import assert_problem
from tests.test_review import make_review, parts, url, write
from tests.world import World

MINE, HIS = "I was afraid of the night line.", "She asks for help early."


async def stored(world: World, review: dict[str, Any]) -> Any:
    query = text("SELECT * FROM review WHERE id = :id")
    return await world.run(lambda session: session.execute(query, {"id": review["id"]}).mappings().one())


async def erase(world: World, name: str) -> None:
    await world.run(texts.destroy_key, Caller(world.id, "system", None), world.people[name])


@pytest.fixture
async def review(amira: httpx.AsyncClient, theo: httpx.AsyncClient) -> dict[str, Any]:
    """A review with both parts written, none shared."""
    review = await make_review(amira, await running_plan(amira))
    await done(await write(amira, review, self_part=MINE))
    await done(await write(theo, review, reviewer_part=HIS))
    return review


class TestSealed:
    async def test_both_parts_stand_sealed_alone(
        self, review: dict[str, Any], amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        for _ in range(2):
            row = await stored(world, review)
            assert (row["self_part"], row["reviewer_part"]) == (None, None)
            assert MINE.encode() not in row["self_sealed"]
            assert HIS.encode() not in row["reviewer_sealed"]
            await amira.post(url(review, "share"))
            await theo.post(url(review, "share"))
        assert await parts(amira, review) == await parts(theo, review) == (MINE, HIS)

    async def test_an_unshared_part_goes_with_its_author(
        self, review: dict[str, Any], amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        await erase(world, "theo")

        assert await parts(theo, review) == (None, None)
        assert (await done(await theo.get(url(review))))["unreadable"] == ["reviewer_part"]
        assert_problem(await theo.post(url(review, "share")), 409, "text_unreadable")
        seen = await done(await amira.get(url(review)))
        assert (seen["self_part"], seen["unreadable"]) == (MINE, [])

    async def test_a_shared_part_goes_with_whom_it_is_about(
        self, review: dict[str, Any], amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        for who in (amira, theo):
            await done(await who.post(url(review, "share")))
        await erase(world, "theo")
        assert await parts(amira, review) == await parts(theo, review) == (MINE, HIS)

        await erase(world, "amira")

        for who in (amira, theo):
            seen = await done(await who.get(url(review)))
            assert (seen["self_part"], seen["reviewer_part"]) == (None, None)
            assert seen["unreadable"] == ["self_part", "reviewer_part"]
        listed = (await done(await theo.get(f"/v1/development-plans/{review['plan_id']}/reviews")))["data"]
        assert [row["unreadable"] for row in listed] == [["self_part", "reviewer_part"]]

    async def test_the_two_parts_cannot_be_exchanged(
        self, review: dict[str, Any], amira: httpx.AsyncClient, theo: httpx.AsyncClient, world: World
    ) -> None:
        for who in (amira, theo):
            await done(await who.post(url(review, "share")))
        swap = text("UPDATE review SET self_sealed = reviewer_sealed, reviewer_sealed = self_sealed WHERE id = :id")
        await world.run(lambda session: session.execute(swap, {"id": review["id"]}))

        assert await parts(amira, review) == (None, None)

    async def test_nobody_learns_of_the_others_part_by_guessing_it(
        self, review: dict[str, Any], theo: httpx.AsyncClient, world: World
    ) -> None:
        """The right guess is refused like a wrong one; null is what one sees, and changes nothing."""
        before = await stored(world, review)
        right, wrong = await write(theo, review, self_part=MINE), await write(theo, review, self_part="Something.")

        assert_problem(right, 403, "not_your_part")
        assert right.content == wrong.content
        await done(await write(theo, review, self_part=None))
        assert await stored(world, review) == before

    async def test_the_same_again_changes_nothing(
        self, review: dict[str, Any], amira: httpx.AsyncClient, world: World
    ) -> None:
        before = await stored(world, review)
        await done(await write(amira, review, self_part=MINE))
        assert await stored(world, review) == before
        cleared = await done(await write(amira, review, self_part=None))
        assert (cleared["self_part"], cleared["unreadable"], "share" in cleared["allowed_actions"]) == (None, [], False)


class TestBeforeThereWereKeys:
    """Rows that the release before wrote hold their parts plain: read as they are, sealed by the worker, never lost."""

    async def make_plain(self, world: World, review: dict[str, Any]) -> None:
        change = text(
            "UPDATE review SET self_part = :mine, reviewer_part = :his, self_sealed = NULL, reviewer_sealed = NULL,"
            " reviewer_shared_at = now() WHERE id = :id"
        )
        values = {"mine": MINE, "his": HIS, "id": review["id"]}
        await world.run(lambda session: session.execute(change, values))

    async def test_are_read_as_they_are_and_sealed_by_the_worker(
        self,
        review: dict[str, Any],
        amira: httpx.AsyncClient,
        theo: httpx.AsyncClient,
        world: World,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        other = await make_review(amira, {"id": review["plan_id"]})
        for each in (review, other):
            await self.make_plain(world, each)
        monkeypatch.setattr(review_part, "AT_ONCE", 1)
        before, row = await done(await amira.get(url(review))), await stored(world, review)
        assert await parts(amira, review) == (MINE, HIS)
        assert await parts(theo, review) == (None, HIS)

        duty = {"seal_texts": REGULARLY["seal_texts"]}
        await Worker(world.database, world.app.state.wakeup, 1).attend(world.id, duty)

        for each in (review, other):
            sealed = await stored(world, each)
            assert (sealed["self_part"], sealed["reviewer_part"]) == (None, None)
            assert await parts(amira, each) == (MINE, HIS)
        assert await done(await amira.get(url(review))) == before
        after = await stored(world, review)
        assert (after["version"], after["updated_at"]) == (row["version"], row["updated_at"])

    async def test_written_anew_they_are_sealed(
        self, review: dict[str, Any], amira: httpx.AsyncClient, world: World
    ) -> None:
        await self.make_plain(world, review)

        await done(await write(amira, review, self_part="Other."))

        row = await stored(world, review)
        assert (row["self_part"], row["reviewer_part"]) == (None, HIS)
        assert await parts(amira, review) == ("Other.", HIS)

    async def test_of_an_erased_person_they_go(
        self, review: dict[str, Any], amira: httpx.AsyncClient, world: World
    ) -> None:
        await self.make_plain(world, review)
        await erase(world, "amira")

        await world.run(review_part.seal_plain, Caller(world.id, "system", None))

        row = await stored(world, review)
        assert (row["self_part"], row["self_sealed"], row["reviewer_sealed"]) == (None, None, None)
        assert await parts(amira, review) == (None, None)
