"""Twilio: Event Streams and the classic callbacks, of tasks and of calls, each read into what our events say."""

import json
from functools import partial
from typing import Any

import pytest

from app.intake import twilio
from app.intake.adapter import Delivery, Dropped, Unreadable
from app.intake.canonical import Refused, Taken
from tests import platforms
from tests.platforms import FORM, RECEIVED_AT, RECORDINGS, URL, changed, spelled

STREAM = RECORDINGS["twilio_event_stream"]
TASK, VOICE = RECORDINGS["twilio_task_callback"], RECORDINGS["twilio_voice_callback"]
WRAPUP, COMPLETED, CALL_ENDED = STREAM.payload

CALL, WORKER = "CA0f1e2d3c4b5a69788796a5b4c3d2e1f0", "WK99887766554433221100ffeeddccbbaa"
QUEUE = {"ref": "WQ0123456789abcdef0123456789abcdef", "name": "Legal advice line"}
LEG = "CA1122334455667788990011223344aabb"

read = partial(platforms.read, STREAM)
one = partial(platforms.one, STREAM)
taken = partial(platforms.taken, STREAM)
dropped = partial(platforms.dropped, STREAM)
refused = partial(platforms.refused, STREAM)


def attributed(**attributes: Any) -> dict[str, Any]:
    """Return the wrap-up with other attributes of its task."""
    return changed(WRAPUP, "data", "payload", "task_attributes", to=json.dumps(attributes))  # type: ignore[no-any-return]


class TestTasks:
    def test_a_wrap_up_is_the_end_of_a_call(self) -> None:
        item = one(WRAPUP)

        assert isinstance(item, Taken)
        assert item.assumed == frozenset()
        assert item.event.model_dump(mode="json", exclude_none=True) == {
            "source_id": str(STREAM.source.source_id),
            "event_id": "EZ00000000000000000000000000000001",
            "contact_id": CALL,
            "leg_id": "WRaabbccddeeff00112233445566778899",
            "platform": "twilio",
            "agent": {"ref": WORKER},
            "queue": QUEUE,
            "channel": "voice",
            "direction": "inbound",
            "started_at": "2026-03-04T09:58:12.204000Z",
            "ended_at": "2026-03-04T10:05:02.900000Z",
            "result": "answered",
            "disposition": {"code": "ABUSE"},
            "as_of": "2026-03-04T10:05:02.900000Z",
        }

    def test_its_completion_only_assumes_when_the_call_ended(self) -> None:
        item = one(COMPLETED)

        assert isinstance(item, Taken)
        assert item.assumed == {"ended_at"}
        event = item.event.model_dump(mode="json", exclude_none=True)
        assert event["wrapup_ended_at"] == event["as_of"] == "2026-03-04T10:06:30.733000Z"
        assert event["disposition"] == {"code": "ABUSE"}

    @pytest.mark.parametrize("kind", ["task.wrapup", "task.completed", "Reservation.WrapUp"])
    def test_so_says_the_task_itself(self, kind: str) -> None:
        assert taken({**WRAPUP, "type": f"com.twilio.taskrouter.{kind}"})["contact_id"] == CALL

    @pytest.mark.parametrize("kind", ["reservation.created", "reservation.accepted", "task.canceled", "worker.created"])
    def test_all_else_is_dropped(self, kind: str) -> None:
        assert dropped({**WRAPUP, "type": f"com.twilio.taskrouter.{kind}"}) == "other_event_type"

    def test_without_a_worker_it_is_nobodys_call(self) -> None:
        item = one(changed(WRAPUP, "data", "payload", "worker_sid", to=None))

        assert isinstance(item, Dropped)
        assert (item.reason, item.event_id) == ("no_agent", "EZ00000000000000000000000000000001")
        assert dropped(changed(WRAPUP, "data", "payload", "worker_sid", to="")) == "no_agent"

    @pytest.mark.parametrize("call_sid", [None, "", 7, "+14155550142", "CA", {"x": "y"}])
    def test_without_a_call_the_task_is_the_contact(self, call_sid: Any) -> None:
        assert taken(attributed(call_sid=call_sid))["contact_id"] == "WT11223344556677889900aabbccddeeff"

    @pytest.mark.parametrize("attributes", ["", "{", "[]", "7", "null", '"\\u0000"', None])
    def test_attributes_that_are_none_say_nothing(self, attributes: Any) -> None:
        event = taken(changed(WRAPUP, "data", "payload", "task_attributes", to=attributes))

        assert event["contact_id"] == "WT11223344556677889900aabbccddeeff"
        assert event.keys().isdisjoint({"disposition", "direction"})

    @pytest.mark.parametrize(
        ("named", "attributes", "code"),
        [
            ("conversations.outcome", {"conversations": {"outcome": "RES"}}, "RES"),
            ("Conversations.Outcome", {"conversations": {"outcome": "RES"}}, "RES"),
            ("conversations.outcome", {"conversations.outcome": "RES"}, "RES"),
            ("conversations.outcome", {"conversations": "RES"}, None),
            ("conversations", {"conversations": {"outcome": "RES"}}, None),
            ("code", {"code": 12}, "12"),
            ("", {"": "x"}, None),
            (None, {"code": "x"}, None),
        ],
    )
    def test_only_the_attribute_that_the_site_names_is_read(
        self, named: Any, attributes: dict[str, Any], code: str | None
    ) -> None:
        event = platforms.taken(STREAM.with_options(disposition_attribute=named), attributed(**attributes))

        assert event.get("disposition") == ({"code": code} if code else None)

    @pytest.mark.parametrize(
        ("sent", "told"),
        [
            ("voice", "voice"),
            ("chat", "chat"),
            ("sms", "message"),
            ("Email", "email"),
            ("default", "task"),
            ("x", "other"),
        ],
    )
    def test_its_channel_is_told_in_our_words(self, sent: str, told: str) -> None:
        assert taken(changed(WRAPUP, "data", "payload", "task_channel_unique_name", to=sent))["channel"] == told

    @pytest.mark.parametrize(
        ("timestamp", "told"),
        [
            ("2026-03-04T10:05:02.900Z", "2026-03-04T10:05:02.900000Z"),
            (1772618702, "2026-03-04T10:05:02Z"),
            ("1772618702", "2026-03-04T10:05:02Z"),
            (1772618702900, "2026-03-04T10:05:02.900000Z"),
            ("Wed, 04 Mar 2026 11:05:02 +0100", "2026-03-04T11:05:02+01:00"),
        ],
    )
    def test_a_time_is_read_in_all_of_twilios_spellings(self, timestamp: Any, told: str) -> None:
        assert taken(changed(WRAPUP, "data", "payload", "timestamp", to=timestamp))["ended_at"] == told

    def test_a_time_may_stand_where_the_media_type_belongs(self) -> None:
        bare = changed(changed(WRAPUP, "data", "payload", "timestamp", to=None), "time", to=None)

        assert taken(bare)["ended_at"] == "2026-03-04T10:05:02.900000Z"
        assert refused({**bare, "datacontenttype": "application/json"}) == {
            "/data/payload/timestamp": "missing",
        }

    def test_names_are_read_in_any_case(self) -> None:
        for how in (str.lower, str.upper, str.swapcase):
            assert taken(spelled(WRAPUP, how)) == taken(WRAPUP)


