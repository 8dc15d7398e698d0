"""Amazon Connect: contact events, contact records and rule matches, each read into what our events say."""

import base64
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from app.intake.adapter import Dropped
from app.intake.canonical import Refused, Taken
from tests import platforms
from tests.platforms import RECORDINGS, changed, spelled

DISCONNECTED = RECORDINGS["amazon_connect_disconnected"]
COMPLETED = RECORDINGS["amazon_connect_completed"]
RECORD = RECORDINGS["amazon_connect_record"]
MATCH = RECORDINGS["amazon_connect_rule_match"]

CONTACT, AGENT = "5f3a1c9e-8d27-4c11-b6a4-0d9f7e2b3c41", "c2d9e8f7-1a2b-4c3d-8e9f-0a1b2c3d4e5f"
QUEUE = "0e6f5d4c-3b2a-4190-8f7e-6d5c4b3a2918"

one = partial(platforms.one, RECORD)
taken = partial(platforms.taken, RECORD)
dropped = partial(platforms.dropped, RECORD)
refused = partial(platforms.refused, RECORD)


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


class TestContactEvent:
    def test_a_disconnect_is_a_call(self) -> None:
        item = one(DISCONNECTED.payload)

        assert isinstance(item, Taken)
        assert item.assumed == {"queue"}
        assert item.event.model_dump(mode="json", exclude_none=True) == {
            "source_id": str(DISCONNECTED.source.source_id),
            "event_id": "3d1f0a52-6c7b-4e8d-9a10-b2c3d4e5f601",
            "contact_id": CONTACT,
            "root_contact_id": CONTACT,
            "platform": "amazon_connect",
            "agent": {"ref": AGENT},
            "queue": {"ref": QUEUE},
            "team_ref": "22222222-2222-4222-8222-222222222222",
            "channel": "voice",
            "direction": "inbound",
            "started_at": "2026-03-04T09:58:12.204000Z",
            "answered_at": "2026-03-04T09:59:21.480000Z",
            "ended_at": "2026-03-04T10:05:02.733000Z",
            "durations": {"queue_s": 41},
            "result": "answered",
            "ended_by": "customer",
            "as_of": "2026-03-04T10:05:03Z",
        }

    def test_its_completion_tells_of_the_wrap_up_in_another_spelling(self) -> None:
        event = taken(COMPLETED.payload)

        assert (event["contact_id"], event["agent"], event["channel"]) == (CONTACT, {"ref": AGENT}, "voice")
        assert event["durations"] == {"queue_s": 41, "wrapup_s": 88}
        assert event["wrapup_ended_at"] == "2026-03-04T10:06:30.733000Z"
        assert event["as_of"] == "2026-03-04T10:06:31Z"

    @pytest.mark.parametrize("recording", [DISCONNECTED, COMPLETED, RECORD, MATCH])
    def test_names_are_read_in_any_case(self, recording: Any) -> None:
        as_sent = taken(recording.payload)

        for how in (str.lower, str.upper, str.swapcase, str.title):
            assert taken(spelled(recording.payload, how)) == as_sent

    @pytest.mark.parametrize(
        "kind",
        ["Amazon Connect Contact Event", "Connect Customer Contact Event", "amazon connect customer contact event"],
    )
    def test_the_product_may_have_either_name(self, kind: str) -> None:
        assert taken(changed(DISCONNECTED.payload, "detail-type", to=kind))["contact_id"] == CONTACT

    @pytest.mark.parametrize(
        "kind",
        ["INITIATED", "CONNECTED_TO_SYSTEM", "QUEUED", "CONNECTED_TO_AGENT", "CONTACT_DATA_UPDATED", "PAUSED", "", 7],
    )
    def test_what_comes_before_its_end_is_dropped(self, kind: Any) -> None:
        assert dropped(changed(DISCONNECTED.payload, "detail", "eventType", to=kind)) == "not_ended"

    def test_without_an_agent_it_is_nobodys_call(self) -> None:
        item = one(changed(DISCONNECTED.payload, "detail", "agentInfo", to=None))

        assert isinstance(item, Dropped)
        assert (item.reason, item.event_id) == ("no_agent", "3d1f0a52-6c7b-4e8d-9a10-b2c3d4e5f601")

    def test_listening_in_is_no_call(self) -> None:
        assert dropped(changed(DISCONNECTED.payload, "detail", "initiationMethod", to="MONITOR")) == "monitoring"

    @pytest.mark.parametrize(
        ("member", "sent", "told"),
        [
            *(("channel", sent, ("channel", sent.lower())) for sent in ("VOICE", "Chat", "task", "EMAIL")),
            ("channel", "HOLOGRAM", ("channel", "other")),
            *(
                ("initiationMethod", sent, ("direction", told))
                for sent, told in {
                    "INBOUND": "inbound",
                    "WebRTC_API": "inbound",
                    "OUTBOUND": "outbound",
                    "EXTERNAL_OUTBOUND": "outbound",
                    "CALLBACK": "outbound",
                    "AGENT_REPLY": "outbound",
                    "TRANSFER": None,
                    "API": None,
                }.items()
            ),
            *(
                ("disconnectReason", sent, ("ended_by", told))
                for sent, told in {
                    "CUSTOMER_DISCONNECT": "customer",
                    "Agent_Disconnect": "agent",
                    "AGENT_COMPLETED": "agent",
                    "THIRD_PARTY_DISCONNECT": "unknown",
                    "BARGED": "unknown",
                    "OTHER": "unknown",
                    "SOMETHING_NEW": "unknown",
                    "TRANSFERRED": "transfer",
                    "TELECOM_PROBLEM": "system",
                    "CONTACT_FLOW_DISCONNECT": "system",
                    "EXPIRED": "system",
                    "API": "system",
                }.items()
            ),
            ("disconnectReason", "OUTBOUND_ATTEMPT_FAILED", ("result", "failed")),
            ("answeringMachineDetectionStatus", "VOICEMAIL_BEEP", ("result", "voicemail")),
            ("answeringMachineDetectionStatus", "AMD_UNANSWERED", ("result", "no_answer")),
            ("answeringMachineDetectionStatus", "SIT_TONE_BUSY", ("result", "busy")),
            ("answeringMachineDetectionStatus", "HUMAN_ANSWERED", ("result", "answered")),
        ],
    )
    def test_its_codes_are_told_in_our_words(self, member: str, sent: str, told: tuple[str, str | None]) -> None:
        event = taken(changed(DISCONNECTED.payload, "detail", member, to=sent))

        assert event.get(told[0]) == told[1]

    def test_an_outbound_call_that_nobody_took_was_not_answered(self) -> None:
        dialled = changed(DISCONNECTED.payload, "detail", "initiationMethod", to="OUTBOUND")

        assert taken(dialled)["result"] == "answered"
        assert "result" not in taken(changed(dialled, "detail", "connectedToSystemTimestamp", to=None))

    def test_an_end_that_is_not_said_is_assumed(self) -> None:
        item = one(changed(DISCONNECTED.payload, "detail", "disconnectTimestamp", to=None))

        assert isinstance(item, Taken)
        assert item.event.ended_at.isoformat() == "2026-03-04T10:05:03+00:00"
        assert item.assumed == {"queue", "ended_at"}

    def test_an_envelope_without_an_id_is_the_same_event_again(self) -> None:
        bare = changed(DISCONNECTED.payload, "id", to=None)

        first, again = taken(bare), taken(bare)

        assert len(first["event_id"]) == 64
        assert first == again
        assert taken(changed(bare, "time", to="2026-03-04T10:05:04Z"))["event_id"] != first["event_id"]

    def test_the_agents_own_queue_is_the_agent(self) -> None:
        arn = f"arn:aws:connect:eu-west-2:123456789012:instance/7b3c9f0e/queue/agent/{AGENT}"

        assert taken(changed(DISCONNECTED.payload, "detail", "queueInfo", "queueArn", to=arn))["queue"] == {
            "ref": AGENT
        }
        assert "queue" not in taken(changed(DISCONNECTED.payload, "detail", "queueInfo", to=None))


