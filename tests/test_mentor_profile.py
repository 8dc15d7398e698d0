"""Who can be a mentor: made by themselves or the programme lead, found by everyone who wants one."""

from typing import Any

import httpx

from tests.mentors import PROFILES, code, deactivate, make_mentor, make_pair, propose
from tests.plans import done, outgoing
from tests.world import World, etag


async def found(who: httpx.AsyncClient, **filters: Any) -> set[str]:
    answer = await done(await who.get(PROFILES, params={n: str(v).lower() for n, v in filters.items()}))
    return {row["display_name"] for row in answer["data"]}


class TestCreate:
    async def test_a_capacity_that_nobody_chose_is_shown_with_its_basis(self, grace: httpx.AsyncClient) -> None:
        profile = await make_mentor(grace)

        assert (profile["capacity"], profile["open_places"], profile["accepting"]) == (2, 2, True)
        ((field, basis),) = [(each["field"], each["basis"]) for each in profile["starting_values"]]
        assert field == "capacity"
        assert "judgement" in basis
        chosen = await grace.patch(f"{PROFILES}/{profile['id']}", json={"capacity": 2}, headers=etag(profile))
        assert (await done(chosen))["starting_values"] == []

    async def test_for_oneself_or_by_the_programme_lead(self, world: World) -> None:
        someone = {"employee_id": str(world.people["jonas"]), "pillars": ["relationships"]}

        answers = {name: await world.person(name).post(PROFILES, json=someone) for name in ("theo", "hana", "noor")}

        assert answers["theo"].status_code == 422, "he does not know of this person"
        assert answers["hana"].status_code == 403
        assert answers["noor"].status_code == 201
        assert answers["noor"].json()["display_name"] == "Jonas"

    async def test_once_and_not_for_leavers_nor_unknown_pillars(self, grace: httpx.AsyncClient, world: World) -> None:
        await make_mentor(grace)
        await deactivate(world, "jonas")
        leaver = {"employee_id": str(world.people["jonas"]), "pillars": ["relationships"]}

        assert code(await grace.post(PROFILES, json={"pillars": ["relationships"]})) == "already_exists"
        assert code(await world.person("noor").post(PROFILES, json=leaver)) == "person_inactive"
        unknown = await world.person("ines").post(PROFILES, json={"pillars": ["relationships", "surfing"]})
        assert [fault["pointer"] for fault in unknown.json()["errors"]] == ["/pillars/1"]


class TestList:
    async def test_is_a_directory_for_everyone(self, amira: httpx.AsyncClient, world: World) -> None:
        await make_mentor(world.person("grace"), capacity=1, pillars=["relationships", "inner_drive"])
        await make_mentor(world.person("jonas"), accepting=False, languages=["pl-PL"])
        await make_mentor(world.person("ines"), pillars=["inner_drive"])
        await make_pair(world, mentor="grace")

        assert await found(amira) == {"Grace", "Jonas", "Ines"}
        assert await found(amira, pillar="inner_drive") == {"Grace", "Ines"}
        assert await found(amira, accepting=False) == {"Jonas"}
        assert await found(amira, has_capacity=True) == {"Jonas", "Ines"}
        assert await found(amira, has_capacity=False) == {"Grace"}
        assert await found(amira, language="pl") == {"Jonas"}
        assert await found(amira, employee_id=world.people["ines"]) == {"Ines"}

    async def test_by_language_asks_the_profile_then_the_pattern_then_the_locale(self, world: World) -> None:
        noor, grace = world.person("noor"), world.person("grace")
        for name in ("grace", "jonas", "ines"):
            await make_mentor(world.person(name))
        person = f"/v1/employees/{world.people['grace']}"
        hana = world.person("hana")
        await hana.patch(person, json={"locale": "cy_GB"}, headers=etag(await hana.get(person)))

        assert await found(noor, language="cy-GB") == {"Grace"}
        said = {"hours": [], "languages": ["en-IE", "fr"]}
        await grace.put(f"{person}/work-pattern", json=said, headers={"If-Match": '"0"'})
        assert (await found(noor, language="cy"), await found(noor, language="fr")) == (set(), {"Grace"})
        (profile,) = (await done(await noor.get(PROFILES, params={"language": "EN"})))["data"]
        await grace.patch(f"{PROFILES}/{profile['id']}", json={"languages": ["de"]}, headers=etag(profile))
        assert (await found(noor, language="fr"), await found(noor, language="de")) == (set(), {"Grace"})

    async def test_by_service_area(self, world: World) -> None:
        hana, noor = world.person("hana"), world.person("noor")
        area = (await hana.post("/v1/service-areas", json={"name": "Housing"})).json()
        person = f"/v1/employees/{world.people['grace']}"
        await hana.patch(person, json={"service_area_id": area["id"]}, headers=etag(await hana.get(person)))
        profile = await make_mentor(world.person("grace"))
        await make_mentor(world.person("jonas"))

        assert await found(noor, service_area_id=area["id"]) == {"Grace"}
        assert profile["service_area_id"] == area["id"]

    async def test_a_leaver_is_not_in_it(self, amira: httpx.AsyncClient, world: World) -> None:
        profile = await make_mentor(world.person("grace"))
        await deactivate(world, "grace")

        assert await found(amira) == set()
        assert (await amira.get(f"{PROFILES}/{profile['id']}")).status_code == 404


