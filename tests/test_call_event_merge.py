"""Several events about one call become one: in any order, in any batches, the same."""

import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.schemas.call_event import CallEventCreate
from app.services.call_event_merge import Said, merge, said_by, said_in, stored_stamps
from tests.calls import call, count, make_source, post_batch
from tests.world import World


@pytest.fixture
async def source_id(client: httpx.AsyncClient) -> str:
    return await make_source(client)


MOMENTS = [datetime(2026, 3, 4, 10, minute, tzinfo=UTC) for minute in range(3)]


@st.composite
def told(draw: st.DrawFn, event_id: str) -> CallEventCreate:
    """Draw an event about one call, which says some things and leaves others out."""

    def maybe(*values: Any) -> Any:
        return draw(st.sampled_from([None, *values]))

    fields = {
        "queue": maybe({"ref": "a"}, {"name": "b"}, {"ref": "c", "name": "d"}),
        "result": maybe("answered", "abandoned"),
        "channel": maybe("voice", "chat"),
        "started_at": maybe("2026-03-04T09:00:00Z", "2026-03-04T09:30:00Z"),
        "durations": maybe({"talk_s": 1}, {"talk_s": 2, "hold_s": 3}, {"queue_s": 0}),
        "disposition": maybe({"code": "A", "label": "l"}, {"code": "B"}, {"code": "a", "scheme": "s"}),
        "markers": maybe([], [{"kind": "abuse"}], [{"kind": "other", "rule": "r", "confidence": 0.5}]),
        "sentiment": maybe({"subject": "customer", "score": 0.5}, {"subject": "customer", "label": "calm"}),
    }
    return CallEventCreate.model_validate(
        {
            "source_id": "0192f0c1-2b3c-7d4e-8f50-617283940a1b",
            "event_id": event_id,
            "contact_id": "contact-1",
            "agent": {"ref": draw(st.sampled_from(["amira", "AMIRA"]))},
            "ended_at": draw(st.sampled_from(MOMENTS)).isoformat(),
            "as_of": draw(st.sampled_from(MOMENTS)).isoformat(),
            **{name: value for name, value in fields.items() if value is not None},
        }
    )


@st.composite
def several(draw: st.DrawFn) -> list[CallEventCreate]:
    return [draw(told(f"event-{number}")) for number in range(draw(st.integers(2, 5)))]


def stored(said: Said) -> dict[str, Any]:
    """Return what would stand in the row."""
    at, by = said.stamp
    return {**said.values, "as_of": at, "as_of_event_id": by, "field_as_of": stored_stamps(said)}


def merged(saids: Sequence[Said]) -> Said:
    """Merge one after the other, each result as it comes back from the database."""
    result = saids[0]
    for said in saids[1:]:
        result = merge(said_in(json.loads(json.dumps(stored(result), default=str), object_hook=_read_times)), said)
    return result


def _read_times(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: datetime.fromisoformat(value) if name.endswith(("_at", "as_of")) and isinstance(value, str) else value
        for name, value in row.items()
    }


@st.composite
def partly_assumed(draw: st.DrawFn) -> list[tuple[CallEventCreate, frozenset[str]]]:
    """Draw events with, for each, which of its members are only assumed."""
    names = ("ended_at", "queue", "disposition", "durations", "markers", "result", "started_at")
    return [(event, frozenset(draw(st.sets(st.sampled_from(names))))) for event in draw(several())]


unhurried = settings(deadline=None)  # the machine may be busy with other things


