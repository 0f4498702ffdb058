"""What was let go is remembered for long enough, by place, and costs nothing where nothing was."""

import numpy as np

from abusewatch.detect.lost import Lost

ONE, NEIGHBOUR, OTHER = (np.array([hash_], np.uint64) for hash_ in (7 << 46, (7 << 46) + 1, 8 << 46))


def of(lost, group):
    return lost.of(group).tolist()


def test_groups_of_a_place_share_what_was_let_go():
    lost = Lost(60)
    lost.add(np.concatenate((ONE, ONE)), np.array([2.0, 3.0]))
    assert (of(lost, ONE), of(lost, NEIGHBOUR), of(lost, OTHER)) == ([5.0], [5.0], [0.0])


def test_it_is_forgotten_between_one_and_two_lengths_later():
    lost = Lost(60)
    lost.pass_time(100)
    lost.add(ONE, np.array([2.0]))
    lost.pass_time(159)
    assert of(lost, ONE) == [2.0]
    lost.pass_time(160)
    lost.add(ONE, np.array([1.0]))
    assert of(lost, ONE) == [3.0]
    lost.pass_time(220)
    assert of(lost, ONE) == [1.0]
    lost.pass_time(280)
    assert of(lost, ONE) == [0.0]


def test_nothing_lost_takes_no_memory():
    lost = Lost(60)
    lost.pass_time(100)
    assert of(lost, ONE) == [0.0]
    assert lost._now is lost._before is None
