"""Rows that can belong to no flood are left out before any rule looks, and no others; what is found is the same without it."""

import numpy as np
import pytest

from abusewatch.detect import runner
from abusewatch.detect.runner import Runner
from abusewatch.detect.sieve import Floor, Sieve, floor
from abusewatch.detect.views import records
from abusewatch.model import rows as r
from abusewatch.model.address import MAPPED
from tests import scenarios
from tests.test_pipeline import mixture

SECOND = 1_000_000
RULES = {rule.id: rule for rule in scenarios.shipped()}


def pane(peers, packets, *, slots=None, outbound=True, rate=1, peer_hi=0, octets=100):
    n = len(peers)
    columns = r.empty() | {name: np.zeros(n, dtype) for name, dtype in r.RECORD_COLUMNS.items()}
    low = np.array(peers, np.uint64) if peer_hi else np.array(peers, np.uint64) | np.uint64(MAPPED)
    return records(columns | {
        "slot": np.array(slots or [0] * n, np.int32), "peer_lo": low, "peer_hi": np.full(n, peer_hi, np.uint64), "packets": np.array(packets, np.uint64),
        "bytes": np.array(packets, np.uint64) * np.uint64(octets), "outbound": np.full(n, outbound), "sampling_rate": np.full(n, rate, np.uint32),
    })  # fmt: skip


def left(view):
    return view["packets"].tolist() if view and view.rows else []


def sieve(packets=1000.0, octets=np.inf):
    return Sieve(Floor(packets, octets), 20 * SECOND)


def test_little_is_left_out_and_much_stays():
    assert left(sieve().turn(pane([1 << 8, 2 << 8], [999, 1001]), 5 * SECOND).now) == [1001]


def test_addresses_of_one_network_count_together_and_those_of_others_do_not():
    assert left(sieve().turn(pane([0x0A000001, 0x0A0000FF, 0x0A000101], [600, 601, 602]), 5 * SECOND).now) == [600, 601]


def test_each_own_address_counts_for_itself():
    assert left(sieve().turn(pane([1, 1], [600, 600], slots=[1, 2]), 5 * SECOND).now) == []


def test_networks_of_ipv6_are_48_bits():
    one = 0x2001_0DB8_0001_0000
    assert left(sieve().turn(pane([1, 2], [600, 600], peer_hi=one), 5 * SECOND).now) == [600, 600]


def test_sampled_packets_stand_for_many():
    assert left(sieve().turn(pane([1], [2], rate=1000), 5 * SECOND).now) == [2]
    assert left(sieve().turn(pane([1], [2], rate=100), 5 * SECOND).now) == []


def test_octets_may_be_enough():
    assert left(sieve(octets=5_000.0).turn(pane([1], [60]), 5 * SECOND).now) == [60]


def test_what_comes_to_us_is_no_flood_of_ours_but_stays_as_the_answer_to_one():
    state = sieve()
    assert left(state.turn(pane([1], [5000], outbound=False), 5 * SECOND).now) == []
    state.turn(pane([1], [5001]), 10 * SECOND)
    assert left(state.turn(pane([1], [7], outbound=False), 15 * SECOND).before) == [5001]
    assert left(state.turn(pane([], []), 20 * SECOND).before) == [7]


def test_the_pane_before_a_burst_is_given_too_and_after_the_grace_nothing():
    state = sieve()
    turns = [pane([1], [1]), pane([1], [2000]), *[pane([1], [n]) for n in range(2, 9)]]
    given = [left(state.turn(view, n * 5 * SECOND).before) for n, view in enumerate(turns)]
    assert given == [[], [1], [2000], [2], [3], [4], [5], [], []]


def test_what_is_found_is_what_is_found_without_it(monkeypatch):
    batch = mixture()
    found = scenarios.as_bytes(scenarios.detections(batch=batch))
    monkeypatch.setattr(runner, "floor", lambda *_: None)
    assert scenarios.as_bytes(scenarios.detections(batch=batch)) == found


@pytest.mark.parametrize("rule", [rule for rule in RULES.values() if Runner(rule, 5 * SECOND).looks_back], ids=lambda rule: rule.id)
def test_every_flood_rule_that_ships_is_served(rule):
    assert floor(rule, Runner(rule, 5 * SECOND).bounds) is not None


def test_a_rule_that_groups_by_the_address_alone_is_not():
    assert floor(RULES["dns-flood-packets"], Runner(RULES["dns-flood-packets"], 5 * SECOND).bounds) is None
