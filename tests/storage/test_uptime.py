"""The clock that nobody sets: it goes forward, and a jump of the wall clock is no time."""

from abusewatch.storage.uptime import Moment, elapsed_us, uptime


def test_it_goes_forward_within_one_start_of_the_machine():
    one, two = uptime(), uptime()
    assert one.boot == two.boot
    assert 0 < one.up_us <= two.up_us


def test_elapsed_time():
    assert elapsed_us(Moment("a", 5), 100, Moment("a", 9), 10_000) == 4  # the wall clock jumped
    assert elapsed_us(Moment("a", 5), 100, Moment("a", 9), 3) == 4
    assert elapsed_us(Moment("a", 5), 100, Moment("b", 1), 700) == 600  # after a reboot only the wall clock knows
    assert elapsed_us(Moment("a", 5), 100, Moment("b", 1), 40) == 0
