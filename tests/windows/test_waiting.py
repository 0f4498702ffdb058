"""What waits is found again by its key, until it has left."""

from itertools import pairwise

import numpy as np

from abusewatch.windows import pairs
from abusewatch.windows.waiting import TIMES, Runs, Waiting


def entries(*keys, slot=0):
    n = len(keys)
    columns = {name: np.arange(1, n + 1, dtype=np.int64) for name in (*pairs.SUMS, *pairs.MINIMA, *pairs.MAXIMA, *pairs.BITS)}
    return columns | {"key": np.array(keys, np.uint64), "slot": np.full(n, slot, np.int32)}


def test_entries_of_one_conversation_meet_and_others_do_not():
    waiting = Waiting()
    assert not waiting.meet(entries(4))[0].any()
    waiting.hold(entries(9, 4, 7))
    known, at = waiting.meet(entries(4, 5, 9))
    assert known.tolist() == [True, False, True]
    assert waiting.entries["key"][at].tolist() == [4, 9]
    assert waiting.entries["packets_out"].tolist() == [2 + 1, 3, 1 + 3]
    assert waiting.entries["last_us"].tolist() == [2, 3, 3]


def test_what_has_left_is_not_met_again_and_is_swept():
    waiting = Waiting()
    waiting.hold(entries(4, 7, 9))
    assert waiting.take_out(np.array([1]))["key"].tolist() == [7]
    assert len(waiting) == 2
    assert waiting.meet(entries(7))[0].tolist() == [False]
    assert waiting.swept()["key"].tolist() == [4, 9]


def test_the_conversations_of_some_slots_are_told():
    waiting = Waiting()
    assert waiting.of_slots(np.array([3])).tolist() == []
    waiting.hold(entries(4, 7, slot=3))
    assert waiting.of_slots(np.array([3, 900])).tolist() == [0, 1]
    waiting.leave(np.array([0]))
    assert waiting.of_slots(np.array([3])).tolist() == [1]
    assert waiting.of_slots(np.array([2])).tolist() == []


def test_a_column_of_one_value_gets_a_place_a_row_when_values_differ():
    waiting = Waiting()
    waiting.hold(entries(4, 7) | {"exporter": np.broadcast_to(np.int64(1), (2,))})
    waiting.meet(entries(4) | {"exporter": np.array([5])})
    assert waiting.entries["exporter"].tolist() == [5, 1]


def test_to_add_a_little_copies_little():
    """Thirty parts of a pane: a few tables, each found by its keys, and no conversation is copied for each of those that come after it."""
    runs, copied = Runs(), 0
    for n in range(30):
        before = {id(table) for table in runs.tables}
        runs.add(entries(*range(n, 3000, 30), slot=n))
        copied += sum(len(table) for table in runs.tables if id(table) not in before)
        assert all(len(one) >= TIMES * len(next_) for one, next_ in pairwise(runs.tables))
    assert len(runs) == 3000
    assert len(runs.tables) <= 5
    assert copied < 6 * 3000  # with one table for all it would be 15
    assert all((table.entries["key"][1:] > table.entries["key"][:-1]).all() for table in runs.tables)
    assert sorted(np.concatenate([table.entries["slot"] for table in runs.give()]).tolist()) == sorted(list(range(30)) * 100)
    assert len(runs) == 0


def test_what_is_gone_does_not_come_along():
    runs = Runs()
    runs.add(entries())
    assert not runs.tables
    runs.add(entries(1, 2, 3))
    runs.tables[0].leave(np.array([1]))
    runs.add(entries(4, 5, 6))
    assert [table.entries["key"].tolist() for table in runs.tables] == [[1, 3, 4, 5, 6]]
