"""Rules of RFC 5545: expanded by the local clock, and refused fast where they would have no end."""

import time
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.services import recurrence
from app.services.recurrence import NoRule

BERLIN = ZoneInfo("Europe/Berlin")
TUESDAY = datetime(2027, 1, 5, 9, 0, tzinfo=UTC)
FAST = 0.25


def local(rule: str, first: datetime = TUESDAY, zone: ZoneInfo = BERLIN) -> list[str]:
    found = recurrence.expand(recurrence.parse(rule, zone), first, zone)
    assert found == sorted(set(found))
    return [moment.astimezone(zone).strftime("%y-%m-%d %H:%M%z") for moment in found]


class TestExpansion:
    def test_keeps_the_hour_across_both_clock_changes(self) -> None:
        found = local("FREQ=WEEKLY;COUNT=50")

        assert {moment[9:14] for moment in found} == {"10:00"}
        assert {moment[14:] for moment in found} == {"+0100", "+0200"}
        assert found[0] == "27-01-05 10:00+0100"
        assert found[-1] == "27-12-14 10:00+0100"

    def test_a_skipped_hour_is_read_with_the_offset_before_and_one_that_comes_twice_is_the_earlier(self) -> None:
        """As RFC 5545 section 3.3.5 has it: on 28 March there is no 02:30, on 31 October there are two."""
        spring = local("FREQ=WEEKLY;COUNT=3", datetime(2027, 3, 21, 1, 30, tzinfo=UTC))
        autumn = local("FREQ=WEEKLY;COUNT=3", datetime(2027, 10, 24, 0, 30, tzinfo=UTC))

        assert spring == ["27-03-21 02:30+0100", "27-03-28 03:30+0200", "27-04-04 02:30+0200"]
        assert autumn == ["27-10-24 02:30+0200", "27-10-31 02:30+0200", "27-11-07 02:30+0100"]

    @pytest.mark.parametrize(
        ("rule", "days"),
        [
            ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH;COUNT=4", "05 07 19 21"),
            ("RRULE:FREQ=DAILY;COUNT=3", "05 06 07"),
            ("freq=daily;until=20270107", "05 06 07"),
            ("FREQ=DAILY;UNTIL=20270107T090000Z", "05 06 07"),
            ("FREQ=DAILY;UNTIL=20270107T085959Z", "05 06"),
            ("FREQ=DAILY;BYDAY=MO,TU;COUNT=3", "05 11 12"),
            ("FREQ=MONTHLY;BYDAY=1TU;COUNT=3", "05 02 02"),
            ("FREQ=MONTHLY;BYDAY=-4TU,1TU;COUNT=3", "05 02 02"),
            ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=3,-1;COUNT=4", "05 29 03 26"),
            ("FREQ=MONTHLY;BYMONTHDAY=5,-1;COUNT=4", "05 31 05 28"),
            ("FREQ=MONTHLY;COUNT=2", "05 05"),
            ("FREQ=YEARLY;COUNT=2", "05 05"),
        ],
    )
    def test_names_the_days_that_the_standard_names(self, rule: str, days: str) -> None:
        assert [moment[6:8] for moment in local(rule)] == days.split()

    def test_ends_otherwise_where_it_is_cut(self) -> None:
        rule = recurrence.parse("FREQ=WEEKLY;COUNT=20;BYDAY=TU", BERLIN)

        assert rule.text() == "FREQ=WEEKLY;COUNT=20;BYDAY=TU"
        cut = rule.ending(TUESDAY + timedelta(days=14))
        assert cut == "FREQ=WEEKLY;UNTIL=20270119T090000Z;BYDAY=TU"
        assert len(local(cut)) == 3


