"""Quiet hours go by the clock on the wall, over midnight and over the change to summer time."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.incidents.quiet import SECOND_US, quiet

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def us(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND_US


@pytest.mark.parametrize(
    ("hours", "now", "until"),
    [
        ("22:00-07:00", "2026-11-01T20:59:59", None),
        ("22:00-07:00", "2026-11-01T21:00:00", "2026-11-02T06:00:00"),
        ("22:00-07:00", "2026-11-02T05:59:59", "2026-11-02T06:00:00"),
        ("22:00-07:00", "2026-11-02T06:00:00", None),
        ("12:00-13:00", "2026-07-01T10:30:00", "2026-07-01T11:00:00"),  # two hours ahead in summer
        ("12:00-13:00", "2026-07-01T11:00:00", None),
        ("22:00-07:00", "2027-03-27T23:00:00", "2027-03-28T05:00:00"),  # the clock is set forward in that night
        ("22:00-07:00", "2026-10-24T21:00:00", "2026-10-25T06:00:00"),  # and back in this one
    ],
)
def test_until(hours, now, until):
    assert quiet(hours, AMSTERDAM).until_us(us(now)) == (until and us(until))


@pytest.mark.parametrize("text", ["", "22-07", "24:00-07:00", "22:00 - 07:00", "22:60-07:00", "22:00-07:00 UTC", "07:00-07:00"])
def test_what_is_no_span_of_hours(text):
    with pytest.raises(ValueError, match="write it like"):
        quiet(text, AMSTERDAM)


@given(st.integers(0, 47), st.integers(0, 47), st.integers(0, 400 * 86_400))
def test_peace_always_ends_within_a_day_and_then_it_is_over(begins, ends, at):
    if begins == ends:
        return
    hours = quiet(f"{begins // 2:02}:{begins % 2 * 30:02}-{ends // 2:02}:{ends % 2 * 30:02}", AMSTERDAM)
    now = us("2026-01-01T00:00:00") + at * SECOND_US
    until = hours.until_us(now)
    if until is not None:
        assert now < until <= now + 25 * 3600 * SECOND_US