class TestCalls:
    def test_a_call_without_a_worker_is_dropped(self) -> None:
        assert dropped(CALL_ENDED) == "no_agent"

    def test_a_call_whose_worker_is_named_is_the_same_contact_as_its_task(self) -> None:
        item = one(changed(CALL_ENDED, "data", "request", "parameters", "WorkerSid", to=WORKER))

        assert isinstance(item, Taken)
        event = item.event.model_dump(mode="json", exclude_none=True)
        assert (event["contact_id"], event["agent"]) == (CALL, {"ref": WORKER})
        assert (event["answered_at"], event["ended_at"]) == ("2026-03-04T09:58:12Z", "2026-03-04T10:05:03Z")
        assert event["durations"] == {"talk_s": 411}
        assert item.assumed == {"answered_at", "leg_id"}

    def test_the_older_name_of_its_type_is_read(self) -> None:
        older = {**CALL_ENDED, "type": "com.twilio.voice.webhook.status-callback.call.completed"}

        assert dropped(older) == "no_agent"
        assert dropped({**CALL_ENDED, "type": "com.twilio.voice.insights.call-summary.complete"}) == "other_event_type"

    @pytest.mark.parametrize(
        ("status", "result"),
        [
            ("completed", "answered"),
            ("busy", "busy"),
            ("no-answer", "no_answer"),
            ("canceled", "no_answer"),
            ("failed", "failed"),
        ],
    )
    def test_its_status_is_told_in_our_words(self, status: str, result: str) -> None:
        named = changed(CALL_ENDED, "data", "request", "parameters", "WorkerSid", to=WORKER)

        event = taken(changed(named, "data", "request", "parameters", "CallStatus", to=status))

        assert event["result"] == result
        assert ("durations" in event) == ("answered_at" in event) == (status == "completed")

    @pytest.mark.parametrize("status", ["queued", "ringing", "in-progress", "", None, 7])
    def test_what_comes_before_its_end_is_dropped(self, status: Any) -> None:
        assert dropped(changed(CALL_ENDED, "data", "request", "parameters", "CallStatus", to=status)) == "not_ended"


