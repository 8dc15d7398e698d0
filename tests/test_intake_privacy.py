"""Of who called nothing is ever kept: not in calls, not in what is parked, not in the audit, not in any table."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from app.models.call_event import SourceKind
from tests.calls import count
from tests.intake_sources import (
    CLOUD_EVENT,
    Platform,
    canonical,
    everything,
    platform,
    ticket,
)
from tests.operations import with_leaf
from tests.platforms import FORM, RECORDINGS
from tests.platforms import PERSONAL as WORDS
from tests.world import World


@pytest.fixture
async def pbx(noor: httpx.AsyncClient, stranger: httpx.AsyncClient) -> Platform:
    return await platform(noor, stranger, "cloudevents")


CANARY = "canary5d1f"
PERSONAL: dict[str, Any] = {
    "phone": f"+44 20 7946 0{CANARY[-3:-1]}00",
    "From": "+15552345678",
    "ani": "+15552345678",
    "customer": {"name": f"{CANARY} Smith", "email": f"{CANARY}@mail.example"},
    "notes": f"{CANARY} said that",
    "transcript": [{"who": "customer", "text": f"{CANARY} text"}],
    f"{CANARY} key": "x",
    "blst": {"deep": [[{f"{CANARY}": f"{CANARY}"}]]},
}


def planted(value: Any) -> Any:
    """Return a payload with members that are unknown to us in every object, which hold what is personal."""
    if isinstance(value, dict):
        return {name: planted(member) for name, member in value.items()} | {f"{CANARY}1": PERSONAL["notes"]}
    return [planted(member) for member in value] if isinstance(value, list) else value


def every_leaf(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in inner:
        yield from every_leaf(member, (*place, name))
    if not inner:
        yield place, value


class TestPersonalData:
    """Of who called nothing is ever kept: not in calls, not in what is parked, not in the audit, not in any table."""

    @pytest.mark.parametrize("kind", [kind for kind in SourceKind if kind != SourceKind.api])
    async def test_it_is_dropped_at_the_door(
        self, kind: SourceKind, noor: httpx.AsyncClient, stranger: httpx.AsyncClient, world: World
    ) -> None:
        sender = await platform(noor, stranger, str(kind))
        bodies = [PERSONAL, [PERSONAL, {**PERSONAL, "id": CANARY + "x" * 300}]]
        if kind == SourceKind.mapping:
            told = ticket(1) | PERSONAL
            bodies += [told, told | {"ended": CANARY}, told | {"agent": {"email": {CANARY: CANARY}}}]
            bodies += [told | {"ticket": {**told["ticket"], "disposition": PERSONAL["From"]}}]
        if kind == SourceKind.cloudevents:
            told = canonical(sender.id)
            bodies += [told | PERSONAL, told | {"data": told["data"] | PERSONAL}, told | {"data": PERSONAL}]
            bodies += [told | {"data": told["data"] | {"ended_at": CANARY, "queue": PERSONAL}}]
        for body in bodies:
            response = await sender.send(body)
            assert response.status_code in (202, 400), response.text
            assert CANARY not in response.text
            await noor.post(f"/v1/sources/{sender.id}/test", json={"body": body})
        if kind == SourceKind.mapping:
            assert await count(world, "call_event") == 1
        parked = (await noor.get(f"/v1/sources/{sender.id}/refused")).json()["data"]

        kept = await everything(world)
        assert CANARY not in kept
        assert "5552345678" not in kept
        assert parked or kind in (SourceKind.eventbridge, SourceKind.twilio)

    @pytest.mark.parametrize("kind", sorted({recording.kind for recording in RECORDINGS.values()}))
    async def test_nothing_of_what_platforms_send_of_callers_is_kept(
        self, kind: str, noor: httpx.AsyncClient, stranger: httpx.AsyncClient, world: World
    ) -> None:
        """Each recording as it is, with what is unknown to us in every place, and with a number in each place."""
        number, taken = PERSONAL["From"], 0
        for recording in (each for each in RECORDINGS.values() if each.kind == kind):
            sender = await platform(noor, stranger, kind, name=recording.name, options=dict(recording.options))
            bodies = [recording.payload, planted(recording.payload)]
            bodies += [with_leaf(recording.payload, place, number) for place, _ in every_leaf(recording.payload)]
            if recording.media_type == FORM:
                form = {"Content-Type": FORM}
                answers = [await sender.send(urlencode(body).encode(), **form) for body in bodies]
                assert {answer.status_code for answer in answers} == {204}
            else:
                many = [item for body in bodies for item in (body if isinstance(body, list) else [body])]
                taken += (await sender.deliver(many))["accepted"]

        assert taken > 0
        kept = await everything(world)
        for word in (*WORDS, CANARY, number.removeprefix("+"), number.removeprefix("+1")):
            assert word not in kept, word

    async def test_a_parked_item_is_replayed_without_it(self, pbx: Platform, noor: httpx.AsyncClient) -> None:
        told = canonical(pbx.id)
        told["data"] |= {"notes": CANARY, "queue": {"ref": "q", "callerPhone": PERSONAL["From"]}}

        (refused,) = (await pbx.deliver(told, **CLOUD_EVENT))["refused"]
        replayed = await noor.post(f"/v1/sources/{pbx.id}/refused/{refused['refused_id']}/replay")

        assert {each["code"] for each in refused["errors"]} == {"personal_data"}
        assert replayed.status_code == 200, replayed.text
