"""Sources of call events: whose they are, what their codes mean, and that past call events follow."""

from typing import Any

import httpx
import pytest
from uuid_utils.compat import uuid7

from tests.calls import MAPPINGS, Followed, call, make_source, post, post_batch
from tests.world import World, etag

POSTER = ("sources:read", "sources:write", "call-events:read", "call-events:write")
WRITER = ("sources:read", "sources:write")


async def mapping_of(client: httpx.AsyncClient, source_id: str, code: str) -> dict[str, Any]:
    response = await client.get(f"/v1/sources/{source_id}/outcome-mappings", params={"code": code})
    (found,) = response.json()["data"]
    mapping: dict[str, Any] = found
    return mapping


async def unmapped(client: httpx.AsyncClient, source_id: str) -> dict[tuple[str, str], int]:
    response = await client.get(f"/v1/sources/{source_id}/unmapped-codes")
    assert response.status_code == 200, response.text
    return {(each["kind"], each["code"]): each["count"] for each in response.json()["data"]}


async def outcomes(client: httpx.AsyncClient, event: dict[str, Any]) -> list[str]:
    response = await client.get(f"/v1/call-events/{event['id']}")
    found: list[str] = response.json()["outcomes"]
    return found


class TestOwnership:
    async def test_a_source_belongs_to_the_client_that_makes_it_and_posts(self, world: World) -> None:
        mine, other = await world.client(*POSTER), await world.client(*POSTER)
        source_id = await make_source(mine)

        assert (await mine.get(f"/v1/sources/{source_id}")).json()["client_id"] is not None
        assert (await other.get(f"/v1/sources/{source_id}")).status_code == 404
        assert (await other.get("/v1/sources")).json()["data"] == []
        changed = await other.patch(f"/v1/sources/{source_id}", json={"name": "Mine"}, headers={"If-Match": "*"})
        assert changed.status_code == 404
        for path in ("unmapped-codes", "outcome-mappings"):
            assert (await other.get(f"/v1/sources/{source_id}/{path}")).status_code == 404
        stolen = {"kind": "disposition", "code": "X", "outcomes": []}
        assert (await other.post(f"/v1/sources/{source_id}/outcome-mappings", json=stolen)).status_code == 404
        many = await other.post(f"/v1/sources/{source_id}/outcome-mappings/batch", json={"mappings": [stolen]})
        assert many.status_code == 404

    async def test_nobody_else_posts_to_it_or_sees_its_calls(self, world: World) -> None:
        mine, other = await world.client(*POSTER), await world.client(*POSTER)
        source_id = await make_source(mine)
        event = await post(mine, call(source_id))

        single = await other.post("/v1/call-events", json=call(source_id))
        batch = await post_batch(other, call(source_id))

        assert single.status_code == 422
        assert single.json()["errors"][0]["code"] == "unknown_source"
        assert batch["results"][0]["errors"] == [
            {
                "pointer": "/source_id",
                "code": "unknown_source",
                "detail": "There is no such source, or it is another client's.",
            }
        ]
        assert (await other.get(f"/v1/call-events/{event['id']}")).status_code == 404
        assert (await other.get("/v1/call-events")).json()["data"] == []
        voided = await other.post(f"/v1/call-events/{event['id']}/void", json={"reason": "Not mine."})
        assert voided.status_code == 404

    async def test_one_that_a_person_or_an_administering_client_makes_is_everyones(
        self, world: World, noor: httpx.AsyncClient
    ) -> None:
        administering = await world.client(*WRITER)
        poster = await world.client(*POSTER)
        for maker, name in ((noor, "By Noor"), (administering, "By a script")):
            source_id = await make_source(maker, name)

            assert (await maker.get(f"/v1/sources/{source_id}")).json()["client_id"] is None
            assert (await post(poster, call(source_id)))["source_id"] == source_id

    async def test_it_can_be_given_to_a_client(self, world: World, noor: httpx.AsyncClient) -> None:
        poster, other = await world.client(*POSTER), await world.client(*POSTER)
        own = await poster.get(f"/v1/sources/{await make_source(poster, 'Own')}")
        client_id = own.json()["client_id"]

        source_id = await make_source(noor, "Given", client_id=client_id)

        await post(poster, call(source_id))
        assert (await other.post("/v1/call-events", json=call(source_id))).status_code == 422

    async def test_a_posting_client_gives_it_to_no_other(self, world: World) -> None:
        poster, other = await world.client(*POSTER), await world.client(*POSTER)
        others = (await other.get(f"/v1/sources/{await make_source(other, 'Theirs')}")).json()["client_id"]

        response = await poster.post("/v1/sources", json={"name": "Mine", "client_id": others})

        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == "/client_id"
        source_id = await make_source(poster, "Mine")
        patched = await poster.patch(f"/v1/sources/{source_id}", json={"client_id": others}, headers={"If-Match": "*"})
        assert patched.status_code == 422

    async def test_a_client_that_is_not_there_is_refused(self, noor: httpx.AsyncClient) -> None:
        response = await noor.post("/v1/sources", json={"name": "Mine", "client_id": str(uuid7())})

        assert response.status_code == 422
        assert response.json()["errors"][0]["code"] == "unknown_reference"

    async def test_an_administering_client_sees_all_of_them(self, world: World) -> None:
        poster, administering = await world.client(*POSTER), await world.client(*WRITER)
        source_id = await make_source(poster)

        assert (await administering.get(f"/v1/sources/{source_id}")).status_code == 200

    async def test_people_without_the_role_have_nothing_to_do_with_it(
        self, client: httpx.AsyncClient, amira: httpx.AsyncClient, mallory: httpx.AsyncClient
    ) -> None:
        source_id = await make_source(client)

        assert (await amira.get(f"/v1/sources/{source_id}")).status_code == 403
        assert (await mallory.get(f"/v1/sources/{source_id}")).status_code == 404
        assert (await mallory.post("/v1/call-events", json=call(source_id))).status_code == 422


