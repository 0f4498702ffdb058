"""Panes close by data, late rows are counted and kept out, and memory is bounded."""

import itertools

import numpy as np

from abusewatch.model import rows as r
from abusewatch.windows.panes import SECOND, Panes


def rows(*seconds):
    out = {name: np.zeros(len(seconds), dtype) for name, dtype in r.RECORD_COLUMNS.items()}
    out["end_us"] = np.array([int(s * SECOND) for s in seconds], np.int64)
    return out


def closed(panes):
    return [(p.end_us // SECOND, r.length(p.rows)) for p in panes]


def test_a_pane_closes_when_the_watermark_has_passed_it():
    panes = Panes(lateness_us=10 * SECOND)
    assert closed(panes.add(rows(1, 4, 6))) == []
    assert closed(panes.add(rows(14))) == []
    assert closed(panes.add(rows(15.5))) == [(5, 2)]
    assert closed(panes.flush()) == [(10, 1), (15, 1), (20, 1)]


def test_disorder_within_the_lateness_is_no_loss():
    panes = Panes(lateness_us=10 * SECOND)
    panes.add(rows(9))
    assert closed(panes.add(rows(1))) + closed(panes.flush()) == [(5, 1), (10, 1)]
    assert panes.late_rows == 0


def test_late_rows_are_counted_and_make_no_burst():
    panes = Panes(lateness_us=0)
    panes.add(rows(60))
    panes.add(rows(1, 2, 61))
    assert panes.late_rows == 2
    assert closed(panes.flush()) == [(65, 2)]


def test_a_gap_of_years_costs_nothing():
    panes = Panes(lateness_us=0)
    panes.add(rows(0))
    assert closed(panes.add(rows(1_600_000_000))) == [(5, 1)]


def test_a_clock_that_restarts_begins_anew_when_that_is_allowed():
    panes = Panes(lateness_us=0, restart=True)
    panes.add(rows(1_000_000))
    first = panes.add(rows(10))
    assert [p.last for p in first] == [False, True]
    assert panes.late_rows == 0
    assert closed(panes.flush()) == [(15, 1)]


def test_a_full_pane_closes_early_and_says_so():
    panes = Panes(lateness_us=0, row_budget=3)
    assert closed(panes.add(rows(1, 1, 1, 1))) == [(5, 4)]
    assert panes.split_panes == 1
    assert closed(panes.add(rows(2))) == []
    assert closed(panes.flush()) == [(5, 1)]


def test_what_came_in_parts_ends_when_its_time_has_passed_even_if_nothing_is_left():
    panes = Panes(lateness_us=0, row_budget=3)
    assert [p.part for p in panes.add(rows(1, 1, 1, 1))] == [True]
    ended = panes.add(rows(6))
    assert closed(ended) == [(5, 0)]
    assert [p.part for p in ended] == [False]
    assert closed(panes.add(rows(7, 7, 7))) == [(10, 4)]
    assert closed(panes.flush()) == [(10, 0)]
    assert closed(panes.flush()) == []


def test_silence_closes_panes_by_the_clock():
    panes = Panes(lateness_us=0)
    panes.add(rows(1))
    assert closed(panes.advance(5 * SECOND)) == [(5, 1)]


def test_records_are_late_one_by_one_whatever_the_batch():
    ends = np.array([100, 40, 99, 92, 84, 120, 104], np.int64) * SECOND
    whole, single = Panes(lateness_us=10 * SECOND), Panes(lateness_us=10 * SECOND)
    expected = [True, False, True, True, False, True, True]  # 120 has settled a new lateness
    assert whole.punctual(ends).tolist() == expected
    found = []
    for end in ends:
        one = single.punctual(np.array([end]))
        found.append(one is None)
        single.add({name: (np.array([end]) if name == "end_us" else np.zeros(1, dtype)) for name, dtype in r.RECORD_COLUMNS.items() if found[-1]} or r.empty())
    assert found == expected
    assert whole.late_rows == single.late_rows == 2


def test_nothing_is_late_when_nothing_came_before():
    assert Panes().punctual(np.array([5 * SECOND, 0])) is None
    assert Panes().punctual(np.zeros(0, np.int64)) is None


def through(panes, ends, cuts):
    """Feed end times in batches; give which were in time."""
    found = []
    for first, stop in itertools.pairwise([0, *cuts, len(ends)]):
        batch = ends[first:stop]
        fresh = panes.punctual(batch)
        fresh = np.ones(len(batch), bool) if fresh is None else fresh
        found += fresh.tolist()
        kept = batch[fresh]
        panes.add({name: kept if name == "end_us" else np.zeros(len(kept), dtype) for name, dtype in r.RECORD_COLUMNS.items()} if len(kept) else r.empty())
    return found


def held_back(seconds, idle=15, rate=20):
    """What an exporter sends: parts of long flows as they go, and short flows when they have been idle for a while."""
    now = np.arange(seconds * rate) * SECOND // rate + 1_000_000 * SECOND
    return np.where(np.arange(len(now)) % 2, now, now - idle * SECOND)


def test_what_exporters_hold_back_is_waited_for():
    panes = Panes()
    found = through(panes, held_back(120, idle=17), range(100, 2400, 100))
    assert panes.late_rows == found.count(False) > 0
    assert all(found[200:]), "what came in the first ten seconds teaches"
    assert panes.lateness_us == 20 * SECOND


def test_order_within_the_lateness_teaches_nothing():
    panes = Panes()
    through(panes, held_back(120, idle=0), [])
    assert panes.lateness_us == 10 * SECOND


def test_what_is_learned_does_not_hang_on_batches():
    rng = np.random.default_rng(3)
    ends = held_back(200) - rng.choice([0, 0, 0, 3, 40, 500], 4000) * SECOND
    expected, state = through(Panes(), ends, []), []
    for _ in range(5):
        panes = Panes()
        assert through(panes, ends, sorted(rng.choice(len(ends), 200, replace=False).tolist())) == expected
        state.append((panes.late_rows, panes.lateness_us))
    assert len(set(state)) == 1


def test_open_panes_together_are_bounded_and_nothing_of_them_is_lost():
    panes = Panes(lateness_us=100 * SECOND, row_budget=10)
    out = [p for second in range(0, 90, 5) for p in panes.add(rows(*[second + 1] * 9))]
    assert sum(panes._sizes.values()) <= 40
    assert all(p.part for p in out)
    assert [p.end_us for p in out] == sorted(p.end_us for p in out)
    assert sum(r.length(p.rows) for p in out + panes.flush()) == 18 * 9
