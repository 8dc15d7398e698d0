"""Genesys Cloud: wrap-ups and ends of conversations, each read into what our events say."""

from functools import partial
from typing import Any

import pytest

from app.intake.canonical import Taken
from tests import platforms
from tests.platforms import RECORDINGS, changed, spelled

ACW, USER_END, CUSTOMER_END = (RECORDINGS[f"genesys_{name}"] for name in ("acw", "user_end", "customer_end"))
CONVERSATION, USER = "a1c5e7d9-2b4f-4680-9ace-13579bdf0246", "e0f1a2b3-c4d5-4e6f-8091-a2b3c4d5e6f7"
QUEUE = "0e6f5d4c-3b2a-4190-8f7e-6d5c4b3a2918"

one = partial(platforms.one, ACW)
taken = partial(platforms.taken, ACW)
dropped = partial(platforms.dropped, ACW)
refused = partial(platforms.refused, ACW)


class TestGenesys:
    def test_a_wrap_up_tells_when_the_conversation_ended(self) -> None:
        item = one(ACW.payload)

        assert isinstance(item, Taken)
        assert item.assumed == {"ended_at"}
        assert item.event.model_dump(mode="json", exclude_none=True) == {
            "source_id": str(ACW.source.source_id),
            "event_id": "7f6e5d4c-0002-4b3a-8291-0a1b2c3d4e5f",
            "contact_id": CONVERSATION,
            "leg_id": "c3d4e5f6-0718-492a-9b3c-4d5e6f708192",
            "platform": "genesys_cloud",
            "agent": {"ref": USER},
            "queue": {"ref": QUEUE},
            "channel": "voice",
            "direction": "inbound",
            "ended_at": "2026-03-04T10:05:02.733000Z",
            "wrapup_ended_at": "2026-03-04T10:06:30.733000Z",
            "durations": {"wrapup_s": 88},
            "result": "answered",
            "disposition": {"code": "7fb334b0-0e9e-11e4-9191-0800200c9a66"},
            "as_of": "2026-03-04T10:06:30.733000Z",
        }

    def test_without_a_wrap_ups_length_its_end_is_the_best_guess(self) -> None:
        event = taken(changed(ACW.payload, "detail", "eventBody", "wrapupDurationMs", to=None))

        assert event["ended_at"] == event["wrapup_ended_at"] == "2026-03-04T10:06:30.733000Z"
        assert "durations" not in event

    def test_the_end_of_an_agents_session_is_the_end_of_their_call(self) -> None:
        item = one(USER_END.payload)

        assert isinstance(item, Taken)
        assert item.assumed == {"answered_at"}
        event = item.event.model_dump(mode="json", exclude_none=True)
        assert (event["ended_at"], event["ended_by"]) == ("2026-03-04T10:05:02.733000Z", "customer")
        assert event["durations"] == {"talk_s": 302, "hold_s": 40}
        assert event["answered_at"] == "2026-03-04T09:59:20.733000Z"

    def test_a_session_that_only_rang_is_no_call(self) -> None:
        for sent in (None, 0, 499):
            rang = changed(USER_END.payload, "detail", "eventBody", "interactingDurationMs", to=sent)
            assert dropped(rang) == "not_answered"

    def test_the_customers_end_names_no_agent(self) -> None:
        assert dropped(CUSTOMER_END.payload) == "no_agent"

    def test_the_customers_end_is_read_where_it_names_one(self) -> None:
        item = one(changed(CUSTOMER_END.payload, "detail", "eventBody", "userId", to=USER))

        assert isinstance(item, Taken)
        event = item.event.model_dump(mode="json", exclude_none=True)
        assert (event["contact_id"], event["agent"], event["ended_by"]) == (CONVERSATION, {"ref": USER}, "customer")
        assert item.assumed == {"ended_at"}
        assert event.keys().isdisjoint({"leg_id", "durations"})

    @pytest.mark.parametrize(
        ("milliseconds", "seconds"), [(0, 0), (499, 0), (500, 1), (1499, 1), (1500, 2), (88000.5, 88), ("2500", 3)]
    )
    def test_milliseconds_are_rounded_half_up(self, milliseconds: Any, seconds: int) -> None:
        event = taken(changed(ACW.payload, "detail", "eventBody", "wrapupDurationMs", to=milliseconds))

        assert event["durations"] == {"wrapup_s": seconds}

    @pytest.mark.parametrize(
        ("member", "sent", "told"),
        [
            *(
                ("mediaType", sent, ("channel", told))
                for sent, told in {
                    "VOICE": "voice",
                    "Callback": "voice",
                    "CHAT": "chat",
                    "EMAIL": "email",
                    "MESSAGE": "message",
                    "INTERNALMESSAGE": "message",
                    "VIDEO": "video",
                    "SCREENSHARE": "video",
                    "COBROWSE": "other",
                    "UNKNOWN": None,
                }.items()
            ),
            ("direction", "outbound", ("direction", "outbound")),
            ("direction", "UNKNOWN", ("direction", None)),
            *(
                ("disconnectType", sent, ("ended_by", told))
                for sent, told in {
                    "PEER": "customer",
                    "CLIENT": "agent",
                    "ENDPOINT": "agent",
                    "TRANSFER": "transfer",
                    "CONSULT_TRANSFER": "transfer",
                    "CONFERENCE_TRANSFER": "transfer",
                    "SYSTEM": "system",
                    "ERROR": "system",
                    "SPAM": "system",
                    "Timeout": "system",
                    "OTHER": "unknown",
                    "NEW_ONE": "unknown",
                }.items()
            ),
        ],
    )
    def test_its_codes_are_told_in_our_words(self, member: str, sent: str, told: tuple[str, str | None]) -> None:
        event = taken(changed(USER_END.payload, "detail", "eventBody", member, to=sent))

        assert event.get(told[0]) == told[1]

    def test_a_side_speaks_for_itself(self) -> None:
        named = changed(CUSTOMER_END.payload, "detail", "eventBody", "userId", to=USER)

        ended = {kind: changed(named, "detail", "eventBody", "disconnectType", to=kind) for kind in ("PEER", "CLIENT")}

        assert {kind: taken(payload)["ended_by"] for kind, payload in ended.items()} == {
            "PEER": "agent",
            "CLIENT": "customer",
        }

    def test_names_are_read_in_any_case(self) -> None:
        for recording in (ACW, USER_END):
            for how in (str.lower, str.upper, str.swapcase):
                assert taken(spelled(recording.payload, how)) == taken(recording.payload)

    def test_other_topics_are_dropped(self) -> None:
        for topic in ("flow.outcome", "acd.start", "user.start", "attributes", "acw.more"):
            named = changed(
                ACW.payload, "detail", "topicName", to=f"v2.detail.events.conversation.{CONVERSATION}.{topic}"
            )
            assert dropped(named) == "other_event_type"
        assert dropped({**ACW.payload, "detail-type": "v2.users.{id}.activity", "detail": {}}) == "other_event_type"

    def test_the_topic_may_stand_in_the_envelope_alone(self) -> None:
        assert taken(changed(ACW.payload, "detail", "topicName", to=None)) == taken(ACW.payload)

    def test_an_envelope_without_an_id_is_the_same_event_again(self) -> None:
        bare = changed(ACW.payload, "id", to=None)

        assert taken(bare) == taken(bare)
        assert len(taken(bare)["event_id"]) == 64

    def test_a_time_that_is_none_is_pointed_at(self) -> None:
        wrong: list[Any] = [-1, 10**17, True, "soon", [], {"a": 1}, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
        for sent in wrong:
            faults = refused(changed(ACW.payload, "detail", "eventBody", "eventTime", to=sent))
            assert faults.keys() == {"/detail/eventBody/eventTime"}
