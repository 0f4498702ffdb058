"""Slot numbers are dense, stable and bounded."""

import numpy as np

from abusewatch.inventory.slots import Slots
from abusewatch.model import address

V4 = np.uint64(0xFFFF_0000_0000)


def test_slots_are_dense_and_stable():
    slots = Slots()
    hi, lo = np.zeros(5, np.uint64), V4 | np.array([9, 7, 9, 8, 7], np.uint64)
    first = slots.of(hi, lo)
    assert sorted(set(first.tolist())) == [0, 1, 2]
    assert slots.of(hi, lo).tolist() == first.tolist()
    more = slots.of(hi, lo + np.uint64(1))
    assert more[4] == first[3]
    assert len(slots) == 4


def test_over_capacity_is_refused_and_counted():
    slots = Slots(capacity=2)
    found = slots.of(np.zeros(4, np.uint64), V4 | np.arange(4, dtype=np.uint64))
    assert np.count_nonzero(found >= 0) == 2
    assert slots.refused == 2


def test_a_sweep_from_outside_leaves_room_for_those_who_send():
    slots = Slots(capacity=10)
    heard = slots.of(np.arange(100, dtype=np.uint64) + np.uint64(1 << 40), np.zeros(100, np.uint64), heard=np.ones(100, np.bool_))
    assert np.count_nonzero(heard >= 0) == 5
    sent = slots.of(np.arange(5, dtype=np.uint64), V4 | np.arange(5, dtype=np.uint64))
    assert (sent >= 0).all()
    assert slots.refused == 95


def test_an_address_is_found_without_being_given_a_slot():
    slots = Slots()
    hi, lo = address.parse("198.51.100.7")
    assert slots.find(hi, lo) == -1
    assert len(slots) == 0
    (given,) = slots.of(np.array([hi], np.uint64), np.array([lo], np.uint64)).tolist()
    assert slots.find(hi, lo) == given


HOUR_US = 3_600_000_000


def given(slots, *numbers):
    return slots.of(np.zeros(len(numbers), np.uint64), V4 | np.array(numbers, np.uint64)).tolist()


def test_numbers_of_the_silent_are_given_out_again_when_more_than_half_are_taken():
    slots = Slots(capacity=8, idle_us=HOUR_US)
    first = given(slots, *range(6))
    slots.pass_time(0)
    again = given(slots, 0, 1)
    slots.pass_time(HOUR_US)
    assert len(slots) == 6, "state is held by number, and the greatest has not changed"
    assert given(slots, 0, 1) == again
    more = given(slots, *range(100, 106))
    assert sorted(again + more) == list(range(8))
    assert set(more) > set(first) - set(again)
    assert slots.refused == 0


def test_who_was_heard_of_within_the_time_keeps_his_number():
    slots = Slots(capacity=8, idle_us=HOUR_US)
    first = given(slots, *range(6))
    for hour in range(5):
        slots.pass_time(hour * HOUR_US)
        assert given(slots, *range(6)) == first
    assert slots.freed == 0


def test_while_there_is_room_nothing_is_taken_back():
    slots = Slots(capacity=8, idle_us=HOUR_US)
    first = given(slots, 1, 2, 3, 4)
    for hour in range(9):
        slots.pass_time(hour * HOUR_US)
    assert given(slots, 1, 2, 3, 4) == first


def test_a_clock_that_steps_back_takes_nothing():
    slots = Slots(capacity=8, idle_us=HOUR_US)
    given(slots, *range(6))
    slots.pass_time(9 * HOUR_US)
    slots.pass_time(0)
    slots.pass_time(HOUR_US - 1)
    assert slots.freed == 0


def test_what_is_given_back_is_found_no_more_and_what_stays_is():
    slots = Slots(capacity=1 << 12, idle_us=HOUR_US)
    first = given(slots, *range(3000))
    slots.pass_time(0)
    given(slots, *range(0, 3000, 3))
    slots.pass_time(HOUR_US)
    assert slots.freed == 2000
    assert [slots.find(0, int(V4) | n) for n in range(9)] == [first[n] if n % 3 == 0 else -1 for n in range(9)]
    assert given(slots, *range(0, 3000, 3)) == first[::3]
    assert sorted(given(slots, *range(5000, 7000))) == sorted(set(first) - set(first[::3]))
