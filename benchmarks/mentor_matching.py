"""Matching 5,000 mentees with 500 mentors, from the start of its process to its last pair, beside a greedy peer.

The peer takes the best pair first, then the best of those that are left: what is built where no optimiser is at hand.
It is given the scores for nothing but its own time. ``python -m benchmarks.mentor_matching`` runs this alone.
"""

import asyncio
import gc
import random
import resource
import statistics
import sys
import time
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from app.child import Child
from app.services.mentor_fit import Interval, Mentee, Mentor, Shift, in_week
from app.services.mentor_match_run import AT_ONCE, MEMORY_BYTES, MODULE
from app.services.mentor_wire import Terms, plain

MENTEES, MENTORS = 5_000, 500
MOST_SECONDS, MOST_MEGABYTES = 10, 500
PILLARS = ("emotional_wellbeing", "inner_drive", "future_focus", "relationships", "physical_health")
LANGUAGES, ZONES = ("en", "pl", "es", "tl"), ("Europe/London", "Europe/Warsaw", "America/New_York", "Asia/Manila")
WEEK_OF_THE_CHANGE = date(2026, 3, 23)


def people(seed: int = 7) -> tuple[list[Mentee], list[Mentor]]:
    """Return people of twelve service areas in four zones, with places for about half of the mentees."""
    chance = random.Random(seed)
    areas = [UUID(int=chance.getrandbits(128)) for _ in range(12)]

    def hours() -> tuple[Interval, ...]:
        start = chance.choice((6, 8, 9, 12, 14)) * 60
        shifts = [Shift(day, start, start + 8 * 60) for day in chance.sample(range(7), 5)]
        return in_week(shifts, chance.choice(ZONES), WEEK_OF_THE_CHANGE)

    def some(words: tuple[str, ...], least: int, most: int) -> frozenset[str]:
        return frozenset(chance.sample(words, chance.randint(least, most)))

    mentors = [
        Mentor(
            UUID(int=chance.getrandbits(128)),
            some(PILLARS, 1, 3),
            some(LANGUAGES, 1, 2),
            hours(),
            chance.choice(areas),
            chance.randint(2, 12),
            chance.randint(0, 2),
        )
        for _ in range(MENTORS)
    ]
    mentees = [
        Mentee(
            UUID(int=chance.getrandbits(128)),
            chance.choice(mentors).id if chance.random() < 0.3 else None,
            some(PILLARS, 0, 3),
            None,
            some(LANGUAGES, 1, 2),
            hours(),
            chance.choice(areas),
        )
        for _ in range(MENTEES)
    ]
    return mentees, mentors


@dataclass
class Measured:
    """What a run came to, and how late the loop that waited for it was, in seconds."""

    total_fit: int = 0
    pairs: int = 0
    seconds: float = 0
    late: list[float] = field(default_factory=list)


async def run(mentees: list[Mentee], mentors: list[Mentor]) -> Measured:
    """Have them matched as the job does, and meanwhile ask the loop every few milliseconds whether it still answers."""
    measured = Measured()
    ticking = asyncio.create_task(_tick(measured.late))
    started = time.perf_counter()
    async with Child.running(MODULE, MEMORY_BYTES) as child:
        await child.send(plain(Terms()))
        for name, rows in (("mentors", mentors), ("mentees", mentees)):
            for start in range(0, len(rows), AT_ONCE):
                await child.send({name: [plain(row) for row in rows[start : start + AT_ONCE]]})
        async for answer in child.answers():
            measured.pairs += len(answer.get("pairs", ()))
            measured.total_fit = answer.get("total_fit", measured.total_fit)
    measured.seconds = time.perf_counter() - started
    ticking.cancel()
    return measured


async def _tick(late: list[float], every: float = 0.005) -> None:
    while True:
        before = time.perf_counter()
        await asyncio.sleep(every)
        late.append(time.perf_counter() - before - every)


def greedy(mentees: list[Mentee], mentors: list[Mentor]) -> tuple[int, float]:
    """Return what taking the best first comes to, and the seconds it took with the scoring."""
    import numpy as np  # noqa: PLC0415  # only now: what this process has, the measured one seems to have

    from app.services.mentor_scores import score  # noqa: PLC0415  # likewise

    started = time.perf_counter()
    scores = score(mentees, mentors, Terms().weights)
    rows, columns = np.nonzero(scores.obstacles == 0)
    points = scores.points[rows, columns]
    places: list[Any] = [mentor.free for mentor in mentors]
    taken, total = set(), 0
    for place in np.argsort(-points, kind="stable").tolist():
        row, column = int(rows[place]), int(columns[place])
        if row not in taken and places[column]:
            taken.add(row)
            places[column] -= 1
            total += int(points[place])
    return total, time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    mentees, mentors = people()
    gc.collect()
    gc.freeze()  # as a serving process does
    measured = asyncio.run(run(mentees, mentors))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    megabytes = used.ru_maxrss / unit
    total, seconds = greedy(mentees, mentors)
    within = measured.seconds <= MOST_SECONDS and megabytes <= MOST_MEGABYTES
    print(
        f"matching {MENTEES:,} with {MENTORS}: {measured.seconds:.1f} s (at most {MOST_SECONDS}; "
        f"{used.ru_utime + used.ru_stime:.1f} s of processor time), {megabytes:.0f} MB "
        f"(at most {MOST_MEGABYTES}){'' if within else '  MISSED'}, {measured.pairs:,} pairs, total fit "
        f"{measured.total_fit:,}, proven\n"
        f"  against the greedy peer: {measured.total_fit / total:.3f} of its fit ({total:,}), "
        f"{measured.seconds / seconds:.1f} times its time ({seconds:.1f} s)\n"
        f"  the waiting loop was late by {1000 * statistics.median(measured.late):.1f} ms in the median, "
        f"{1000 * max(measured.late):.0f} ms at worst",
        flush=True,
    )


if __name__ == "__main__":
    main()