class TestRefusals:
    @pytest.mark.parametrize(
        "rule",
        [
            *("", "FREQ", "FREQ=", "COUNT=3", "FREQ=WEEKLY", "FREQ=WEEKLY;COUNT=3;COUNT=3", "FREQ=WEEKLY;COUNT=3;X=1"),
            *(f"FREQ={each};COUNT=3" for each in ("SECONDLY", "MINUTELY", "HOURLY", "ALWAYS")),
            *("FREQ=DAILY;COUNT=105", "FREQ=DAILY;COUNT=0", "FREQ=DAILY;COUNT=-1", "FREQ=DAILY;COUNT=1000000000"),
            *("FREQ=DAILY;UNTIL=20290201", "FREQ=DAILY;UNTIL=20280101", "FREQ=DAILY;UNTIL=99991231T235959Z"),
            *(
                "FREQ=DAILY;UNTIL=20270131T090000",
                "FREQ=DAILY;UNTIL=2027",
                "FREQ=DAILY;UNTIL=00010101",
            ),
            *("FREQ=DAILY;COUNT=3;UNTIL=20270108", "FREQ=DAILY;INTERVAL=0;COUNT=2", "FREQ=DAILY;INTERVAL=999;COUNT=2"),
            *("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=3", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=104"),
            *("FREQ=DAILY;BYMONTHDAY=31,30;BYSETPOS=31;COUNT=3", "FREQ=WEEKLY;BYSETPOS=3;BYDAY=TU;COUNT=3"),
            *("FREQ=MONTHLY;BYDAY=1MO;BYSETPOS=31;COUNT=3", "FREQ=MONTHLY;BYMONTHDAY=31;BYDAY=5MO;BYSETPOS=9;COUNT=9"),
            *(
                "FREQ=DAILY;INTERVAL=7;BYDAY=WE;COUNT=3",
                "FREQ=WEEKLY;BYDAY=WE;COUNT=3",
            ),
            *("FREQ=WEEKLY;BYDAY=2TU;COUNT=3", "FREQ=MONTHLY;BYDAY=9TU;COUNT=3", "FREQ=MONTHLY;BYMONTHDAY=0,5;COUNT=3"),
            *("FREQ=DAILY;BYHOUR=0,1,2,3;BYMINUTE=1,2,3;BYSECOND=1,2;COUNT=9", "FREQ=YEARLY;BYWEEKNO=53;COUNT=2"),
            *("FREQ=YEARLY;COUNT=4", "FREQ=MONTHLY;BYDAY=TU,1WE;COUNT=3"),
            *("FREQ=WEEKLY;COUNT=\u0663", "FREQ=WEEKLY;COUNT=3;WKST=XX", "FREQ=MONTHLY;BYSETPOS=1;COUNT=3"),
            "FREQ=DAILY;COUNT=3;BYDAY=" + ",".join(["TU"] * 100_000),
        ],
    )
    def test_come_fast_and_quote_nothing(self, rule: str) -> None:
        started = time.process_time()

        with pytest.raises(NoRule) as refused:
            local(rule)

        assert time.process_time() - started < FAST
        assert "=" not in rule or rule not in str(refused.value)


NAMES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@st.composite
def rules(draw: st.DrawFn) -> str:
    frequency = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = [f"FREQ={frequency}", draw(st.sampled_from(["COUNT=1", "COUNT=104", "COUNT=7", "UNTIL=20280601"]))]
    parts.append(f"INTERVAL={draw(st.sampled_from([1, 2, 3, 7, 12, 14, 48, 366]))}")
    days = st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True)
    if frequency == "MONTHLY" and draw(st.booleans()):
        numbered = st.lists(st.sampled_from(["1MO", "-1TU", "5WE", "-5TH", "+2FR"]), min_size=1, max_size=3)
        parts.append("BYDAY=" + ",".join(draw(days if draw(st.booleans()) else numbered)))
    elif frequency in ("DAILY", "WEEKLY") and draw(st.booleans()):
        parts.append("BYDAY=" + ",".join(draw(days)))
    if frequency == "MONTHLY" and draw(st.booleans()):
        numbers = st.lists(st.sampled_from(["1", "13", "29", "30", "31", "-1", "-31"]), min_size=1, max_size=3)
        parts.append("BYMONTHDAY=" + ",".join(draw(numbers)))
    if frequency == "MONTHLY" and draw(st.booleans()):
        parts.append("BYSETPOS=" + ",".join(draw(st.lists(st.sampled_from(["1", "2", "-1", "31", "-31"]), min_size=1))))
    return ";".join(parts)


class TestEveryRule:
    @settings(max_examples=150, deadline=None)
    @given(rules(), st.integers(0, 800))
    @example("FREQ=MONTHLY;INTERVAL=12;COUNT=2;BYMONTHDAY=29", 424)
    def test_ends_soon_and_starts_where_it_was_told_to(self, rule: str, day: int) -> None:
        first = datetime.combine(date(2027, 1, 1) + timedelta(days=day), clock_time(9), UTC)
        started = time.process_time()
        try:
            found = recurrence.expand(recurrence.parse(rule, BERLIN), first, BERLIN)
        except NoRule:
            found = [first]

        assert time.process_time() - started < FAST
        assert 1 <= len(found) <= recurrence.MOST
        assert found[0] == first
        assert {moment.astimezone(BERLIN).hour for moment in found} == {first.astimezone(BERLIN).hour}