class TestContactRecord:
    def test_it_tells_the_whole_course(self) -> None:
        item = one(RECORD.payload)

        assert isinstance(item, Taken)
        assert item.assumed == frozenset()
        event = item.event.model_dump(mode="json", exclude_none=True)
        assert (event["contact_id"], event["agent"]) == (CONTACT, {"ref": AGENT})
        assert event["queue"] == {"ref": QUEUE, "name": "Legal advice line"}
        assert event["durations"] == {"queue_s": 41, "talk_s": 301, "hold_s": 40, "wrapup_s": 88}
        assert event["disposition"] == {"code": "ABUSE"}
        assert (event["ended_at"], event["as_of"]) == ("2026-03-04T10:05:02Z", "2026-03-04T10:07:45Z")
        assert event["wrapup_ended_at"] == "2026-03-04T10:06:30Z"
        assert event["team_ref"] == "22222222-2222-4222-8222-222222222222"

    def test_its_id_is_made_of_its_contact_and_its_last_update(self) -> None:
        first = taken(RECORD.payload)["event_id"]

        assert taken(changed(RECORD.payload, "Queue", to={}))["event_id"] == first
        assert taken(changed(RECORD.payload, "LastUpdateTimestamp", to="2026-03-04T10:08:00Z"))["event_id"] != first

    @pytest.mark.parametrize(
        "wrapped",
        [
            lambda record: {"detail-type": "Contact record", "source": "callers.example", "detail": record, "id": "x"},
            lambda record: {
                "eventSource": "aws:kinesis",
                "data": base64.b64encode(json.dumps(record).encode()).decode(),
            },
            lambda record: [record],
        ],
        ids=["in an envelope", "as a record of a stream", "in a list"],
    )
    def test_it_may_come_wrapped(self, wrapped: Callable[[Any], Any]) -> None:
        assert taken(wrapped(RECORD.payload)) == taken(RECORD.payload)

    def test_a_transfer_ended_it(self) -> None:
        moved = changed(RECORD.payload, "TransferCompletedTimestamp", to="2026-03-04T10:05:02Z")

        assert taken(moved)["ended_by"] == "transfer"

    def test_without_an_agent_or_an_end_it_is_dropped(self) -> None:
        assert dropped(changed(RECORD.payload, "Agent", to=None)) == "no_agent"
        assert dropped(changed(RECORD.payload, "DisconnectTimestamp", to=None)) == "not_ended"

    @pytest.mark.parametrize(
        ("named", "code"),
        [("wrapUpCode", "ABUSE"), ("WRAPUPCODE", "ABUSE"), ("nothing", None), ("", None), (None, None), (7, None)],
    )
    def test_only_the_attribute_that_the_site_names_is_read(self, named: Any, code: str | None) -> None:
        event = platforms.taken(RECORD.with_options(disposition_attribute=named), RECORD.payload)

        assert event.get("disposition") == ({"code": code} if code else None)

    @pytest.mark.parametrize(("value", "code"), [(7, "7"), (" A ", "A"), ("", None), (True, None), ({"a": 1}, None)])
    def test_an_attribute_is_a_plain_value(self, value: Any, code: str | None) -> None:
        event = taken(changed(RECORD.payload, "Attributes", to={"wrapUpCode": value}))

        assert event.get("disposition") == ({"code": code} if code else None)

    def test_an_attribute_that_holds_a_number_is_refused_without_it(self) -> None:
        item = one(changed(RECORD.payload, "Attributes", "wrapUpCode", to="call +14155550142"))

        assert isinstance(item, Refused)
        assert [(fault.pointer, fault.code) for fault in item.faults] == [("/Attributes", "personal_data")]
        assert "4155550142" not in repr(item)
        assert item.payload["contact_id"] == CONTACT


