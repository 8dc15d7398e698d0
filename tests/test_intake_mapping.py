"""Declarations: any JSON read by pointers and tables, checked when they are made, and never costly."""

import json
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest

from app.intake.adapter import Delivery, Dropped, SourceSettings, Unreadable
from app.intake.canonical import Refused, Taken
from app.intake.mapping import at, read
from tests.examples_of_intake import ZENDESK
from tests.intake_sources import make_intake, platform, ticket
from tests.world import World, etag

LEAST: dict[str, Any] = {
    "contact_id": {"pointer": "/id"},
    "agent": {"ref": {"pointer": "/agent"}},
    "ended_at": {"pointer": "/end"},
}
ITEM = {"id": "c-1", "agent": "amira", "end": "2026-03-04T10:05:00Z"}
SOURCE_ID = UUID("0192f0c1-2b3c-7d4e-8f50-617283940a1b")


def mapped(body: Any, members: dict[str, Any] | None = None, **options: Any) -> list[Any]:
    """Return what a declaration makes of a body."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    delivery = Delivery((), content, "http://x/", "POST", datetime.now(UTC))
    return list(read(delivery, SourceSettings(SOURCE_ID, "mapping", {"members": LEAST | (members or {}), **options})))


def taken(body: Any, members: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    (item,) = mapped(body, members, **options)
    assert isinstance(item, Taken), item
    return item.event.model_dump(mode="json", exclude_unset=True)


def faults(body: Any, members: dict[str, Any] | None = None) -> dict[str, str]:
    (item,) = mapped(body, members)
    assert isinstance(item, Refused), item
    return {fault.pointer: fault.code for fault in item.faults}


class TestPointers:
    def test_they_are_those_of_rfc_6901(self) -> None:
        document = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, 'k"l': 6, " ": 7, "m~n": 8, "0": 9}
        expected = {
            "": document,
            "/foo": ["bar", "baz"],
            "/foo/0": "bar",
            "/": 0,
            "/a~1b": 1,
            "/c%d": 2,
            "/e^f": 3,
            '/k"l': 6,
            "/ ": 7,
            "/m~0n": 8,
            "/0": 9,
        }

        assert {pointer: at(document, pointer) for pointer in expected} == expected
        for nowhere in ("/foo/2", "/foo/-", "/foo/00", "/foo/-1", "/foo/1/x", "/x", "/foo/99999999999", "/foo/٣"):
            assert not isinstance(at(document, nowhere), str | int | list | dict), nowhere


class TestValues:
    @pytest.mark.parametrize(
        ("rule", "sent", "expected"),
        [
            ({"channel": {"pointer": "/x", "values": {"Phone call": "voice"}}}, " phone CALL", {"channel": "voice"}),
            ({"channel": {"pointer": "/x", "values": {"1": "voice"}}}, 1, {"channel": "voice"}),
            ({"channel": {"pointer": "/x"}}, "VOICE", {"channel": "voice"}),
            ({"channel": {"pointer": "/x"}}, "pigeon", {}),
            ({"channel": {"pointer": "/x", "otherwise": "other"}}, "pigeon", {"channel": "other"}),
            ({"channel": {"pointer": "/x", "otherwise": "other"}}, None, {"channel": "other"}),
            ({"result": {"pointer": "/x", "values": {"true": "answered", "false": "abandoned"}}}, False,
             {"result": "abandoned"}),
            ({"platform": {"constant": "five9"}}, None, {"platform": "five9"}),
            ({"leg_id": {"pointer": "/x"}}, 17, {"leg_id": "17"}),
            ({"leg_id": {"pointer": "/x"}}, "  ", {}),
            ({"leg_id": {"pointer": "/x", "values": {"A": "B"}}}, "a", {"leg_id": "B"}),
            ({"durations": {"talk_s": {"pointer": "/x", "unit": "ms"}}}, "1500", {"durations": {"talk_s": 2}}),
            ({"durations": {"talk_s": {"pointer": "/x", "unit": "ms"}}}, 1499, {"durations": {"talk_s": 1}}),
            ({"durations": {"talk_s": {"pointer": "/x", "unit": "min"}}}, 1.5, {"durations": {"talk_s": 90}}),
            ({"started_at": {"pointer": "/x", "format": "epoch_s"}}, 1772618400,
             {"started_at": "2026-03-04T10:00:00Z"}),
            ({"started_at": {"pointer": "/x", "format": "epoch_ms"}}, "1772618400000",
             {"started_at": "2026-03-04T10:00:00Z"}),
            ({"started_at": {"pointer": "/x", "zone": "Europe/Paris"}}, "2026-03-04 11:00:00",
             {"started_at": "2026-03-04T11:00:00+01:00"}),
            ({"started_at": {"pointer": "/x", "zone": "Europe/Paris"}}, "2026-03-04T10:00:00Z",
             {"started_at": "2026-03-04T10:00:00Z"}),
            ({"sentiment": {"score": {"pointer": "/x", "lowest": 7, "highest": 13}}}, 7,
             {"sentiment": {"score": -1.0, "subject": "customer"}}),
            ({"disposition": {"code": {"pointer": "/x"}, "label": {"constant": "l"}}}, None, {}),
            ({"markers": [{"pointer": "/x", "separator": " ", "values": {"RUDE": "abuse"}, "origin": "agent"}]},
             "vip rude rude", {"markers": [{"kind": "abuse", "origin": "agent"}]}),
            ({"markers": [{"pointer": "/x"}]}, ["Shouting", 7], {"markers": [
                {"kind": "other", "rule": "Shouting"}, {"kind": "other", "rule": "7"}]}),
            ({"markers": [{"pointer": "/x", "kind": "threat"}]}, True,
             {"markers": [{"kind": "threat", "rule": "true"}]}),
            ({"markers": [{"pointer": "/x", "kind": "threat"}]}, False, {"markers": []}),
        ],
    )  # fmt: skip
    def test_each_becomes_what_is_declared(self, rule: Any, sent: Any, expected: Any) -> None:
        event = taken({**ITEM, "x": sent}, rule)

        rest = {"source_id", "event_id", "contact_id", "agent", "ended_at", "as_of"}
        assert {name: value for name, value in event.items() if name not in rest} == expected

    @pytest.mark.parametrize(
        ("rule", "sent", "expected"),
        [
            ({"leg_id": {"pointer": "/x/y"}}, {"y": {"deep": 1}}, {"/x/y": "string_type"}),
            ({"queue": {"name": {"pointer": "/x"}}}, ["a"], {"/x": "string_type"}),
            ({"started_at": {"pointer": "/x"}}, "soon", {"/x": "string_pattern_mismatch"}),
            ({"started_at": {"pointer": "/x"}}, "2026-03-04 10:00:00", {"/x": "timezone_aware"}),
            ({"started_at": {"pointer": "/x", "format": "epoch_s"}}, 1e300, {"/x": "string_type"}),
            ({"durations": {"hold_s": {"pointer": "/x"}}}, -5, {"/x": "greater_than_equal"}),
            ({"durations": {"hold_s": {"pointer": "/x"}}}, "NaN", {"/x": "int_type"}),
            ({"disposition": {"code": {"pointer": "/x"}}}, "+44 20 7946 0000", {"/x": "personal_data"}),
        ],
    )  # fmt: skip
    def test_what_cannot_be_read_is_refused_where_it_stood(self, rule: Any, sent: Any, expected: Any) -> None:
        assert faults({**ITEM, "x": sent}, rule) == expected

    def test_a_required_member_that_is_absent_is_refused(self) -> None:
        assert faults({}) == {"/id": "missing", "/agent": "missing", "/end": "missing"}


class TestItems:
    def test_a_list_or_one_or_where_the_list_stands(self) -> None:
        three = [{**ITEM, "id": f"c-{number}"} for number in range(3)]

        assert [len(mapped(ITEM)), len(mapped(three)), len(mapped({"a": {"b": three}}, items="/a/b"))] == [1, 3, 3]

    def test_those_that_are_not_asked_for_are_dropped(self) -> None:
        only = [{"pointer": "/type", "values": ["Ended", "1"]}, {"pointer": "/ok", "values": ["true"]}]
        sent: list[dict[str, Any]] = [{"type": "ended", "ok": True}, {"type": 1, "ok": "TRUE"}]
        sent += [{"type": "ringing", "ok": True}, {"ok": True}]

        found = mapped([{**ITEM, **each} for each in sent], only=only)

        assert [type(item) for item in found] == [Taken, Taken, Dropped, Dropped]

    def test_without_an_id_the_same_counts_once(self) -> None:
        first, again, other = mapped([ITEM, ITEM, {**ITEM, "end": "2026-03-04T10:06:00Z"}])

        assert first.event.event_id == again.event.event_id != other.event.event_id

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"7", b'"x"', b'{"a": 1, "a": 2}', b"[" * 100_000, b"[" + b"{}," * 1000 + b"{}]"]
    )
    def test_what_is_no_delivery_at_all_is_unreadable(self, body: bytes) -> None:
        with pytest.raises(Unreadable):
            mapped(body)
        with pytest.raises(Unreadable):
            mapped(body, items="/a")

    def test_the_cost_is_bounded(self) -> None:
        """A thousand items, read by as many and as large tables as a declaration may have."""
        table = {f"raw {number}": "voice" for number in range(200)}
        texts = {f"raw {number}": "b" for number in range(200)}
        members = {
            "channel": {"pointer": "/x", "values": table},
            **{name: {"pointer": "/x", "values": texts} for name in ("leg_id", "root_contact_id", "team_ref")},
            "markers": [{"pointer": "/tags", "values": dict.fromkeys(texts, "abuse")}] * 16,
        }
        body = json.dumps([{**ITEM, "x": "raw 1", "tags": ["x"] * 10}] * 1000).encode()
        started = time.perf_counter()

        assert len(mapped(body, members)) == 1000

        assert time.perf_counter() - started < 3


class TestDeclaration:
    @pytest.mark.parametrize(
        ("options", "pointer"),
        [
            ({}, "/options/members"),
            ({"members": {}}, "/options/members/contact_id"),
            ({"members": LEAST | {"contact_id": {"pointer": "id"}}}, "/options/members/contact_id/pointer"),
            ({"members": LEAST | {"contact_id": {"pointer": "/a~2"}}}, "/options/members/contact_id/pointer"),
            ({"members": LEAST | {"contact_id": {"pointer": "/a" * 17}}}, "/options/members/contact_id/pointer"),
            ({"members": LEAST | {"contact_id": {}}}, "/options/members/contact_id"),
            ({"members": LEAST | {"channel": {"pointer": "/x", "values": {"a": "pigeon"}}}},
             "/options/members/channel/values/a"),
            ({"members": LEAST | {"started_at": {"pointer": "/x", "format": "guess"}}},
             "/options/members/started_at/format"),
            ({"members": LEAST | {"leg_id": {"pointer": "/call/callerNumber"}}}, "/options/members/leg_id/pointer"),
            ({"members": LEAST | {"disposition": {"code": {"pointer": "/wrapupNotes"}}}},
             "/options/members/disposition/code/pointer"),
            ({"members": LEAST | {"queue": {"name": {"pointer": "/ticket/requester"}}}},
             "/options/members/queue/name/pointer"),
            ({"members": LEAST | {"queue": {"name": {"pointer": "/caller/number"}}}},
             "/options/members/queue/name/pointer"),
            ({"members": LEAST | {"team_ref": {"pointer": "/first_name"}}}, "/options/members/team_ref/pointer"),
            ({"members": LEAST | {"leg_id": {"pointer": "/x", "values": {f"{n}": "b" for n in range(201)}}}},
             "/options/members/leg_id/values"),
            ({"members": LEAST | {"nonsense": {"pointer": "/x"}}}, "/options/members/nonsense"),
            ({"members": LEAST, "regex": ".*"}, "/options/regex"),
            ([], "/options"),
        ],
    )  # fmt: skip
    async def test_what_is_wrong_with_it_is_pointed_at(
        self, noor: httpx.AsyncClient, options: Any, pointer: str
    ) -> None:
        response = await noor.post("/v1/sources", json={"name": "X", "kind": "mapping", "options": options})

        assert response.status_code == 422
        assert pointer in {fault["pointer"] for fault in response.json()["errors"]}

    async def test_a_patch_merges_into_it_and_is_checked_as_a_whole(self, noor: httpx.AsyncClient) -> None:
        source = await make_intake(noor)
        url = f"/v1/sources/{source['id']}"

        change = {"options": {"members": {"team_ref": {"pointer": "/team"}, "queue": None}}}
        changed = await noor.patch(url, json=change, headers=etag(source))
        broken = await noor.patch(url, json={"options": {"members": {"agent": None}}}, headers=etag(changed))
        cleared = await noor.patch(url, json={"options": None}, headers=etag(changed))
        moved = await noor.patch(url, json={"kind": "twilio"}, headers=etag(changed))

        members = changed.json()["options"]["members"]
        assert members.keys() == ZENDESK["members"].keys() - {"queue"} | {"team_ref"}
        assert members["durations"] == ZENDESK["members"]["durations"]
        assert [each.status_code for each in (broken, cleared, moved)] == [422, 422, 422]
        assert broken.json()["errors"][0]["pointer"] == "/options/members/agent"

    async def test_other_kinds_have_none(self, noor: httpx.AsyncClient) -> None:
        for kind in ("api", "cloudevents", "eventbridge", "twilio"):
            wrong = {"name": "X", "kind": kind, "options": ZENDESK}
            assert (await noor.post("/v1/sources", json=wrong)).status_code == 422
        named = await make_intake(noor, "eventbridge", options={"disposition_attribute": "wrapUp"})
        assert named["options"] == {"disposition_attribute": "wrapUp"}


class TestZendesk:
    async def test_the_worked_example(
        self, noor: httpx.AsyncClient, stranger: httpx.AsyncClient, amira: httpx.AsyncClient, world: World
    ) -> None:
        zendesk = await platform(noor, stranger)

        answer = await zendesk.deliver([ticket(1), ticket(2, type="call_started")])

        assert answer == {"accepted": 1, "updated": 0, "duplicates": 0, "dropped": 1, "refused": []}
        (event,) = (await amira.get("/v1/call-events")).json()["data"]
        assert event["employee_id"] == str(world.people["amira"])
        assert (event["contact_id"], event["platform"], event["channel"]) == ("4201", "zendesk", "voice")
        assert (event["queue"]["name"], event["durations"]["talk_s"]) == ("Legal line", 184)
        assert event["outcomes"] == ["unresolved", "abusive"]
        assert event["markers"] == [{"kind": "abuse", "origin": "agent", "rule": None, "confidence": None, "at": None}]
