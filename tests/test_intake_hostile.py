"""Whatever a platform, or somebody in its name, sends: an answer, never an error, and nothing personal in it."""

import contextlib
import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.intake.adapter import Delivery, Dropped, Item, Unreadable
from app.intake.canonical import Refused, Taken
from app.intake.readers import reader_of
from app.models.call_event import SourceKind
from tests.platforms import FORM, JSON, PERSONAL, RECEIVED_AT, RECORDINGS, URL, Recording, changed, read

unhurried = settings(deadline=None, max_examples=200)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20)
    | st.sampled_from(["\x00", "+44 20 7946 0958", "2026-03-04T10:00:00Z", "9" * 30, "/", "é/ü", "a" * 3000, "-1"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
IN_JSON = [recording for recording in RECORDINGS.values() if recording.media_type == JSON]
FORMS = [recording for recording in RECORDINGS.values() if recording.media_type == FORM]


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every place in a JSON value, itself first."""
    found = [path]
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        found += paths(member, (*path, name))
    return found


def check(items: list[Item]) -> None:
    """Check that items can be stored: as JSON, in UTF-8, without a NUL."""
    for item in items:
        assert isinstance(item, Taken | Refused | Dropped)
        told = item.event.model_dump(mode="json") if isinstance(item, Taken) else dataclasses.asdict(item)
        written = json.dumps(told, ensure_ascii=False, default=sorted).encode()
        assert b"\\u0000" not in written.replace(b"\\\\", b"")


def receive(kind: str, body: bytes, media_type: str, options: dict[str, Any]) -> None:
    recording = Recording("", kind, options=options)
    delivery = Delivery([(b"content-type", media_type.encode())], body, URL, "POST", RECEIVED_AT)
    with contextlib.suppress(Unreadable):
        check(reader_of(SourceKind(kind))(delivery, recording.source))


class TestNothingBreaks:
    @unhurried
    @given(st.sampled_from(["eventbridge", "twilio"]), VALUES, st.sampled_from([JSON, FORM, "", "text/plain"]), VALUES)
    def test_of_any_json(self, kind: str, value: Any, media_type: str, named: Any) -> None:
        receive(kind, json.dumps(value).encode(), media_type, {"disposition_attribute": named})

    @unhurried
    @given(st.sampled_from(["eventbridge", "twilio"]), st.binary(max_size=60), st.sampled_from([JSON, FORM]))
    def test_of_any_bytes(self, kind: str, body: bytes, media_type: str) -> None:
        receive(kind, body, media_type, {})

    @settings(deadline=None, max_examples=600)
    @given(st.sampled_from(IN_JSON), st.data())
    def test_of_a_recording_with_other_values_in_it(self, recording: Recording, data: st.DataObject) -> None:
        payload = recording.payload
        for _ in range(data.draw(st.integers(1, 3))):
            path = data.draw(st.sampled_from(paths(payload)))
            payload = (
                changed(payload, *path, to=data.draw(VALUES.filter(lambda value: value is not None))) if path else 7
            )

        receive(recording.kind, json.dumps(payload).encode(), JSON, dict(recording.options))

    @unhurried
    @given(st.sampled_from(FORMS), st.data())
    def test_of_a_form_with_other_fields_in_it(self, recording: Recording, data: st.DataObject) -> None:
        fields = {**recording.payload}
        for name in data.draw(st.lists(st.sampled_from(sorted(fields)), max_size=4)):
            fields[name] = data.draw(st.text(st.characters(codec="utf-8"), max_size=20))

        receive(recording.kind, recording.delivery(fields).body, FORM, dict(recording.options))

    def test_of_what_lies_deep_or_is_long(self) -> None:
        for deep in (b'{"detail":' * 3000, b"[" * 100_000, b'{"a":' * 60 + b"1" + b"}" * 60):
            receive("eventbridge", deep, JSON, {})
        task = RECORDINGS["twilio_task_callback"]
        nested = "[" * 5000 + "]" * 5000
        check(read(task, {**task.payload, "TaskAttributes": nested}))
        check(read(task, {**task.payload, "TaskAttributes": '{"a":' * 50_000}))
        with_dots = Recording("", "twilio", options={"disposition_attribute": "a." * 100 + "a"})
        check(read(with_dots, RECORDINGS["twilio_event_stream"].payload))


class TestNothingPersonalComesIn:
    @pytest.mark.parametrize("recording", RECORDINGS.values(), ids=lambda recording: recording.name)
    def test_of_a_recording(self, recording: Recording) -> None:
        sent = json.dumps(recording.payload, ensure_ascii=False)

        kept = repr(read(recording, recording.payload))

        assert [each for each in PERSONAL if each in kept] == []
        if "rule_match" not in recording.name:  # those bring nothing of the caller
            assert [each for each in PERSONAL if each in sent]

    @settings(deadline=None, max_examples=300)
    @given(st.sampled_from(IN_JSON), st.data())
    def test_of_a_recording_that_cannot_be_read(self, recording: Recording, data: st.DataObject) -> None:
        """Break it in some places: what is refused is parked, and must not hold what would have been dropped."""
        payload = recording.payload
        wrong = st.sampled_from([7, True, [], {}, "", "x" * 300, {"caller": "Okafor", "number": "+14155550142"}])
        for _ in range(data.draw(st.integers(1, 4))):
            path = data.draw(st.sampled_from([each for each in paths(payload) if each]))
            payload = changed(payload, *path, to=data.draw(wrong))

        kept = repr(read(recording, payload))

        assert [each for each in PERSONAL if each in kept] == []

    def test_a_number_in_the_place_of_an_id_is_refused_without_it(self) -> None:
        places: dict[str, list[tuple[str, ...]]] = {
            "amazon_connect_disconnected": [("detail", "contactId"), ("detail", "agentInfo", "agentArn"), ("id",)],
            "amazon_connect_record": [("Queue", "Name"), ("Attributes", "wrapUpCode"), ("Agent", "ARN")],
            "amazon_connect_rule_match": [("detail", "actionName")],
            "genesys_acw": [("detail", "eventBody", "wrapupCode"), ("detail", "eventBody", "userId")],
        }
        for name, members in places.items():
            for path in members:
                (item,) = read(RECORDINGS[name], changed(RECORDINGS[name].payload, *path, to="+1 415 555 0142"))
                assert isinstance(item, Refused), path
                assert "personal_data" in {fault.code for fault in item.faults}
                assert "555 0142" not in repr(item)

    def test_the_id_of_what_is_dropped_is_not_told_where_it_holds_a_number(self) -> None:
        recording = RECORDINGS["genesys_customer_end"]

        (item,) = read(recording, {**recording.payload, "id": "+14155550142"})

        assert item == Dropped("no_agent", "It names no agent: the conversation's .acw and .user.end events do.", None)
