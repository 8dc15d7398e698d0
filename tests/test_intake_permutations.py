"""One call arrives as several events, in any order, more than once, or in part: it is one call event all the same."""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.intake.canonical import Taken
from app.models.base import folded
from app.services.call_event_merge import Said, merge, said_by, said_in
from tests.platforms import RECORDINGS, Recording, changed, read
from tests.test_call_event_merge import _read_times, stored

WORKER = "WK99887766554433221100ffeeddccbbaa"
Sent = tuple[Recording, Any]


def of(*names: str) -> list[Sent]:
    return [(RECORDINGS[name], RECORDINGS[name].payload) for name in names]


CONNECT = of(
    "amazon_connect_disconnected",
    "amazon_connect_completed",
    "amazon_connect_record",
    "amazon_connect_rule_match",
    "amazon_connect_realtime_rule_match",
)
# The record is written anew when its analysis is there, and the same rule matches again after the call.
CONNECT += [
    (CONNECT[2][0], changed(CONNECT[2][1], "LastUpdateTimestamp", to="2026-03-04T10:20:00Z")),
    (CONNECT[4][0], {**CONNECT[4][1], "id": "again", "time": "2026-03-04T10:09:21Z"}),
]
GENESYS = of("genesys_user_end", "genesys_acw", "genesys_customer_end")
STREAM = RECORDINGS["twilio_event_stream"]
TWILIO = [
    *((STREAM, event) for event in STREAM.payload[:2]),
    (STREAM, changed(STREAM.payload[2], "data", "request", "parameters", "WorkerSid", to=WORKER)),
    *of("twilio_task_callback"),
]
CALLS = {"Amazon Connect": CONNECT, "Genesys Cloud": GENESYS, "Twilio": TWILIO}


def items(sent: Sequence[Sent]) -> list[Taken]:
    found = [item for recording, payload in sent for item in read(recording, payload)]
    return [item for item in found if isinstance(item, Taken)]


def merged(taken: Sequence[Taken]) -> dict[str, Any]:
    """Return the row that stands when all have arrived one by one, each time read back from the database."""
    result: Said | None = None
    for item in taken:
        said = said_by(item.event, item.assumed)
        result = said if result is None else merge(_through_json(stored(result)), said)
    assert result is not None
    return stored(result)


def _through_json(row: Mapping[str, Any]) -> Said:
    return said_in(json.loads(json.dumps(row, default=str), object_hook=_read_times))


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with its times as text, so that rows that came by other ways can be compared."""
    return json.loads(json.dumps(row, default=str))  # type: ignore[no-any-return]


class TestEveryShape:
    def test_names_the_same_contact_and_agent(self) -> None:
        for name, sent in CALLS.items():
            keys = {(item.event.contact_id, folded(item.event.agent.ref)) for item in items(sent)}
            assert len(keys) == 1, name

    def test_is_an_event_of_its_own(self) -> None:
        for name, sent in CALLS.items():
            ids = [item.event.event_id for item in items(sent)]
            assert len(set(ids)) == len(ids), name


class TestAnyOrder:
    def test_every_permutation_gives_the_same(self) -> None:
        for name, sent in CALLS.items():
            taken = items(sent)[:5]
            rows = {json.dumps(plain(merged(order)), sort_keys=True) for order in itertools.permutations(taken)}
            assert len(rows) == 1, name

    @settings(deadline=None, max_examples=150)
    @given(st.sampled_from(list(CALLS.values())), st.data())
    def test_any_part_in_any_order_with_repeats_gives_the_same(self, sent: list[Sent], data: st.DataObject) -> None:
        taken = items(data.draw(st.lists(st.sampled_from(sent), min_size=1, max_size=8)))
        if not taken:
            return
        once = {item.event.event_id: item for item in taken}
        shuffled = data.draw(st.permutations(taken))

        assert plain(merged(shuffled)) == plain(merged(list(once.values())))

    @settings(deadline=None, max_examples=150)
    @given(st.sampled_from(list(CALLS.values())), st.data())
    def test_the_later_wins_member_by_member(self, sent: list[Sent], data: st.DataObject) -> None:
        taken = items(data.draw(st.lists(st.sampled_from(sent), min_size=1, max_size=8)))
        if not taken:
            return
        row = merged(taken)
        in_order = sorted(taken, key=lambda item: (item.event.as_of, item.event.event_id))
        for member in ("ended_at", "started_at", "answered_at", "wrapup_ended_at", "ended_by", "result", "leg_id"):
            # What was said comes after all that was only assumed; among either, the later one counts.
            ranked = sorted(in_order, key=lambda item: member not in item.assumed)
            values = [value for item in ranked if (value := getattr(item.event, member)) is not None]
            assert row[member] == (values[-1] if values else None), member


class TestTogether:
    def test_connects_events_make_one_whole_call(self) -> None:
        row = plain(merged(items(CONNECT)))

        assert row["queue_name"] == "Legal advice line"
        assert row["disposition_code"] == "ABUSE"
        seconds = [row[f"{part}_seconds"] for part in ("queue", "talk", "hold", "wrapup")]
        assert seconds == [41, 301, 40, 88]
        assert row["ended_at"] == "2026-03-04 10:05:02+00:00"  # not when a rule was seen to match, before or after
        # Two rules matched: neither takes the other's place, and one that matched twice is there once.
        assert [(each["rule"], each["at"]) for each in row["markers"]] == [
            ("INSULTS", "2026-03-04T10:02:11Z"),
            ("THREAT", "2026-03-04T10:09:20Z"),
        ]

    def test_a_rule_that_matches_first_knows_no_end_yet(self) -> None:
        alone = items(CONNECT[4:5])

        assert plain(merged(alone))["ended_at"] == "2026-03-04 10:02:11+00:00"
        assert plain(merged(alone + items(CONNECT[:1])))["ended_at"] == "2026-03-04 10:05:02.733000+00:00"
        assert plain(merged(items(CONNECT[:1]) + alone))["ended_at"] == "2026-03-04 10:05:02.733000+00:00"

    def test_genesys_events_make_one_whole_call(self) -> None:
        row = plain(merged(items(GENESYS)))

        assert (row["disposition_code"], row["ended_by"]) == ("7fb334b0-0e9e-11e4-9191-0800200c9a66", "customer")
        assert [row[f"{part}_seconds"] for part in ("talk", "hold", "wrapup")] == [302, 40, 88]
        assert row["answered_at"] == "2026-03-04 09:59:20.733000+00:00"

    def test_twilios_events_make_one_whole_call(self) -> None:
        row = plain(merged(items(TWILIO)))

        assert (row["disposition_code"], row["queue_name"]) == ("ABUSE", "Legal advice line")
        assert (row["talk_seconds"], row["leg_id"]) == (411, "WRaabbccddeeff00112233445566778899")
        assert row["ended_at"] == "2026-03-04 10:05:03+00:00"
        assert row["wrapup_ended_at"] == "2026-03-04 10:06:30.733000+00:00"
