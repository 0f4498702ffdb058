"""What is lost is held against the exporter that lost it and the minute in which it did, and against nothing else."""

import numpy as np
import pytest

from abusewatch.wire.datagrams import FlowDecoder
from abusewatch.wire.gaps import MAX_EXPORTERS, MINUTE_US, MINUTES, Gaps, share
from tests.wire import exports_by_hand as wire

SECOND = 1_000_000
START = wire.NOW // 60 * 60 * SECOND
FLOW = (wire.A, wire.B, 1, 2, 6, 1, 40, 0, 0, 0)


def add(gaps, exporter, minute, came, missing):
    gaps.add(np.array([exporter], np.uint32), np.array([START + minute * MINUTE_US]), np.array([came]), np.array([float(missing)]))


def test_another_exporters_loss_and_another_times_loss_count_for_nothing():
    gaps = Gaps()
    for minute in range(100):
        add(gaps, 1, minute, 90, 10 if minute == 50 else 0)
        add(gaps, 2, minute, 100, 0)
    at = START + 50 * MINUTE_US
    assert gaps.share([1], at, at) == pytest.approx(180 / 190, abs=1e-4)
    assert gaps.share([2], at, at) == 1
    assert gaps.share([1, 2], at, at) == pytest.approx(380 / 390, abs=1e-4)
    assert gaps.share([1], at + 10 * MINUTE_US, at + 40 * MINUTE_US) == 1
    assert gaps.share([1], START, at - 10 * MINUTE_US) == 1
    assert gaps.share([3], at, at) == 1


def test_what_comes_late_is_paid_back():
    gaps = Gaps()
    add(gaps, 1, 0, 10, 5)
    add(gaps, 1, 0, 5, -5)
    add(gaps, 1, 2, 5, -5)
    assert gaps.share([1], START, START) == 1
    assert gaps.between([1], START + 2 * MINUTE_US, START + 2 * MINUTE_US) == (5, 0)


def test_it_remembers_six_hours():
    gaps = Gaps()
    add(gaps, 1, 0, 1, 1)
    add(gaps, 1, MINUTES - 1, 1, 0)
    assert gaps.share([1], START, START) == 0.5
    add(gaps, 1, MINUTES, 1, 0)
    assert gaps.share([1], 0, START + MINUTES * MINUTE_US) == 1
    add(gaps, 1, 0, 7, 7)  # long over
    assert gaps.between([1], 0, START + MINUTES * MINUTE_US) == (2, 0)
    add(gaps, 1, 10 * MINUTES, 3, 0)
    assert gaps.between([1], 0, START + 20 * MINUTES * MINUTE_US) == (3, 0)


def test_exporters_are_bounded():
    gaps = Gaps()
    for exporter in range(MAX_EXPORTERS + 1):
        add(gaps, exporter, 0, 1, 1)
    assert gaps.share([0], START, START) == 1
    assert gaps.share([1], START, START) == 0.5


def test_the_share_is_rounded_down():
    assert share(10**9, 1) < 1
    assert share(0, 0) == share(5, 0) == 1
    assert share(0, 5) == 0


@pytest.mark.parametrize("split", [1, 4])
def test_gaps_in_records_and_in_datagrams(split):
    """NetFlow v5 numbers records; v9 numbers datagrams, and each that is missing counts as one of the average size."""
    decoder = FlowDecoder()
    template = wire.fset(0, wire.template(256, *wire.V4))
    data = wire.fset(256, wire.flow4(), wire.flow4())
    sent = [(1, wire.v5([FLOW] * 2, sequence=2 * n)) for n in (0, 1, 4, 5)]
    sent += [(2, wire.v9(template, data, sequence=n)) for n in (0, 1, 3, 2)]
    for part in np.array_split(np.arange(8), split):
        wire.feed(decoder, [sent[n][1] for n in part], [sent[n][0] for n in part])
    at = wire.NOW * SECOND
    assert decoder.gaps.between([1], at, at) == (8, 4)
    assert decoder.gaps.between([2], at, at) == (8, 0)
    wire.feed(decoder, [wire.v9(data, sequence=9)], 2)
    assert decoder.gaps.between([2], at, at) == (10, 10)
    assert (decoder.totals.lost, decoder.totals.duplicates, decoder.totals.restarts) == (4 + 5, 0, 0)