class TestSource:
    async def test_its_name_is_taken_without_regard_to_case(self, client: httpx.AsyncClient) -> None:
        await make_source(client, "Switchboard")

        response = await client.post("/v1/sources", json={"name": "SWITCHBOARD"})

        assert response.status_code == 409
        assert response.json()["code"] == "already_exists"

    async def test_it_is_changed_by_a_merge_patch(self, client: httpx.AsyncClient) -> None:
        source_id = await make_source(client, description="The old one.")
        before = await client.get(f"/v1/sources/{source_id}")

        after = await client.patch(
            f"/v1/sources/{source_id}", json={"description": None, "name": "Desk"}, headers=etag(before)
        )
        stale = await client.patch(f"/v1/sources/{source_id}", json={"name": "Old"}, headers=etag(before))
        cleared = await client.patch(f"/v1/sources/{source_id}", json={"name": None}, headers=etag(after))

        assert after.status_code == 200
        assert (after.json()["name"], after.json()["description"]) == ("Desk", None)
        assert stale.status_code == 412
        assert cleared.status_code == 422
        history = await client.get(f"/v1/sources/{source_id}/history")
        assert [entry["action"] for entry in history.json()["data"]] == ["source.updated", "source.created"]

    async def test_an_inactive_one_takes_nothing(self, client: httpx.AsyncClient) -> None:
        source_id = await make_source(client)
        await client.patch(f"/v1/sources/{source_id}", json={"active": False}, headers={"If-Match": "*"})

        response = await client.post("/v1/call-events", json=call(source_id))

        assert response.status_code == 422
        assert response.json()["errors"][0]["code"] == "source_inactive"
        assert (await client.get("/v1/sources", params={"active": True})).json()["data"] == []

    async def test_it_comes_with_its_mappings(self, client: httpx.AsyncClient) -> None:
        source_id = await make_source(client)

        listed = (await client.get(f"/v1/sources/{source_id}/outcome-mappings")).json()["data"]

        assert [{name: each[name] for name in ("kind", "code", "outcomes")} for each in listed] == MAPPINGS

    async def test_the_same_code_twice_is_refused(self, client: httpx.AsyncClient) -> None:
        twice = [MAPPINGS[0], {**MAPPINGS[0], "code": "res"}]

        response = await client.post("/v1/sources", json={"name": "Twice", "outcome_mappings": twice})

        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == "/outcome_mappings/1/code"
        assert (await client.get("/v1/sources")).json()["data"] == []


