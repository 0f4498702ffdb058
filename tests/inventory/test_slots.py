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
    heard = slots.of(np.arange(100, dtype=np.uint64) + np.uint64(1 << 40), np.zeros(100, np.uint64), heard=True)
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
