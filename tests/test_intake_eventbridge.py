"""EventBridge: one envelope, many, or the records of a stream; what is none is said to be."""

import base64
from functools import partial
from typing import Any

import pytest

from app.intake import eventbridge
from app.intake.adapter import Delivery, Dropped, Unreadable
from app.intake.canonical import Refused, Taken
from tests import platforms
from tests.platforms import RECEIVED_AT, RECORDINGS, URL, changed

DISCONNECTED = RECORDINGS["amazon_connect_disconnected"]
COMPLETED = RECORDINGS["amazon_connect_completed"]
RECORD = RECORDINGS["amazon_connect_record"]
MATCH = RECORDINGS["amazon_connect_rule_match"]
ACW, CUSTOMER_END = RECORDINGS["genesys_acw"], RECORDINGS["genesys_customer_end"]

read = partial(platforms.read, RECORD)
refused = partial(platforms.refused, RECORD)


class TestDelivery:
    def test_many_come_in_their_order_each_on_its_own(self) -> None:
        items = read([DISCONNECTED.payload, "nonsense", {"id": "x"}, ACW.payload, CUSTOMER_END.payload, None])

        assert [type(item) for item in items] == [Taken, Refused, Refused, Taken, Dropped, Refused]

    def test_none_is_none(self) -> None:
        assert read([]) == []

    def test_one_that_cannot_be_kept_sinks_no_other(self) -> None:
        halves = changed(DISCONNECTED.payload, "detail", "contactId", to="\udc00")
        nul = changed(DISCONNECTED.payload, "detail", "contactId", to="a\x00")

        items = read([halves, DISCONNECTED.payload, nul])

        assert [type(item) for item in items] == [Refused, Taken, Refused]
        assert refused(nul) == {"/": "invalid_text"}

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"", "not_json"),
            (b"{", "not_json"),
            (b"\xff", "not_json"),
            (b'{"a":1,"a":2}', "not_json"),
            (b"[" * 100 + b"]" * 100, "not_json"),
            (b"NaN", "not_json"),
            (b"7", "not_an_event"),
            (b"null", "not_an_event"),
            (b'"text"', "not_an_event"),
            (b"[" + b"{}," * 1000 + b"{}]", "too_many"),
        ],
    )
    def test_what_is_not_of_the_format_is_said_to_be(self, body: bytes, code: str) -> None:
        delivery = Delivery([(b"content-type", b"application/json")], body, URL, "POST", RECEIVED_AT)

        with pytest.raises(Unreadable) as raised:
            eventbridge.read(delivery, RECORD.source)

        assert raised.value.code == code

    @pytest.mark.parametrize("data", [None, 7, "", "é", "e30=", "bnVsbA==", "AAAA", base64.b64encode(b"[1]").decode()])
    def test_a_record_of_a_stream_that_is_none_is_refused(self, data: Any) -> None:
        assert refused({"eventSource": "aws:kinesis", "data": data}) == {"/data": "not_an_event"}

    @pytest.mark.parametrize(
        ("payload", "pointer"),
        [
            (changed(DISCONNECTED.payload, "detail", "contactId", to=7), "/detail/contactId"),
            (changed(DISCONNECTED.payload, "detail", "agentInfo", "agentArn", to=7), "/detail/agentInfo/agentArn"),
            (changed(DISCONNECTED.payload, "detail", "disconnectTimestamp", to="x"), "/detail/disconnectTimestamp"),
            (changed(DISCONNECTED.payload, "time", to="x"), "/time"),
            (changed(DISCONNECTED.payload, "id", to=7), "/id"),
            (
                changed(COMPLETED.payload, "detail", "AgentInfo", "AfterContactWorkDuration", to="x"),
                "/detail/agentInfo",
            ),
            (changed(RECORD.payload, "ContactId", to=["x"]), "/ContactId"),
            (changed(RECORD.payload, "LastUpdateTimestamp", to="x"), "/LastUpdateTimestamp"),
            (changed(MATCH.payload, "detail", "actionName", to={"x": "y"}), "/detail/actionName"),
            (changed(ACW.payload, "detail", "eventBody", "userId", to=7), "/detail/eventBody/userId"),
            (changed(ACW.payload, "detail", "eventBody", "wrapupCode", to=7), "/detail/eventBody/wrapupCode"),
        ],
    )
    def test_what_is_wrong_is_pointed_at_where_it_stood(self, payload: Any, pointer: str) -> None:
        assert pointer in refused(payload)