class TestMerge:
    @unhurried
    @given(several(), st.randoms(use_true_random=False))
    def test_any_order_gives_the_same(self, events: list[CallEventCreate], random: Any) -> None:
        saids = [said_by(event) for event in events]
        shuffled = random.sample(saids, len(saids))

        assert stored(merged(saids)) == stored(merged(shuffled))

    @unhurried
    @given(several(), st.integers(1, 4))
    def test_any_split_into_batches_gives_the_same(self, events: list[CallEventCreate], at: int) -> None:
        saids = [said_by(event) for event in events]
        head, tail = saids[:at], saids[at:]
        whole = merged(saids)

        together = merge(merged(head), merged(tail)) if tail else merged(head)

        assert stored(together) == stored(whole)

    @unhurried
    @given(several())
    def test_a_repeat_changes_nothing(self, events: list[CallEventCreate]) -> None:
        whole = merged([said_by(event) for event in events])

        for event in events:
            assert stored(merge(whole, said_by(event))) == stored(whole)

    @unhurried
    @given(several())
    def test_each_member_is_what_was_said_of_it_last(self, events: list[CallEventCreate]) -> None:
        row = stored(merged([said_by(event) for event in events]))

        in_order = sorted(events, key=lambda event: (event.as_of, event.event_id))
        for member in ("result", "channel", "started_at"):
            said = [value for event in in_order if (value := getattr(event, member)) is not None]
            assert row[member] == (said[-1] if said else None)
        dispositions = [event.disposition for event in in_order if event.disposition is not None]
        if dispositions:
            assert row["disposition_code"] == dispositions[-1].code
            assert row["disposition_label"] == dispositions[-1].label
        markers = [event.markers for event in in_order if event.markers is not None]
        assert (row["markers"] is None) == (not markers)
        assert len(row["markers"] or []) == (len(markers[-1]) if markers else 0)
        assert row["as_of"] == in_order[-1].as_of

    @unhurried
    @given(told("event-1"))
    def test_stamps_of_members_are_kept_only_where_events_disagree(self, event: CallEventCreate) -> None:
        assert stored(said_by(event))["field_as_of"] is None

    @unhurried
    @given(partly_assumed(), st.randoms(use_true_random=False), st.integers(1, 4))
    def test_what_is_assumed_changes_none_of_that(
        self, events: list[tuple[CallEventCreate, frozenset[str]]], random: Any, at: int
    ) -> None:
        saids = [said_by(event, assumed) for event, assumed in events]
        whole, shuffled = stored(merged(saids)), random.sample(saids, len(saids))
        head, tail = saids[:at], saids[at:]

        assert stored(merged(shuffled)) == whole
        assert stored(merge(merged(head), merged(tail)) if tail else merged(head)) == whole
        for said in saids:
            assert stored(merge(merged(saids), said)) == whole

    @unhurried
    @given(partly_assumed())
    def test_what_is_assumed_loses_against_whatever_is_said(
        self, events: list[tuple[CallEventCreate, frozenset[str]]]
    ) -> None:
        row = stored(merged([said_by(event, assumed) for event, assumed in events]))

        in_order = sorted(events, key=lambda each: (each[0].as_of, each[0].event_id))
        for member in ("ended_at", "result", "started_at"):
            told = [(e, a) for e, a in in_order if getattr(e, member) is not None]
            said = [getattr(event, member) for event, assumed in told if member not in assumed]
            guessed = [getattr(event, member) for event, _ in told]
            assert row[member] == (said[-1] if said else guessed[-1] if guessed else None)

    async def test_it_holds_over_http(self, client: httpx.AsyncClient, source_id: str, world: World) -> None:
        told: list[dict[str, Any]] = [
            {"event_id": "1", "as_of": "2026-03-04T10:06:00Z", "result": "answered", "queue": {"ref": "q"}},
            {
                "event_id": "2",
                "as_of": "2026-03-04T10:07:00Z",
                "disposition": {"code": "ABUSE"},
                "markers": [],
                "ended_at": "2026-03-04T10:04:00Z",
            },
            {
                "event_id": "3",
                "as_of": "2026-03-04T10:06:00Z",
                "disposition": {"code": "RES"},
                "markers": [{"kind": "threat"}],
                "queue": {"name": "n"},
                "durations": {"talk_s": 7},
            },
        ]
        splits = ([3], [1, 1, 1], [2, 1], [1, 2])
        for number, (order, split) in enumerate(itertools.product(itertools.permutations(told), splits)):
            events = [
                call(source_id, contact_id=f"c-{number}", **{**each, "event_id": f"{each['event_id']}-{number}"})
                for each in order
            ]
            for size in split:
                await post_batch(client, *events[:size])
                del events[:size]

        assert await count(world, "call_event") == 24
        rows = (await client.get("/v1/call-events", params={"limit": 200})).json()["data"]
        own = ("id", "contact_id", "version", "created_at", "updated_at")
        finals = {json.dumps({name: row[name] for name in row if name not in own}, sort_keys=True) for row in rows}
        assert len(finals) == 1
        (row,) = (json.loads(final) for final in finals)
        assert (row["queue"], row["disposition"]["code"]) == ({"ref": None, "name": "n"}, "ABUSE")
        assert (row["ended_at"], row["outcomes"]) == ("2026-03-04T10:04:00Z", ["unresolved", "abusive"])