class TestChange:
    async def test_is_for_oneself_and_the_programme_lead(self, world: World) -> None:
        profile = await make_mentor(world.person("grace"))
        url = f"{PROFILES}/{profile['id']}"

        for name, status in (("amira", 403), ("theo", 403), ("grace", 200), ("noor", 200)):
            who = world.person(name)
            now = await who.get(url)
            assert ("update" in now.json()["allowed_actions"]) == (status == 200)
            answer = await who.patch(url, json={"about": f"As {name} says."}, headers=etag(now))
            assert answer.status_code == status, name

    async def test_fewer_places_than_mentees_end_no_pair(self, grace: httpx.AsyncClient, world: World) -> None:
        profile = await make_mentor(grace)
        await make_pair(world)
        url = f"{PROFILES}/{profile['id']}"

        smaller = await done(await grace.patch(url, json={"capacity": 0}, headers=etag(await grace.get(url))))

        assert (smaller["capacity"], smaller["open_places"]) == (0, 0)

    async def test_out_of_the_directory_only_without_a_pair(self, grace: httpx.AsyncClient, world: World) -> None:
        profile = await make_mentor(grace)
        url = f"{PROFILES}/{profile['id']}"
        pair = await propose(world.person("amira"), world.people["grace"])

        assert code(await grace.delete(url, headers={"If-Match": "*"})) == "still_mentoring"
        await grace.post(f"/v1/mentor-assignments/{pair['id']}/decline")
        assert (await grace.delete(url, headers={"If-Match": "*"})).status_code == 204
        assert (await grace.get(url)).status_code == 404
        assert [kind for kind, _ in await outgoing(world) if kind.startswith("mentor_profile")] == [
            "mentor_profile.created",
            "mentor_profile.deleted",
        ]

    async def test_a_pillar_that_a_mentor_names_is_not_deleted(self, noor: httpx.AsyncClient, world: World) -> None:
        pillar = (await noor.post("/v1/pillars", json={"key": "pride", "name": "Pride", "description": "Why."})).json()
        await make_mentor(world.person("grace"), pillars=["pride"])

        assert code(await noor.delete(f"/v1/pillars/{pillar['id']}", headers=etag(pillar))) == "in_use"


async def test_every_starting_value_has_its_basis(client: httpx.AsyncClient) -> None:
    answer = await done(await client.get("/v1/mentor-starting-values"))

    values = {(each["of"], each["field"]): each["value"] for each in answer["data"]}
    assert values["mentor_profile", "capacity"] == 2
    assert values["mentor_assignment", "agreed_cadence_days"] == 14
    assert values["mentor_assignment", "later_cadence_days"] == 30
    assert 4 <= values["mentor_assignment", "planned_sessions"] <= 6
    assert all(each["basis"] and each["basis_label"] == "judgement" for each in answer["data"])