class TestRuleMatch:
    def test_it_marks_the_contact(self) -> None:
        item = one(MATCH.payload)

        assert isinstance(item, Taken)
        event = item.event.model_dump(mode="json", exclude_none=True)
        assert (event["contact_id"], event["agent"], event["queue"]) == (CONTACT, {"ref": AGENT}, {"ref": QUEUE})
        at = "2026-03-04T10:09:20Z"
        assert event["markers"] == [{"kind": "other", "origin": "rule", "rule": "THREAT", "at": at}]
        assert event["as_of"] == event["ended_at"] == at
        assert item.assumed == {"ended_at", "queue", "markers"}

    def test_without_an_actions_name_its_own_stands(self) -> None:
        unnamed = changed(MATCH.payload, "detail", "actionName", to=None)

        assert taken(unnamed)["markers"][0]["rule"] == "Threats to staff"
        assert refused(changed(unnamed, "detail", "ruleName", to=None)) == {"/detail/actionName": "string_too_short"}

    @pytest.mark.parametrize(
        "kind",
        [
            "Contact Lens Realtime Rules Matched",
            "Contact Lens Post Chat Rules Matched",
            "CONTACT LENS EMAIL RULES MATCHED",
            "Rule for Contact Lens Post Call Matched",
        ],
    )
    def test_of_every_kind_of_analysis(self, kind: str) -> None:
        assert taken(changed(MATCH.payload, "detail-type", to=kind))["markers"][0]["rule"] == "THREAT"

    def test_how_somebody_was_evaluated_is_never_read(self) -> None:
        kind = "Contact Lens Evaluation Rules Matched"

        assert dropped(changed(MATCH.payload, "detail-type", to=kind)) == "evaluation"

    @pytest.mark.parametrize("member", ["agentArn", "contactArn"])
    def test_without_agent_or_contact_it_is_dropped(self, member: str) -> None:
        assert dropped(changed(MATCH.payload, "detail", member, to=None)) == "no_agent"

    @pytest.mark.parametrize("kind", ["Metrics Rules Matched", "Contact Lens Analysis State Change", "", None, 7])
    def test_other_events_are_dropped(self, kind: Any) -> None:
        assert dropped({**MATCH.payload, "detail-type": kind}) == "other_event_type"
