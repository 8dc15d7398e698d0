"""Strain rules: starting points with their basis, an organisation's own to change, and tried before they are."""

from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from app import clock
from app.models.call_event import FlagKind, Outcome
from app.schemas.strain_rule import SeverityKey
from app.services.default_rules import default_rules
from app.services.strain_calls import ANY_FLAG
from tests.strain import EASY, NOW, RULE, only, post, team_of, told
from tests.world import World, etag

PATH = "/v1/strain-rules"


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    return NOW


async def make(caller: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await caller.post(PATH, json={**RULE, **fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


class TestDefaults:
    async def test_every_organisation_starts_with_them_each_with_its_basis(self, amira: httpx.AsyncClient) -> None:
        rules = (await amira.get(PATH)).json()["data"]

        assert {rule["key"] for rule in rules} == set(default_rules())
        for rule in rules:
            assert rule["basis_label"] in ("judgement", "evidence", "guidance")
            assert len(rule["basis"]) > 60
            assert rule["enabled"]

    async def test_their_values(self, amira: httpx.AsyncClient) -> None:
        rules = {rule["key"]: rule for rule in (await amira.get(PATH)).json()["data"]}

        conditions = {key: rule["condition"] for key, rule in rules.items()}
        assert conditions["two_hard_in_a_row"] == {"kind": "hard_call_streak", "count": 2, "window_seconds": 3600}
        assert conditions["three_aimed_at_me"] == {"kind": "hard_call_count", "count": 3, "window_seconds": 8 * 3600}
        assert conditions["above_team_median"] == {
            "kind": "above_team_median",
            "multiple": 1.5,
            "shifts": 5,
            "minimum_team": 5,
            "minimum_hard_calls": 3,
        }
        assert conditions["own_word"] == {"kind": "self_flag"}
        assert {kind["kind"] for kind in conditions.values()} == {
            "hard_call_count",
            "hard_call_streak",
            "unresolved_share",
            "talk_without_pause",
            "above_team_median",
            "self_flag",
        }
        offers = {key: (rule["prompt"]["kind"], rule["prompt"]["minutes"]) for key, rule in rules.items()}
        assert offers["threat_break"] == ("break", 15)
        assert offers["threat_human"][0] == "debrief"
        assert offers["two_hard_in_a_row"] == offers["own_word"] == offers["hour_without_pause"] == ("break", 5)
        assert {offer for offer, _ in offers.values()} == {"break", "debrief", "mentor", "practice"}

    async def test_a_threat_offers_a_break_and_a_person_and_no_exercise(
        self, world: World, amira: httpx.AsyncClient
    ) -> None:
        await post(world, told(world.people["amira"], 5, ("threatening",)))

        prompts = (await amira.get("/v1/support-prompts")).json()["data"]

        assert sorted((p["kind"], p["minutes"], p["practice_id"]) for p in prompts) == [
            ("break", 15, None),
            ("debrief", 20, None),
        ]

    async def test_two_organisations_do_not_share_them(self, world: World, elsewhere: World) -> None:
        ids = [
            {rule["id"] for rule in (await one.person("amira").get(PATH)).json()["data"]} for one in (world, elsewhere)
        ]

        assert not ids[0] & ids[1]


class TestCreate:
    async def test_a_rule_of_ones_own(self, noor: httpx.AsyncClient) -> None:
        rule = await make(noor)

        assert rule["key"] is None
        assert rule["basis"] == "The organisation's own choice."
        assert rule["basis_label"] == "judgement"
        assert rule["severity"]["threatening"] == 10
        assert rule["hard_severity"] == 5
        assert rule["prompt"] == {"kind": "break", "minutes": 5, "expires_seconds": 1800, "pillar": None}
        assert (await noor.get(f"{PATH}/{rule['id']}")).json() == rule
        assert rule["id"] in [r["id"] for r in (await noor.get(PATH, params={"enabled": "true"})).json()["data"]]

    async def test_a_name_is_taken_once(self, noor: httpx.AsyncClient) -> None:
        await make(noor)

        answer = await noor.post(PATH, json={**RULE, "name": RULE["name"].upper()})

        assert (answer.status_code, answer.json()["code"]) == (409, "already_exists")

    @pytest.mark.parametrize(
        ("wrong", "pointer"),
        [
            ({"condition": {"kind": "moon_phase"}}, "/condition"),
            ({"condition": {"count": 2, "window_seconds": 60}}, "/condition"),
            (
                {"condition": {"kind": "hard_call_count", "count": 0, "window_seconds": 60}},
                "/condition/count",
            ),
            ({"condition": {"kind": "self_flag", "count": 1}}, "/condition/count"),
            (
                {"condition": {"kind": "above_team_median", "multiple": 2, "shifts": 5, "minimum_team": 4}},
                "/condition/minimum_team",
            ),
            ({"severity": {"abusive": 11}}, "/severity/abusive"),
            ({"severity": {"rude": 3}}, "/severity/rude/-"),
            ({"hard_severity": 0}, "/hard_severity"),
            ({"prompt": {"kind": "break", "expires_seconds": 60}}, "/prompt"),
            ({"prompt": {"kind": "practice", "expires_seconds": 60}}, "/prompt"),
            ({"prompt": {"kind": "team_review", "expires_seconds": 60}}, "/prompt/kind"),
            ({"prompt": {"kind": "practice", "expires_seconds": 60, "pillar": "luck"}}, "/prompt/pillar"),
            ({"service_area_ids": ["0192f0c1-2b3c-7d4e-8f50-617283940a1b"]}, "/service_area_ids/0"),
            ({"score": 1}, "/score"),
        ],
    )
    async def test_what_is_not_a_rule_is_refused(self, noor: httpx.AsyncClient, wrong: Any, pointer: str) -> None:
        answer = await noor.post(PATH, json={**RULE, **wrong})

        assert answer.status_code == 422
        assert pointer in [fault["pointer"] for fault in answer.json()["errors"]]

    async def test_not_by_others(
        self, amira: httpx.AsyncClient, theo: httpx.AsyncClient, hana: httpx.AsyncClient, world: World
    ) -> None:
        reader = await world.client("strain:read")

        for caller in (amira, theo, hana, reader):
            assert (await caller.post(PATH, json=RULE)).status_code == 403


class TestUpdate:
    async def test_objects_are_merged_member_by_member(self, noor: httpx.AsyncClient) -> None:
        rule = await make(noor)
        patch = {
            "condition": {"count": 4},
            "severity": {"complaint": 9, "abusive": None},
            "prompt": {"minutes": 10},
            "enabled": False,
        }

        changed = (await noor.patch(f"{PATH}/{rule['id']}", json=patch, headers=etag(rule))).json()

        assert changed["condition"] == {"kind": "hard_call_count", "count": 4, "window_seconds": 3600}
        assert changed["severity"]["complaint"] == 9
        assert "abusive" not in changed["severity"]
        assert changed["severity"]["threatening"] == 10
        assert changed["prompt"] == {**rule["prompt"], "minutes": 10}
        assert (changed["enabled"], changed["version"]) == (False, 2)

    async def test_another_kind_of_condition_drops_what_it_does_not_have(self, noor: httpx.AsyncClient) -> None:
        rule = await make(noor)
        patch = {"condition": {"kind": "hard_call_streak"}}
        same = (await noor.patch(f"{PATH}/{rule['id']}", json=patch, headers=etag(rule))).json()
        condition = {"kind": "talk_without_pause", "talk_seconds": 1800, "pause_seconds": 60}

        other = (await noor.patch(f"{PATH}/{rule['id']}", json={"condition": condition}, headers=etag(same))).json()

        assert same["condition"] == {"kind": "hard_call_streak", "count": 2, "window_seconds": 3600}
        assert other["condition"] == condition

    @pytest.mark.parametrize(
        "wrong",
        [
            {"condition": {"share": 0.5}},
            {"condition": {"kind": "above_team_median"}},
            {"prompt": {"minutes": None}},
            {"prompt": {"kind": "practice"}},
            {"prompt": {"kind": "practice", "pillar": "luck"}},
            {"name": None},
            {"condition": None},
        ],
    )
    async def test_the_whole_has_to_be_a_rule(self, noor: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
        rule = await make(noor)

        answer = await noor.patch(f"{PATH}/{rule['id']}", json=wrong, headers=etag(rule))

        assert answer.status_code == 422, answer.text

    async def test_nothing_new_is_no_change(self, noor: httpx.AsyncClient) -> None:
        rule = await make(noor)

        answer = await noor.patch(f"{PATH}/{rule['id']}", json={"hard_severity": 5}, headers=etag(rule))

        assert answer.json() == rule

    async def test_its_history_says_who_changed_what(self, noor: httpx.AsyncClient, world: World) -> None:
        rule = await make(noor)
        await noor.patch(f"{PATH}/{rule['id']}", json={"hard_severity": 6}, headers=etag(rule))

        history = (await noor.get(f"{PATH}/{rule['id']}/history")).json()["data"]

        assert [entry["action"] for entry in history] == ["strain_rule.updated", "strain_rule.created"]
        assert history[0]["details"] == {"fields": ["hard_severity"]}
        assert {entry["actor_id"] for entry in history} == {str(world.people["noor"])}


class TestDelete:
    async def test_a_rule_that_raised_signals_goes_and_they_keep_it_as_it_was(
        self, world: World, noor: httpx.AsyncClient, amira: httpx.AsyncClient
    ) -> None:
        (rule,) = await only(world)
        await post(world, told(world.people["amira"], 30), told(world.people["amira"], 20))

        answer = await noor.delete(f"{PATH}/{rule['id']}", headers=etag(rule))
        await post(world, told(world.people["grace"], 30), told(world.people["grace"], 20))

        assert answer.status_code == 204
        assert (await noor.get(f"{PATH}/{rule['id']}")).status_code == 404
        assert rule["id"] not in [r["id"] for r in (await noor.get(PATH)).json()["data"]]
        (signal,) = (await amira.get("/v1/strain-signals")).json()["data"]
        assert signal["rule"]["name"] == rule["name"]
        assert (await world.person("grace").get("/v1/strain-signals")).json()["data"] == []

    async def test_its_name_is_free_again(self, noor: httpx.AsyncClient) -> None:
        rule = await make(noor)
        await noor.delete(f"{PATH}/{rule['id']}", headers=etag(rule))

        assert (await make(noor))["id"] != rule["id"]

    async def test_a_default_can_go_too(self, noor: httpx.AsyncClient) -> None:
        rule = (await noor.get(PATH)).json()["data"][0]

        assert (await noor.delete(f"{PATH}/{rule['id']}", headers=etag(rule))).status_code == 204
        assert (await noor.delete(f"{PATH}/{rule['id']}", headers=etag(rule))).status_code == 404


ONCE = {"condition": {"kind": "hard_call_count", "count": 1, "window_seconds": 60}, "cooldown_seconds": 0}
DAY = 24 * 60


class TestDryRun:
    async def test_it_says_how_many_signals_there_would_have_been(self, world: World, noor: httpx.AsyncClient) -> None:
        await only(world)
        people = [await world.hire(f"agent-{n}") for n in range(7)]
        await post(world, *(told(person, DAY * n + 5) for person in people for n in range(1, 4)))

        found = (await noor.post(f"{PATH}/dry-run", json={**RULE, **ONCE})).json()

        assert found == {"days": 30, "suppressed": False, "signals": 20, "people": 5, "signals_per_week": 4.7}

    async def test_it_is_what_the_rule_then_does(self, world: World, noor: httpx.AsyncClient) -> None:
        (rule,) = await only(world, {"cooldown_seconds": 3600})
        people = [await world.hire(f"agent-{n}") for n in range(5)]
        await post(world, *(told(p, DAY * day + m) for p in people for day in (1, 2) for m in (5, 10, 90, 95)))
        raised = len((await noor.get("/v1/strain-signals")).json()["data"])
        clients_view = (await (await world.client()).get("/v1/strain-signals")).json()["data"]

        found = (await noor.post(f"{PATH}/{rule['id']}/dry-run", json={})).json()

        assert raised == 0
        assert (found["signals"], found["people"]) == (len(clients_view), 5) == (20, 5)

    async def test_a_patch_is_tried_and_nothing_changes(self, world: World, noor: httpx.AsyncClient) -> None:
        (rule,) = await only(world)
        people = [await world.hire(f"agent-{n}") for n in range(5)]
        await post(world, *(told(person, DAY) for person in people))
        path = f"{PATH}/{rule['id']}"

        before = (await noor.post(f"{path}/dry-run", json={})).json()
        found = (await noor.post(f"{path}/dry-run", json={"condition": {"count": 1}})).json()

        assert before["suppressed"]
        assert (found["signals"], found["people"]) == (5, 5)
        assert (await noor.get(path)).json() == rule

    @pytest.mark.parametrize("people", [0, 1, 4])
    async def test_few_people_and_nobody_look_the_same(
        self, world: World, noor: httpx.AsyncClient, people: int
    ) -> None:
        await only(world)
        for n in range(people):
            await post(world, told(await world.hire(f"agent-{n}"), DAY))
        for n in range(9):
            await post(world, told(await world.hire(f"easy-{n}"), DAY, EASY))

        found = (await noor.post(f"{PATH}/dry-run", json={**RULE, **ONCE})).json()

        assert found == {"days": 30, "suppressed": True, "signals": None, "people": None, "signals_per_week": None}

    async def test_the_organisation_may_ask_for_larger_groups(self, world: World, noor: httpx.AsyncClient) -> None:
        await only(world)
        await noor.patch("/v1/organisation", json={"minimum_group_size": 6}, headers={"If-Match": "*"})
        for n in range(5):
            await post(world, told(await world.hire(f"agent-{n}"), DAY))

        assert (await noor.post(f"{PATH}/dry-run", json={**RULE, **ONCE})).json()["suppressed"]

    async def test_two_dry_runs_cannot_be_subtracted_to_reach_one_person(
        self, world: World, noor: httpx.AsyncClient, client: httpx.AsyncClient
    ) -> None:
        await only(world)
        small = (await client.post("/v1/service-areas", json={"name": "Small"})).json()["id"]
        large = (await client.post("/v1/service-areas", json={"name": "Large"})).json()["id"]
        for n in range(6):
            person = await world.hire(f"agent-{n}", service_area_id=small if n == 0 else large)
            await post(world, told(person, DAY))

        both = (await noor.post(f"{PATH}/dry-run", json={**RULE, **ONCE, "service_area_ids": [small, large]})).json()
        without = (await noor.post(f"{PATH}/dry-run", json={**RULE, **ONCE, "service_area_ids": [large]})).json()

        assert both == without

    async def test_only_the_past_thirty_days(self, world: World, noor: httpx.AsyncClient) -> None:
        await only(world)
        people = [await world.hire(f"agent-{n}") for n in range(5)]
        await post(world, *(told(person, DAY * 31) for person in people))

        assert (await noor.post(f"{PATH}/dry-run", json={**RULE, **ONCE})).json()["suppressed"]

    async def test_of_a_comparison_with_the_team(self, world: World, noor: httpx.AsyncClient) -> None:
        median = {"kind": "above_team_median", "multiple": 1.5, "shifts": 1, "minimum_hard_calls": 2}
        (rule,) = await only(world, {"condition": median, "cooldown_seconds": 0})
        for _ in range(5):
            people = await team_of(world, 5)
            await post(world, *(told(person, DAY) for person in people), *(told(people[0], DAY + n) for n in (5, 6)))
        await post(world, told(world.people["amira"], 1, EASY))

        found = (await noor.post(f"{PATH}/{rule['id']}/dry-run", json={})).json()

        assert (found["signals"], found["people"]) == (5, 5)

    async def test_not_for_everyone(self, world: World, amira: httpx.AsyncClient, theo: httpx.AsyncClient) -> None:
        for caller in (amira, theo):
            assert (await caller.post(f"{PATH}/dry-run", json=RULE)).status_code == 403


def test_every_outcome_and_every_kind_of_flag_can_be_weighed() -> None:
    assert set(get_args(SeverityKey)) == {*Outcome, *FlagKind, ANY_FLAG}


def test_the_page_about_strain_names_every_default() -> None:
    page = (Path(__file__).parents[1] / "docs" / "strain.md").read_text()

    for rule in default_rules().values():
        assert rule.name in page
        assert rule.condition.kind in page