class TestDerivation:
    async def test_codes_are_compared_folded(self, client: httpx.AsyncClient) -> None:
        event = await post(client, call(await make_source(client), disposition={"code": " abuse ", "label": "Abuse"}))

        assert event["disposition"] == {"code": "abuse", "label": "Abuse", "scheme": None}
        assert event["outcomes"] == ["unresolved", "abusive"]

    @pytest.mark.parametrize(
        ("kind", "outcome"),
        [
            ("abuse", "abusive"),
            ("threat", "threatening"),
            ("sexual_harassment", "abusive"),
            ("discrimination", "abusive"),
            ("distress", "distressed_caller"),
            ("self_harm_risk", "safeguarding"),
            ("other", "other"),
        ],
    )
    async def test_markers_mean_something_by_themselves(
        self, client: httpx.AsyncClient, kind: str, outcome: str
    ) -> None:
        event = await post(client, call(await make_source(client), markers=[{"kind": kind}]))

        assert event["outcomes"] == [outcome]

    async def test_a_mapping_of_the_rule_comes_before_one_of_the_kind(self, client: httpx.AsyncClient) -> None:
        own = [
            {"kind": "marker", "code": "Shouting", "outcomes": ["complaint"]},
            {"kind": "marker", "code": "abuse", "outcomes": ["threatening"]},
        ]
        source_id = await make_source(client, outcome_mappings=own)

        by_rule = await post(client, call(source_id, markers=[{"kind": "abuse", "rule": "SHOUTING"}]))
        by_kind = await post(client, call(source_id, markers=[{"kind": "abuse", "rule": "Another"}]))
        by_default = await post(client, call(source_id, markers=[{"kind": "threat", "rule": "Another"}]))

        assert [each["outcomes"] for each in (by_rule, by_kind, by_default)] == [
            ["complaint"],
            ["threatening"],
            ["threatening"],
        ]

    async def test_the_result_abandoned_is_an_outcome(self, client: httpx.AsyncClient) -> None:
        event = await post(client, call(await make_source(client), result="abandoned", disposition={"code": "RES"}))

        assert event["outcomes"] == ["resolved", "abandoned"]

    async def test_an_unmapped_code_gives_none_and_is_counted(self, client: httpx.AsyncClient) -> None:
        source_id = await make_source(client)
        marked = call(source_id, markers=[{"kind": "other", "rule": "Loud"}, {"kind": "abuse", "rule": "Known kind"}])
        answer = await post_batch(
            client,
            call(source_id, disposition={"code": "NEW"}),
            call(source_id, disposition={"code": "new"}),
            call(source_id, disposition={"code": "RES"}),
            marked,
        )
        await post_batch(client, marked)

        assert [each["unmapped_codes"] for each in answer["results"]] == [True, True, False, True]
        assert await unmapped(client, source_id) == {("disposition", "NEW"): 2, ("marker", "Loud"): 1}

    async def test_a_code_that_means_nothing_to_us_is_not_unmapped(self, client: httpx.AsyncClient) -> None:
        nothing = [{"kind": "disposition", "code": "WRONG", "outcomes": []}]
        source_id = await make_source(client, outcome_mappings=nothing)

        event = await post(client, call(source_id, disposition={"code": "WRONG"}))

        assert event["outcomes"] == []
        assert await unmapped(client, source_id) == {}


