"""A rule on both directions keeps the panes around a burst, and nothing of those who send little."""

import numpy as np

from abusewatch.detect.hot import Held, Hot, reaching
from abusewatch.detect.views import View
from abusewatch.windows.order import among

SECOND = 1_000_000


def pane(slots, groups, sent):
    return View({name: np.array(values) for name, values in (("slot", slots), ("group", groups), ("sent", sent))}, {})


def hot(bound=100):
    return Hot(({"sent": bound},), 20 * SECOND, lambda v, at: {"sent": v["sent"][at].astype(float)}, lambda v, at: v["group"][at].astype(np.uint64))


def turns(*panes):
    state, kept, before = hot(), [], None
    for n, view in enumerate([*panes, None]):
        held = Held(view, np.arange(len(view["slot"])), (n + 1) * 5 * SECOND) if view else None
        wanted = state.turn(held, before)
        if before:
            kept.append(wanted.at.tolist() if wanted else [])
        before = held
    return kept


def test_who_sends_little_is_not_kept():
    assert turns(pane([1, 2], [11, 22], [5, 90])) == [[1]]


def test_the_panes_before_and_after_a_burst_are_kept():
    quiet = pane([1, 2], [11, 22], [0, 0])
    assert turns(quiet, pane([1, 2], [11, 22], [50, 1]), quiet) == [[0], [0], [0]]


def test_two_panes_before_are_not_and_after_the_grace_neither():
    quiet = pane([1], [11], [0])
    assert turns(quiet, quiet, pane([1], [11], [50]), *[quiet] * 6) == [[], [0], [0], [0], [0], [0], [0], [], []]


def test_a_busy_address_is_kept_only_in_the_group_that_is_hot():
    assert turns(pane([1, 1, 1], [11, 12, 13], [24, 24, 26])) == [[2]]


def test_groups_reach_by_their_own_sums_and_not_by_those_of_their_neighbours():
    group = np.array([5, 5, 6, 7, 2**63], np.uint64)  # the first four share a bucket
    values = {"sent": np.array([30.0, 30.0, 59.0, 1.0, 60.0])}
    found = reaching(group, values, ({"sent": 600.0},), 0.1)
    assert found.tolist() == [5, 2**63]
    assert among(group, found).tolist() == [True, True, False, False, True]
    assert reaching(group, values, ({"sent": 6000.0},), 0.1).tolist() == []
    assert not among(group, reaching(group, values, ({"sent": 6000.0},), 0.1)).any()