class TestCallbacks:
    def test_a_tasks_form_says_what_its_event_says(self) -> None:
        told = platforms.taken(TASK, TASK.payload)

        other = {"event_id": "EV00112233445566778899aabbccddeeff", "started_at": "2026-03-04T09:58:12Z"}
        assert told == {**taken(WRAPUP), **other}

    def test_a_calls_form_is_dropped_without_a_worker(self) -> None:
        (item,) = platforms.read(VOICE, VOICE.payload)

        assert isinstance(item, Dropped)
        assert (item.reason, item.event_id) == ("no_agent", f"{LEG}-2")

    def test_the_worker_may_stand_in_the_callbacks_address(self) -> None:
        delivery = VOICE.delivery(url=f"{URL}?WorkerSid={WORKER}")

        (item,) = twilio.read(delivery, VOICE.source)

        assert isinstance(item, Taken)
        event = item.event.model_dump(mode="json", exclude_none=True)
        assert (event["contact_id"], event["leg_id"], event["agent"]) == (CALL, LEG, {"ref": WORKER})
        assert event["event_id"] == f"{LEG}-2"
        assert "direction" not in event  # the agent's leg is outbound whichever way the customer's call went

    def test_without_an_id_of_its_own_it_has_the_requests(self) -> None:
        bare = {name: value for name, value in TASK.payload.items() if name != "Sid"}

        (with_token,) = twilio.read(TASK.delivery(bare, i_twilio_idempotency_token="token-1"), TASK.source)
        (first,), (again,) = (twilio.read(TASK.delivery(bare), TASK.source) for _ in range(2))

        assert isinstance(with_token, Taken)
        assert with_token.event.event_id == "token-1"
        assert isinstance(first, Taken)
        assert len(first.event.event_id) == 64
        assert first == again

    def test_a_form_of_something_else_is_refused(self) -> None:
        assert platforms.refused(TASK, {"MessageSid": "SM1", "Body": "Hello"}) == {"/": "not_an_event"}

    @pytest.mark.parametrize("body", [b"\xff", b"a=%ff", b"&".join([b"a=1"] * 600)])
    def test_what_is_no_form_is_said_to_be(self, body: bytes) -> None:
        with pytest.raises(Unreadable) as raised:
            twilio.read(Delivery([(b"content-type", FORM.encode())], body, URL, "POST", RECEIVED_AT), TASK.source)

        assert raised.value.code == "not_a_form"

    def test_a_nul_is_refused(self) -> None:
        assert platforms.refused(TASK, {**TASK.payload, "WorkerSid": "a\x00"}) == {"/": "invalid_text"}


class TestStream:
    def test_many_come_in_their_order_each_on_its_own(self) -> None:
        items = read([WRAPUP, 7, {"type": "x"}, {"id": "x"}, None, COMPLETED, CALL_ENDED])

        assert [type(item) for item in items] == [Taken, Refused, Refused, Refused, Refused, Taken, Dropped]

    def test_one_comes_without_a_list(self) -> None:
        assert read(WRAPUP) == read([WRAPUP])

    @pytest.mark.parametrize(("body", "code"), [(b"{", "not_json"), (b"7", "not_an_event")])
    def test_what_is_no_json_is_said_to_be(self, body: bytes, code: str) -> None:
        with pytest.raises(Unreadable) as raised:
            twilio.read(Delivery([], body, URL, "POST", RECEIVED_AT), STREAM.source)

        assert raised.value.code == code

    @pytest.mark.parametrize(
        ("path", "sent", "pointer"),
        [
            (("id",), 7, "/id"),
            (("data", "payload", "worker_sid"), 7, "/data/payload/worker_sid"),
            (("data", "payload", "timestamp"), "soon", "/data/payload/timestamp"),
            (("data", "payload", "task_date_created"), [], "/data/payload/task_date_created"),
            (("data", "payload", "task_queue_name"), {"a": 1}, "/data/payload/task_queue_name"),
        ],
    )
    def test_what_is_wrong_is_pointed_at_where_it_stood(self, path: tuple[str, ...], sent: Any, pointer: str) -> None:
        assert pointer in refused(changed(WRAPUP, *path, to=sent))
