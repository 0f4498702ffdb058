"""Samples that never came are counted by the agents' own numbers: each data source by itself, over wraps, restarts and disorder."""

import random

import numpy as np
import pytest

from abusewatch.wire.datagrams import FlowDecoder
from abusewatch.wire.pools import MAX_SOURCES, Pools
from tests.wire import exports_by_hand as wire


def lost(sequences, parts=1):
    pools = Pools()
    for part in np.array_split(np.array(sequences, np.int64), parts):
        ones = np.ones(len(part), np.int64)
        pools.add(ones * 4, ones * 9, part & 0xFFFF_FFFF, ones * 512)
    return pools.lost(4)


@pytest.mark.parametrize("parts", [1, 2, 5])
@pytest.mark.parametrize(("sequences", "expected"), [
    ([5, 6, 7, 8, 9], 0),
    ([5, 6, 9, 10, 11], 2),
    ([5, 7, 6, 9, 8], 0),
    ([2**32 - 2, 2**32 - 1, 2**32, 2**32 + 2], 1),
])  # fmt: skip
def test_gaps(sequences, expected, parts):
    assert lost(sequences, parts) == expected


def test_a_restart_is_no_loss():
    assert lost([9_000, 9_001, 9_003, 0, 1, 2], 2) == 1
    assert lost([9_000, 9_001, 0, 1]) == 0
    assert lost([5, 6, 2**31, 2**31 + 1], 2) == 0


@pytest.mark.parametrize("share", [0.01, 0.05, 0.3])
def test_loss_is_measured(share):
    rng = random.Random(3)
    kept = [n for n in range(20_000) if rng.random() >= share]
    assert lost(kept, 40) == pytest.approx(20_000 - len(kept), rel=0.01)


def test_sources_are_kept_apart_and_bounded():
    pools = Pools()
    many = np.arange(MAX_SOURCES + 5)
    pools.add(many * 0, many, many, many)
    pools.add(many * 0, many, many + 3, many)
    assert pools.lost(0) == 2 * MAX_SOURCES
    pools.reset(0)
    pools.add(many[:2] * 0, many[:2], many[:2], np.array([100, 200]))
    assert (pools.lost(0), pools.rates(0)) == (0, (100, 200))


@pytest.mark.parametrize("count", [1, 60])
def test_lost_samples_of_datagrams_that_came(count):
    """An agent that is too busy leaves out samples, and numbers its datagrams without a gap."""
    decoder = FlowDecoder()
    datagrams = []
    for number in range(count):
        samples = [bytearray(wire.sample(wire.raw(wire.frame()), rate=400)) for _ in range(3)]
        for place, sample in enumerate(samples):
            sample[8:12] = (number * 6 + place * 2).to_bytes(4, "big")
        datagrams.append(wire.sflow(*map(bytes, samples), sequence=number))
    wire.feed(decoder, datagrams)
    (account,) = decoder.accounts
    assert (account.lost, account.samples_lost) == (0, 3 * count - 1)
    assert account.sampling_rates == (400,)
    assert account.sampling_told_by == "each sample"