class TestMapping:
    async def test_mapping_a_code_rederives_the_past(
        self, client: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source_id = await make_source(client)
        first = await post(client, call(source_id, disposition={"code": "new"}, ended_at="2026-03-01T10:00:00Z"))
        second = await post(client, call(source_id, disposition={"code": "NEW"}, result="abandoned"))
        untouched = await post(client, call(source_id, disposition={"code": "RES"}))
        followed = Followed(monkeypatch)

        mapping = {"kind": "disposition", "code": "NEW", "outcomes": ["abusive", "abusive", "complaint"]}
        created = await client.post(f"/v1/sources/{source_id}/outcome-mappings", json=mapping)

        assert created.status_code == 201
        assert created.json()["outcomes"] == ["complaint", "abusive"]
        assert created.headers["Location"] == f"/v1/sources/{source_id}/outcome-mappings/{created.json()['id']}"
        assert await outcomes(client, first) == ["complaint", "abusive"]
        assert await outcomes(client, second) == ["complaint", "abusive", "abandoned"]
        assert (await client.get(f"/v1/call-events/{untouched['id']}")).json()["version"] == 1
        assert await unmapped(client, source_id) == {}
        assert followed == [{world.people["amira"]: ("2026-03-01T10:00:00+00:00", "2026-03-04T10:05:00+00:00")}]

    async def test_changing_and_deleting_it_does_too(self, client: httpx.AsyncClient) -> None:
        source_id = await make_source(client)
        event = await post(client, call(source_id, disposition={"code": "RES"}))
        mapping = await mapping_of(client, source_id, "res")
        url = f"/v1/sources/{source_id}/outcome-mappings/{mapping['id']}"

        changed = await client.patch(url, json={"outcomes": ["escalated"]}, headers=etag(mapping))
        between = await outcomes(client, event)
        stale = await client.delete(url, headers=etag(mapping))
        bare = await client.delete(url)
        deleted = await client.delete(url, headers=etag(changed))

        assert (changed.status_code, between) == (200, ["escalated"])
        assert (stale.status_code, bare.status_code, deleted.status_code) == (412, 428, 204)
        assert await outcomes(client, event) == []
        assert await unmapped(client, source_id) == {("disposition", "RES"): 1}
        assert (await client.get(url)).status_code == 404

    async def test_mapping_a_rule_rederives_marked_calls(self, client: httpx.AsyncClient) -> None:
        source_id = await make_source(client)
        marked = await post(client, call(source_id, markers=[{"kind": "other", "rule": "Loud"}, {"kind": "threat"}]))

        mapping = {"kind": "marker", "code": "loud", "outcomes": ["abusive"]}
        created = await client.post(f"/v1/sources/{source_id}/outcome-mappings", json=mapping)
        mapped = await outcomes(client, marked)
        await client.delete(created.headers["Location"], headers=etag(created))

        assert mapped == ["abusive", "threatening"]
        assert await outcomes(client, marked) == ["threatening", "other"]
        assert await unmapped(client, source_id) == {("marker", "loud"): 1}

    async def test_a_voided_call_is_rederived_but_moves_no_signal(
        self, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source_id = await make_source(client)
        event = await post(client, call(source_id, disposition={"code": "NEW"}))
        await client.post(f"/v1/call-events/{event['id']}/void", json={"reason": "A test call."})
        followed = Followed(monkeypatch)

        mapping = {"kind": "disposition", "code": "NEW", "outcomes": ["abusive"]}
        await client.post(f"/v1/sources/{source_id}/outcome-mappings", json=mapping)

        assert await outcomes(client, event) == ["abusive"]
        assert followed == []

    async def test_a_code_has_one_meaning(self, client: httpx.AsyncClient) -> None:
        source_id = await make_source(client)

        response = await client.post(f"/v1/sources/{source_id}/outcome-mappings", json={**MAPPINGS[0], "code": "res"})

        assert response.status_code == 409

    async def test_it_is_found_below_its_own_source_alone(self, client: httpx.AsyncClient) -> None:
        source_id, other_id = await make_source(client), await make_source(client, "Other")
        mapping = await mapping_of(client, source_id, "RES")
        url = f"/v1/sources/{other_id}/outcome-mappings/{mapping['id']}"

        assert (await client.get(url)).status_code == 404
        assert (await client.patch(url, json={"outcomes": []}, headers=etag(mapping))).status_code == 404
        assert (await client.delete(url, headers=etag(mapping))).status_code == 404

    async def test_each_change_is_in_the_audit(self, client: httpx.AsyncClient, world: World) -> None:
        source_id = await make_source(client)
        await client.post(
            f"/v1/sources/{source_id}/outcome-mappings", json={"kind": "marker", "code": "M", "outcomes": ["other"]}
        )
        await client.post(
            f"/v1/sources/{source_id}/outcome-mappings/batch", json={"mappings": [{**MAPPINGS[0], "outcomes": []}]}
        )

        entries = (await client.get("/v1/audit-entries", params={"limit": 200})).json()["data"]

        mine = [entry["action"] for entry in entries if entry["resource"] == "outcome_mapping"]
        assert sorted(mine) == ["outcome_mapping.created"] * 3 + ["outcome_mapping.updated"]


class TestBatch:
    async def test_each_item_is_taken_on_its_own(self, client: httpx.AsyncClient) -> None:
        source_id = await make_source(client)
        event = await post(client, call(source_id, disposition={"code": "RES"}))
        marked = await post(client, call(source_id, disposition={"code": "N1"}))
        items: list[Any] = [
            {"kind": "disposition", "code": "res", "outcomes": ["escalated"]},
            {"kind": "disposition", "code": "ABUSE", "outcomes": ["unresolved", "abusive"]},
            {"kind": "disposition", "code": "N1", "outcomes": ["complaint"]},
            {"kind": "disposition", "code": "n1", "outcomes": ["other"]},
            {"kind": "tea", "code": "T", "outcomes": []},
            "nonsense",
            {"kind": "marker", "code": "N1", "outcomes": ["other"]},
        ]

        response = await client.post(f"/v1/sources/{source_id}/outcome-mappings/batch", json={"mappings": items})

        assert response.status_code == 200, response.text
        answer = response.json()
        expected = ["updated", "unchanged", "created", "rejected", "rejected", "rejected", "created"]
        assert [result["status"] for result in answer["results"]] == expected
        assert [result["index"] for result in answer["results"]] == list(range(7))
        assert (answer["created"], answer["updated"], answer["unchanged"], answer["rejected"]) == (2, 1, 1, 3)
        assert answer["results"][4]["errors"][0]["pointer"] == "/kind"
        assert answer["rederived_call_events"] == 2
        assert await outcomes(client, event) == ["escalated"]
        assert await outcomes(client, marked) == ["complaint"]

    async def test_it_can_be_repeated(self, client: httpx.AsyncClient) -> None:
        source_id = await make_source(client)

        response = await client.post(f"/v1/sources/{source_id}/outcome-mappings/batch", json={"mappings": MAPPINGS})

        assert response.json()["unchanged"] == 2
        assert response.json()["rederived_call_events"] == 0

    async def test_more_than_a_thousand_are_refused(self, client: httpx.AsyncClient) -> None:
        source_id = await make_source(client)

        response = await client.post(
            f"/v1/sources/{source_id}/outcome-mappings/batch", json={"mappings": [MAPPINGS[0]] * 1001}
        )

        assert response.status_code == 422
