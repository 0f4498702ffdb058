"""How far an exporter's clock is off is seen through delays and through single datagrams that lie."""

import random

import numpy as np
import pytest

from abusewatch.wire.clocks import Clocks
from abusewatch.wire.datagrams import FlowDecoder
from tests.wire import exports_by_hand as wire

SECOND = 1_000_000


@pytest.mark.parametrize("skew", [0, 3_600 * SECOND, -86_400 * SECOND])
def test_skew_is_found_behind_delays(skew):
    rng, clocks = random.Random(1), Clocks()
    for second in range(120):
        ahead = [skew - rng.randrange(5 * SECOND) for _ in range(20)]
        clocks.add(np.zeros(20, np.int64), np.array(ahead), second * SECOND)
    assert clocks.skew_us(0) == pytest.approx(skew, abs=SECOND // 4)


def test_one_datagram_that_lies_moves_nothing():
    clocks = Clocks()
    for second in range(120):
        clocks.add(np.zeros(1, np.int64), np.array([10**12 if second == 60 else 0]), second * SECOND)
        assert clocks.skew_us(0) == 0


def test_domains_are_kept_apart_and_forgotten():
    clocks = Clocks()
    clocks.add(np.array([0, 1, 1]), np.array([5, 7, 6]), SECOND)
    assert (clocks.skew_us(0), clocks.skew_us(1), clocks.skew_us(2)) == (5, 7, None)
    clocks.reset(1)
    assert clocks.skew_us(1) is None


def test_the_clock_of_a_datagrams_header_counts_and_agents_have_none():
    decoder = FlowDecoder()
    datagrams = [wire.v9(wire.fset(0, wire.template(256, *wire.V4)), seconds=wire.NOW + 90), wire.sflow(wire.sample(wire.raw(wire.frame())))]
    wire.feed(decoder, datagrams, received_us=wire.NOW * SECOND)
    assert [account.skew_us for account in decoder.accounts] == [90 * SECOND, None]
