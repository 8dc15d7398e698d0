"""The chain of the audit: whatever was changed, taken out, put in, moved or cut off is found, and named."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from app import audit_chain
from app.audit_chain import Anchor, Chain, Proof, Seal

ORGANISATION = UUID("01900000-0000-7000-8000-000000000001")
SEED, OTHER_SEED = bytes(range(32)), bytes(range(1, 33))
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
ENTRIES, IN_ONE_SEAL = 120, 25
MUTATIONS = 1_000

Entry = dict[str, Any]


def entry(number: int) -> Entry:
    return {
        "organisation_id": ORGANISATION,
        "id": UUID(int=uuid7().int),
        "number": number,
        "recorded_at": NOON + timedelta(seconds=number, microseconds=number),
        "action": "employee.updated",
        "resource": "employee",
        "resource_id": UUID(int=number),
        "subject_id": UUID(int=number) if number % 3 else None,
        "actor_kind": "person",
        "actor_id": UUID(int=7),
        "request_id": f"request-{number}",
        "access_right": None if number % 2 else "line_manager",
        "details": {"fields": ["locale"], "state": "active", "count": number},
        "reason": b"sealed" + bytes([number]) if number % 2 == 0 else None,
    }


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return [entry(number) for number in range(1, ENTRIES + 1)]


@pytest.fixture(scope="module")
def seals(entries: list[Entry]) -> list[Seal]:
    made: list[Seal] = []
    for first in range(0, ENTRIES, IN_ONE_SEAL):
        batch = entries[first : first + IN_ONE_SEAL]
        before = made[-1] if made else None
        made.append(audit_chain.seal(ORGANISATION, before, batch[-1]["number"], batch, SEED, NOON))
    return made


def verify(seals: list[Seal], entries: list[Entry], anchors: list[Anchor] | None = None, **options: Any) -> Proof:
    trusted = [audit_chain.public_key_of(SEED)]
    return Chain(ORGANISATION, trusted, anchors or []).verify(seals, entries, **options)


def bad(proof: Proof) -> int | None:
    return proof.fault.number if proof.fault else None


def edit(chance: random.Random, entries: list[Entry]) -> int:
    place = chance.randrange(len(entries))
    name = chance.choice(audit_chain.FIELDS)
    old = entries[place][name]
    others: dict[type, Callable[[], Any]] = {
        UUID: lambda: chance.choice([UUID(int=chance.getrandbits(128)), UUID(int=old.int ^ 1)]),
        datetime: lambda: old + timedelta(microseconds=chance.choice([-1, 1, 3_600_000_000])),
        int: lambda: chance.choice([-old, old + 10_000]),
        str: lambda: chance.choice([old + " ", old.upper(), ""]),
        bytes: lambda: chance.choice([old + b"\0", old[1:], b"", None, old.hex() + "0"]),
        dict: lambda: chance.choice([{}, {**old, "state": "closed"}, {**old, "count": str(old["count"])}]),
        type(None): lambda: chance.choice([UUID(int=9), "anything", ""]),
    }
    entries[place] = {**entries[place], name: others[type(old)]()}
    return place + 1


def delete(chance: random.Random, entries: list[Entry]) -> int:
    place = chance.randrange(len(entries))
    del entries[place]
    return place + 1


def reorder(chance: random.Random, entries: list[Entry]) -> int:
    first, second = sorted(chance.sample(range(len(entries)), 2))
    one, other = entries[first], entries[second]
    if chance.random() < 0.5:  # the rows change their numbers, else the places they are read in
        one, other = {**one, "number": other["number"]}, {**other, "number": one["number"]}
    entries[first], entries[second] = other, one
    return first + 1


def put_in(chance: random.Random, entries: list[Entry]) -> int:
    place = chance.randrange(len(entries))
    entries.insert(place, {**entries[place], "id": UUID(int=chance.getrandbits(128))})
    if chance.random() < 0.5:  # and move all behind it on
        entries[place + 1 :] = [{**each, "number": each["number"] + 1} for each in entries[place + 1 :]]
    return place + 1


def cut(chance: random.Random, entries: list[Entry]) -> int:
    place = chance.randrange(len(entries))
    del entries[place:]
    return place + 1


class TestVerify:
    def test_finds_the_whole_whole(self, seals: list[Seal], entries: list[Entry]) -> None:
        proof = verify(seals, entries, [Anchor(5, ENTRIES, seals[-1].head)], counted=ENTRIES)

        assert (proof.fault, proof.entries, proof.seals, proof.unsealed) == (None, ENTRIES, 5, 0)

    @pytest.mark.parametrize("mutate", [edit, delete, reorder, put_in, cut], ids=lambda each: each.__name__)
    def test_names_the_first_bad_entry_of_a_thousand_random_mutations(
        self, seals: list[Seal], entries: list[Entry], mutate: Callable[[random.Random, list[Entry]], int]
    ) -> None:
        chance, missed = random.Random(mutate.__name__), []  # a seed, so that a failure can be repeated
        few = entries[: 2 * IN_ONE_SEAL]
        for _ in range(MUTATIONS):
            mutated = list(few)
            expected = mutate(chance, mutated)
            if (found := bad(verify(seals[:2], mutated))) != expected:
                missed.append((expected, found))

        assert missed == []

    @pytest.mark.parametrize("kept", [0, 1, 4])
    def test_misses_a_cut_tail_only_without_the_anchor(
        self, seals: list[Seal], entries: list[Entry], kept: int
    ) -> None:
        """Seals, entries and the counter are all set back: nothing in the database shows it."""
        short = entries[: kept * IN_ONE_SEAL]

        assert verify(seals[:kept], short, counted=len(short)).fault is None
        found = verify(seals[:kept], short, [Anchor(5, ENTRIES, seals[-1].head)], counted=len(short))
        assert bad(found) == len(short) + 1

    def test_finds_a_history_that_was_written_anew_with_the_very_key(
        self, seals: list[Seal], entries: list[Entry]
    ) -> None:
        forged = [{**each, "action": "nothing.happened"} for each in entries]
        anew = audit_chain.seal(ORGANISATION, None, ENTRIES, forged, SEED, NOON)

        assert verify([anew], forged).fault is None
        assert bad(verify([anew], forged, [Anchor(1, IN_ONE_SEAL, seals[0].head)])) == 1

    def test_finds_each_change_of_a_seal(self, seals: list[Seal], entries: list[Entry]) -> None:
        third = seals[2]
        flipped = bytes([third.digests[0] ^ 1]) + third.digests[1:]
        other = audit_chain.seal(ORGANISATION, seals[1], 75, entries[50:75], OTHER_SEED, NOON)
        changes = [
            replace(third, digests=flipped),
            replace(third, digests=third.digests[32:]),
            replace(third, head=bytes(32)),
            replace(third, signature=bytes(64)),
            replace(third, signature=b""),
            replace(third, sealed_at=NOON + timedelta(microseconds=1)),
            replace(third, sealed_at=datetime(1960, 1, 1, tzinfo=UTC)),
            replace(third, public_key=other.public_key),
            replace(third, number=4),
            replace(third, first_number=50),
            replace(third, last_number=74),
            other,
        ]

        for changed in changes:
            assert bad(verify([*seals[:2], changed, *seals[3:]], entries)) == 51, changed
        for gone in range(4):
            assert bad(verify(seals[:gone] + seals[gone + 1 :], entries)) == gone * IN_ONE_SEAL + 1

    def test_finds_digests_that_were_changed_with_their_entry(self, seals: list[Seal], entries: list[Entry]) -> None:
        changed = {**entries[30], "action": "nothing.happened"}
        at = (30 - IN_ONE_SEAL) * 32
        digests = seals[1].digests[:at] + audit_chain.digest(changed) + seals[1].digests[at + 32 :]
        mutated = [*entries[:30], changed, *entries[31:]]

        assert bad(verify([seals[0], replace(seals[1], digests=digests), *seals[2:]], mutated)) == 26

    def test_says_what_was_removed_before_it_was_sealed(self, entries: list[Entry]) -> None:
        sealed = audit_chain.seal(ORGANISATION, None, 3, [entries[0], entries[2]], SEED, NOON)

        assert bad(verify([sealed], [entries[0], entries[2]])) == 2

    def test_counts_what_is_not_sealed_yet_and_finds_gaps_in_it(self, seals: list[Seal], entries: list[Entry]) -> None:
        assert verify(seals[:2], entries, counted=ENTRIES).unsealed == ENTRIES - 2 * IN_ONE_SEAL
        assert bad(verify(seals[:2], entries[:60] + entries[61:])) == 61
        assert bad(verify(seals[:2], entries[:-1], counted=ENTRIES)) == ENTRIES

    def test_accepts_no_seal_of_another_organisation(self, seals: list[Seal], entries: list[Entry]) -> None:
        elsewhere = Chain(UUID(int=1), [audit_chain.public_key_of(SEED)])

        assert bad(elsewhere.verify(seals, entries)) == 1

    def test_accepts_an_older_key_that_is_named(self, entries: list[Entry]) -> None:
        older = audit_chain.seal(ORGANISATION, None, 10, entries[:10], OTHER_SEED, NOON)

        assert bad(verify([older], entries[:10])) == 1
        keys = [audit_chain.public_key_of(seed) for seed in (SEED, OTHER_SEED)]
        assert Chain(ORGANISATION, keys).verify([older], entries[:10]).fault is None


class TestCanonical:
    def test_is_the_same_whatever_the_order_of_keys_and_the_time_zone(self) -> None:
        one = entry(1)
        same = {name: one[name] for name in reversed(list(one))}
        same["details"] = dict(reversed(one["details"].items()))
        same["recorded_at"] = one["recorded_at"].astimezone(timezone(timedelta(hours=5, minutes=30)))

        assert audit_chain.canonical(same) == audit_chain.canonical(one)

    def test_stays_what_it_was(self) -> None:
        """Were this to change, every audit that was ever sealed would be found bad."""
        fixed = {**entry(2), "id": UUID(int=5), "number": 2**62, "details": {"b": ["ä", 1], "a": None}}

        assert audit_chain.canonical(fixed).decode() == (
            '["01900000-0000-7000-8000-000000000001","00000000-0000-0000-0000-000000000005",4611686018427387904,'
            '1777896002000002,"employee.updated","employee","00000000-0000-0000-0000-000000000002",'
            '"00000000-0000-0000-0000-000000000002","person","00000000-0000-0000-0000-000000000007","request-2",'
            '"line_manager",{"a":null,"b":["\\u00e4",1]},"7365616c656402"]'
        )
        assert audit_chain.digest(fixed).hex()[:16] == "2a1ca2e5196402bb"

    def test_tells_apart_what_only_looks_alike(self) -> None:
        one = {**entry(1), "action": 'a","b', "resource": "c"}
        other = {**entry(1), "action": "a", "resource": 'b","c'}

        assert audit_chain.canonical(one) != audit_chain.canonical(other)
        assert audit_chain.digest({**entry(1), "request_id": None}) != audit_chain.digest(
            {**entry(1), "request_id": ""}
        )
